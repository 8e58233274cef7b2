/// Self-attention and a feedforward network, each with a residual connection and layer normalisation
/// (Vaswani et al. 2017; normalisation first: Xiong et al. 2020).
public final class TransformerEncoderLayer: Layer {
    public let selfAttn: MultiheadAttention
    public let linear1: Linear
    public let dropout: Dropout
    public let linear2: Linear
    public let norm1: LayerNorm
    public let norm2: LayerNorm
    public let dropout1: Dropout
    public let dropout2: Dropout
    /// Between the feedforward network's two products.
    public let activation: any Layer
    /// Whether the norms stand before attention and feedforward network, or after the additions.
    public let normFirst: Bool

    /// - Parameters:
    ///   - size: of the features of each position, divided among the heads.
    ///   - feedforwardSize: of the feedforward network's hidden layer.
    ///   - dropout: of attention weights, hidden units and both branches.
    ///   - epsilon: of the norms.
    ///   - isBatchFirst: [batch, length, size] instead of [length, batch, size].
    public init(
        _ size: Int, heads: Int, feedforwardSize: Int = 2048, dropout: Double = 0.1, activation: any Layer = ReLU(),
        epsilon: Double = 1e-5, isBatchFirst: Bool = false, normFirst: Bool = false, hasBias: Bool = true,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        selfAttn = MultiheadAttention(
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

    public func callAsFunction(_ input: Tensor) -> Tensor { self(input, mask: nil) }

    /// - Parameters:
    ///   - input: [length, batch, size], or with the batch first, or without it.
    ///   - mask: as `MultiheadAttention`'s attention mask.
    ///   - keyPaddingMask: [batch, length]; uint8, 1 where a position is there.
    public func callAsFunction(
        _ input: Tensor, mask: Tensor?, keyPaddingMask: Tensor? = nil, isCausal: Bool = false
    ) -> Tensor {
        if normFirst {
            let (sum, branch) = branches(
                input, adding: nil, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal)
            return sum + branch
        }
        let (_, x) = norm1.ofSum(
            input, attend(input, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal))
        return norm2.ofSum(x, feedForward(x)).normalized
    }

    /// A layer with the norms first, but for its last addition, which the next norm can do as well.
    /// - Parameter branch: what is still to be added to `input`.
    /// - Returns: the sum so far, and what is to be added to it.
    fileprivate func branches(
        _ input: Tensor, adding branch: Tensor?, mask: Tensor?, keyPaddingMask: Tensor?, isCausal: Bool
    ) -> (sum: Tensor, branch: Tensor) {
        let (x, first) = branch.map { norm1.ofSum(input, $0) } ?? (input, norm1(input))
        let (sum, second) = norm2.ofSum(
            x, attend(first, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal))
        return (sum, feedForward(second))
    }

    private func attend(_ x: Tensor, mask: Tensor?, keyPaddingMask: Tensor?, isCausal: Bool) -> Tensor {
        dropout1(selfAttn(x, x, x, keyPaddingMask: keyPaddingMask, attentionMask: mask, isCausal: isCausal))
    }

    private func feedForward(_ x: Tensor) -> Tensor { dropout2(linear2(dropout(activation(linear1(x))))) }

    public var description: String { "TransformerEncoderLayer(\(selfAttn.size), heads: \(selfAttn.heads))" }
}

/// Encoder layers one after the other, and a last norm.
public final class TransformerEncoder: Layer {
    public let layers: [TransformerEncoderLayer]
    public let norm: LayerNorm?

    /// - Parameter norm: applied to the output; wanted where the layers have `normFirst`.
    public init(_ layers: [TransformerEncoderLayer], norm: LayerNorm? = nil) {
        self.layers = layers
        self.norm = norm
    }

    public func callAsFunction(_ input: Tensor) -> Tensor { self(input, mask: nil) }

    /// See `TransformerEncoderLayer`.
    public func callAsFunction(
        _ input: Tensor, mask: Tensor?, keyPaddingMask: Tensor? = nil, isCausal: Bool = false
    ) -> Tensor {
        if let norm, layers.allSatisfy(\.normFirst), !layers.isEmpty {
            var (sum, branch): (Tensor, Tensor?) = (input, nil)
            for layer in layers {
                (sum, branch) = layer.branches(
                    sum, adding: branch, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal)
            }
            return norm.ofSum(sum, branch!).normalized
        }
        let output = layers.reduce(input) {
            $1($0, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal)
        }
        return norm.map { $0(output) } ?? output
    }

    public var description: String { "TransformerEncoder(\(layers.count) layers)" }
}

extension LayerNorm {
    /// x + y, and its norm.
    fileprivate func ofSum(_ x: Tensor, _ y: Tensor) -> (sum: Tensor, normalized: Tensor) {
        guard normalizedShape.rank == 1 else {
            let sum = x + y
            return (sum, self(sum))
        }
        return x.addedAndNormalized(y, scale: weight?.value, shift: bias?.value, epsilon: epsilon)
    }
}
