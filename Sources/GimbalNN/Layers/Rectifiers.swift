// Activation functions made of pieces, most of them straight, as layers. The functions themselves, with their papers, are
// methods of `Tensor`.

/// x where positive, else 0.
public final class ReLU: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.relu() }
}

/// x where positive, at most 6, else 0.
public final class ReLU6: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.relu6() }
}

/// x where positive, else slope · x.
public final class LeakyReLU: Module, Layer {
    public let slope: Double
    public init(slope: Double = 0.01) { self.slope = slope }
    public func forward(_ input: Tensor) -> Tensor { input.leakyReLU(slope: slope) }
    public override var signature: String { "LeakyReLU(slope: \(slope))" }
}

/// x where positive, else slope · x, with slopes that are learned.
public final class PReLU: Module, Layer {
    /// The slopes, [count].
    public let weight: Parameter

    /// - Parameters:
    ///   - count: 1 for one slope, or the size of the second axis for one per channel.
    ///   - slope: the first value of each.
    public init(_ count: Int = 1, slope: Double = 0.25, device: Device = .current) {
        require(count > 0, "PReLU", "needs a positive number of slopes, not \(count)")
        weight = Parameter(Tensor(repeating: slope, [count], device: device))
    }

    public func forward(_ input: Tensor) -> Tensor {
        let count = weight.shape[0]
        if count == 1 { return input.prelu(slopes: weight.value) }
        require(
            input.rank >= 2 && input.shape[1] == count, "PReLU", "\(count) slopes for \(input.shape): axis 1 differs")
        let column = Shape([count] + [Int](repeating: 1, count: input.rank - 2))
        return input.prelu(slopes: weight.value.reshaped(column))
    }

    public override var signature: String { "PReLU(\(weight.shape[0]))" }
}

/// x where positive, else slope · x: in training with a slope drawn for each element, in evaluation with the mean slope.
public final class RReLU: Module, Layer {
    public let lower: Double
    public let upper: Double
    private let generator: RandomGenerator?

    /// - Parameters:
    ///   - lower, upper: slopes are uniform in [lower, upper).
    ///   - generator: what to draw from; nil for the one that is current when the layer is called.
    public init(lower: Double = 1.0 / 8, upper: Double = 1.0 / 3, generator: RandomGenerator? = nil) {
        require(lower > 0 && lower <= upper, "RReLU", "needs 0 < lower ≤ upper, not \(lower) and \(upper)")
        self.lower = lower
        self.upper = upper
        self.generator = generator
    }

    public func forward(_ input: Tensor) -> Tensor {
        isTraining
            ? input.randomizedLeakyReLU(slopes: lower...upper, generator: generator ?? .current)
            : input.leakyReLU(slope: (lower + upper) / 2)
    }

    public override var signature: String { "RReLU(lower: \(lower), upper: \(upper))" }
}

/// x where positive, else scale · (exp(x) - 1).
public final class ELU: Module, Layer {
    public let scale: Double
    public init(scale: Double = 1) { self.scale = scale }
    public func forward(_ input: Tensor) -> Tensor { input.elu(scale: scale) }
    public override var signature: String { "ELU(scale: \(scale))" }
}

/// ELU with the scale and the slope under which activations keep mean 0 and variance 1.
public final class SELU: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.selu() }
}

/// x where positive, else scale · (exp(x / scale) - 1).
public final class CELU: Module, Layer {
    public let scale: Double
    public init(scale: Double = 1) { self.scale = scale }
    public func forward(_ input: Tensor) -> Tensor { input.celu(scale: scale) }
    public override var signature: String { "CELU(scale: \(scale))" }
}

/// The nearest value in `range`.
public final class Hardtanh: Module, Layer {
    public let range: ClosedRange<Double>
    public init(_ range: ClosedRange<Double> = -1...1) { self.range = range }
    public func forward(_ input: Tensor) -> Tensor { input.hardTanh(range) }
    public override var signature: String { "Hardtanh(\(range))" }
}

/// The nearest value to x / 6 + 1/2 in 0...1.
public final class Hardsigmoid: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.hardSigmoid() }
}

/// x · hardsigmoid(x).
public final class Hardswish: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.hardSwish() }
}

/// x outside [-limit, limit], else 0.
public final class Hardshrink: Module, Layer {
    public let limit: Double
    public init(_ limit: Double = 0.5) { self.limit = limit }
    public func forward(_ input: Tensor) -> Tensor { input.hardShrink(limit) }
    public override var signature: String { "Hardshrink(\(limit))" }
}

/// x moved towards 0 by `limit`, 0 where it would pass it.
public final class Softshrink: Module, Layer {
    public let limit: Double
    public init(_ limit: Double = 0.5) { self.limit = limit }
    public func forward(_ input: Tensor) -> Tensor { input.softShrink(limit) }
    public override var signature: String { "Softshrink(\(limit))" }
}

/// x where greater than `limit`, else `value`.
public final class Threshold: Module, Layer {
    public let limit: Double
    public let value: Double
    public init(_ limit: Double, value: Double) {
        self.limit = limit
        self.value = value
    }
    public func forward(_ input: Tensor) -> Tensor { input.threshold(limit, value: value) }
    public override var signature: String { "Threshold(\(limit), value: \(value))" }
}
