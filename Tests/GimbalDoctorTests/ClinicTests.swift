import ClinicCases
import GimbalDoctor
import Testing

/// Some of the clinic's cases, those whose data comes with Gimbal; `Scripts/clinic` goes through all of them.
@Suite("The clinic")
struct ClinicTests {
    private static let selection: [String] = [
        "S1", "S6", "S7", "S8", "S9", "S15", "S17", "S26", "S28", "I1", "I4", "S11", "S12", "S19", "S20", "S21", "S24",
        "S30",
        "S32", "S38", "S39", "S42", "S44", "S46", "S54", "S59", "W1", "W2", "C19", "C21", "N2", "N3", "N7", "N16",
        "regression",
        "autoencoder", "siamese", "translation", "V3", "V5", "V6", "V10", "V12", "V13", "V14", "V15", "V16", "V19",
        "W3", "W6", "S47", "S53", "S70", "O1", "O5", "O7",
        "O8", "P1", "P2", "P3", "R2", "two tasks", "rare labels", "one-hot inputs",
        "U8", "U9", "U10", "U13", "U17", "U21", "U30", "U44", "U157", "U67", "U74", "U81", "U88", "U116", "U141",
        "U146", "U158", "U159",
    ]

    @Test("A case is told for what it is", arguments: selection.flatMap { Clinic.cases(named: [$0]) })
    func verdict(_ clinicCase: ClinicCase) throws {
        let verdict = try Verdict(clinicCase, seed: 1)
        let found = verdict.findings.map { "\($0.illness) \($0.layers): \($0.summary)" }
        #expect(verdict.isFirst, "\(clinicCase.title): \(found)")
        #expect(verdict.isLayerRight ?? true, "\(clinicCase.title): \(found)")
        for remedy in verdict.findings.flatMap(\.remedies) {
            #expect(remedy.evidence?.hasPrefix("gimbal ") != true, "\(remedy)")
            #expect(remedy.code?.contains(/[A-Z][a-z]+ (and|et al\.).* \d{4}/) != true, "\(remedy)")
        }
    }

    /// So that a new kind of model does not stop the clinic, which goes through all cases.
    @Test("No recipe for digits is called sick", arguments: Clinic.cases.filter { $0.title.hasSuffix(" on digits") })
    func recipe(_ clinicCase: ClinicCase) throws {
        let verdict = try Verdict(clinicCase, seed: 1)
        #expect(verdict.isFirst, "\(clinicCase.title): \(verdict.findings.map(\.summary))")
    }

    private static let trained = [
        "S57", "S66", "K1", "K2", "K4", "K6", "K7", "K8", "K9", "K11", "K12", "N8", "N24", "N25", "U57", "U127", "U150",
        "U166",
    ]

    @Test("A run is told for what it is while it is trained", arguments: trained.flatMap { Clinic.cases(named: [$0]) })
    func course(_ clinicCase: ClinicCase) throws {
        let verdict = try Verdict(training: clinicCase, seed: 1)
        #expect(verdict.isFirst, "\(clinicCase.title): \(verdict.findings.map { "\($0.illness): \($0.summary)" })")
        // A momentum that is too high needs a hundred steps to show.
        if let delay = verdict.delay, clinicCase.name != "K2" { #expect(delay <= 60, "\(clinicCase.title)") }
    }

    @Test("Names are told apart, and there are enough healthy nets to count false alarms by")
    func selectionIsThere() {
        #expect(Clinic.cases.count(where: \.isHealthy) >= 100)
        let sick = Clinic.cases.filter { !$0.isHealthy }.map(\.name)
        #expect(Set(sick).count == sick.count)
        for name in Self.selection + Self.trained { #expect(!Clinic.cases(named: [name]).isEmpty, "\(name)") }
    }
}

extension ClinicCase: CustomTestStringConvertible {
    public var testDescription: String { name }
}
