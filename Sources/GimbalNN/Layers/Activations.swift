// Smooth and saturating activation functions as layers. The functions themselves, with their papers, are methods of
// `Tensor`.

/// 1 / (1 + exp(-x)), from 0 to 1.
public final class Sigmoid: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.sigmoid() }
}

/// (exp(x) - exp(-x)) / (exp(x) + exp(-x)), from -1 to 1.
public final class Tanh: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.tanh() }
}

/// x · sigmoid(x), also called Swish.
public final class SiLU: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.silu() }
}

/// x · Φ(x), where Φ is the distribution function of the standard normal (Hendrycks and Gimpel 2016).
public final class GELU: Module, Layer {
    /// Whether Φ(x) is taken as ½ (1 + tanh(√(2 / π) (x + 0.044715 x³))), as GPT-2 does, instead of exactly.
    public let approximatesByTanh: Bool
    /// Exact unless told otherwise.
    public init(approximatesByTanh: Bool = false) { self.approximatesByTanh = approximatesByTanh }
    public func forward(_ input: Tensor) -> Tensor { input.gelu(approximatesByTanh: approximatesByTanh) }
    public override var signature: String { "GELU(\(approximatesByTanh ? "approximatesByTanh: true" : ""))" }
}

/// x · tanh(log(1 + exp(x))).
public final class Mish: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.mish() }
}

/// log(1 + exp(beta · x)) / beta; x itself where beta · x > threshold.
public final class Softplus: Module, Layer {
    /// How sharp the bend at 0 is, above 0: the larger, the nearer to ReLU.
    public let beta: Double
    /// The value of beta · x above which the result is x itself.
    public let threshold: Double
    /// Bends with sharpness `beta`, and is x itself where beta · x > `threshold`. From 20 on, the default, float32
    /// cannot tell the two.
    public init(beta: Double = 1, threshold: Double = 20) {
        self.beta = beta
        self.threshold = threshold
    }
    public func forward(_ input: Tensor) -> Tensor { input.softplus(beta: beta, threshold: threshold) }
    public override var signature: String { "Softplus(beta: \(beta), threshold: \(threshold))" }
}

/// x / (1 + |x|).
public final class Softsign: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.softsign() }
}

/// log(sigmoid(x)).
public final class LogSigmoid: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.logSigmoid() }
}

/// x - tanh(x).
public final class Tanhshrink: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.tanhShrink() }
}

/// a · sigmoid(b) for the two halves a and b of the input along `axis` (Dauphin et al. 2017).
public final class GLU: Module, Layer {
    /// The axis that is halved, so that its size must be even; negative ones count from the last.
    public let axis: Int
    /// Halves the last axis unless another is given.
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.glu(axis: axis) }
    public override var signature: String { "GLU(axis: \(axis))" }
}

/// exp(x) / Σ exp(x) along `axis`.
public final class Softmax: Module, Layer {
    /// The axis along which probabilities add up to 1; negative ones count from the last.
    public let axis: Int
    /// Works along the last axis unless another is given.
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.softmax(axis: axis) }
    public override var signature: String { "Softmax(axis: \(axis))" }
}

/// log(softmax(x)) along `axis`.
public final class LogSoftmax: Module, Layer {
    /// The axis along which probabilities add up to 1; negative ones count from the last.
    public let axis: Int
    /// Works along the last axis unless another is given.
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.logSoftmax(axis: axis) }
    public override var signature: String { "LogSoftmax(axis: \(axis))" }
}

/// softmax(-x) along `axis`.
public final class Softmin: Module, Layer {
    /// The axis along which probabilities add up to 1; negative ones count from the last.
    public let axis: Int
    /// Works along the last axis unless another is given.
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.softmin(axis: axis) }
    public override var signature: String { "Softmin(axis: \(axis))" }
}
