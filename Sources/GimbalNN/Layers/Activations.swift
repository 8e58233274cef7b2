// Smooth and saturating activation functions as layers. The functions themselves, with their papers, are methods of
// `Tensor`.

/// 1 / (1 + exp(-x)).
public final class Sigmoid: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.sigmoid() }
}

public final class Tanh: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.tanh() }
}

/// x · sigmoid(x), also called Swish.
public final class SiLU: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.silu() }
}

/// x · Φ(x).
public final class GELU: Layer {
    public let approximatesByTanh: Bool
    public init(approximatesByTanh: Bool = false) { self.approximatesByTanh = approximatesByTanh }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.gelu(approximatesByTanh: approximatesByTanh) }
    public var description: String { "GELU(\(approximatesByTanh ? "approximatesByTanh: true" : ""))" }
}

/// x · tanh(log(1 + exp(x))).
public final class Mish: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.mish() }
}

/// log(1 + exp(beta · x)) / beta; x itself where beta · x > threshold.
public final class Softplus: Layer {
    public let beta: Double
    public let threshold: Double
    public init(beta: Double = 1, threshold: Double = 20) {
        self.beta = beta
        self.threshold = threshold
    }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.softplus(beta: beta, threshold: threshold) }
    public var description: String { "Softplus(beta: \(beta), threshold: \(threshold))" }
}

/// x / (1 + |x|).
public final class Softsign: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.softsign() }
}

/// log(sigmoid(x)).
public final class LogSigmoid: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.logSigmoid() }
}

/// x - tanh(x).
public final class Tanhshrink: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.tanhShrink() }
}

/// a · sigmoid(b) for the two halves a and b of the input along `axis`.
public final class GLU: Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.glu(axis: axis) }
    public func outputSizes(_ inputSizes: [Int]?) -> [Int]? {
        guard var sizes = inputSizes else { return nil }
        // Sizes are without the batch axis.
        let index = axis < 0 ? axis + sizes.count : axis - 1
        guard sizes.indices.contains(index) else { return nil }
        sizes[index] /= 2
        return sizes
    }
    public var description: String { "GLU(axis: \(axis))" }
}

/// exp(x) / Σ exp(x) along `axis`.
public final class Softmax: Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.softmax(axis: axis) }
    public var description: String { "Softmax(axis: \(axis))" }
}

/// log(softmax(x)) along `axis`.
public final class LogSoftmax: Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.logSoftmax(axis: axis) }
    public var description: String { "LogSoftmax(axis: \(axis))" }
}

/// softmax(-x) along `axis`.
public final class Softmin: Layer {
    public let axis: Int
    public init(axis: Int = -1) { self.axis = axis }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.softmin(axis: axis) }
    public var description: String { "Softmin(axis: \(axis))" }
}
