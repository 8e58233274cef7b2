import Foundation
import GimbalTrain

/// Shows a run while it goes on: one line that is written over on a terminal, a line now and then in a log, a JSON object
/// for each epoch where those are asked for.
final class TrainingDisplay: TrainingCallback {
    private let isJSON: Bool
    private let line: TerminalLine
    private let clock = ContinuousClock()
    private var lastShown: ContinuousClock.Instant
    private var estimate = RunLengthEstimate()
    /// Optimizer steps in an epoch, where that is known.
    private let stepsInEpoch: Int?

    init(isJSON: Bool, stepsInEpoch: Int?) {
        self.stepsInEpoch = stepsInEpoch
        self.isJSON = isJSON
        line = TerminalLine(isJSON: isJSON)
        lastShown = clock.now
    }

    func didReport(_ report: StepReport) throws {
        if let line = estimate.line(report, now: clock.now, stepsInEpoch: stepsInEpoch) {
            endLine()
            if isJSON { printNotice(line) } else { try printLine(line) }
        }
        let interval: Duration = line.isSeen ? .milliseconds(100) : .seconds(10)
        guard clock.now - lastShown >= interval || report.step == report.steps else { return }
        lastShown = clock.now
        if line.isSeen {
            line.show(report.line)
        } else if !isJSON {
            try printLine(report.line)
        }
    }

    func didFind(_ finding: Finding) throws {
        endLine()
        if isJSON {
            try printJSON(FindingLine(finding: finding))
        } else {
            printNotice("doctor, step \(finding.step): \(finding.text)")
        }
    }

    func didRecover(_ recovery: Recovery) throws {
        endLine()
        if isJSON {
            try printJSON(RecoveryLine(recovery: recovery))
        } else {
            printNotice("recovered: \(recovery)")
        }
    }

    /// Another rank may have got the signal, and a launcher may hand it on to this one too late.
    func willLeave() { Interruption.announce() }

    func didFinishEpoch(_ result: EpochResult) throws {
        endLine()
        if isJSON {
            try printJSON(
                EpochLine(
                    epoch: result.epoch, step: result.step, trainLoss: result.trainLoss?.ifFinite,
                    validationLoss: result.validation["loss"]?.ifFinite,
                    validationAccuracy: result.validation["accuracy"]?.ifFinite,
                    validationR2: result.validation["r2"]?.ifFinite, isBest: result.isBest))
        } else {
            try printLine(result.description)
        }
        if result.leftOutBatches > 0 {
            printNotice(
                result.trainLoss == nil
                    ? "epoch \(result.epoch): all steps were left out, as no loss was finite"
                    : "epoch \(result.epoch): \(result.leftOutBatches) batches were left out, whose loss was not finite"
            )
        }
    }

    /// Leaves the line that is written over, if there is one.
    func endLine() { line.end() }

    private struct FindingLine: Encodable {
        var event = "finding"
        var finding: Finding
    }

    private struct RecoveryLine: Encodable {
        var event = "recovery"
        var recovery: Recovery
    }

    private struct EpochLine: Encodable {
        var event = "epoch"
        var epoch: Int
        var step: Int
        var trainLoss: Double?
        var validationLoss: Double?
        var validationAccuracy: Double?
        var validationR2: Double?
        var isBest: Bool
    }
}

extension StepReport {
    /// Epoch, step, loss, gradient norm, throughput and time left.
    fileprivate var line: String {
        let norm = gradientNorm.map { String(format: "  gradient norm %.3g", $0) } ?? ""
        let left = secondsLeft.map { "  \(clockText($0)) left" }
        return "epoch \(epoch)/\(epochs)  step \(step)\(steps.map { "/\($0)" } ?? "")  loss \(decimal(loss))\(norm)"
            + String(format: "  %.0f samples/s", samplesPerSecond) + (left ?? "")
    }
}
