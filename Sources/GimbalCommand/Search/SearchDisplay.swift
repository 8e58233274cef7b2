import Foundation
import GimbalTrain

/// Shows a search while it goes on: a line for each trial that has come to the end of a rung, and on a terminal one that is
/// written over.
final class SearchDisplay {
    private let isJSON: Bool
    private let line: TerminalLine
    private var lastShown = ContinuousClock.now

    init(isJSON: Bool) {
        self.isJSON = isJSON
        line = TerminalLine(isJSON: isJSON)
    }

    /// Says what is going on, in a line that is written over.
    /// - Parameters:
    ///   - folder: of the search.
    ///   - total: how many results there will be.
    ///   - running: how many trials are trained now.
    ///   - elapsed: seconds of the search.
    func show(_ folder: SearchFolder, of total: Int, running: Int, elapsed: Double) {
        guard line.isSeen, ContinuousClock.now - lastShown >= .milliseconds(200) else { return }
        lastShown = .now
        let plan = folder.record.plan
        var parts = ["\(folder.results.count) of \(total) done", "\(running) running"]
        if let best = plan.best(of: folder.results) {
            parts.append(
                "best \(plan.metric.rawValue) \(decimal(best.figures[plan.metric.rawValue])), trial \(best.trial)")
        }
        parts.append(clockText(elapsed))
        line.show(parts.joined(separator: "  "))
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
    func endLine() { line.end() }
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
