/// A function of one element, applied to each element of a tensor.
///
/// NaN goes in and comes out as NaN, on every backend alike. The formulas stand once, in `Kernels/elementwise.h`, under
/// the same names; the CPU loops and the OpenCL kernels are both made from that file.
public struct UnaryOperation: Sendable, Hashable {
    /// The function's name. Where a case speaks of `a` and `b`, they are the operation's parameters.
    public enum Kind: String, Sendable, CaseIterable {
        case negate, absolute
        /// -1, 0 or 1.
        case sign
        case exponential, logarithm, squareRoot, reciprocalSquareRoot, reciprocal, square
        /// x to the power a.
        case power
        case sine, cosine
        /// 2/√π ∫ exp(-t²) dt from 0 to x.
        case errorFunction
        /// a * x + b.
        case affine
        /// The nearest value in [a, b].
        case clamp
        /// 1 where x is neither NaN nor infinite, else 0.
        case isFinite
        case sigmoid, tanh
        /// x < 0 ? 0 : x.
        case relu
        /// x < 0 ? a * x : x.
        case leakyReLU
        /// x < 0 ? a * (exp(x) - 1) : x.
        case elu
        /// x * sigmoid(x), also called Swish.
        case silu
        /// x * Φ(x) with the normal distribution's exact Φ.
        case gelu
        /// GELU by its tanh approximation.
        case geluTanh
        /// log(1 + exp(x)), computed without overflow.
        case softplus
        /// λ x, for x < 0 λ α (exp(x) - 1), with α = 1.67326 and λ = 1.05070.
        case selu
        /// x < 0 ? a * (exp(x / a) - 1) : x.
        case celu
        /// x * tanh(log(1 + exp(x))).
        case mish
        /// log(sigmoid(x)), computed without overflow.
        case logSigmoid
        /// The nearest value to x + 3 in [0, 6], divided by 6; `hardSwish` is x times that.
        case hardSigmoid, hardSwish
        /// 0 within [-a, a], else x.
        case hardShrink
        /// x moved towards 0 by a, 0 within [-a, a].
        case softShrink
        /// x <= a ? b : x.
        case threshold
        /// x / (1 + |x|).
        case softsign
    }

    public let kind: Kind
    public let a: Double
    public let b: Double

    public init(_ kind: Kind, a: Double = 0, b: Double = 0) {
        self.kind = kind
        self.a = a
        self.b = b
    }
}

/// A function of two elements, applied to two tensors element by element.
///
/// Comparisons give 1 or 0. The gradient kinds take a value of an activation's forward pass (x its input, y its output)
/// and the gradient arriving at its output, and give the gradient for its input.
public struct BinaryOperation: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        case add, subtract, multiply, divide, power
        /// The larger of both; NaN if either is NaN.
        case maximum
        /// The smaller of both; NaN if either is NaN.
        case minimum
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
        /// From y.
        case sigmoidGradient, tanhGradient, reluGradient
        /// From y; slope a must be positive, so that y keeps the sign of x.
        case leakyReLUGradient
        /// From x, with scale a.
        case eluGradient
        /// From x.
        case siluGradient, geluGradient, geluTanhGradient, softplusGradient
        /// From x; `celuGradient` with scale a.
        case seluGradient, celuGradient, mishGradient, logSigmoidGradient, hardSigmoidGradient, hardSwishGradient
        case softsignGradient
        /// The gradient y where x lies strictly between a and b, else 0.
        case insideGradient
        /// The gradient y where x lies outside [a, b], else 0.
        case outsideGradient
        /// x > 0 ? x : y * x; its derivative for x; and, of the gradient y that arrives, the share of the slope.
        case prelu, preluSlope, preluWeightGradient

        /// Whether it acts on whole numbers too: where `elementwise.h` has it as ARITHMETIC.
        public var takesWholeNumbers: Bool {
            switch self {
            case .add, .subtract, .multiply, .maximum, .minimum, .equal, .notEqual, .less, .lessOrEqual, .greater,
                .greaterOrEqual:
                true
            default: false
            }
        }
    }

    public let kind: Kind
    public let a: Double
    public let b: Double

    public init(_ kind: Kind, a: Double = 0, b: Double = 0) {
        self.kind = kind
        self.a = a
        self.b = b
    }
}

/// How a reduction folds elements into one. Its value over no elements stands behind each case.
public enum Reduction: String, Sendable, CaseIterable {
    /// 0.
    case sum
    /// 1.
    case product
    /// -infinity. NaN if any element is NaN.
    case maximum
    /// +infinity. NaN if any element is NaN.
    case minimum
}

/// What a matrix product does with each sum before storing it, in this order: scale it, add what `out` held, add the
/// bias.
public struct Epilogue: Sendable {
    public var scale: Double
    /// Adds the product to what `out` holds, instead of replacing it.
    public var accumulates: Bool
    /// One value per column of the product, shape [n].
    public var bias: TensorView?

    public init(scale: Double = 1, accumulates: Bool = false, bias: TensorView? = nil) {
        self.scale = scale
        self.accumulates = accumulates
        self.bias = bias
    }

    public static let plain = Epilogue()
}

/// A place in the Philox 4x32-10 stream of a seed.
///
/// Element `i` of an operation uses word `i % 4` of the block at `counter + i / 4`, so that an operation over `n`
/// elements consumes `(n + 3) / 4` counters, and a seed gives the same bits on every backend.
/// (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".)
public struct RandomState: Sendable, Hashable, Codable {
    public var seed: UInt64
    public var counter: UInt64

    public init(seed: UInt64, counter: UInt64 = 0) {
        self.seed = seed
        self.counter = counter
    }
}

/// The columns that `Backend.statistics` writes for each segment, in this order.
public enum Statistic: Int, Sendable, CaseIterable {
    // Over the finite elements:
    case mean
    /// Population standard deviation, computed about the mean.
    case standardDeviation
    case minimum, maximum
    case absoluteMaximum
    /// Root of the sum of squares.
    case norm
    // Counts over all elements:
    case zeroCount, nanCount, infinityCount
}
