// Activation functions made of pieces, most of them straight, as layers. The functions themselves, with their papers,
// are methods of `Tensor`.

/// x where positive, else 0.
public final class ReLU: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.relu() }
}

/// x where positive, at most 6, else 0.
public final class ReLU6: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.relu6() }
}

/// x where positive, else slope · x (Maas et al. 2013).
public final class LeakyReLU: Module, Layer {
    /// The slope where x is negative, above 0.
    public let slope: Double
    /// Multiplies negative x by `slope`, which is above 0.
    public init(slope: Double = 0.01) { self.slope = slope }
    public func forward(_ input: Tensor) -> Tensor { input.leakyReLU(slope: slope) }
    public override var signature: String { "LeakyReLU(slope: \(slope))" }
}

/// x where positive, else slope · x, with slopes that are learned (He et al. 2015).
public final class PReLU: Module, Layer {
    /// The slopes, [count].
    public let weight: Parameter

    /// - Parameters:
    ///   - count: 1 for one slope, or the size of the second axis for one per channel.
    ///   - slope: the first value of each.
    ///   - device: where the slopes are made.
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

/// x where positive, else slope · x: in training with a slope drawn for each element, in evaluation with the mean
/// slope (Xu et al. 2015).
public final class RReLU: Module, Layer {
    /// The least slope, above 0.
    public let lower: Double
    /// The upper end of the slopes, not below `lower`.
    public let upper: Double
    private let batchAxis: Int
    private let generator: RandomGenerator?

    /// - Parameters:
    ///   - lower: the least slope, above 0.
    ///   - upper: the upper end of the slopes, which are uniform in [lower, upper).
    ///   - batchAxis: along which the rows of a batch lie: see `RandomGenerator`.
    ///   - generator: what to draw from; nil for the one that is current when the layer is called.
    public init(
        lower: Double = 1.0 / 8, upper: Double = 1.0 / 3, batchAxis: Int = 0, generator: RandomGenerator? = nil
    ) {
        require(lower > 0 && lower <= upper, "RReLU", "needs 0 < lower ≤ upper, not \(lower) and \(upper)")
        self.lower = lower
        self.upper = upper
        self.batchAxis = batchAxis
        self.generator = generator
    }

    public func forward(_ input: Tensor) -> Tensor {
        isTraining
            ? input.randomizedLeakyReLU(
                slopes: lower...upper, batchAxis: batchAxis, generator: generator ?? .current)
            : input.leakyReLU(slope: (lower + upper) / 2)
    }

    public override var signature: String { "RReLU(lower: \(lower), upper: \(upper))" }
}

/// x where positive, else scale · (exp(x) - 1) (Clevert et al. 2016).
public final class ELU: Module, Layer {
    /// What the function approaches far below 0, with its sign changed.
    public let scale: Double
    /// Approaches -scale far below 0.
    public init(scale: Double = 1) { self.scale = scale }
    public func forward(_ input: Tensor) -> Tensor { input.elu(scale: scale) }
    public override var signature: String { "ELU(scale: \(scale))" }
}

/// ELU with the scale and the slope under which activations keep mean 0 and variance 1 (Klambauer et al. 2017).
public final class SELU: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.selu() }
}

/// x where positive, else scale · (exp(x / scale) - 1), whose slope has no step at 0 (Barron 2017).
public final class CELU: Module, Layer {
    /// What the function approaches far below 0, with its sign changed.
    public let scale: Double
    /// Approaches -scale far below 0.
    public init(scale: Double = 1) { self.scale = scale }
    public func forward(_ input: Tensor) -> Tensor { input.celu(scale: scale) }
    public override var signature: String { "CELU(scale: \(scale))" }
}

/// The nearest value in `range`.
public final class Hardtanh: Module, Layer {
    /// The values that are let through as they are.
    public let range: ClosedRange<Double>
    /// Lets the values in `range` through as they are.
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
    /// The greatest absolute value that becomes 0.
    public let limit: Double
    /// Makes values in [-limit, limit] 0.
    public init(_ limit: Double = 0.5) { self.limit = limit }
    public func forward(_ input: Tensor) -> Tensor { input.hardShrink(limit) }
    public override var signature: String { "Hardshrink(\(limit))" }
}

/// x moved towards 0 by `limit`, 0 where it would pass it.
public final class Softshrink: Module, Layer {
    /// How far values are moved, not negative.
    public let limit: Double
    /// Moves values towards 0 by `limit`.
    public init(_ limit: Double = 0.5) { self.limit = limit }
    public func forward(_ input: Tensor) -> Tensor { input.softShrink(limit) }
    public override var signature: String { "Softshrink(\(limit))" }
}

/// x where greater than `limit`, else `value`.
public final class Threshold: Module, Layer {
    /// What x must exceed to be kept.
    public let limit: Double
    /// What stands for all other values.
    public let value: Double
    /// Puts `value` in place of everything up to `limit`.
    public init(_ limit: Double, value: Double) {
        self.limit = limit
        self.value = value
    }
    public func forward(_ input: Tensor) -> Tensor { input.threshold(limit, value: value) }
    public override var signature: String { "Threshold(\(limit), value: \(value))" }
}
