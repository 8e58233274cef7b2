/// A fully connected layer: y = x Wᵀ + b over the last axis.
///
/// ```swift
/// let layer = Linear(784, 512)
/// let y = layer(x)  // [64, 784] to [64, 512]
/// ```
public final class Linear: Module, Layer {
    /// W, [outputs, inputs].
    public let weight: Parameter
    /// b, [outputs]; nil without `hasBias`.
    public let bias: Parameter?

    /// - Parameters:
    ///   - inputs: size of the last axis of the input.
    ///   - outputs: size of the last axis of the output.
    ///   - hasBias: whether b is there.
    ///   - weightInitializer: uniform in ±1/√inputs unless given, as PyTorch's layer.
    ///   - biasInitializer: uniform in ±1/√inputs unless given.
    ///   - generator: what first values are drawn from.
    ///   - device: where the layer is made.
    public init(
        _ inputs: Int, _ outputs: Int, hasBias: Bool = true, weightInitializer: Initializer? = nil,
        biasInitializer: Initializer? = nil, generator: RandomGenerator = .current, device: Device = .current
    ) {
        require(inputs > 0 && outputs > 0, "Linear", "sizes must be positive, not \(inputs) and \(outputs)")
        let bound = 1 / Double(inputs).squareRoot()
        let standard = Initializer.uniform(low: -bound, high: bound)
        weight = Parameter(
            (weightInitializer ?? standard).make([outputs, inputs], generator: generator, device: device))
        bias =
            hasBias
            ? Parameter((biasInitializer ?? standard).make([outputs], generator: generator, device: device)) : nil
    }

    /// `Linear(inputs, outputs)` with its sizes named: those of the last axes of input and output.
    public convenience init(inputs: Int, outputs: Int, hasBias: Bool = true, device: Device = .current) {
        self.init(inputs, outputs, hasBias: hasBias, device: device)
    }

    public func forward(_ input: Tensor) -> Tensor {
        input.linear(weight: weight.value, bias: bias?.value)
    }

    public override var signature: String {
        "Linear(\(weight.shape[1]), \(weight.shape[0])\(bias == nil ? ", hasBias: false" : ""))"
    }
}

/// Joins all axes after the batch: [batch, ...] to [batch, features].
public final class Flatten: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor { input.flattened(from: 1) }
}
