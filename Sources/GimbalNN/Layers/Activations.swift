// Smooth and saturating activation functions as layers. The functions themselves, with their papers, are methods of
// `Tensor`.

/// 1 / (1 + exp(-x)).
public final class Sigmoid: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.sigmoid() }
}

public final class Tanh: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.tanh() }
}

/// x · sigmoid(x), also called Swish.
public final class SiLU: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.silu() }
}

/// x · Φ(x).
public final class GELU: Module, Layer {
    public let approximatesByTanh: Bool
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
    public let beta: Double
    public let threshold: Double
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

/// a · sigmoid(b) for the two halves a and b of the input along `axis`.
public final class GLU: Module, Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.glu(axis: axis) }
    public override var signature: String { "GLU(axis: \(axis))" }
}

/// exp(x) / Σ exp(x) along `axis`.
public final class Softmax: Module, Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.softmax(axis: axis) }
    public override var signature: String { "Softmax(axis: \(axis))" }
}

/// log(softmax(x)) along `axis`.
public final class LogSoftmax: Module, Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.logSoftmax(axis: axis) }
    public override var signature: String { "LogSoftmax(axis: \(axis))" }
}

/// softmax(-x) along `axis`.
public final class Softmin: Module, Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func forward(_ input: Tensor) -> Tensor { input.softmin(axis: axis) }
    public override var signature: String { "Softmin(axis: \(axis))" }
}
