import ClinicCases
import Foundation

/// The page of what the doctor got right and wrong.
struct ClinicPage {
    let verdicts: [(device: String, verdict: Verdict)]
    let cures: [(device: String, name: String, result: CureResult)]
    let skipped: [String]

    init(verdicts: [(String, Verdict)], cures: [(String, String, CureResult)], skipped: [String]) {
        self.verdicts = verdicts.map { (device: $0.0, verdict: $0.1) }
        self.cures = cures.map { (device: $0.0, name: $0.1, result: $0.2) }
        self.skipped = skipped
    }

    var text: String {
        let sick = rows(.beforeTraining, ofHealthy: false)
        let healthy = rows(.beforeTraining, ofHealthy: true)
        var parts = [
            """
            # The clinic

            What the doctor says of sick and healthy nets before they are trained and while they are, written by \
            `Scripts/clinic`. Each case is a program in `Tests/Clinic/Cases`, tried with several seeds of weights and data. A case that the doctor gets wrong \
            stays in the table as wrong. The rules were made with these cases at hand, so that the shares say how well they fit them; \
            cases that nobody here has seen will fare worse. Some twins of the cures train badly themselves: *cured* then says only \
            that the run is no worse than such a twin.

            """, totals,
            "## Sick\n\n| case | net | device | seed | what is said | first | among three | layer |\n|---|---|---|---|---|---|---|---|\n"
                + sick.joined(separator: "\n"),
            "\n## Healthy\n\nA cured case has the cure of its sick twin.\n\n| case | net | device | seed | what is said | silent |\n|---|---|---|---|---|---|\n"
                + healthy.joined(separator: "\n"),
        ]
        if !cures.isEmpty {
            parts.insert(
                "## Cures\n\nThe doctor's own remedies, tried as `gimbal diagnose --apply` does, and then whole trainings. *Cost* is "
                    + "the steps of all trials over those of one run.\n\n| case | device | metric | as it was | cured | twin | cured | "
                    + "what was done | cost |\n|---|---|---|---|---|---|---|---|---|\n"
                    + cures.map { Self.row($0.name, $0.device, $0.result) }.joined(separator: "\n") + "\n", at: 2)
        }
        if verdicts.contains(where: { $0.verdict.moment == .duringTraining }) {
            parts.append(
                "\n## During training\n\nOf the illnesses that show only there, and of all healthy nets, which are trained for a few "
                    + "hundred steps; those of the tables above with the first seed. *After* counts the steps from where the illness began to act, such as the "
                    + "step with the poisoned batch.\n\n| case | net | device | seed | what is said | first | among three | layer | "
                    + "after |\n|---|---|---|---|---|---|---|---|---|\n"
                    + rows(.duringTraining, ofHealthy: false).joined(separator: "\n")
                    + "\n\n| case | net | device | seed | what is said | silent |\n|---|---|---|---|---|---|\n"
                    + rows(.duringTraining, ofHealthy: true).joined(separator: "\n"))
        }
        if !skipped.isEmpty {
            parts.append("\nSkipped, as their data was not there: \(skipped.joined(separator: ", ")).")
        }
        return parts.joined(separator: "\n") + "\n"
    }

    /// The counts, as a table.
    var totals: String {
        var lines = ["| | right | of | share |", "|---|---:|---:|---:|"]
        for moment in [ClinicCase.Moment.beforeTraining, .duringTraining] {
            let all = verdicts.map(\.verdict).filter { $0.moment == moment }
            guard !all.isEmpty else { continue }
            let sick = all.filter { !$0.clinicCase.isHealthy }
            let healthy = all.filter(\.clinicCase.isHealthy)
            let local = sick.compactMap(\.isLayerRight)
            lines += [
                "| **\(moment.rawValue)** | | | |",
                Self.total("sick nets recognised", sick.count(where: \.isRecognised), sick.count),
                Self.total("cause first", sick.count(where: \.isFirst), sick.count),
                Self.total("cause among three", sick.count(where: \.isAmongThree), sick.count),
                Self.total("layer", local.count { $0 }, local.count),
                Self.total("false alarms on healthy nets", healthy.count { !$0.isRecognised }, healthy.count),
            ]
            guard moment == .duringTraining else { continue }
            lines.append(
                Self.total(
                    "named within 50 steps of where it began", sick.count { $0.delay.map { $0 <= 50 } ?? false },
                    sick.count))
        }
        if !cures.isEmpty { lines.append("| **cures** | | | |") }
        if !cures.isEmpty {
            lines.append(Self.total("cured", cures.count(where: \.result.isCured), cures.count))
            lines.append(Self.total("made worse", cures.count(where: \.result.isWorse), cures.count))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func total(_ name: String, _ count: Int, _ all: Int) -> String {
        "| \(name) | \(count) | \(all) | \(all > 0 ? String(format: "%.1f %%", 100 * Double(count) / Double(all)) : "–") |"
    }

    private func rows(_ moment: ClinicCase.Moment, ofHealthy isHealthy: Bool) -> [String] {
        let shown = verdicts.filter { $0.verdict.moment == moment && $0.verdict.clinicCase.isHealthy == isHealthy }
        return shown.map { device, verdict in
            let found = verdict.findings.prefix(3).map { $0.illness.title }.joined(separator: ", ")
            let start =
                "| \(verdict.clinicCase.name) | \(verdict.clinicCase.title) | \(device) | \(verdict.seed) | "
                + (found.isEmpty ? "–" : found)
            guard !isHealthy else { return start + " | \(Self.mark(verdict.isFirst)) |" }
            return start + " | \(Self.mark(verdict.isFirst)) | \(Self.mark(verdict.isAmongThree)) | "
                + (verdict.isLayerRight.map(Self.mark) ?? "–") + " |"
                + (moment == .duringTraining ? " \(verdict.delay.map { "\($0) steps" } ?? "–") |" : "")
        }
    }

    private static func mark(_ isRight: Bool) -> String { isRight ? "right" : "**wrong**" }

    static func row(_ name: String, _ device: String, _ result: CureResult) -> String {
        func figure(_ value: Double?) -> String { value.map { String(format: "%.4f", $0) } ?? "not finite" }
        return "| \(name) | \(device) | \(result.metric) | \(figure(result.before)) | \(figure(result.after)) | "
            + "\(figure(result.twin)) | \(result.isCured ? "yes" : result.isWorse ? "**worse**" : "**no**") | "
            + (result.remedies.isEmpty ? "–" : result.remedies.joined(separator: "; "))
            + String(format: " | %.2f |", result.cost)
    }
}
