/// What the doctor has to say of a model before it is trained.
public struct Diagnosis: Codable, Sendable {
    /// What was measured.
    public var examination: Examination
    /// The causes found, what comes first in the chain of effects first; empty for a healthy model.
    public var findings: [Finding]

    /// Whether nothing was found.
    public var isHealthy: Bool { findings.isEmpty }
}

extension Diagnosis {
    /// Joins signs to causes.
    init(_ examination: Examination, thresholds: Thresholds, rules: [Rule]) {
        self.examination = examination
        var signs = Set<Int>()
        let seen = examination.signs(thresholds)
        findings = []
        for rule in rules {
            for var finding in rule.look(RuleContext(examination, seen, findings, thresholds)) {
                // A cause has its signs at once; one that comes later explains what is left.
                for (index, sign) in seen.enumerated()
                where finding.illness.explains.contains(sign.sign) && !signs.contains(index) {
                    finding.signs.append(sign)
                    signs.insert(index)
                }
                findings.append(finding)
            }
        }
        // A high loss by itself that is on its way down needs no cause.
        let isFalling = examination.probe.map { ($0.losses.last ?? 0) < ($0.losses.first ?? 0) } ?? false
        let left = seen.indices.filter { !signs.contains($0) }.map { seen[$0] }
            .filter { $0.sign != .highFirstLoss || !isFalling }
        if let first = left.first {
            findings.append(
                Finding(
                    .unexplained, first.sign.title + ", and no known cause explains it", layers: first.layers,
                    signs: left))
        }
    }
}
