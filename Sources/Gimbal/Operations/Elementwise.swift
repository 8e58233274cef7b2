import Foundation

// Functions of one element and of two, with broadcasting. Each forward pass stands with its gradient rule.

/// The gradient rule of a function of one element.
enum UnaryGradient {
    /// From what arrives alone.
    case constant((_ outputGradient: Tensor) -> Tensor)
    case fromInput((_ x: Tensor, _ outputGradient: Tensor) -> Tensor)
    case fromOutput((_ y: Tensor, _ outputGradient: Tensor) -> Tensor)
    /// One operation on input and gradient; the slope is for gradients that are to be differentiated again.
    case fusedFromInput(BinaryOperation, Slope)
    /// One operation on output and gradient.
    case fusedFromOutput(BinaryOperation, Slope)

    /// The derivative of a function of one element.
    enum Slope {
        /// The same on each piece of the function, so that its own derivative is 0.
        case constant
        /// In operations of tensors, of what the fused operation takes.
        case formula((Tensor) -> Tensor)

        /// The gradient of the input, to be differentiated again.
        func multiplied(by outputGradient: Tensor, _ value: Tensor, _ fused: BinaryOperation) -> Tensor {
            switch self {
            case .constant: outputGradient.onPieces(of: fused, value.detached())
            case .formula(let formula): outputGradient.maskedProduct(formula(value))
            }
        }
    }
}

extension Tensor {
    /// Applies `operation`.
    /// - Parameters:
    ///   - isFull: gives float32 whatever precision is in force.
    ///   - gradient: the input's gradient; what it needs of the forward pass is all that is kept of it.
    func unary(
        _ name: StaticString, _ operation: UnaryOperation, isFull: Bool = false, gradient: UnaryGradient
    ) -> Tensor {
        require(
            dtype.isFloatingPoint, "\(name)", "needs real numbers, not \(dtype); convert with cast(to: .float32)")
        let x = detached()
        let result = Tensor.make(shape, isFull ? fullType : dtype, device, inputs: [self]) {
            $0.unary(operation, x.view, out: $1)
        }
        switch gradient {
        case .constant(let gradient):
            return result.recorded(name, [self], .unary(operation)) { outputGradient, inputs in
                inputs.add(0, gradient(outputGradient))
            }
        case .fromInput(let gradient):
            return result.recorded(name, [self], .unary(operation)) { outputGradient, inputs in
                inputs.add(0, gradient(inputs.input(0, x), outputGradient))
            }
        case .fromOutput(let gradient):
            return result.recorded(name, [self], .unary(operation)) { outputGradient, inputs in
                inputs.add(0, gradient(inputs.output(result), outputGradient))
            }
        case .fusedFromInput(let fused, let slope):
            return result.recorded(name, [self], .unary(operation)) { outputGradient, inputs in
                let x = inputs.input(0, x)
                inputs.add(
                    0,
                    inputs.createsGraph
                        ? slope.multiplied(by: outputGradient, x, fused) : Tensor.combine(fused, x, outputGradient))
            }
        case .fusedFromOutput(let fused, let slope):
            return result.recorded(name, [self], .unary(operation)) { outputGradient, inputs in
                let y = inputs.output(result)
                inputs.add(
                    0,
                    inputs.createsGraph
                        ? slope.multiplied(by: outputGradient, y, fused) : Tensor.combine(fused, y, outputGradient))
            }
        }
    }

    /// `operation` without recording, on tensors that broadcast to one shape.
    package static func combine(
        _ operation: BinaryOperation, _ x: Tensor, _ y: Tensor, dtype: DType? = nil
    ) -> Tensor {
        let shape = commonShape("\(operation.kind)", x, y)
        let common = x.commonType("\(operation.kind)", y)
        return make(shape, dtype ?? common, x.device, inputs: [x, y]) { backend, out in
            backend.binary(operation, x.view.broadcast(to: shape), y.view.broadcast(to: shape), out: out)
        }
    }

    static func commonShape(_ name: @autoclosure () -> String, _ x: Tensor, _ y: Tensor) -> Shape {
        guard let shape = x.shape.broadcast(with: y.shape) else {
            stop(name(), "shapes \(x.shape) and \(y.shape) do not broadcast")
        }
        return shape
    }

    private static func binary(
        _ name: StaticString, _ kind: BinaryOperation.Kind, _ x: Tensor, _ y: Tensor, dtype: DType? = nil,
        gradient: @escaping GradientRule
    ) -> Tensor {
        let shape = commonShape("\(name)", x, y)
        let common = x.commonType("\(name)", y)
        require(
            common.isFloatingPoint || kind.takesWholeNumbers, "\(name)",
            "needs real numbers, not \(common) \(x.shape) and \(y.shape); convert them with cast(to:)")
        return operation(
            name, [x, y], shape, dtype: dtype ?? common, details: .binary(.init(kind)),
            forward: { backend, out in
                backend.binary(.init(kind), x.view.broadcast(to: shape), y.view.broadcast(to: shape), out: out)
            }, gradient: gradient)
    }

    // MARK: Gradients that are 0

    /// This gradient times `slope`, and 0 where it is 0, whatever the slope: what was masked out sends nothing back,
    /// though 0 times an infinite slope is NaN. Gradients are multiplied by this alone.
    package func maskedProduct(_ slope: Tensor) -> Tensor {
        let (slopes, gradients) = (slope.detached(), detached())
        return Tensor.binary("maskedProduct", .maskedProduct, slope, self) { outputGradient, inputs in
            inputs.add(0, inputs.input(1, gradients).maskedProduct(outputGradient))
            inputs.add(1, outputGradient.maskedProduct(inputs.input(0, slopes)))
        }
    }

    /// This gradient divided by `divisor`, and 0 where it is 0, whatever the divisor.
    func maskedQuotient(_ divisor: Tensor) -> Tensor {
        let (divisors, gradients) = (divisor.detached(), detached())
        return Tensor.binary("maskedQuotient", .maskedQuotient, divisor, self) { outputGradient, inputs in
            let divisor = inputs.input(0, divisors)
            let share = outputGradient.maskedQuotient(divisor)
            inputs.add(0, -inputs.input(1, gradients).maskedQuotient(divisor).maskedProduct(share))
            inputs.add(1, share)
        }
    }

    /// This gradient through `fused`, whose slope at `value` is one number on each piece of the function.
    fileprivate func onPieces(of fused: BinaryOperation, _ value: Tensor) -> Tensor {
        Tensor.combine(fused, value, detached()).recorded("slope", [self]) { outputGradient, inputs in
            inputs.add(0, outputGradient.onPieces(of: fused, inputs.saved(value)))
        }
    }

    /// 0, whatever this gradient is, and to be differentiated again as every gradient is.
    private var timesZero: Tensor { scalar(0).maskedProduct(self) }

    // MARK: Arithmetic

    /// x + y, element by element. Shapes broadcast; of two real types, the result has the wider.
    public static func + (x: Tensor, y: Tensor) -> Tensor {
        binary("+", .add, x, y) { outputGradient, inputs in
            inputs.add(0, outputGradient)
            inputs.add(1, outputGradient)
        }
    }

    /// x - y, element by element. Shapes broadcast; of two real types, the result has the wider.
    public static func - (x: Tensor, y: Tensor) -> Tensor {
        binary("-", .subtract, x, y) { outputGradient, inputs in
            inputs.add(0, outputGradient)
            inputs.add(1, -outputGradient)
        }
    }

    /// x · y, element by element; `matmul` has the product of matrices. Shapes broadcast; of two real types, the result
    /// has the wider.
    public static func * (x: Tensor, y: Tensor) -> Tensor {
        let (a, b) = (x.detached(), y.detached())
        return binary("*", .multiply, x, y) { outputGradient, inputs in
            inputs.add(0, outputGradient.maskedProduct(inputs.input(1, b)))
            inputs.add(1, outputGradient.maskedProduct(inputs.input(0, a)))
        }
    }

    /// x / y, element by element, of real numbers. Shapes broadcast; of two types, the result has the wider.
    public static func / (x: Tensor, y: Tensor) -> Tensor {
        let (a, b) = (x.detached(), y.detached())
        return binary("/", .divide, x, y) { outputGradient, inputs in
            let b = inputs.input(1, b)
            let share = outputGradient.maskedQuotient(b)
            inputs.add(0, share)
            inputs.add(1, -share.maskedProduct(inputs.input(0, a) / b))
        }
    }

    /// x to the power of `exponent`, element by element.
    public func power(_ exponent: Tensor) -> Tensor {
        let (x, e) = (detached(), exponent.detached())
        return Tensor.binary("power", .power, self, exponent, dtype: .wider(fullType, exponent.fullType)) {
            outputGradient, inputs in
            let (x, e) = (inputs.input(0, x), inputs.input(1, e))
            // x⁰ and positive powers of 0 are constant, where the formulas would multiply 0 by infinity.
            if inputs.isNeeded(0) {
                inputs.add(0, outputGradient.maskedProduct(e * x.power(e - 1)).filled(where: e .== 0, with: 0))
            }
            if inputs.isNeeded(1) {
                let isConstant = (x .== 0) .& (e .>= 0)
                inputs.add(1, outputGradient.maskedProduct(x.power(e) * x.log()).filled(where: isConstant, with: 0))
            }
        }
    }

    /// The larger of both, NaN if either is. Where both are equal, each receives half of the gradient; where either is NaN,
    /// each receives it whole, as in PyTorch.
    public static func maximum(_ x: Tensor, _ y: Tensor) -> Tensor {
        extremum("maximum", .maximum, .less, x, y)
    }

    /// The smaller of both, NaN if either is. The gradient is shared as that of `maximum`.
    public static func minimum(_ x: Tensor, _ y: Tensor) -> Tensor {
        extremum("minimum", .minimum, .greater, x, y)
    }

    /// - Parameter loses: whether the first of two numbers is not the result.
    private static func extremum(
        _ name: StaticString, _ kind: BinaryOperation.Kind, _ loses: BinaryOperation.Kind, _ x: Tensor, _ y: Tensor
    ) -> Tensor {
        let (a, b) = (x.detached(), y.detached())
        return binary(name, kind, x, y) { outputGradient, inputs in
            let (a, b) = (inputs.saved(a), inputs.saved(b))
            // A comparison with NaN does not hold: nobody loses.
            let share = combine(.init(.equal), a, b).affine(scale: -0.5, shift: 1)
            inputs.add(0, (share - combine(.init(loses), a, b)).maskedProduct(outputGradient))
            inputs.add(1, (share - combine(.init(loses), b, a)).maskedProduct(outputGradient))
        }
    }

    /// scale * x + shift.
    public func affine(scale: Double, shift: Double = 0) -> Tensor {
        unary("affine", .init(.affine, a: scale, b: shift), gradient: .constant { $0.affine(scale: scale) })
    }

    /// -x, of real numbers.
    public static prefix func - (x: Tensor) -> Tensor { x.unary("negate", .init(.negate), gradient: .constant { -$0 }) }

    // MARK: Functions of one element

    /// e to the power of x, element by element.
    public func exp() -> Tensor {
        unary(
            "exp", .init(.exponential), isFull: true, gradient: .fromOutput { y, arrived in arrived.maskedProduct(y) })
    }
    /// The natural logarithm: -infinity of 0, NaN below.
    public func log() -> Tensor {
        unary("log", .init(.logarithm), isFull: true, gradient: .fromInput { x, arrived in arrived.maskedQuotient(x) })
    }
    /// √x, NaN below 0. Its gradient at 0 is infinite, unless what arrives there is 0.
    public func squareRoot() -> Tensor {
        unary("squareRoot", .init(.squareRoot), gradient: .fromOutput { y, arrived in arrived.maskedQuotient(y) * 0.5 })
    }
    /// 1 / √x: infinity at 0, NaN below.
    public func reciprocalSquareRoot() -> Tensor {
        unary(
            "reciprocalSquareRoot", .init(.reciprocalSquareRoot), isFull: true,
            gradient: .fromOutput { y, arrived in arrived.maskedProduct(y * y * y) * -0.5 })
    }
    /// 1 / x: infinite at 0.
    public func reciprocal() -> Tensor {
        unary(
            "reciprocal", .init(.reciprocal), isFull: true,
            gradient: .fromOutput { y, arrived in -arrived.maskedProduct(y).maskedProduct(y) })
    }
    /// x · x.
    public func square() -> Tensor {
        unary("square", .init(.square), gradient: .fromInput { x, arrived in arrived.maskedProduct(x) * 2 })
    }
    /// The sine of x in radians.
    public func sine() -> Tensor {
        unary("sine", .init(.sine), gradient: .fromInput { x, arrived in arrived.maskedProduct(x.cosine()) })
    }
    /// The cosine of x in radians.
    public func cosine() -> Tensor {
        unary("cosine", .init(.cosine), gradient: .fromInput { x, arrived in -arrived.maskedProduct(x.sine()) })
    }
    /// |x|; its gradient at 0 is 0.
    public func absolute() -> Tensor {
        unary("absolute", .init(.absolute), gradient: .fusedFromInput(.init(.absoluteGradient), .constant))
    }
    /// -1, 0 or 1; its gradient is 0.
    public func sign() -> Tensor { unary("sign", .init(.sign), gradient: .constant { $0.timesZero }) }

    /// x to the power of `exponent`. A power of 0 is 1 for every x, so that its gradient is 0.
    public func power(_ exponent: Double) -> Tensor {
        unary(
            "power", .init(.power, a: exponent), isFull: true,
            gradient: exponent == 0
                ? .constant { $0.timesZero }
                : .fromInput { x, arrived in arrived.maskedProduct(x.power(exponent - 1)) * exponent })
    }

    /// The nearest value in `range`. The gradient passes where x lies within it, borders included.
    public func clamped(to range: ClosedRange<Double>) -> Tensor {
        require(dtype.isFloatingPoint, "clamped", "needs real numbers, not \(dtype)")
        let x = detached()
        let operation = UnaryOperation(.clamp, a: range.lowerBound, b: range.upperBound)
        let result = Tensor.make(shape, dtype, device, inputs: [self]) { $0.unary(operation, x.view, out: $1) }
        return result.recorded("clamped", [self], .unary(operation)) { outputGradient, inputs in
            inputs.add(
                0, Tensor.combine(.init(.equal), inputs.saved(x), inputs.saved(result)).maskedProduct(outputGradient))
        }
    }

    // MARK: Selection

    /// Elements of `x` where `condition` holds, of `y` elsewhere.
    public static func select(_ condition: Tensor, _ x: Tensor, _ y: Tensor) -> Tensor {
        require(condition.dtype == .uint8, "select", "the condition must be uint8, not \(condition.dtype)")
        guard let shape = condition.shape.broadcast(with: commonShape("select", x, y)) else {
            stop("select", "shapes \(condition.shape), \(x.shape) and \(y.shape) do not broadcast")
        }
        let mask = condition.detached()
        return operation(
            "select", [x, y], shape, dtype: x.commonType("select", y), operands: [mask],
            details: .selection(condition: mask),
            forward: { backend, out in
                backend.select(
                    mask.view.broadcast(to: shape), x.view.broadcast(to: shape), y.view.broadcast(to: shape), out: out)
            },
            gradient: { outputGradient, inputs in
                let mask = inputs.saved(mask)
                let zero = outputGradient.scalar(0)
                inputs.add(0, select(mask, outputGradient, zero))
                inputs.add(1, select(mask, zero, outputGradient))
            })
    }
}
