/// A formula for one element of a tensor, made of the elements of other tensors.
///
/// Expressions are written as formulas of tensors are, by the same names. They compute nothing by themselves: an
/// `ElementFunction` is made of them, which every backend compiles into one pass over memory, and which knows its gradient.
///
/// ```swift
/// let swish = ElementFunction { x in x * x.sigmoid() }
/// let leaky = ElementFunction { x in .select(x .< 0, 0.1 * x, x) }
/// ```
/// Arithmetic is float32. A comparison gives 1 or 0. What an expression that is used twice stands for is computed once.
public struct ElementExpression: Sendable {
    /// What an expression is made of.
    package enum Form: Sendable {
        case input(Int)
        case number(Int)
        case constant(Double)
        case unary(UnaryOperation, ElementExpression)
        case binary(BinaryOperation, ElementExpression, ElementExpression)
        case select(ElementExpression, ElementExpression, ElementExpression)
    }

    private final class Node: Sendable {
        let form: Form
        init(_ form: Form) { self.form = form }
    }

    private let node: Node

    package init(_ form: Form) { node = Node(form) }

    package var form: Form { node.form }
    /// The same for all copies of an expression.
    package var identity: ObjectIdentifier { ObjectIdentifier(node) }

    /// A constant, part of the formula. A number that changes from call to call is better one of the function's numbers.
    public init(_ constant: Double) { self.init(.constant(constant)) }

    package var constant: Double? {
        if case .constant(let value) = form { value } else { nil }
    }

    /// `operation` of this element.
    public func applying(_ operation: UnaryOperation) -> ElementExpression { Self(.unary(operation, self)) }

    /// `operation` of this element and `other`.
    public func applying(_ operation: BinaryOperation, _ other: ElementExpression) -> ElementExpression {
        Self(.binary(operation, self, other))
    }

    /// `x` where `condition` is not 0, else `y`.
    public static func select(_ condition: Self, _ x: Self, _ y: Self) -> Self { Self(.select(condition, x, y)) }
}

extension ElementExpression: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    /// A constant, part of the formula.
    public init(floatLiteral value: Double) { self.init(value) }
    /// A constant, part of the formula.
    public init(integerLiteral value: Int) { self.init(Double(value)) }
}

// MARK: - Arithmetic

extension ElementExpression {
    /// The element with the other sign.
    public static prefix func - (x: Self) -> Self {
        x.constant.map { Self(-$0) } ?? x.applying(.init(.negate))
    }

    /// The sum of both.
    public static func + (x: Self, y: Self) -> Self {
        switch (x.constant, y.constant) {
        case (let a?, let b?): Self(a + b)
        case (let a?, nil): y.affine(1, a)
        case (nil, let b?): x.affine(1, b)
        default: x.applying(.init(.add), y)
        }
    }

    /// The difference of both.
    public static func - (x: Self, y: Self) -> Self {
        switch (x.constant, y.constant) {
        case (let a?, let b?): Self(a - b)
        case (let a?, nil): y.affine(-1, a)
        case (nil, let b?): x.affine(1, -b)
        default: x.applying(.init(.subtract), y)
        }
    }

    /// The product of both.
    public static func * (x: Self, y: Self) -> Self {
        switch (x.constant, y.constant) {
        case (let a?, let b?): Self(a * b)
        case (let a?, nil): a == 1 ? y : y.affine(a, 0)
        case (nil, let b?): b == 1 ? x : x.affine(b, 0)
        default: x.applying(.init(.multiply), y)
        }
    }

    /// The quotient of both; by a constant, the product with its reciprocal.
    public static func / (x: Self, y: Self) -> Self {
        switch (x.constant, y.constant) {
        case (let a?, let b?): Self(a / b)
        case (let a?, nil) where a == 1: y.reciprocal()
        case (nil, let b?): x.affine(1 / b, 0)
        default: x.applying(.init(.divide), y)
        }
    }

    private func affine(_ scale: Double, _ shift: Double) -> Self {
        applying(.init(.affine, a: scale, b: shift))
    }

    // Doubles that are no literals.
    /// The sum with a constant.
    @_disfavoredOverload public static func + (x: Self, y: Double) -> Self { x + Self(y) }
    /// The sum with a constant.
    @_disfavoredOverload public static func + (x: Double, y: Self) -> Self { Self(x) + y }
    /// The difference from a constant.
    @_disfavoredOverload public static func - (x: Self, y: Double) -> Self { x - Self(y) }
    /// The difference of a constant.
    @_disfavoredOverload public static func - (x: Double, y: Self) -> Self { Self(x) - y }
    /// The product with a constant.
    @_disfavoredOverload public static func * (x: Self, y: Double) -> Self { x * Self(y) }
    /// The product with a constant.
    @_disfavoredOverload public static func * (x: Double, y: Self) -> Self { Self(x) * y }
    /// The quotient by a constant.
    @_disfavoredOverload public static func / (x: Self, y: Double) -> Self { x / Self(y) }
    /// The quotient of a constant.
    @_disfavoredOverload public static func / (x: Double, y: Self) -> Self { Self(x) / y }

    /// The larger of both, NaN if either is.
    public static func maximum(_ x: Self, _ y: Self) -> Self { x.applying(.init(.maximum), y) }
    /// The smaller of both, NaN if either is.
    public static func minimum(_ x: Self, _ y: Self) -> Self { x.applying(.init(.minimum), y) }

    /// 1 where x is less than y, else 0.
    public static func .< (x: Self, y: Self) -> Self { x.applying(.init(.less), y) }
    /// 1 where x is at most y, else 0.
    public static func .<= (x: Self, y: Self) -> Self { x.applying(.init(.lessOrEqual), y) }
    /// 1 where x is greater than y, else 0.
    public static func .> (x: Self, y: Self) -> Self { x.applying(.init(.greater), y) }
    /// 1 where x is at least y, else 0.
    public static func .>= (x: Self, y: Self) -> Self { x.applying(.init(.greaterOrEqual), y) }
    /// 1 where both are equal, else 0.
    public static func .== (x: Self, y: Self) -> Self { x.applying(.init(.equal), y) }
    /// 1 where both differ or either is NaN, else 0.
    public static func .!= (x: Self, y: Self) -> Self { x.applying(.init(.notEqual), y) }
}

// MARK: - Functions, by the names that tensors have for them

extension ElementExpression {
    /// e to the power of x.
    public func exp() -> Self { applying(.init(.exponential)) }
    /// The natural logarithm of x.
    public func log() -> Self { applying(.init(.logarithm)) }
    /// √x.
    public func squareRoot() -> Self { applying(.init(.squareRoot)) }
    /// 1 / √x.
    public func reciprocalSquareRoot() -> Self { applying(.init(.reciprocalSquareRoot)) }
    /// 1 / x.
    public func reciprocal() -> Self { applying(.init(.reciprocal)) }
    /// x².
    public func square() -> Self { applying(.init(.square)) }
    /// The sine of x, in radians.
    public func sine() -> Self { applying(.init(.sine)) }
    /// The cosine of x, in radians.
    public func cosine() -> Self { applying(.init(.cosine)) }
    /// 2/√π ∫ exp(-t²) dt from 0 to x.
    public func errorFunction() -> Self { applying(.init(.errorFunction)) }
    /// |x|; its derivative at 0 is 0.
    public func absolute() -> Self { applying(.init(.absolute)) }
    /// -1, 0 or 1; its derivative is 0.
    public func sign() -> Self { applying(.init(.sign)) }
    /// 1 where x is neither NaN nor infinite, else 0.
    public func isFinite() -> Self { applying(.init(.isFinite)) }
    /// x to the power of `exponent`.
    public func power(_ exponent: Double) -> Self { applying(.init(.power, a: exponent)) }
    /// x to the power of `exponent`.
    public func power(_ exponent: Self) -> Self { applying(.init(.power), exponent) }
    /// The nearest value in `range`.
    public func clamped(to range: ClosedRange<Double>) -> Self {
        applying(.init(.clamp, a: range.lowerBound, b: range.upperBound))
    }
    /// 1 / (1 + exp(-x)).
    public func sigmoid() -> Self { applying(.init(.sigmoid)) }
    /// The hyperbolic tangent of x.
    public func tanh() -> Self { applying(.init(.tanh)) }
    /// x < 0 ? 0 : x.
    public func relu() -> Self { applying(.init(.relu)) }
    /// log(1 + exp(x)), computed without overflow.
    public func softplus() -> Self { applying(.init(.softplus)) }
    /// log(sigmoid(x)), computed without overflow.
    public func logSigmoid() -> Self { applying(.init(.logSigmoid)) }
    /// x · sigmoid(x).
    public func silu() -> Self { applying(.init(.silu)) }
    /// x · Φ(x) with the normal distribution's Φ.
    public func gelu() -> Self { applying(.init(.gelu)) }
}
