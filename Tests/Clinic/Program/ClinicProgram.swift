import ArgumentParser
import ClinicCases
import Foundation
import GimbalTrain

@main
struct ClinicProgram: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Scripts/clinic", abstract: "Has the doctor look at sick and healthy nets, and counts.",
        discussion: """
            Prints a line for each case that it gets wrong, and the totals. A run over all cases on the devices of the page \
            writes Documentation/Clinic.md.
            """)

    @Option(help: "A device to use; may be given several times.") var device: [String] = ["cpu"]
    @Option(help: "How many seeds each case is tried with.") var seeds = 3
    @Option(help: "The name of a case, with its twin; may be given several times. All unless given.")
    var only: [String] = []
    @Flag(help: "Also try the doctor's remedies on the runs that have some, and train all of them to the end.")
    var cure = false
    @Flag(
        help: "Also train: the cases that show so, and all healthy nets, for a few hundred steps with the first seed.")
    var train = false
    @Flag(help: "Print what was found of each case, and the signs.") var verbose = false
    @Option(help: ArgumentHelp("Write the page to this file.", valueName: "file")) var page: String?

    func run() throws {
        var (verdicts, cures, skipped): ([(device: String, Verdict)], [(String, String, CureResult)], Set<String>) =
            ([], [], [])
        for name in device {
            let device = try Device.named(name)
            for clinicCase in Clinic.cases(named: only) {
                let isSeenFirst = clinicCase.moment == .beforeTraining
                do {
                    func note(_ make: () throws -> Verdict) throws {
                        let start = Date()
                        let verdict = try withDevice(device, make)
                        verdicts.append((name, verdict))
                        guard verbose || !(verdict.isFirst && verdict.isLayerRight ?? true) else { return }
                        print(Self.line(verdict, name, -start.timeIntervalSinceNow))
                        if verbose, let diagnosis = verdict.diagnosis { print(Self.details(diagnosis)) }
                    }
                    for seed in 1...UInt64(max(1, seeds)) {
                        if isSeenFirst { try note { try Verdict(clinicCase, seed: seed) } }
                        // What is healthy before training should be so during it.
                        if train, !isSeenFirst || clinicCase.isHealthy && seed == 1 {
                            try note { try Verdict(training: clinicCase, seed: seed) }
                        }
                    }
                    guard cure, isSeenFirst else { continue }
                    try withDevice(device) {
                        try clinicCase.withPatient(seed: 1) { patient in
                            guard let patient = patient as? RecipePatient, patient.twin != nil else { return }
                            let result = try CureResult(patient) { if verbose { print(Self.line($0)) } }
                            cures.append((name, clinicCase.name, result))
                            print(ClinicPage.row(clinicCase.name, name, result))
                        }
                    }
                } catch let missing as MissingData {
                    if skipped.insert(clinicCase.name).inserted { print("\(clinicCase.name): \(missing)") }
                }
            }
        }
        let page = ClinicPage(verdicts: verdicts.map { ($0.device, $0.1) }, cures: cures, skipped: skipped.sorted())
        print(page.totals)
        if let path = self.page { try Data(page.text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }
    }

    private static func details(_ diagnosis: Diagnosis) -> String {
        let examination = diagnosis.examination
        let optimizer = examination.optimizer.map { "\($0)" } ?? "no optimizer"
        let losses = examination.probe.map { "\($0.losses.first ?? 0) to \($0.losses.last ?? 0)" } ?? "no steps"
        let ratios = examination.probe?.updateRatios.values.sorted() ?? []
        return
            (examination.signs().map { "    \($0.sign): \($0.evidence)" } + [
                "    loss \(losses), a guess \(examination.lossOfGuess ?? .nan), ascent \(examination.probe?.ascent ?? .nan), "
                    + "updates \(ratios.first ?? 0)...\(ratios.last ?? 0), \(optimizer)",
                "    \(examination.structure)",
            ]).joined(separator: "\n")
    }

    private static func line(_ trial: Cure.Trial) -> String {
        let figures = (trial.figures ?? [:]).sorted { $0.key < $1.key }.map { "\($0) \(String(format: "%.4g", $1))" }
        return "    trial of \(trial.steps) steps, \(trial.remedies.map(\.title)), rate \(trial.recipe.training.rate): "
            + figures.joined(separator: ", ")
    }

    private static func line(_ verdict: Verdict, _ device: String, _ seconds: Double) -> String {
        let found = verdict.findings.map { "\($0.illness.rawValue) \($0.layers.prefix(2)): \($0.summary)" }
        let mark = verdict.isFirst && verdict.isLayerRight ?? true ? "right" : verdict.isAmongThree ? "late " : "WRONG"
        return
            "\(mark) \(verdict.clinicCase.name) (\(verdict.clinicCase.title)), seed \(verdict.seed), \(device), "
            + "\(verdict.moment.rawValue), " + String(format: "%.1f s", seconds) + ": "
            + (verdict.delay.map { "after \($0) steps: " } ?? "")
            + (found.isEmpty ? "nothing" : found.joined(separator: "; "))
    }
}
