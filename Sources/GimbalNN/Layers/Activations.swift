// Activation functions as layers. The functions themselves, with their papers, are methods of `Tensor`.

/// 1 / (1 + exp(-x)).
public final class Sigmoid: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.sigmoid() }
}

public final class Tanh: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.tanh() }
}

/// x where positive, else 0.
public final class ReLU: Layer {
    public init() {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input.relu() }
}

/// x where positive, else slope · x.
public final class LeakyReLU: Layer {
    public let slope: Double
    public init(slope: Double = 0.01) { self.slope = slope }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.leakyReLU(slope: slope) }
    public var description: String { "LeakyReLU(slope: \(slope))" }
}

/// x where positive, else scale · (exp(x) - 1).
public final class ELU: Layer {
    public let scale: Double
    public init(scale: Double = 1) { self.scale = scale }
    public func callAsFunction(_ input: Tensor) -> Tensor { input.elu(scale: scale) }
    public var description: String { "ELU(scale: \(scale))" }
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
