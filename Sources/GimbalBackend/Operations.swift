/// A function of one element, applied to each element of a tensor.
///
/// NaN goes in and comes out as NaN, on every backend alike. The formulas stand once, in `Kernels/elementwise.h`, under
/// the same names; the CPU loops and the OpenCL kernels are both made from that file.
public struct UnaryOperation: Sendable, Hashable {
    /// The function's name. Where a case speaks of `a` and `b`, they are the operation's parameters.
    public enum Kind: String, Sendable, CaseIterable {
        /// -x.
        case negate
        /// |x|.
        case absolute
        /// -1, 0 or 1.
        case sign
        /// e to the power of x.
        case exponential
        /// The natural logarithm; NaN below 0.
        case logarithm
        /// √x; NaN below 0.
        case squareRoot
        /// 1 / √x; NaN below 0.
        case reciprocalSquareRoot
        /// 1 / x.
        case reciprocal
        /// x * x.
        case square
        /// x to the power a.
        case power
        /// Of x in radians.
        case sine
        /// Of x in radians.
        case cosine
        /// 2/√π ∫ exp(-t²) dt from 0 to x.
        case errorFunction
        /// a * x + b.
        case affine
        /// The nearest value in [a, b].
        case clamp
        /// 1 where x is neither NaN nor infinite, else 0.
        case isFinite
        /// 1 / (1 + exp(-x)).
        case sigmoid
        /// The hyperbolic tangent, in [-1, 1].
        case tanh
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
        /// The nearest value to x + 3 in [0, 6], divided by 6.
        case hardSigmoid
        /// x * hardSigmoid(x).
        case hardSwish
        /// 0 within [-a, a], else x.
        case hardShrink
        /// x moved towards 0 by a, 0 within [-a, a].
        case softShrink
        /// x <= a ? b : x.
        case threshold
        /// x / (1 + |x|).
        case softsign
    }

    /// The function.
    public let kind: Kind
    /// The first parameter of kinds that have one, such as `power`'s exponent.
    public let a: Double
    /// The second parameter of kinds that have two, such as `clamp`'s upper bound.
    public let b: Double

    /// The function `kind` with its parameters; those that it does not have are not read.
    public init(_ kind: Kind, a: Double = 0, b: Double = 0) {
        self.kind = kind
        self.a = a
        self.b = b
    }
}

/// A function of two elements, applied to two tensors element by element.
///
/// Comparisons give 1 or 0. The gradient kinds take as x a value of an activation's forward pass, its input or its
/// output, and as y the gradient arriving at its output, and give the gradient for its input.
public struct BinaryOperation: Sendable, Hashable {
    /// The function's name. x and y are the two elements, a and b the operation's parameters.
    public enum Kind: String, Sendable, CaseIterable {
        /// x + y.
        case add
        /// x - y.
        case subtract
        /// x * y.
        case multiply
        /// x / y.
        case divide
        /// x to the power of y.
        case power
        /// The larger of both; NaN if either is NaN.
        case maximum
        /// The smaller of both; NaN if either is NaN.
        case minimum
        /// x = y; false where either is NaN.
        case equal
        /// x ≠ y; true where either is NaN.
        case notEqual
        /// x < y; false where either is NaN.
        case less
        /// x ≤ y; false where either is NaN.
        case lessOrEqual
        /// x > y; false where either is NaN.
        case greater
        /// x ≥ y; false where either is NaN.
        case greaterOrEqual
        /// Of `sigmoid`, from its output.
        case sigmoidGradient
        /// Of `tanh`, from its output.
        case tanhGradient
        /// Of `relu`, from its output.
        case reluGradient
        /// Of `leakyReLU`, from its output; slope a must be positive, so that the output keeps the input's sign.
        case leakyReLUGradient
        /// Of `elu` with scale a, from its input.
        case eluGradient
        /// Of `silu`, from its input.
        case siluGradient
        /// Of `gelu`, from its input.
        case geluGradient
        /// Of `geluTanh`, from its input.
        case geluTanhGradient
        /// Of `softplus`, from its input.
        case softplusGradient
        /// Of `selu`, from its input.
        case seluGradient
        /// Of `celu` with scale a, from its input.
        case celuGradient
        /// Of `mish`, from its input.
        case mishGradient
        /// Of `logSigmoid`, from its input.
        case logSigmoidGradient
        /// Of `hardSigmoid`, from its input; 0 at its corners.
        case hardSigmoidGradient
        /// Of `hardSwish`, from its input.
        case hardSwishGradient
        /// Of `softsign`, from its input.
        case softsignGradient
        /// Of `absolute`, from its input.
        case absoluteGradient
        /// The gradient y where x lies strictly between a and b, else 0.
        case insideGradient
        /// The gradient y where x lies outside [a, b], else 0.
        case outsideGradient
        /// x > 0 ? x : y * x.
        case prelu
        /// The derivative of `prelu` for x: x > 0 ? 1 : y.
        case preluSlope
        /// The share of the slope in the gradient y that arrives at `prelu`: x > 0 ? 0 : x * y.
        case preluWeightGradient
        /// x * y, and 0 where y is 0, whatever x is: the gradient y through a slope x that may be infinite.
        case maskedProduct
        /// y / x, and 0 where y is 0, whatever x is.
        case maskedQuotient

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

    /// The function.
    public let kind: Kind
    /// The first parameter of kinds that have one, such as the slope of `leakyReLUGradient`.
    public let a: Double
    /// The second parameter of kinds that have two, such as the upper bound of `insideGradient`.
    public let b: Double

    /// The function `kind` with its parameters; those that it does not have are not read.
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
    /// The factor of every sum.
    public var scale: Double
    /// Adds the product to what `out` holds, instead of replacing it.
    public var accumulates: Bool
    /// One value per column of the product, shape [n]; nil for none.
    public var bias: TensorView?

    /// Replaces what `out` holds by the product as it is, unless told otherwise.
    public init(scale: Double = 1, accumulates: Bool = false, bias: TensorView? = nil) {
        self.scale = scale
        self.accumulates = accumulates
        self.bias = bias
    }

    /// The product as it is.
    public static let plain = Epilogue()
}

/// A place in the Philox 4x32-10 stream of a seed.
///
/// Element `i` of an operation uses word `i % 4` of the block at `counter + i / 4`, so that an operation over `n`
/// elements consumes `(n + 3) / 4` counters, and a seed gives the same bits on every backend.
/// (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".)
public struct RandomState: Sendable, Hashable, Codable {
    /// Philox's key.
    public var seed: UInt64
    /// The block of four words that comes next.
    public var counter: UInt64

    /// The stream's beginning, unless `counter` says otherwise.
    public init(seed: UInt64, counter: UInt64 = 0) {
        self.seed = seed
        self.counter = counter
    }
}

/// The columns that `Backend.statistics` writes for each segment, in this order.
public enum Statistic: Int, Sendable, CaseIterable {
    /// Of the finite elements; 0 of none.
    case mean
    /// Population standard deviation of the finite elements, computed about the mean; 0 of none.
    case standardDeviation
    /// Of the finite elements; +infinity of none.
    case minimum
    /// Of the finite elements; -infinity of none.
    case maximum
    /// The largest |x| of the finite elements.
    case absoluteMaximum
    /// Root of the sum of squares of the finite elements; 0 of none.
    case norm
    /// How many of all elements are 0, of either sign.
    case zeroCount
    /// How many of all elements are NaN.
    case nanCount
    /// How many of all elements are infinite, of either sign.
    case infinityCount
}
