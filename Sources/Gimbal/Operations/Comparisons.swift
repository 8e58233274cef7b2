// Comparisons give masks: tensors of uint8 with 1 for true and 0 for false, which have no gradient. Logical operations take
// masks in which anything but 0 is true, and give 0 and 1 for those of 0 and 1. The operators are spelled as those of Swift's
// SIMD types.

extension Tensor {
    // MARK: Named comparisons

    /// Where the elements are equal.
    public func equals(_ other: Tensor) -> Tensor { compared(.equal, other) }
    /// Where the elements differ; NaN differs from everything, itself included.
    public func differs(from other: Tensor) -> Tensor { compared(.notEqual, other) }
    /// Where the element is less than the other.
    public func isLess(than other: Tensor) -> Tensor { compared(.less, other) }
    /// Where the element is less than the other or equal.
    public func isAtMost(_ other: Tensor) -> Tensor { compared(.lessOrEqual, other) }
    /// Where the element is greater than the other.
    public func isGreater(than other: Tensor) -> Tensor { compared(.greater, other) }
    /// Where the element is greater than the other or equal.
    public func isAtLeast(_ other: Tensor) -> Tensor { compared(.greaterOrEqual, other) }

    private func compared(_ kind: BinaryOperation.Kind, _ other: Tensor) -> Tensor {
        noted(combining: kind, other, dtype: .uint8)
    }

    /// `kind` of this tensor and another, through which no gradient flows.
    func noted(combining kind: BinaryOperation.Kind, _ other: Tensor, dtype: DType? = nil) -> Tensor {
        Tensor.combine(.init(kind), self, other, dtype: dtype)
            .noted("combined", [self, other], .binary(.init(kind)))
    }

    /// Where this tensor is NaN.
    public func isNaN() -> Tensor { compared(.notEqual, self) }

    // MARK: Comparison operators

    /// Where an element is equal to y.
    public static func .== (x: Tensor, y: Tensor) -> Tensor { x.compared(.equal, y) }
    /// Where an element differs from y.
    public static func .!= (x: Tensor, y: Tensor) -> Tensor { x.compared(.notEqual, y) }
    /// Where an element is less than y.
    public static func .< (x: Tensor, y: Tensor) -> Tensor { x.compared(.less, y) }
    /// Where an element is at most y.
    public static func .<= (x: Tensor, y: Tensor) -> Tensor { x.compared(.lessOrEqual, y) }
    /// Where an element is greater than y.
    public static func .> (x: Tensor, y: Tensor) -> Tensor { x.compared(.greater, y) }
    /// Where an element is at least y.
    public static func .>= (x: Tensor, y: Tensor) -> Tensor { x.compared(.greaterOrEqual, y) }

    // With a number, which takes on the tensor's dtype: for tensors of whole numbers it must be one too.

    /// Where an element is equal to y.
    public static func .== (x: Tensor, y: Double) -> Tensor { x .== x.scalar(y) }
    /// Where an element differs from y.
    public static func .!= (x: Tensor, y: Double) -> Tensor { x .!= x.scalar(y) }
    /// Where an element is less than y.
    public static func .< (x: Tensor, y: Double) -> Tensor { x .< x.scalar(y) }
    /// Where an element is at most y.
    public static func .<= (x: Tensor, y: Double) -> Tensor { x .<= x.scalar(y) }
    /// Where an element is greater than y.
    public static func .> (x: Tensor, y: Double) -> Tensor { x .> x.scalar(y) }
    /// Where an element is at least y.
    public static func .>= (x: Tensor, y: Double) -> Tensor { x .>= x.scalar(y) }
    /// Where x is equal to an element.
    public static func .== (x: Double, y: Tensor) -> Tensor { y.scalar(x) .== y }
    /// Where x differs from an element.
    public static func .!= (x: Double, y: Tensor) -> Tensor { y.scalar(x) .!= y }
    /// Where x is less than an element.
    public static func .< (x: Double, y: Tensor) -> Tensor { y.scalar(x) .< y }
    /// Where x is at most an element.
    public static func .<= (x: Double, y: Tensor) -> Tensor { y.scalar(x) .<= y }
    /// Where x is greater than an element.
    public static func .> (x: Double, y: Tensor) -> Tensor { y.scalar(x) .> y }
    /// Where x is at least an element.
    public static func .>= (x: Double, y: Tensor) -> Tensor { y.scalar(x) .>= y }

    /// Where an element is equal to y.
    public static func .== (x: Tensor, y: Int) -> Tensor { x .== Double(y) }
    /// Where an element differs from y.
    public static func .!= (x: Tensor, y: Int) -> Tensor { x .!= Double(y) }
    /// Where an element is less than y.
    public static func .< (x: Tensor, y: Int) -> Tensor { x .< Double(y) }
    /// Where an element is at most y.
    public static func .<= (x: Tensor, y: Int) -> Tensor { x .<= Double(y) }
    /// Where an element is greater than y.
    public static func .> (x: Tensor, y: Int) -> Tensor { x .> Double(y) }
    /// Where an element is at least y.
    public static func .>= (x: Tensor, y: Int) -> Tensor { x .>= Double(y) }
    /// Where x is equal to an element.
    public static func .== (x: Int, y: Tensor) -> Tensor { Double(x) .== y }
    /// Where x differs from an element.
    public static func .!= (x: Int, y: Tensor) -> Tensor { Double(x) .!= y }
    /// Where x is less than an element.
    public static func .< (x: Int, y: Tensor) -> Tensor { Double(x) .< y }
    /// Where x is at most an element.
    public static func .<= (x: Int, y: Tensor) -> Tensor { Double(x) .<= y }
    /// Where x is greater than an element.
    public static func .> (x: Int, y: Tensor) -> Tensor { Double(x) .> y }
    /// Where x is at least an element.
    public static func .>= (x: Int, y: Tensor) -> Tensor { Double(x) .>= y }

    /// Where an element is equal to y.
    public static func .== (x: Tensor, y: Float) -> Tensor { x .== Double(y) }
    /// Where an element differs from y.
    public static func .!= (x: Tensor, y: Float) -> Tensor { x .!= Double(y) }
    /// Where an element is less than y.
    public static func .< (x: Tensor, y: Float) -> Tensor { x .< Double(y) }
    /// Where an element is at most y.
    public static func .<= (x: Tensor, y: Float) -> Tensor { x .<= Double(y) }
    /// Where an element is greater than y.
    public static func .> (x: Tensor, y: Float) -> Tensor { x .> Double(y) }
    /// Where an element is at least y.
    public static func .>= (x: Tensor, y: Float) -> Tensor { x .>= Double(y) }

    // MARK: Logic

    /// Where both masks hold.
    public func logicalAnd(_ other: Tensor) -> Tensor { asBytes().noted(combining: .minimum, other.asBytes()) }
    /// Where at least one of both masks holds.
    public func logicalOr(_ other: Tensor) -> Tensor { asBytes().noted(combining: .maximum, other.asBytes()) }
    /// Where exactly one of both masks holds.
    public func logicalXor(_ other: Tensor) -> Tensor { logicalNot().compared(.notEqual, other.logicalNot()) }
    /// Where the mask does not hold.
    public func logicalNot() -> Tensor { detached() .== scalar(0) }

    /// Where both masks hold.
    public static func .& (x: Tensor, y: Tensor) -> Tensor { x.logicalAnd(y) }
    /// Where at least one of both masks holds.
    public static func .| (x: Tensor, y: Tensor) -> Tensor { x.logicalOr(y) }
    /// Where exactly one of both masks holds.
    public static func .^ (x: Tensor, y: Tensor) -> Tensor { x.logicalXor(y) }
    /// Where the mask does not hold.
    public static prefix func .! (x: Tensor) -> Tensor { x.logicalNot() }
    /// Replaces x by x .& y.
    public static func .&= (x: inout Tensor, y: Tensor) { x = x .& y }
    /// Replaces x by x .| y.
    public static func .|= (x: inout Tensor, y: Tensor) { x = x .| y }
    /// Replaces x by x .^ y.
    public static func .^= (x: inout Tensor, y: Tensor) { x = x .^ y }

    /// 1 where an element is other than 0 (NaN included), else 0.
    func asMask() -> Tensor { detached() .!= scalar(0) }

    /// This tensor as a mask whose true elements may be other than 1.
    private func asBytes() -> Tensor { dtype == .uint8 ? self : asMask() }

    // MARK: Masks and elements

    /// `value` where `mask` holds, else this tensor's elements, through which the gradient passes. Also called
    /// masked fill; between two tensors, `select` chooses.
    /// The mask is uint8, of a shape that broadcasts with this tensor's.
    public func filled(where mask: Tensor, with value: Double) -> Tensor {
        Tensor.select(mask, scalar(value), self)
    }
}
