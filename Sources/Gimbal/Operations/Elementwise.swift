import Foundation

// Functions of one element and of two, with broadcasting. Each forward pass stands with its gradient rule.

extension Tensor {
    /// Applies `operation`; `gradient` gives the input's gradient from (x, y, dy).
    /// - Parameter isFull: gives float32 whatever precision is in force.
    func unary(
        _ name: StaticString, _ operation: UnaryOperation, isFull: Bool = false,
        gradient: @escaping (_ x: Tensor, _ y: Tensor, _ outputGradient: Tensor) -> Tensor
    ) -> Tensor {
        require(dtype.isFloatingPoint, "\(name)", "needs real numbers, not \(dtype)")
        let x = detached()
        let result = Tensor.make(shape, isFull ? fullType : dtype, device, inputs: [self]) {
            $0.unary(operation, x.view, out: $1)
        }
        return result.recorded(name, [self]) { outputGradient, inputs in
            inputs.add(0, gradient(x, result, outputGradient))
        }
    }

    /// A unary operation whose gradient is one fused binary operation on its output.
    func unary(
        _ name: StaticString, _ operation: UnaryOperation, fromOutput gradient: BinaryOperation
    ) -> Tensor {
        unary(name, operation) { _, y, outputGradient in Tensor.combine(gradient, y, outputGradient) }
    }

    /// A unary operation whose gradient is one fused binary operation on its input.
    func unary(
        _ name: StaticString, _ operation: UnaryOperation, isFull: Bool = false, fromInput gradient: BinaryOperation
    ) -> Tensor {
        unary(name, operation, isFull: isFull) { x, _, outputGradient in Tensor.combine(gradient, x, outputGradient) }
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

    static func commonShape(_ name: String, _ x: Tensor, _ y: Tensor) -> Shape {
        guard let shape = x.shape.broadcast(with: y.shape) else {
            stop(name, "shapes \(x.shape) and \(y.shape) do not broadcast")
        }
        return shape
    }

    private static func binary(
        _ name: StaticString, _ kind: BinaryOperation.Kind, _ x: Tensor, _ y: Tensor, dtype: DType? = nil,
        gradient: @escaping GradientRule
    ) -> Tensor {
        let shape = commonShape("\(name)", x, y)
        let common = x.commonType("\(name)", y)
        return operation(
            name, [x, y], shape, dtype: dtype ?? common,
            forward: { backend, out in
                backend.binary(.init(kind), x.view.broadcast(to: shape), y.view.broadcast(to: shape), out: out)
            }, gradient: gradient)
    }

    // MARK: Arithmetic

    public static func + (x: Tensor, y: Tensor) -> Tensor {
        binary("+", .add, x, y) { outputGradient, inputs in
            inputs.add(0, outputGradient)
            inputs.add(1, outputGradient)
        }
    }

    public static func - (x: Tensor, y: Tensor) -> Tensor {
        binary("-", .subtract, x, y) { outputGradient, inputs in
            inputs.add(0, outputGradient)
            inputs.add(1, -outputGradient)
        }
    }

    public static func * (x: Tensor, y: Tensor) -> Tensor {
        let (a, b) = (x.detached(), y.detached())
        return binary("*", .multiply, x, y) { outputGradient, inputs in
            inputs.add(0, outputGradient * b)
            inputs.add(1, outputGradient * a)
        }
    }

    public static func / (x: Tensor, y: Tensor) -> Tensor {
        let (a, b) = (x.detached(), y.detached())
        return binary("/", .divide, x, y) { outputGradient, inputs in
            inputs.add(0, outputGradient / b)
            inputs.add(1, -(outputGradient * a / (b * b)))
        }
    }

    /// x to the power of `exponent`, element by element.
    public func power(_ exponent: Tensor) -> Tensor {
        let (x, e) = (detached(), exponent.detached())
        return Tensor.binary("power", .power, self, exponent, dtype: .wider(fullType, exponent.fullType)) {
            outputGradient, inputs in
            inputs.add(0, outputGradient * e * x.power(e - 1))
            inputs.add(1, outputGradient * x.power(e) * x.log())
        }
    }

    /// The larger of both, NaN if either is. Where both are equal, each receives half of the gradient.
    public static func maximum(_ x: Tensor, _ y: Tensor) -> Tensor {
        extremum("maximum", .maximum, .greater, x, y)
    }

    /// The smaller of both, NaN if either is. Where both are equal, each receives half of the gradient.
    public static func minimum(_ x: Tensor, _ y: Tensor) -> Tensor {
        extremum("minimum", .minimum, .less, x, y)
    }

    private static func extremum(
        _ name: StaticString, _ kind: BinaryOperation.Kind, _ wins: BinaryOperation.Kind, _ x: Tensor, _ y: Tensor
    ) -> Tensor {
        let (a, b) = (x.detached(), y.detached())
        return binary(name, kind, x, y) { outputGradient, inputs in
            let half = combine(.init(.equal), a, b) * 0.5
            inputs.add(0, outputGradient * (combine(.init(wins), a, b) + half))
            inputs.add(1, outputGradient * (combine(.init(wins), b, a) + half))
        }
    }

    /// scale * x + shift.
    public func affine(scale: Double, shift: Double = 0) -> Tensor {
        unary("affine", .init(.affine, a: scale, b: shift)) { $2.affine(scale: scale) }
    }

    public static prefix func - (x: Tensor) -> Tensor { x.unary("negate", .init(.negate)) { -$2 } }

    // MARK: Functions of one element

    public func exp() -> Tensor { unary("exp", .init(.exponential), isFull: true) { $2 * $1 } }
    public func log() -> Tensor { unary("log", .init(.logarithm), isFull: true) { $2 / $0 } }
    public func squareRoot() -> Tensor { unary("squareRoot", .init(.squareRoot)) { $2 / ($1 * 2) } }
    public func reciprocalSquareRoot() -> Tensor {
        unary("reciprocalSquareRoot", .init(.reciprocalSquareRoot), isFull: true) { $2 * ($1 * $1 * $1) * -0.5 }
    }
    public func reciprocal() -> Tensor {
        unary("reciprocal", .init(.reciprocal), isFull: true) { -($2 * $1 * $1) }
    }
    public func square() -> Tensor { unary("square", .init(.square)) { $2 * $0 * 2 } }
    public func sine() -> Tensor { unary("sine", .init(.sine)) { $2 * $0.cosine() } }
    public func cosine() -> Tensor { unary("cosine", .init(.cosine)) { -($2 * $0.sine()) } }
    /// |x|; its gradient at 0 is 0.
    public func absolute() -> Tensor { unary("absolute", .init(.absolute)) { $2 * $0.sign() } }
    /// -1, 0 or 1; its gradient is 0.
    public func sign() -> Tensor { unary("sign", .init(.sign)) { $2 * 0 } }

    /// x to the power of `exponent`.
    public func power(_ exponent: Double) -> Tensor {
        unary("power", .init(.power, a: exponent), isFull: true) { x, _, outputGradient in
            outputGradient * x.power(exponent - 1) * exponent
        }
    }

    /// The nearest value in `range`. The gradient passes where x lies within it, borders included.
    public func clamped(to range: ClosedRange<Double>) -> Tensor {
        unary("clamped", .init(.clamp, a: range.lowerBound, b: range.upperBound)) { x, y, outputGradient in
            outputGradient * Tensor.combine(.init(.equal), x, y)
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
            "select", [x, y], shape, dtype: x.commonType("select", y),
            forward: { backend, out in
                backend.select(
                    mask.view.broadcast(to: shape), x.view.broadcast(to: shape), y.view.broadcast(to: shape), out: out)
            },
            gradient: { outputGradient, inputs in
                let zero = Tensor(repeating: 0, [], dtype: outputGradient.dtype, device: outputGradient.device)
                inputs.add(0, select(mask, outputGradient, zero))
                inputs.add(1, select(mask, zero, outputGradient))
            })
    }
}
