import Foundation

// Initializers that choose the variance by the number of units on either side of a weight.

extension Initializer {
    /// Uniform with variance gain² · 2 / (fanIn + fanOut) (Glorot and Bengio 2010, equation 16).
    public static func xavierUniform(gain: Double = 1) -> Initializer {
        byVariance("xavier-uniform", isUniform: true) { gain * gain * 2 / Double($0.input + $0.output) }
    }

    /// Normal with variance gain² · 2 / (fanIn + fanOut) (Glorot and Bengio 2010, equation 12).
    public static func xavierNormal(gain: Double = 1) -> Initializer {
        byVariance("xavier-normal", isUniform: false) { gain * gain * 2 / Double($0.input + $0.output) }
    }

    /// Uniform with variance gain² / fan (He et al. 2015).
    /// - Parameters:
    ///   - fan: `.input` keeps the variance of activations, `.output` that of gradients (equations 10 and 14).
    ///   - nonlinearity: what follows the layer; it gives the gain.
    public static func heUniform(fan: Fan = .input, nonlinearity: Nonlinearity = .relu) -> Initializer {
        byVariance("he-uniform", isUniform: true) { pow(nonlinearity.gain, 2) / Double($0.size(fan)) }
    }

    /// Normal with variance gain² / fan (He et al. 2015); see `heUniform`.
    public static func heNormal(fan: Fan = .input, nonlinearity: Nonlinearity = .relu) -> Initializer {
        byVariance("he-normal", isUniform: false) { pow(nonlinearity.gain, 2) / Double($0.size(fan)) }
    }

    /// Uniform with variance 1 / fanIn (LeCun et al. 1998, equation 16): for SELU (Klambauer et al. 2017).
    public static func leCunUniform() -> Initializer {
        byVariance("lecun-uniform", isUniform: true) { 1 / Double($0.input) }
    }

    /// Normal with variance 1 / fanIn; see `leCunUniform`.
    public static func leCunNormal() -> Initializer {
        byVariance("lecun-normal", isUniform: false) { 1 / Double($0.input) }
    }

    private static func byVariance(
        _ name: String, isUniform: Bool, _ variance: @escaping @Sendable (Fans) -> Double
    ) -> Initializer {
        Initializer(name, ranks: 2...Int.max) { shape, generator, device in
            let deviation = variance(Fans(shape)).squareRoot()
            let bound = deviation * 3.squareRoot()
            return isUniform
                ? .uniform(shape, low: -bound, high: bound, generator: generator, device: device)
                : .normal(shape, standardDeviation: deviation, generator: generator, device: device)
        }
    }
}

/// Which side of a weight an initializer looks at.
public enum Fan: String, Sendable, CaseIterable {
    /// The units that feed one unit: inputs times positions of the kernel.
    case input
    /// The units that one unit feeds: outputs times positions of the kernel.
    case output
}

/// The numbers of units that feed a unit and that it feeds.
package struct Fans {
    package var input: Int
    package var output: Int

    /// - Parameter shape: [outputs, inputs, kernel...].
    package init(_ shape: Shape) {
        require(shape.rank >= 2, "initializer", "a fan needs a weight of two axes or more, not \(shape)")
        let kernel = shape.sizes.dropFirst(2).reduce(1, *)
        input = shape[1] * kernel
        output = shape[0] * kernel
    }

    func size(_ fan: Fan) -> Int { fan == .input ? input : output }
}

/// What follows a layer, for the gain by which initializers make up for what it does to the variance.
public enum Nonlinearity: Sendable, Hashable {
    /// Nothing; a gain of 1.
    case linear
    /// The logistic function; a gain of 1.
    case sigmoid
    /// The hyperbolic tangent; a gain of 5/3.
    case tanh
    /// max(x, 0); a gain of √2.
    case relu
    /// Scaled exponential units; a gain of 3/4.
    case selu
    /// x, times `slope` where negative; a gain of √(2 / (1 + slope²)).
    case leakyReLU(slope: Double = 0.01)

    /// Convolutions of any number of axes count as linear.
    public static let convolution = Nonlinearity.linear

    /// The factor of the standard deviation that makes up for the nonlinearity, as PyTorch's `calculate_gain` gives it.
    public var gain: Double {
        switch self {
        case .linear, .sigmoid: 1
        case .tanh: 5.0 / 3
        case .relu: 2.0.squareRoot()
        case .selu: 0.75
        case .leakyReLU(let slope): (2 / (1 + slope * slope)).squareRoot()
        }
    }
}
