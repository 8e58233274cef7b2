/// What an encoder and its layers are called with when there is more than the input, as observers see it. The parts are
/// explained at `TransformerEncoderLayer`.
public struct EncoderInput {
    public var input: Tensor
    public var mask: Tensor?
    public var keyPaddingMask: Tensor?
    public var isCausal: Bool

    public init(_ input: Tensor, mask: Tensor? = nil, keyPaddingMask: Tensor? = nil, isCausal: Bool = false) {
        self.input = input
        self.mask = mask
        self.keyPaddingMask = keyPaddingMask
        self.isCausal = isCausal
    }
}

/// Self-attention and a feedforward network, each with a residual connection and layer normalisation
/// (Vaswani et al. 2017; normalisation first: Xiong et al. 2020).
public final class TransformerEncoderLayer: Module, Layer {
    public let selfAttention: MultiheadAttention
    public let linear1: Linear
    public let dropout: Dropout
    public let linear2: Linear
    public let norm1: LayerNorm
    public let norm2: LayerNorm
    public let dropout1: Dropout
    public let dropout2: Dropout
    /// Between the feedforward network's two products.
    public let activation: any TensorLayer
    /// Whether the norms stand before attention and feedforward network, or after the additions.
    public let normFirst: Bool

    public override class var partNames: [String: String] { ["selfAttention": "self_attn"] }

    /// - Parameters:
    ///   - size: of the features of each position, divided among the heads.
    ///   - feedforwardSize: of the feedforward network's hidden layer.
    ///   - dropout: of attention weights, hidden units and both branches.
    ///   - epsilon: of the norms.
    ///   - isBatchFirst: [batch, length, size] instead of [length, batch, size].
    public init(
        _ size: Int, heads: Int, feedforwardSize: Int = 2048, dropout: Double = 0.1,
        activation: any TensorLayer = ReLU(),
        epsilon: Double = 1e-5, isBatchFirst: Bool = false, normFirst: Bool = false, hasBias: Bool = true,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        selfAttention = MultiheadAttention(
            size, heads: heads, dropout: dropout, hasBias: hasBias, isBatchFirst: isBatchFirst, generator: generator,
            device: device)
        linear1 = Linear(size, feedforwardSize, hasBias: hasBias, generator: generator, device: device)
        self.dropout = Dropout(dropout)
        linear2 = Linear(feedforwardSize, size, hasBias: hasBias, generator: generator, device: device)
        norm1 = LayerNorm(size, epsilon: epsilon, hasBias: hasBias, device: device)
        norm2 = LayerNorm(size, epsilon: epsilon, hasBias: hasBias, device: device)
        dropout1 = Dropout(dropout)
        dropout2 = Dropout(dropout)
        self.activation = activation
        self.normFirst = normFirst
    }

    /// - Parameter input: [length, batch, size], or with the batch first, or without it.
    public func forward(_ input: Tensor) -> Tensor { encode(EncoderInput(input)) }

    /// - Parameters:
    ///   - input: [length, batch, size], or with the batch first, or without it.
    ///   - mask: as `MultiheadAttention`'s attention mask.
    ///   - keyPaddingMask: [batch, length]; uint8, 1 where a position is there.
    public func callAsFunction(
        _ input: Tensor, mask: Tensor?, keyPaddingMask: Tensor? = nil, isCausal: Bool = false
    ) -> Tensor {
        entering(EncoderInput(input, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal), encode)
    }

    private func encode(_ all: EncoderInput) -> Tensor {
        let input = all.input
        func attend(_ x: Tensor) -> Tensor {
            dropout1(
                selfAttention(
                    x, x, x, keyPaddingMask: all.keyPaddingMask, attentionMask: all.mask, isCausal: all.isCausal))
        }
        func feedForward(_ x: Tensor) -> Tensor { dropout2(linear2(dropout(activation(linear1(x))))) }
        if normFirst {
            let x = input + attend(norm1(input))
            return x + feedForward(norm2(x))
        }
        let x = norm1(input + attend(input))
        return norm2(x + feedForward(x))
    }
}

/// Encoder layers one after the other, and a last norm.
public final class TransformerEncoder: Module, Layer {
    public let layers: [TransformerEncoderLayer]
    public let norm: LayerNorm?

    /// - Parameter norm: applied to the output; wanted where the layers have `normFirst`.
    public init(_ layers: [TransformerEncoderLayer], norm: LayerNorm? = nil) {
        self.layers = layers
        self.norm = norm
    }

    public func forward(_ input: Tensor) -> Tensor { encode(EncoderInput(input)) }

    /// See `TransformerEncoderLayer`.
    public func callAsFunction(
        _ input: Tensor, mask: Tensor?, keyPaddingMask: Tensor? = nil, isCausal: Bool = false
    ) -> Tensor {
        entering(EncoderInput(input, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal), encode)
    }

    private func encode(_ all: EncoderInput) -> Tensor {
        let output = layers.reduce(all.input) {
            $1($0, mask: all.mask, keyPaddingMask: all.keyPaddingMask, isCausal: all.isCausal)
        }
        return norm.map { $0(output) } ?? output
    }
}
