import Foundation
import GimbalTrain

/// Shows a run while it goes on: one line that is written over on a terminal, a line now and then in a log, a JSON object
/// for each epoch where those are asked for. Fills `metrics.csv` as well.
final class TrainingDisplay: TrainingObserver {
    private let isJSON: Bool
    private let log: MetricsLog
    /// Where the line that is written over goes; nil where nobody would see it.
    private let terminal: FileHandle?
    private let clock = ContinuousClock()
    private var lastShown: ContinuousClock.Instant
    private var lineIsOpen = false

    init(isJSON: Bool, log: MetricsLog) {
        self.isJSON = isJSON
        self.log = log
        let output = isJSON ? FileHandle.standardError : FileHandle.standardOutput
        terminal = isatty(output.fileDescriptor) == 1 ? output : nil
        lastShown = clock.now
    }

    func didStep(_ report: StepReport) throws {
        try log.add(report)
        let interval: Duration = terminal == nil ? .seconds(10) : .milliseconds(100)
        guard clock.now - lastShown >= interval || report.step == report.steps else { return }
        lastShown = clock.now
        if let terminal {
            try? terminal.write(contentsOf: Data("\r\u{1B}[2K\(report.line)".utf8))
            lineIsOpen = true
        } else if !isJSON {
            try printLine(report.line)
        }
    }

    func didFinishEpoch(_ result: EpochResult, step: Int) throws {
        try log.add(result, step: step)
        endLine()
        if isJSON {
            try printJSON(
                EpochLine(
                    epoch: result.epoch, step: step, trainLoss: result.trainLoss, testLoss: result.testLoss,
                    testAccuracy: result.testAccuracy, testR2: result.testR2))
        } else {
            try printLine(
                String(
                    format: "epoch %d  trainLoss %.4f  testLoss %.4f  ", result.epoch, result.trainLoss, result.testLoss
                ) + scoreText(accuracy: result.testAccuracy, r2: result.testR2))
        }
    }

    /// Leaves the line that is written over, if there is one.
    func endLine() {
        if lineIsOpen { try? terminal?.write(contentsOf: Data("\r\u{1B}[2K".utf8)) }
        lineIsOpen = false
    }

    private struct EpochLine: Encodable {
        var event = "epoch"
        var epoch: Int
        var step: Int
        var trainLoss: Double
        var testLoss: Double
        var testAccuracy: Double?
        var testR2: Double?
    }
}

/// The score of a classifier or of a regression, under its name.
func scoreText(accuracy: Double?, r2: Double?) -> String {
    accuracy.map { String(format: "testAccuracy %.4f", $0) } ?? String(format: "testR2 %.4f", r2 ?? .nan)
}

extension StepReport {
    /// Epoch, step, loss, gradient norm, throughput and time left.
    fileprivate var line: String {
        let norm = gradientNorm.map { String(format: "  gradient norm %.3g", $0) } ?? ""
        let left = Int(secondsLeft.rounded(.up))
        return String(
            format: "epoch %d/%d  step %d/%d  loss %.4f%@  %.0f samples/s  %d:%02d left", epoch, epochs, step, steps,
            loss,
            norm, samplesPerSecond, left / 60, left % 60)
    }
}
