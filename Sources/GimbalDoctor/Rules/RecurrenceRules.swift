import Foundation

extension Rule {
    /// What happens over time steps.
    static let recurrence = [closedForgetGates, fadingMemory, unstableRecurrence]

    private static let closedForgetGates = Rule("shut forget gates") { context in
        // Over a few time steps, gates that begin shut open in time; those that are fast shut have no slope by which to open.
        let bad = context.examination.layers.filter { layer in
            guard let bias = layer.forgetGateBias, layer.gradientOverTime.count > 1 else { return false }
            return bias < -8 || bias < -0.5 && layer.gradientOverTime.count >= context.thresholds.rememberedSteps
        }
        guard let worst = bad.min(by: { $0.forgetGateBias! < $1.forgetGateBias! }) else { return [] }
        let kept = 1 / (1 + exp(-worst.forgetGateBias!))
        return [
            Finding(
                .closedForgetGates,
                "the forget gates of \(named(bad.map(\.name.asLayer))) begin nearly shut: a cell keeps \(short(kept)) of itself "
                    + "from one time step to the next",
                layers: bad.map(\.name), evidence: ["their biases are \(short(worst.forgetGateBias!)) on average"],
                remedies: [.forgetGateBias])
        ]
    }

    /// A gated net carries its memory beside the gates that a new model has half open: a small gradient is no illness there.
    private static let fadingMemory = Rule("memory that fades") { context in
        guard let sign = context.seen(.vanishingInTime),
            let layer = context.examination.layers.first(where: { sign.layers.contains($0.name) }), !layer.isGated
        else { return [] }
        return [
            Finding(
                .fadingMemory,
                "what \(layer.name.asLayer) reads first has no effect on what it gives out after "
                    + "\(layer.gradientOverTime.count) time steps",
                layers: [layer.name], remedies: [.gatedCell, .orthogonalRecurrence])
        ]
    }

    private static let unstableRecurrence = Rule("a recurrence that feeds on itself") { context in
        guard let sign = context.seen(.explodingInTime) else { return [] }
        return [
            Finding(
                .unstableRecurrence,
                "the state of \(named(sign.layers)) grows with each time step, and the gradient with it",
                layers: sign.layers, remedies: [.clipping, .orthogonalRecurrence, .gatedCell])
        ]
    }
}

extension LayerExamination {
    /// Whether a recurrent layer has gates: several blocks of units.
    var isGated: Bool { operation == "recurrent" && (weightShape.first ?? 0) > (output.shape.last ?? 0) }
}
