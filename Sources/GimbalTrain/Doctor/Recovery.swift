/// How a run was saved from divergence: where it failed, where it went back to, and what it has done otherwise since.
public struct Recovery: Codable, Sendable, Equatable {
    /// What is done otherwise.
    public enum Measure: Codable, Sendable, Equatable {
        /// The batches of these steps are passed over.
        case leavesOut(steps: [Int])
        /// The norm of all gradients is limited.
        case clips(norm: Double)
        /// Learning rates are multiplied by this, beside what earlier recoveries have done to them.
        case lowersRate(factor: Double)

        var isLeavingOut: Bool { if case .leavesOut = self { true } else { false } }
        var isLoweringRate: Bool { if case .lowersRate = self { true } else { false } }
    }

    /// The optimizer step that failed.
    public var step: Int
    /// The step after which the run was well: what came later was taken back.
    public var backTo: Int
    /// What is done otherwise since.
    public var measure: Measure
    /// Why, in a few words.
    public var reason: String
}

extension Recovery: CustomStringConvertible {
    /// One line.
    public var description: String {
        let what =
            switch measure {
            case .leavesOut(let steps):
                "leaving out the batch of step \(steps.map(String.init).joined(separator: ", "))"
            case .clips(let norm): "clipping gradients to a norm of \(norm)"
            case .lowersRate(let factor): "multiplying the learning rate by \(factor)"
            }
        return "step \(step): \(reason); going on after step \(backTo), \(what)"
    }
}

extension TrainingProgress {
    /// Whether the batches of a step are passed over.
    func leavesOut(_ step: Int) -> Bool {
        recoveries.contains { if case .leavesOut(let steps) = $0.measure { steps.contains(step) } else { false } }
    }

    /// What recoveries have multiplied the rates by.
    var recoveredRate: Double {
        recoveries.reduce(1) { if case .lowersRate(let factor) = $1.measure { $0 * factor } else { $0 } }
    }

    /// The limit on gradients that a recovery has set.
    var recoveredClipNorm: Double? {
        recoveries.compactMap { if case .clips(let norm) = $0.measure { norm } else { nil } }.last
    }
}
