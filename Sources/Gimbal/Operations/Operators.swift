// Arithmetic with numbers of Swift on either side, and the assigning forms.
//
// A number takes on the tensor's dtype and does not widen it. Tensors of int32 and uint8 take whole numbers.

extension Tensor {
    // MARK: Numbers on either side

    /// Each element plus y.
    public static func + (x: Tensor, y: Double) -> Tensor {
        x.dtype.isFloatingPoint ? x.affine(scale: 1, shift: y) : x.combined(.add, y)
    }
    /// Each element minus y.
    public static func - (x: Tensor, y: Double) -> Tensor {
        x.dtype.isFloatingPoint ? x.affine(scale: 1, shift: -y) : x.combined(.subtract, y)
    }
    /// Each element times y.
    public static func * (x: Tensor, y: Double) -> Tensor {
        x.dtype.isFloatingPoint ? x.affine(scale: y) : x.combined(.multiply, y)
    }
    /// The quotient of real numbers; a tensor of whole ones is to be converted first, by `cast(to: .float32)`.
    public static func / (x: Tensor, y: Double) -> Tensor {
        x.requireRealForQuotient()
        return x.affine(scale: 1 / y)
    }

    /// x plus each element.
    public static func + (x: Double, y: Tensor) -> Tensor { y + x }
    /// x minus each element.
    public static func - (x: Double, y: Tensor) -> Tensor {
        y.dtype.isFloatingPoint ? y.affine(scale: -1, shift: x) : y.scalar(x).noted(combining: .subtract, y)
    }
    /// x times each element.
    public static func * (x: Double, y: Tensor) -> Tensor { y * x }
    /// x divided by each element, a real number.
    public static func / (x: Double, y: Tensor) -> Tensor {
        y.requireRealForQuotient()
        return y.reciprocal() * x
    }

    /// Each element plus y.
    public static func + (x: Tensor, y: Int) -> Tensor { x + Double(y) }
    /// Each element minus y.
    public static func - (x: Tensor, y: Int) -> Tensor { x - Double(y) }
    /// Each element times y.
    public static func * (x: Tensor, y: Int) -> Tensor { x * Double(y) }
    /// Each element divided by y.
    public static func / (x: Tensor, y: Int) -> Tensor { x / Double(y) }
    /// x plus each element.
    public static func + (x: Int, y: Tensor) -> Tensor { Double(x) + y }
    /// x minus each element.
    public static func - (x: Int, y: Tensor) -> Tensor { Double(x) - y }
    /// x times each element.
    public static func * (x: Int, y: Tensor) -> Tensor { Double(x) * y }
    /// x divided by each element.
    public static func / (x: Int, y: Tensor) -> Tensor { Double(x) / y }

    /// Each element plus y.
    public static func + (x: Tensor, y: Float) -> Tensor { x + Double(y) }
    /// Each element minus y.
    public static func - (x: Tensor, y: Float) -> Tensor { x - Double(y) }
    /// Each element times y.
    public static func * (x: Tensor, y: Float) -> Tensor { x * Double(y) }
    /// Each element divided by y.
    public static func / (x: Tensor, y: Float) -> Tensor { x / Double(y) }
    /// x plus each element.
    public static func + (x: Float, y: Tensor) -> Tensor { Double(x) + y }
    /// x minus each element.
    public static func - (x: Float, y: Tensor) -> Tensor { Double(x) - y }
    /// x times each element.
    public static func * (x: Float, y: Tensor) -> Tensor { Double(x) * y }
    /// x divided by each element.
    public static func / (x: Float, y: Tensor) -> Tensor { Double(x) / y }

    // MARK: Assigning forms
    //
    // `x += y` is `x = x + y`: a new tensor, through which gradients flow. What shares elements with x keeps its own.

    /// Replaces x by x + y.
    public static func += (x: inout Tensor, y: Tensor) { x = x + y }
    /// Replaces x by x - y.
    public static func -= (x: inout Tensor, y: Tensor) { x = x - y }
    /// Replaces x by x · y, element by element.
    public static func *= (x: inout Tensor, y: Tensor) { x = x * y }
    /// Replaces x by x / y, element by element.
    public static func /= (x: inout Tensor, y: Tensor) { x = x / y }
    /// Replaces x by x + y.
    public static func += (x: inout Tensor, y: Double) { x = x + y }
    /// Replaces x by x - y.
    public static func -= (x: inout Tensor, y: Double) { x = x - y }
    /// Replaces x by x · y, element by element.
    public static func *= (x: inout Tensor, y: Double) { x = x * y }
    /// Replaces x by x / y, element by element.
    public static func /= (x: inout Tensor, y: Double) { x = x / y }
    /// Replaces x by x + y.
    public static func += (x: inout Tensor, y: Int) { x = x + y }
    /// Replaces x by x - y.
    public static func -= (x: inout Tensor, y: Int) { x = x - y }
    /// Replaces x by x · y, element by element.
    public static func *= (x: inout Tensor, y: Int) { x = x * y }
    /// Replaces x by x / y, element by element.
    public static func /= (x: inout Tensor, y: Int) { x = x / y }
    /// Replaces x by x + y.
    public static func += (x: inout Tensor, y: Float) { x = x + y }
    /// Replaces x by x - y.
    public static func -= (x: inout Tensor, y: Float) { x = x - y }
    /// Replaces x by x · y, element by element.
    public static func *= (x: inout Tensor, y: Float) { x = x * y }
    /// Replaces x by x / y, element by element.
    public static func /= (x: inout Tensor, y: Float) { x = x / y }

    // MARK: A number as a tensor

    /// `number` as a tensor without axes of this tensor's dtype and device.
    package func scalar(_ number: Double) -> Tensor {
        requireFitting(number)
        return Tensor(repeating: number, [], dtype: dtype, device: device)
    }

    private func requireRealForQuotient() {
        require(
            dtype.isFloatingPoint, "/",
            "a number and a tensor of \(dtype) have no quotient; convert the tensor with cast(to: .float32)")
    }

    /// Stops where a tensor of whole numbers cannot hold `number`.
    func requireFitting(_ number: Double) {
        if dtype.isFloatingPoint { return }
        let range: ClosedRange<Double> = dtype == .uint8 ? 0...255 : Double(Int32.min)...Double(Int32.max)
        require(
            number == number.rounded() && range.contains(number), "\(dtype) \(shape)",
            "\(number) is no \(dtype); convert the tensor with cast(to:)")
    }

    /// `kind` of this tensor of whole numbers and `number`.
    private func combined(_ kind: BinaryOperation.Kind, _ number: Double) -> Tensor {
        noted(combining: kind, scalar(number))
    }
}
