/// What an encoder and its layers are called with when there is more than the input, as observers see it.
public struct EncoderInput {
    /// What the encoder reads, [length, batch, size], or with the batch first, or without it.
    public var input: Tensor
    /// Which positions a position may attend to, as `MultiheadAttention`'s attention mask; nil for all.
    public var mask: Tensor?
    /// Which positions there are, [batch, length]; uint8, 1 where a position is there. nil where all are.
    public var keyPaddingMask: Tensor?
    /// Whether a position attends to positions up to itself only.
    public var isCausal: Bool
    /// Keeps the keys and values of a layer, which the input goes on from; nil where it is the whole sequence.
    var cache: AttentionCache?

    /// An input in which every position attends to all, unless masks are given.
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
    /// Attention of the positions to each other.
    public let selfAttention: MultiheadAttention
    /// The feedforward network's first product, from `size` to `feedforwardSize` features.
    public let linear1: Linear
    /// Drops hidden units of the feedforward network.
    public let dropout: Dropout
    /// The feedforward network's second product, from `feedforwardSize` to `size` features.
    public let linear2: Linear
    /// The norm of the attention, before or after it as `normFirst` says.
    public let norm1: LayerNorm
    /// The norm of the feedforward network.
    public let norm2: LayerNorm
    /// Drops elements of what the attention adds.
    public let dropout1: Dropout
    /// Drops elements of what the feedforward network adds.
    public let dropout2: Dropout
    /// What stands between the feedforward network's two products.
    public let activation: any TensorLayer
    /// Whether the norms stand before attention and feedforward network, or after the additions.
    public let normFirst: Bool

    public override class var partNames: [String: String] { ["selfAttention": "self_attn"] }

    /// An encoder layer, with PyTorch's defaults.
    /// - Parameters:
    ///   - size: features of each position; a multiple of `heads`, which share them.
    ///   - heads: how many heads attend.
    ///   - feedforwardSize: hidden units of the feedforward network.
    ///   - dropout: the probability of dropping attention weights, hidden units and elements of each branch, in
    ///     training.
    ///   - activation: what stands between the feedforward network's two products.
    ///   - epsilon: what the norms add to a variance.
    ///   - isBatchFirst: whether tensors are [batch, length, size] instead of [length, batch, size].
    ///   - normFirst: whether the norms stand before attention and feedforward network, or after the additions.
    ///   - hasBias: whether products and norms add biases.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        _ size: Int, heads: Int, feedforwardSize: Int = 2048, dropout: Double = 0.1,
        activation: any TensorLayer = ReLU(),
        epsilon: Double = 1e-5, isBatchFirst: Bool = false, normFirst: Bool = false, hasBias: Bool = true,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        func makeDropout() -> Dropout { Dropout(dropout, batchAxis: isBatchFirst ? 0 : 1) }
        selfAttention = MultiheadAttention(
            size, heads: heads, dropout: dropout, hasBias: hasBias, isBatchFirst: isBatchFirst, generator: generator,
            device: device)
        linear1 = Linear(size, feedforwardSize, hasBias: hasBias, generator: generator, device: device)
        self.dropout = makeDropout()
        linear2 = Linear(feedforwardSize, size, hasBias: hasBias, generator: generator, device: device)
        norm1 = LayerNorm(size, epsilon: epsilon, hasBias: hasBias, device: device)
        norm2 = LayerNorm(size, epsilon: epsilon, hasBias: hasBias, device: device)
        dropout1 = makeDropout()
        dropout2 = makeDropout()
        self.activation = activation
        self.normFirst = normFirst
    }

    /// The layer's output for [length, batch, size], or with the batch first, or without it; of the same shape.
    public func forward(_ input: Tensor) -> Tensor { encode(EncoderInput(input)) }

    /// The output, of the shape of the input.
    /// - Parameters:
    ///   - input: [length, batch, size], or with the batch first, or without it.
    ///   - mask: which positions a position may attend to, as `MultiheadAttention`'s attention mask; nil for all.
    ///   - keyPaddingMask: [batch, length]; uint8, 1 where a position is there. nil where all are.
    ///   - isCausal: whether a position attends to positions up to itself only.
    public func callAsFunction(
        _ input: Tensor, mask: Tensor?, keyPaddingMask: Tensor? = nil, isCausal: Bool = false
    ) -> Tensor {
        encoding(EncoderInput(input, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal))
    }

    fileprivate func encoding(_ all: EncoderInput) -> Tensor { entering(all, encode) }

    private func encode(_ all: EncoderInput) -> Tensor {
        if normFirst {
            let (sum, branch) = branches(all, adding: nil)
            return sum + branch
        }
        let (_, x) = norm1.ofSum(all.input, attend(all.input, all))
        return norm2.ofSum(x, feedForward(x)).normalized
    }

    /// A layer with the norms first, but for its last addition, which the next norm can do as well.
    /// - Parameter branch: what is still to be added to the input.
    /// - Returns: the sum so far, and what is to be added to it.
    fileprivate func branches(_ all: EncoderInput, adding branch: Tensor?) -> (sum: Tensor, branch: Tensor) {
        let (x, first) = branch.map { norm1.ofSum(all.input, $0) } ?? (all.input, norm1(all.input))
        let (sum, second) = norm2.ofSum(x, attend(first, all))
        return (sum, feedForward(second))
    }

    private func attend(_ x: Tensor, _ all: EncoderInput) -> Tensor {
        if let cache = all.cache { return dropout1(selfAttention(x, cache: cache)) }
        return dropout1(
            selfAttention(
                x, x, x, keyPaddingMask: all.keyPaddingMask, attentionMask: all.mask, isCausal: all.isCausal))
    }

    private func feedForward(_ x: Tensor) -> Tensor { dropout2(linear2(dropout(activation(linear1(x))))) }
}

/// Encoder layers one after the other, and a last norm.
public final class TransformerEncoder: Module, Layer {
    /// The layers, in the order they are called.
    public let layers: [TransformerEncoderLayer]
    /// Applied to the output; nil for none.
    public let norm: LayerNorm?

    /// An encoder of `layers`, with `norm` applied to the output: wanted where the layers have `normFirst`.
    public init(_ layers: [TransformerEncoderLayer], norm: LayerNorm? = nil) {
        self.layers = layers
        self.norm = norm
    }

    /// The encoder of the models here: batch first, norms first and one at the end, four times `size` hidden units unless
    /// something else is said.
    convenience init(
        _ size: Int, heads: Int, layers: Int, feedforwardSize: Int?, dropout: Double,
        activation: () -> any TensorLayer = { GELU() }, generator: RandomGenerator, device: Device
    ) {
        self.init(
            (0..<layers).map { _ in
                TransformerEncoderLayer(
                    size, heads: heads, feedforwardSize: feedforwardSize ?? 4 * size, dropout: dropout,
                    activation: activation(), isBatchFirst: true, normFirst: true, generator: generator, device: device)
            }, norm: LayerNorm(size, device: device))
    }

    public func forward(_ input: Tensor) -> Tensor { encode(EncoderInput(input)) }

    /// The output, of the shape of the input.
    /// - Parameters:
    ///   - input: [length, batch, size], or with the batch first, or without it.
    ///   - mask: which positions a position may attend to, as `MultiheadAttention`'s attention mask; nil for all.
    ///   - keyPaddingMask: [batch, length]; uint8, 1 where a position is there. nil where all are.
    ///   - isCausal: whether a position attends to positions up to itself only.
    public func callAsFunction(
        _ input: Tensor, mask: Tensor?, keyPaddingMask: Tensor? = nil, isCausal: Bool = false
    ) -> Tensor {
        entering(EncoderInput(input, mask: mask, keyPaddingMask: keyPaddingMask, isCausal: isCausal)) { encode($0) }
    }

    /// The output for positions that follow those that were kept; a position attends to those up to itself.
    /// - Parameters:
    ///   - input: [batch, new, size]; the layers are batch first.
    ///   - caches: one for each layer, in which the keys and values of the new positions are kept too.
    /// - Returns: of the shape of the input. No gradient flows to what was kept.
    public func callAsFunction(_ input: Tensor, caches: [AttentionCache]) -> Tensor {
        require(
            caches.count == layers.count, "TransformerEncoder", "\(caches.count) caches for \(layers.count) layers")
        return entering(EncoderInput(input, isCausal: true)) { encode($0, caches) }
    }

    private func encode(_ all: EncoderInput, _ caches: [AttentionCache]? = nil) -> Tensor {
        var all = all
        if let norm, !layers.isEmpty, layers.allSatisfy({ $0.normFirst && !$0.isWatched }) {
            var branch: Tensor?
            for (index, layer) in layers.enumerated() {
                all.cache = caches?[index]
                (all.input, branch) = layer.entering(all) { layer.branches($0, adding: branch) }
            }
            return norm.ofSum(all.input, branch!).normalized
        }
        for (index, layer) in layers.enumerated() {
            all.cache = caches?[index]
            all.input = layer.encoding(all)
        }
        return norm.map { $0(all.input) } ?? all.input
    }
}

extension LayerNorm {
    /// x + y, and its norm, in one pass unless somebody watches the norm.
    fileprivate func ofSum(_ x: Tensor, _ y: Tensor) -> (sum: Tensor, normalized: Tensor) {
        guard normalizedShape.rank == 1, !isWatched else {
            let sum = x + y
            return (sum, self(sum))
        }
        return entering(x) { x in
            x.addedAndNormalized(y, scale: weight?.value, shift: bias?.value, epsilon: epsilon)
        }
    }
}
