import Foundation
import GimbalTrain

/// Shows a search while it goes on: a line for each trial that has come to the end of a rung, and on a terminal one that is
/// written over.
final class SearchDisplay {
    private let isJSON: Bool
    /// Where the line that is written over goes; nil where nobody would see it.
    private let terminal: FileHandle?
    private var lastShown = ContinuousClock.now
    private var lineIsOpen = false

    init(isJSON: Bool) {
        self.isJSON = isJSON
        let output = isJSON ? FileHandle.standardError : FileHandle.standardOutput
        terminal = isatty(output.fileDescriptor) == 1 ? output : nil
    }

    /// Says what is going on, in a line that is written over.
    func show(_ folder: SearchFolder, running: Int, elapsed: Double) {
        guard let terminal, ContinuousClock.now - lastShown >= .milliseconds(200) else { return }
        lastShown = .now
        let plan = folder.record.plan
        var parts = [
            "\(folder.results.count) of \(plan.rungs.reduce(0) { $0 + $1.trials }) done", "\(running) running",
        ]
        if let best = plan.best(of: folder.results) {
            parts.append(
                "best \(plan.metric.rawValue) \(decimal(best.figures[plan.metric.rawValue])), trial \(best.trial)")
        }
        parts.append(clockText(elapsed))
        try? terminal.write(contentsOf: Data("\r\u{1B}[2K\(parts.joined(separator: "  "))".utf8))
        lineIsOpen = true
    }

    /// Tells what a trial has come to.
    /// - Throws: `GimbalError.fileSystem`.
    func add(_ result: TrialResult, _ space: SearchSpace, _ point: [String]) throws {
        endLine()
        guard !isJSON else {
            return try printJSON(TrialLine(result, space, point))
        }
        let settings = shellCommand(space.words(point))
        if let failure = result.failure {
            return try printLine("trial \(result.trial) failed: \(shown(failure, limit: 200)): \(settings)")
        }
        let figures = ["loss", "accuracy", "r2"].compactMap { name in
            result.figures[name].map { "\(name) \(decimal($0))" }
        }
        try printLine(
            (["trial \(result.trial)", "epochs \(result.epochs)"] + figures
                + [String(format: "%.1f s", result.seconds), settings]).joined(separator: "  "))
    }

    /// Says something beside what trials come to.
    func say(_ text: String) {
        endLine()
        printNotice(text)
    }

    /// Leaves the line that is written over, if there is one.
    func endLine() {
        if lineIsOpen { try? terminal?.write(contentsOf: Data("\r\u{1B}[2K".utf8)) }
        lineIsOpen = false
    }
}

/// What a trial came to, as JSON has it.
struct TrialLine: Encodable {
    var event = "trial"
    var trial, rung, epochs: Int
    var epoch: Int?
    var settings: [String: String]
    var figures: Figures
    var seconds, elapsed: Double
    var failure: String?

    init(_ result: TrialResult, _ space: SearchSpace, _ point: [String]) {
        (trial, rung, epochs, epoch) = (result.trial, result.rung, result.epochs, result.epoch)
        settings = Dictionary(zip(space.dimensions.map(\.name), point)) { first, _ in first }
        (figures, seconds, elapsed) = (result.figures, result.seconds, result.elapsed)
        failure = result.failure
    }
}
