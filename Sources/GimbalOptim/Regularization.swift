import Foundation

/// A penalty on the size of weights: l1 · Σ|w| + l2 / 2 · Σw²; with both, the elastic net (Zou and Hastie 2005).
///
/// Three ways to apply it, of which one is enough:
/// ```swift
/// let penalty = WeightPenalty(l2: 1e-4)
/// try (loss + penalty.loss(model.parameters)).backward()  // seen in the loss
/// try penalty.addGradients(model.parameters)              // the same gradients, after backward, without a graph
/// try penalty.decay(model.parameters, rate: 0.1)          // decoupled: straight to the weights
/// ```
/// L2 has the same strength as an optimizer's `weightDecay`.
public struct WeightPenalty: Codable, Sendable, Equatable {
    /// The factor of the sum of absolute weights.
    public var l1: Double
    /// Twice the factor of the sum of squared weights, so that its gradient is l2 · w.
    public var l2: Double

    /// A penalty of l1 · Σ|w| + l2 / 2 · Σw²; neither factor is negative.
    public init(l1: Double = 0, l2: Double = 0) {
        require(l1 >= 0 && l2 >= 0, "WeightPenalty", "l1 and l2 must not be negative, not \(l1) and \(l2)")
        self.l1 = l1
        self.l2 = l2
    }

    /// The elastic net by its strength and the share of L1 in it.
    public static func elastic(_ strength: Double, l1Share: Double) -> WeightPenalty {
        WeightPenalty(l1: strength * l1Share, l2: strength * (1 - l1Share))
    }

    /// The penalty as a tensor of no axes, through which gradients flow.
    public func loss(_ parameters: [Parameter]) -> Tensor {
        var terms: [Tensor] = []
        for parameter in parameters {
            if l1 != 0 { terms.append(parameter.value.absolute().sum() * l1) }
            if l2 != 0 { terms.append(parameter.value.square().sum() * (l2 / 2)) }
        }
        guard let first = terms.first else { return Tensor(0, device: parameters.first?.device ?? .current) }
        return terms.dropFirst().reduce(first, +)
    }

    /// Adds l1 · sign w + l2 · w to the gradients held now.
    /// - Throws: the first failure of the device since it was last waited for.
    public func addGradients(_ parameters: [Parameter]) throws {
        for run in ParameterRun.withGradients(parameters) {
            try addScaled(run, to: run.gradients, l1: l1, l2: l2)
        }
    }

    /// w ← w - rate · (l1 · sign w + l2 · w), for parameters with gradients: decay that no moment sees.
    /// - Throws: the first failure of the device since it was last waited for.
    public func decay(_ parameters: [Parameter], rate: Double) throws {
        for run in ParameterRun.withGradients(parameters) {
            run.weights.noteChange(by: "WeightPenalty.decay")
            try addScaled(run, to: run.weights, l1: -rate * l1, l2: -rate * l2)
        }
    }

    private func addScaled(_ run: ParameterRun, to out: TensorView, l1: Double, l2: Double) throws {
        let backend = run.weights.storage.backend
        let term = try backend.allocate(run.weights.shape, run.weights.dtype)
        let sign = try l1 == 0 ? nil : backend.allocate(run.weights.shape, run.weights.dtype)
        try out.change(reading: [run.weights]) {
            if let sign {
                backend.unary(.init(.sign), run.weights, out: sign)
                backend.unary(.init(.affine, a: l1), sign, out: sign)
            }
            if l2 != 0 {
                backend.unary(.init(.affine, a: l2), run.weights, out: term)
                backend.binary(.init(.add), out, term, out: out)
            }
            if let sign { backend.binary(.init(.add), out, sign, out: out) }
        }
        try backend.errors.throwIfSet()
    }
}

/// What weights must fulfil, made true again after each optimizer step.
///
/// ```swift
/// try optimizer.step()
/// try WeightConstraint.maxNorm(3).apply(to: model.parameters.filter { $0.matches("*.weight") })
/// ```
/// A unit is the weights into one output: one first index of a parameter of two axes or more. Parameters of one axis
/// are one unit.
public enum WeightConstraint: Codable, Sendable, Equatable {
    /// Each unit's 2-norm is at most this (Srivastava et al. 2014, section 5.1).
    case maxNorm(Double)
    /// Each unit's 2-norm is 1; units of zeros stay.
    case unitNorm
    /// Weights below 0 become 0.
    case nonNegative

    /// Changes the weights of `parameters` so that they fulfil the constraint.
    /// - Throws: the first failure of the device since it was last waited for.
    public func apply(to parameters: [Parameter]) throws {
        for run in ParameterRun.weights(parameters) {
            let backend = run.weights.storage.backend
            run.weights.noteChange(by: "WeightConstraint")
            switch self {
            case .nonNegative:
                try run.weights.change { backend.unary(.init(.relu), run.weights, out: run.weights) }
            case .maxNorm(let limit):
                require(limit > 0, "WeightConstraint", "the norm must be positive, not \(limit)")
                try scale(run) { norms in (limit / norms).clamped(to: -.infinity...1) }
            case .unitNorm:
                try scale(run) { norms in
                    Tensor.select(norms.equals(Tensor.zeros([], device: norms.device)), norms + 1, 1 / norms)
                }
            }
            try backend.errors.throwIfSet()
        }
    }

    private func scale(_ run: ParameterRun, _ factors: (Tensor) -> Tensor) throws {
        let segments = try Segments(run, units: .outputs)
        let norms = Tensor(try segments.norms(of: run.weights))
        let factors = factors(norms)
        try run.weights.change(reading: [factors.view]) {
            run.weights.storage.backend.scaleSegments(run.weights, segments: segments.view, by: factors.view)
        }
    }
}

/// Normal noise added to gradients, less and less of it (Neelakantan et al. 2015, equation 1): its variance after t
/// steps is η / (1 + t)^γ.
public struct GradientNoise: Codable, Sendable, Equatable {
    /// η of the paper: the variance of the noise before the first step.
    public var eta: Double
    /// γ of the paper: how fast the noise fades.
    public var gamma: Double

    /// - Parameters:
    ///   - eta: ≥ 0; the paper tries 0.01, 0.3 and 1.
    ///   - gamma: how fast it fades.
    public init(eta: Double = 0.3, gamma: Double = 0.55) {
        require(eta >= 0, "GradientNoise", "eta must not be negative, not \(eta)")
        self.eta = eta
        self.gamma = gamma
    }

    /// The standard deviation of the noise after `step` steps, √(η / (1 + step)^γ).
    public func standardDeviation(at step: Int) -> Double { (eta / pow(1 + Double(step), gamma)).squareRoot() }

    /// Adds noise to the gradients held now.
    /// - Parameters:
    ///   - parameters: those that are frozen or have no gradient are passed over.
    ///   - step: optimizer steps taken so far.
    ///   - generator: where the noise is drawn from.
    /// - Throws: the first failure of the device since it was last waited for.
    public func add(to parameters: [Parameter], step: Int, generator: RandomGenerator = .current) throws {
        let deviation = standardDeviation(at: step)
        // One parameter at a time: what lies between two in an arena stays 0.
        for parameter in parameters {
            guard parameter.isTrainable, let gradient = parameter.gradientView else { continue }
            let backend = gradient.storage.backend
            let noise = try backend.allocate(gradient.shape, gradient.dtype)
            try gradient.change {
                // By a count of numbers, not a shape: the same on all ranks, however many rows the parameter has.
                backend.randomNormal(noise, generator.reserve(gradient.elementCount))
                backend.unary(.init(.affine, a: deviation), noise, out: noise)
                backend.binary(.init(.add), gradient, noise, out: gradient)
            }
            try backend.errors.throwIfSet()
        }
    }
}
