import Foundation
import GimbalBackend

// The functions behind `UnaryOperation`, `BinaryOperation` and `Reduction` in Double, written from their definitions and
// not from `Kernels/elementwise.h`, which they check.

extension UnaryOperation {
    /// The value of the operation at `x`.
    public func reference(_ x: Double) -> Double {
        switch kind {
        case .negate: -x
        case .absolute: abs(x)
        case .sign: x.isNaN || x == 0 ? x : (x > 0 ? 1 : -1)
        case .exponential: exp(x)
        case .logarithm: log(x)
        case .squareRoot: sqrt(x)
        case .reciprocalSquareRoot: 1 / sqrt(x)
        case .reciprocal: 1 / x
        case .square: x * x
        case .power: pow(x, a)
        case .sine: sin(x)
        case .cosine: cos(x)
        case .errorFunction: erf(x)
        case .affine: a * x + b
        case .clamp: x.isNaN ? x : min(max(x, a), b)
        case .isFinite: x.isFinite ? 1 : 0
        case .sigmoid: Self.sigmoid(x)
        case .tanh: Foundation.tanh(x)
        case .relu: x < 0 ? 0 : x
        case .leakyReLU: x < 0 ? a * x : x
        case .elu: x < 0 ? a * expm1(x) : x
        case .silu: x * Self.sigmoid(x)
        case .gelu: x * Self.normalCDF(x)
        case .geluTanh: x * Self.sigmoid(2 * Self.geluTanhArgument(x))
        case .softplus: x.isNaN ? x : max(x, 0) + log1p(exp(-abs(x)))
        case .selu: x < 0 ? Self.seluScale * Self.seluAlpha * expm1(x) : Self.seluScale * x
        case .celu: x < 0 ? a * expm1(x / a) : x
        case .mish: x * Foundation.tanh(max(x, 0) + log1p(exp(-abs(x))))
        case .logSigmoid: x.isNaN ? x : min(x, 0) - log1p(exp(-abs(x)))
        case .hardSigmoid: x.isNaN ? x : min(max(x + 3, 0), 6) / 6
        case .hardSwish: x.isNaN ? x : x * min(max(x + 3, 0), 6) / 6
        case .hardShrink: abs(x) <= a ? 0 : x
        case .softShrink: x.isNaN ? x : (abs(x) <= a ? 0 : (x > 0 ? x - a : x + a))
        case .threshold: x <= a ? b : x
        case .softsign: x / (1 + abs(x))
        }
    }

    /// The fixed point of Klambauer et al. 2017, in full precision.
    static let seluAlpha = 1.6732632423543772848170429916717
    static let seluScale = 1.0507009873554804934193349852946

    static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    /// Φ(x), with full relative precision in the lower tail.
    static func normalCDF(_ x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }

    /// u = √(2/π) (x + 0.044715 x³), what GELU's approximation takes the tanh of (Hendrycks and Gimpel 2016). With
    /// ½ (1 + tanh u) = σ(2u), the lower tail keeps its precision.
    static func geluTanhArgument(_ x: Double) -> Double { (2 / Double.pi).squareRoot() * (x + 0.044715 * pow(x, 3)) }
}

extension BinaryOperation {
    /// Those that take a gradient y through a slope: a gradient of 0 stays 0, whatever the slope.
    private static let gradients: Set<BinaryOperation.Kind> = [
        .sigmoidGradient, .tanhGradient, .reluGradient, .leakyReLUGradient, .eluGradient, .siluGradient, .geluGradient,
        .geluTanhGradient, .softplusGradient, .seluGradient, .celuGradient, .mishGradient, .logSigmoidGradient,
        .hardSigmoidGradient, .hardSwishGradient, .softsignGradient, .absoluteGradient, .insideGradient,
        .outsideGradient,
        .preluWeightGradient, .maskedProduct, .maskedQuotient,
    ]

    /// The value of the operation at (`x`, `y`).
    public func reference(_ x: Double, _ y: Double) -> Double {
        if y == 0 && Self.gradients.contains(kind) { return y }
        return switch kind {
        case .add: x + y
        case .subtract: x - y
        case .multiply: x * y
        case .divide: x / y
        case .power: pow(x, y)
        case .maximum: x.isNaN || y.isNaN ? .nan : max(x, y)
        case .minimum: x.isNaN || y.isNaN ? .nan : min(x, y)
        case .equal: x == y ? 1 : 0
        case .notEqual: x != y ? 1 : 0
        case .less: x < y ? 1 : 0
        case .lessOrEqual: x <= y ? 1 : 0
        case .greater: x > y ? 1 : 0
        case .greaterOrEqual: x >= y ? 1 : 0
        case .sigmoidGradient: y * x * (1 - x)
        case .tanhGradient: y * (1 - x * x)
        case .reluGradient: x <= 0 ? 0 : y
        case .leakyReLUGradient: x > 0 ? y : a * y
        case .eluGradient: x > 0 ? y : a * y * exp(x)
        case .siluGradient: y * Self.siluDerivative(x)
        case .geluGradient: y * Self.geluDerivative(x)
        case .geluTanhGradient: y * Self.geluTanhDerivative(x)
        case .softplusGradient: y * UnaryOperation.sigmoid(x)
        case .seluGradient: y * UnaryOperation.seluScale * (x <= 0 ? UnaryOperation.seluAlpha * exp(x) : 1)
        case .celuGradient: x <= 0 ? y * exp(x / a) : y
        case .mishGradient: y * Self.mishDerivative(x)
        case .logSigmoidGradient: y * UnaryOperation.sigmoid(-x)
        case .hardSigmoidGradient: abs(x) < 3 ? y / 6 : 0
        case .hardSwishGradient: x <= -3 ? 0 : (x < 3 ? y * (2 * x + 3) / 6 : y)
        case .softsignGradient: x.isFinite ? y / ((1 + abs(x)) * (1 + abs(x))) : .nan
        case .absoluteGradient: x == 0 ? 0 : (x > 0 ? y : (x < 0 ? -y : .nan))
        case .insideGradient: x <= a || x >= b ? 0 : y
        case .outsideGradient: x >= a && x <= b ? 0 : y
        case .prelu: x > 0 ? x : y * x
        case .preluSlope: x > 0 ? 1 : y
        case .preluWeightGradient: x > 0 ? 0 : x * y
        case .maskedProduct: y == 0 ? y : x * y
        case .maskedQuotient: y == 0 ? y : y / x
        }
    }

    /// d/dx x σ(x) = σ(x) (1 + x σ(-x)).
    static func siluDerivative(_ x: Double) -> Double {
        UnaryOperation.sigmoid(x) * (1 + x * UnaryOperation.sigmoid(-x))
    }

    /// d/dx x tanh(s) = tanh(s) + x σ(x) / cosh²(s), with s = log(1 + exp(x)).
    static func mishDerivative(_ x: Double) -> Double {
        let s = UnaryOperation(.softplus).reference(x)
        return tanh(s) + x * UnaryOperation.sigmoid(x) / (cosh(s) * cosh(s))
    }

    /// d/dx x Φ(x) = Φ(x) + x φ(x).
    static func geluDerivative(_ x: Double) -> Double {
        UnaryOperation.normalCDF(x) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    }

    /// d/dx x σ(2u) = σ(2u) + x σ(2u) σ(-2u) 2u′; its limits where u would be infinite.
    static func geluTanhDerivative(_ x: Double) -> Double {
        if x.isInfinite { return x > 0 ? 1 : 0 }
        let u = UnaryOperation.geluTanhArgument(x)
        let slope = (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
        let (rising, falling) = (UnaryOperation.sigmoid(2 * u), UnaryOperation.sigmoid(-2 * u))
        return rising + x * rising * falling * 2 * slope
    }
}

extension Reduction {
    /// What no elements reduce to.
    var identity: Double {
        switch self {
        case .sum: 0
        case .product: 1
        case .maximum: -.infinity
        case .minimum: .infinity
        }
    }

    /// One step of the fold.
    func reference(_ folded: Double, _ value: Double) -> Double {
        switch self {
        case .sum: folded + value
        case .product: folded * value
        case .maximum: BinaryOperation(.maximum).reference(folded, value)
        case .minimum: BinaryOperation(.minimum).reference(folded, value)
        }
    }
}
