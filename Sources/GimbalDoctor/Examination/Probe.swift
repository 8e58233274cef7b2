import Foundation

/// What the first steps of a model's optimizer do to the loss of one batch. Everything is put back afterwards.
public struct Probe: Codable, Sendable {
    /// The loss before each step, and after the last.
    public var losses: [Double]
    /// For each weight that layers multiply by, in the model's order: the root mean square of the first step over that of
    /// the weight.
    public var updateRatios: [String: Double]
    /// The cosine between the first step and the gradient that it was made from: -1 for a step straight down.
    public var ascent: Double?
    /// The norm of all gradients of weights that the first step was made from, such as clipping had left them.
    public var gradientNorm: Double?
    /// The share of units that were switched on by some sample before the steps and by none after them.
    public var diedShare: Double

    /// Whether the loss is larger after the steps than before them, or not finite.
    var isDiverging: Bool {
        guard let first = losses.first, let last = losses.last, let highest = losses.max() else { return false }
        return !last.isFinite || last > first || highest - first > abs(first)
    }

    /// The least loss.
    public var leastLoss: Double? { losses.filter(\.isFinite).min() }
}

extension Probe {
    /// Takes up to `steps` steps, less where the loss is NaN or infinite.
    ///
    /// Weights, gradients, running statistics, the optimizer's moments and random numbers are afterwards what they were.
    /// - Throws: the first failure of the device; what the closures throw.
    static func run(
        _ model: Module, _ optimizer: any Optimizer, steps: Int, deadShare: () throws -> Double,
        loss: () throws -> Tensor, train: (_ step: Int, _ loss: Tensor) throws -> Void
    ) throws -> Probe {
        try restoring(model, optimizer) {
            var probe = Probe(losses: [], updateRatios: [:], diedShare: 0)
            let before = try deadShare()
            for step in 0...steps {
                let value = try loss()
                probe.losses.append(try Double(value.item()))
                guard step < steps, probe.losses.last!.isFinite, value.requiresGradient else { break }
                optimizer.zeroGradients()
                let weights = step == 0 ? model.parameters.filter { $0.shape.rank > 1 } : []
                let old = weights.map { $0.value.detached() * 1 }
                try train(step, value)
                var (product, changes, gradients) = (0.0, 0.0, 0.0)
                for (weight, old) in zip(weights, old) {
                    let size = try Double(old.square().mean().item()).squareRoot()
                    let change = weight.value.detached() - old
                    let moved = try Double(change.square().mean().item())
                    if size > 0 { probe.updateRatios[weight.name] = moved.squareRoot() / size }
                    guard let gradient = weight.gradient else { continue }
                    product += try Double((change * gradient).sum().item())
                    changes += moved * Double(change.elementCount)
                    gradients += try Double(gradient.square().sum().item())
                }
                if step == 0, gradients.isFinite { probe.gradientNorm = gradients.squareRoot() }
                if changes > 0, gradients > 0 { probe.ascent = product / (changes * gradients).squareRoot() }
            }
            probe.diedShare = max(0, try deadShare() - before)
            return probe
        }
    }
}

/// Runs `body`, which may train, and puts back what it changed.
func restoring<Result>(
    _ model: Module, _ optimizer: (any Optimizer)?, _ body: () throws -> Result
) throws -> Result {
    let generator = RandomGenerator.current
    let (random, rate) = (generator.state, optimizer?.learningRate)
    var parameters = model.parameters
    let known = Set(parameters.map { ObjectIdentifier($0) })
    parameters += (optimizer?.parameters ?? []).filter { !known.contains(ObjectIdentifier($0)) }
    let values = parameters.map { $0.value.detached() * 1 }
    let gradients = parameters.map { $0.gradient.map { $0 * 1 } }
    let state = optimizer.map { optimizer in
        let state = optimizer.state
        return OptimizerState(tensors: state.tensors.map { ($0.name, $0.value.detached() * 1) }, steps: state.steps)
    }
    func putBack() throws {
        for (parameter, value) in zip(parameters, values) { parameter.assign(value) }
        for (parameter, gradient) in zip(parameters, gradients) {
            parameter.zeroGradient()
            parameter.gradient = gradient
        }
        if let optimizer, let state, let rate {
            try optimizer.restore(state)
            optimizer.learningRate = rate
        }
        generator.state = random
    }
    do {
        // Neither running statistics nor the vectors of power iterations move.
        let result = try GradientMode.$isRecomputing.withValue(true) { try body() }
        try putBack()
        return result
    } catch {
        try? putBack()
        throw error
    }
}
