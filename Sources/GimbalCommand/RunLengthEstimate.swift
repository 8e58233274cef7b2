import Foundation
import GimbalTrain

/// How long a run is going to take, said once when the first steps have shown it.
struct RunLengthEstimate {
    /// What is measured from: the first report, as what comes before it holds the start of the device.
    private var first: (step: Int, time: ContinuousClock.Instant)?
    private var isDone = false

    /// The line to be said, if this is the time for it: a second after the first report, where more than a minute is left.
    mutating func line(
        _ report: StepReport, now: ContinuousClock.Instant, stepsInEpoch: Int?
    ) -> String? {
        guard !isDone, let steps = report.steps else { return nil }
        guard let first else {
            first = (report.step, now)
            return nil
        }
        let seconds = (now - first.time).seconds
        guard seconds >= 1, report.step > first.step else { return nil }
        isDone = true
        let perStep = seconds / Double(report.step - first.step)
        let left = perStep * Double(steps - report.step)
        guard left > 60 else { return nil }
        let length =
            stepsInEpoch.map { "\(report.epochs) epochs of \($0) steps" } ?? "\(steps) steps"
        return "about \(inWords(left))\(first.step > 1 ? " from here" : ""): \(length), \(short(perStep)) s a step"
    }

    private func short(_ seconds: Double) -> String { String(format: seconds < 0.01 ? "%.4f" : "%.2f", seconds) }

    private func inWords(_ seconds: Double) -> String {
        for (unit, size, limit) in [("minute", 60.0, 90.0), ("hour", 3600.0, 36.0), ("day", 86400.0, 1000.0)]
        where seconds < size * limit {
            let count = seconds / size
            // Halves matter where there are few.
            let text = count < 3 && unit != "minute" ? String(format: "%.1f", count) : String(format: "%.0f", count)
            return "\(text) \(unit)\(text == "1" ? "" : "s")"
        }
        return "more than 1000 days"
    }
}

/// A time as a clock shows it: 0:07, 12:34, 5:06:07; in days where it is long.
func clockText(_ seconds: Double) -> String {
    guard seconds < 100 * 86400 else { return "more than 100 days" }
    let whole = Int(max(0, seconds).rounded(.up))
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    guard hours < 48 else { return "\(hours / 24) days" }
    func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return hours > 0
        ? "\(hours):\(padded(minutes)):\(padded(whole % 60))" : "\(minutes):\(padded(whole % 60))"
}
