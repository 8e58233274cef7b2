// Activation functions, each with its gradient rule. Values and gradients at kinks, infinities and NaN are PyTorch's.

extension Tensor {
    // MARK: Saturating

    /// 1 / (1 + exp(-x)). Its derivative is at most 1/4, which is how deep sigmoid nets lose their gradient.
    public func sigmoid() -> Tensor { unary("sigmoid", .init(.sigmoid), fromOutput: .init(.sigmoidGradient)) }
    public func tanh() -> Tensor { unary("tanh", .init(.tanh), fromOutput: .init(.tanhGradient)) }
    /// log(1 / (1 + exp(-x))), computed without overflow.
    public func logSigmoid() -> Tensor {
        unary("logSigmoid", .init(.logSigmoid), fromInput: .init(.logSigmoidGradient))
    }
    /// x / (1 + |x|) (Bergstra et al. 2009).
    public func softsign() -> Tensor { unary("softsign", .init(.softsign), fromInput: .init(.softsignGradient)) }
    /// The nearest value in `range` (Collobert 2004). Its gradient at both ends is 0, that of `clamped(to:)` is 1.
    public func hardTanh(_ range: ClosedRange<Double> = -1...1) -> Tensor {
        let (a, b) = (range.lowerBound, range.upperBound)
        return unary("hardTanh", .init(.clamp, a: a, b: b), fromInput: .init(.insideGradient, a: a, b: b))
    }
    /// The nearest value to x / 6 + 1/2 in 0...1 (Courbariaux et al. 2015, with PyTorch's slope).
    public func hardSigmoid() -> Tensor {
        unary("hardSigmoid", .init(.hardSigmoid), fromInput: .init(.hardSigmoidGradient))
    }

    // MARK: Rectifying

    /// max(0, x) that lets NaN through (Nair and Hinton 2010). Its gradient at 0 is 0.
    public func relu() -> Tensor { unary("relu", .init(.relu), fromOutput: .init(.reluGradient)) }
    /// max(0, x), at most 6 (Krizhevsky 2010).
    public func relu6() -> Tensor { hardTanh(0...6) }
    /// x where positive, else slope · x (Maas et al. 2013).
    public func leakyReLU(slope: Double = 0.01) -> Tensor {
        require(slope > 0, "leakyReLU", "slope must be positive, not \(slope)")
        return unary(
            "leakyReLU", .init(.leakyReLU, a: slope), fromOutput: .init(.leakyReLUGradient, a: slope))
    }
    /// x where positive, else slope · x, with slopes that may be learned (He et al. 2015).
    /// - Parameter slopes: of a shape that broadcasts to this tensor's.
    public func prelu(slopes: Tensor) -> Tensor {
        require(
            shape.broadcast(with: slopes.shape) == shape, "prelu", "slopes of \(slopes.shape) do not fit \(shape)")
        let (x, w) = (detached(), slopes.detached())
        let result = Tensor.combine(.init(.prelu), x, w, dtype: dtype)
        return result.recorded("prelu", [self, slopes]) { outputGradient, inputs in
            inputs.add(0, outputGradient * Tensor.combine(.init(.preluSlope), x, w))
            inputs.add(1, Tensor.combine(.init(.preluWeightGradient), x, outputGradient))
        }
    }
    /// x where positive, else slope · x with a slope drawn for each element from `slopes` (Xu et al. 2015).
    public func randomizedLeakyReLU(
        slopes: ClosedRange<Double> = 1.0 / 8...1.0 / 3, generator: RandomGenerator = .current
    ) -> Tensor {
        prelu(
            slopes: Tensor.uniform(
                shape, low: slopes.lowerBound, high: slopes.upperBound, generator: generator, device: device))
    }
    /// x where positive, else scale · (exp(x) - 1) (Clevert et al. 2016).
    public func elu(scale: Double = 1) -> Tensor {
        unary("elu", .init(.elu, a: scale), fromInput: .init(.eluGradient, a: scale))
    }
    /// ELU with the scale and the slope under which activations keep mean 0 and variance 1 (Klambauer et al. 2017).
    public func selu() -> Tensor { unary("selu", .init(.selu), fromInput: .init(.seluGradient)) }
    /// x where positive, else scale · (exp(x / scale) - 1), whose slope has no step at 0 (Barron 2017).
    public func celu(scale: Double = 1) -> Tensor {
        require(scale > 0, "celu", "scale must be positive, not \(scale)")
        return unary("celu", .init(.celu, a: scale), fromInput: .init(.celuGradient, a: scale))
    }
    /// x where greater than `limit`, else `value`.
    public func threshold(_ limit: Double, value: Double) -> Tensor {
        unary(
            "threshold", .init(.threshold, a: limit, b: value),
            fromInput: .init(.outsideGradient, a: -.infinity, b: limit))
    }

    // MARK: Smooth

    /// x · sigmoid(x), also called Swish (Elfwing et al. 2018; Ramachandran et al. 2017).
    public func silu() -> Tensor { unary("silu", .init(.silu), fromInput: .init(.siluGradient)) }
    /// x · Φ(x) (Hendrycks and Gimpel 2016), exact or by the tanh approximation of the paper.
    public func gelu(approximatesByTanh: Bool = false) -> Tensor {
        approximatesByTanh
            ? unary("gelu", .init(.geluTanh), fromInput: .init(.geluTanhGradient))
            : unary("gelu", .init(.gelu), fromInput: .init(.geluGradient))
    }
    /// x · tanh(log(1 + exp(x))) (Misra 2020).
    public func mish() -> Tensor { unary("mish", .init(.mish), fromInput: .init(.mishGradient)) }
    /// log(1 + exp(beta · x)) / beta, computed without overflow.
    /// - Parameter threshold: where beta · x lies above, the result is x itself. Above 20 the two are one float32 number,
    ///   so that only a lower threshold costs anything.
    public func softplus(beta: Double = 1, threshold: Double = 20) -> Tensor {
        require(beta > 0, "softplus", "beta must be positive, not \(beta)")
        let scaled = beta == 1 ? self : self * beta
        let smooth = scaled.unary("softplus", .init(.softplus), isFull: true, fromInput: .init(.softplusGradient))
        let result = beta == 1 ? smooth : smooth / beta
        if threshold >= 20 { return result }
        let limit = Tensor(repeating: threshold, [], dtype: dtype, device: device)
        return Tensor.select(scaled.isGreater(than: limit), self, result)
    }
    /// x · hardSigmoid(x) (Howard et al. 2019).
    public func hardSwish() -> Tensor { unary("hardSwish", .init(.hardSwish), fromInput: .init(.hardSwishGradient)) }

    // MARK: Shrinking

    /// x - tanh(x).
    public func tanhShrink() -> Tensor {
        let y = detached().tanh()
        return (detached() - y).recorded("tanhShrink", [self]) { outputGradient, inputs in
            inputs.add(0, outputGradient * y.square())
        }
    }
    /// x outside [-limit, limit], else 0.
    public func hardShrink(_ limit: Double = 0.5) -> Tensor {
        unary("hardShrink", .init(.hardShrink, a: limit), fromInput: .init(.outsideGradient, a: -limit, b: limit))
    }
    /// x moved towards 0 by `limit`, 0 where it would pass it.
    public func softShrink(_ limit: Double = 0.5) -> Tensor {
        require(limit >= 0, "softShrink", "the limit must not be negative, not \(limit)")
        return unary(
            "softShrink", .init(.softShrink, a: limit), fromInput: .init(.outsideGradient, a: -limit, b: limit))
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
