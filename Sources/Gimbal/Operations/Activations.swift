// Activation functions, each with its gradient rule. Values and gradients at kinks, infinities and NaN are PyTorch's.

extension Tensor {
    // MARK: Saturating

    /// 1 / (1 + exp(-x)). Its derivative is at most 1/4, which is how deep sigmoid nets lose their gradient.
    public func sigmoid() -> Tensor {
        unary(
            "sigmoid", .init(.sigmoid), gradient: .fusedFromOutput(.init(.sigmoidGradient), .formula { y in y - y * y })
        )
    }
    /// The hyperbolic tangent, in [-1, 1]. Its derivative is 1 at 0 and less everywhere else.
    public func tanh() -> Tensor {
        unary("tanh", .init(.tanh), gradient: .fusedFromOutput(.init(.tanhGradient), .formula { y in 1 - y.square() }))
    }
    /// log(1 / (1 + exp(-x))), computed without overflow.
    public func logSigmoid() -> Tensor {
        unary(
            "logSigmoid", .init(.logSigmoid),
            gradient: .fusedFromInput(.init(.logSigmoidGradient), .formula { x in (-x).sigmoid() }))
    }
    /// x / (1 + |x|) (Bergstra et al. 2009).
    public func softsign() -> Tensor {
        unary(
            "softsign", .init(.softsign),
            gradient: .fusedFromInput(
                .init(.softsignGradient), .formula { x in (x.absolute() + 1).reciprocal().square() }))
    }
    /// The nearest value in `range` (Collobert 2004). Its gradient at both ends is 0, that of `clamped(to:)` is 1.
    public func hardTanh(_ range: ClosedRange<Double> = -1...1) -> Tensor {
        let (a, b) = (range.lowerBound, range.upperBound)
        return unary(
            "hardTanh", .init(.clamp, a: a, b: b),
            gradient: .fusedFromInput(.init(.insideGradient, a: a, b: b), .constant))
    }
    /// The nearest value to x / 6 + 1/2 in 0...1 (Courbariaux et al. 2015, with PyTorch's slope).
    public func hardSigmoid() -> Tensor {
        unary("hardSigmoid", .init(.hardSigmoid), gradient: .fusedFromInput(.init(.hardSigmoidGradient), .constant))
    }

    // MARK: Rectifying

    /// max(0, x) that lets NaN through (Nair and Hinton 2010). Its gradient at 0 is 0.
    public func relu() -> Tensor {
        unary("relu", .init(.relu), gradient: .fusedFromOutput(.init(.reluGradient), .constant))
    }
    /// max(0, x), at most 6 (Krizhevsky 2010).
    public func relu6() -> Tensor { hardTanh(0...6) }
    /// x where positive, else slope · x (Maas et al. 2013).
    public func leakyReLU(slope: Double = 0.01) -> Tensor {
        require(slope > 0, "leakyReLU", "slope must be positive, not \(slope)")
        return unary(
            "leakyReLU", .init(.leakyReLU, a: slope),
            gradient: .fusedFromOutput(.init(.leakyReLUGradient, a: slope), .constant))
    }
    /// x where positive, else slope · x, with slopes that may be learned (He et al. 2015).
    /// - Parameter slopes: of a shape that broadcasts to this tensor's.
    public func prelu(slopes: Tensor) -> Tensor {
        require(
            shape.broadcast(with: slopes.shape) == shape, "prelu", "slopes of \(slopes.shape) do not fit \(shape)")
        let (x, w) = (detached(), slopes.detached())
        let result = Tensor.combine(.init(.prelu), x, w, dtype: dtype)
        return result.recorded("prelu", [self, slopes], .binary(.init(.prelu))) { outputGradient, inputs in
            let (x, w) = (inputs.input(0, x), inputs.input(1, w))
            if inputs.createsGraph {
                let isPositive = x.isGreater(than: x.scalar(0))
                inputs.add(0, outputGradient.maskedProduct(.select(isPositive, x.scalar(1), w)))
                inputs.add(1, outputGradient.maskedProduct(.select(isPositive, x.scalar(0), x)))
                return
            }
            inputs.add(0, outputGradient.maskedProduct(.combine(.init(.preluSlope), x, w)))
            inputs.add(1, Tensor.combine(.init(.preluWeightGradient), x, outputGradient))
        }
    }
    /// x where positive, else slope · x with a slope drawn for each element from `slopes` (Xu et al. 2015). Along
    /// `batchAxis` they are for the rows of a batch: see ``RandomGenerator``.
    public func randomizedLeakyReLU(
        slopes: ClosedRange<Double> = 1.0 / 8...1.0 / 3, batchAxis: Int? = 0, generator: RandomGenerator = .current
    ) -> Tensor {
        prelu(
            slopes: Tensor.uniform(
                shape, low: slopes.lowerBound, high: slopes.upperBound, batchAxis: batchAxis, generator: generator,
                device: device))
    }
    /// x where positive, else scale · (exp(x) - 1) (Clevert et al. 2016).
    public func elu(scale: Double = 1) -> Tensor {
        unary(
            "elu", .init(.elu, a: scale),
            gradient: .fusedFromInput(
                .init(.eluGradient, a: scale), .formula { $0.exponentialSlope(below: scale, above: 1) }))
    }
    /// ELU with the scale and the slope under which activations keep mean 0 and variance 1 (Klambauer et al. 2017).
    public func selu() -> Tensor {
        unary(
            "selu", .init(.selu),
            gradient: .fusedFromInput(
                .init(.seluGradient),
                .formula { $0.exponentialSlope(below: 1.7580993408473766, above: 1.0507009873554805) }))
    }
    /// x where positive, else scale · (exp(x / scale) - 1), whose slope has no step at 0 (Barron 2017).
    public func celu(scale: Double = 1) -> Tensor {
        require(scale > 0, "celu", "scale must be positive, not \(scale)")
        return unary(
            "celu", .init(.celu, a: scale),
            gradient: .fusedFromInput(.init(.celuGradient, a: scale), .formula { $0.exponentialSlope(rate: 1 / scale) })
        )
    }
    /// x where greater than `limit`, else `value`.
    public func threshold(_ limit: Double, value: Double) -> Tensor {
        unary(
            "threshold", .init(.threshold, a: limit, b: value),
            gradient: .fusedFromInput(.init(.outsideGradient, a: -.infinity, b: limit), .constant))
    }

    // MARK: Smooth

    /// x · sigmoid(x), also called Swish (Elfwing et al. 2018; Ramachandran et al. 2017).
    public func silu() -> Tensor {
        unary(
            "silu", .init(.silu),
            gradient: .fusedFromInput(
                .init(.siluGradient),
                .formula { x in
                    let s = x.sigmoid()
                    return s * (x * (1 - s) + 1)
                }))
    }
    /// x · Φ(x) (Hendrycks and Gimpel 2016), exact or by the tanh approximation of the paper.
    public func gelu(approximatesByTanh: Bool = false) -> Tensor {
        approximatesByTanh
            ? unary(
                "gelu", .init(.geluTanh),
                gradient: .fusedFromInput(
                    .init(.geluTanhGradient),
                    .formula { x in
                        let (rate, cubic) = (0.7978845608028654, 0.044715)  // √(2 / π)
                        let t = (x * (x.square() * cubic + 1) * rate).tanh()
                        return (t + 1) * 0.5 + x * (1 - t.square()) * (x.square() * (3 * cubic) + 1) * (rate / 2)
                    }))
            : unary(
                "gelu", .init(.gelu),
                gradient: .fusedFromInput(
                    .init(.geluGradient),
                    .formula { x in
                        x.slope(.init(.geluGradient)) { x in
                            (x.square() * -0.5).exp() * (2 - x.square()) * 0.3989422804014327  // 1 / √(2 π)
                        }
                    }))
    }
    /// x · tanh(log(1 + exp(x))) (Misra 2020).
    public func mish() -> Tensor {
        unary(
            "mish", .init(.mish),
            gradient: .fusedFromInput(
                .init(.mishGradient),
                .formula { x in
                    let t = x.softplus().tanh()
                    return t + x * (1 - t.square()) * x.sigmoid()
                }))
    }
    /// log(1 + exp(beta · x)) / beta, computed without overflow.
    /// - Parameters:
    ///   - beta: how sharply the result bends at 0; the larger, the nearer to a ReLU.
    ///   - threshold: where beta · x lies above, the result is x itself. Above 20 the two are one float32 number, so
    ///     that only a lower threshold costs anything.
    public func softplus(beta: Double = 1, threshold: Double = 20) -> Tensor {
        require(beta > 0, "softplus", "beta must be positive, not \(beta)")
        let scaled = beta == 1 ? self : self * beta
        let smooth = scaled.unary(
            "softplus", .init(.softplus), isFull: true,
            gradient: .fusedFromInput(.init(.softplusGradient), .formula { $0.sigmoid() }))
        let result = beta == 1 ? smooth : smooth / beta
        if threshold >= 20 { return result }
        return Tensor.select(scaled .> threshold, self, result)
    }
    /// x · hardSigmoid(x) (Howard et al. 2019).
    public func hardSwish() -> Tensor {
        unary(
            "hardSwish", .init(.hardSwish),
            gradient: .fusedFromInput(
                .init(.hardSwishGradient),
                .formula { x in
                    x.slope(.init(.hardSwishGradient)) { x in
                        Tensor.combine(.init(.insideGradient, a: -3, b: 3), x.detached(), x.scalar(1.0 / 3))
                    }
                }))
    }

    // MARK: Shrinking

    /// x - tanh(x).
    public func tanhShrink() -> Tensor {
        let (x, y) = (detached(), detached().tanh())
        return (x - y).recorded("tanhShrink", [self]) { outputGradient, inputs in
            let y = inputs.createsGraph ? inputs.input(0, x).tanh() : y
            inputs.add(0, outputGradient.maskedProduct(y.square()))
        }
    }
    /// x outside [-limit, limit], else 0.
    public func hardShrink(_ limit: Double = 0.5) -> Tensor {
        unary(
            "hardShrink", .init(.hardShrink, a: limit),
            gradient: .fusedFromInput(.init(.outsideGradient, a: -limit, b: limit), .constant))
    }
    /// x moved towards 0 by `limit`, 0 where it would pass it.
    public func softShrink(_ limit: Double = 0.5) -> Tensor {
        require(limit >= 0, "softShrink", "the limit must not be negative, not \(limit)")
        return unary(
            "softShrink", .init(.softShrink, a: limit),
            gradient: .fusedFromInput(.init(.outsideGradient, a: -limit, b: limit), .constant))
    }

    // MARK: Gated

    /// a · sigmoid(b) for the two halves a and b along `axis` (Dauphin et al. 2017).
    public func glu(axis: Int = -1) -> Tensor {
        let axis = resolve(axis, "glu")
        require(shape[axis] % 2 == 0, "glu", "axis \(axis) of \(shape) has no two halves")
        let half = shape[axis] / 2
        return sliced(0..<half, axis: axis) * sliced(half..<2 * half, axis: axis).sigmoid()
    }
}

extension Tensor {
    /// below · exp(rate · x) where x is negative, else `above`: the slope of ELU and its kin.
    fileprivate func exponentialSlope(below: Double = 1, rate: Double = 1, above: Double = 1) -> Tensor {
        Tensor.select(
            isLess(than: scalar(0)), (clamped(to: -.infinity...0) * rate).exp() * below, scalar(above))
    }

    /// The slope that `fused` multiplies gradients by, whose own derivative is `derivative`.
    fileprivate func slope(_ fused: BinaryOperation, _ derivative: @escaping (Tensor) -> Tensor) -> Tensor {
        let x = detached()
        return Tensor.combine(fused, x, scalar(1)).recorded("slope", [self]) { outputGradient, inputs in
            inputs.add(0, outputGradient.maskedProduct(derivative(inputs.input(0, x))))
        }
    }
}
