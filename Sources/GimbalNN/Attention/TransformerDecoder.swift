/// What a decoder may attend to. All masks are as `MultiheadAttention`'s; nil allows everything.
public struct DecoderMasks {
    /// Which targets a target may attend to; broadcasts to [batch, heads, targets, targets].
    public var target: Tensor?
    /// Which positions of the encoder's output a target may attend to; broadcasts to [batch, heads, targets, sources].
    public var memory: Tensor?
    /// Which targets there are, [batch, targets]; uint8, 1 where a target is there.
    public var targetPadding: Tensor?
    /// Which sources there are, [batch, sources]; uint8, 1 where a source is there.
    public var memoryPadding: Tensor?
    /// Whether a target attends to targets up to itself only.
    public var isCausal: Bool

    /// Masks that allow everything unless given.
    public init(
        target: Tensor? = nil, memory: Tensor? = nil, targetPadding: Tensor? = nil, memoryPadding: Tensor? = nil,
        isCausal: Bool = false
    ) {
        self.target = target
        self.memory = memory
        self.targetPadding = targetPadding
        self.memoryPadding = memoryPadding
        self.isCausal = isCausal
    }
}

/// What a decoder and its layers are called with.
public struct DecoderInput {
    /// What the decoder reads, [targets, batch, size], or with the batch first, or without it.
    public var target: Tensor
    /// The encoder's output, [sources, batch, size], with its axes as the target has them.
    public var memory: Tensor
    /// What a target may attend to.
    public var masks: DecoderMasks

    /// A target beside the encoder's output, with masks that allow everything unless given.
    public init(target: Tensor, memory: Tensor, masks: DecoderMasks = .init()) {
        self.target = target
        self.memory = memory
        self.masks = masks
    }
}

/// Self-attention, attention to an encoder's output and a feedforward network, each with a residual connection and
/// layer normalisation (Vaswani et al. 2017).
public final class TransformerDecoderLayer: Module, Layer {
    /// Attention of targets to targets.
    public let selfAttention: MultiheadAttention
    /// Attention of targets to the encoder's output.
    public let crossAttention: MultiheadAttention
    /// The feedforward network's first product, from `size` to `feedforwardSize` features.
    public let linear1: Linear
    /// Drops hidden units of the feedforward network.
    public let dropout: Dropout
    /// The feedforward network's second product, from `feedforwardSize` to `size` features.
    public let linear2: Linear
    /// The norm of the self-attention, before or after it as `normFirst` says.
    public let norm1: LayerNorm
    /// The norm of the attention to the encoder's output.
    public let norm2: LayerNorm
    /// The norm of the feedforward network.
    public let norm3: LayerNorm
    /// Drops elements of what the self-attention adds.
    public let dropout1: Dropout
    /// Drops elements of what the attention to the encoder's output adds.
    public let dropout2: Dropout
    /// Drops elements of what the feedforward network adds.
    public let dropout3: Dropout
    /// What stands between the feedforward network's two products.
    public let activation: any TensorLayer
    /// Whether the norms stand before attention and feedforward network, or after the additions.
    public let normFirst: Bool

    public override class var partNames: [String: String] {
        ["selfAttention": "self_attn", "crossAttention": "multihead_attn"]
    }

    /// A decoder layer. The arguments are those of `TransformerEncoderLayer`; `dropout` is for all three branches.
    public init(
        _ size: Int, heads: Int, feedforwardSize: Int = 2048, dropout: Double = 0.1,
        activation: any TensorLayer = ReLU(),
        epsilon: Double = 1e-5, isBatchFirst: Bool = false, normFirst: Bool = false, hasBias: Bool = true,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        func makeAttention() -> MultiheadAttention {
            MultiheadAttention(
                size, heads: heads, dropout: dropout, hasBias: hasBias, isBatchFirst: isBatchFirst,
                generator: generator, device: device)
        }
        func makeDropout() -> Dropout { Dropout(dropout, batchAxis: isBatchFirst ? 0 : 1) }
        func makeNorm() -> LayerNorm { LayerNorm(size, epsilon: epsilon, hasBias: hasBias, device: device) }
        selfAttention = makeAttention()
        crossAttention = makeAttention()
        linear1 = Linear(size, feedforwardSize, hasBias: hasBias, generator: generator, device: device)
        self.dropout = makeDropout()
        linear2 = Linear(feedforwardSize, size, hasBias: hasBias, generator: generator, device: device)
        norm1 = makeNorm()
        norm2 = makeNorm()
        norm3 = makeNorm()
        dropout1 = makeDropout()
        dropout2 = makeDropout()
        dropout3 = makeDropout()
        self.activation = activation
        self.normFirst = normFirst
    }

    /// The layer's output, of the shape of `target`.
    /// - Parameters:
    ///   - target: [targets, batch, size], or with the batch first, or without it.
    ///   - memory: the encoder's output, [sources, batch, size] likewise.
    ///   - masks: what a target may attend to.
    public func callAsFunction(_ target: Tensor, memory: Tensor, masks: DecoderMasks = .init()) -> Tensor {
        self(DecoderInput(target: target, memory: memory, masks: masks))
    }

    public func forward(_ input: DecoderInput) -> Tensor {
        let (memory, masks) = (input.memory, input.masks)
        return decode(
            input.target,
            attendToTargets: { x in
                selfAttention(
                    x, x, x, keyPaddingMask: masks.targetPadding, attentionMask: masks.target,
                    isCausal: masks.isCausal)
            },
            attendToMemory: { x in
                crossAttention(x, memory, memory, keyPaddingMask: masks.memoryPadding, attentionMask: masks.memory)
            })
    }

    /// The output for targets that follow those that were kept; a target attends to those up to itself.
    /// - Parameters:
    ///   - target: [batch, new, size]; the layer is batch first.
    ///   - cache: what is kept of the encoder's output and of the targets before, to which the new ones are added.
    /// - Returns: of the shape of `target`. No gradient flows to what was kept.
    public func callAsFunction(_ target: Tensor, cache: DecoderCache) -> Tensor {
        entering(target) { target in
            decode(
                target, attendToTargets: { selfAttention($0, cache: cache.targets) },
                attendToMemory: { crossAttention($0, memory: cache.memory) })
        }
    }

    private func decode(
        _ target: Tensor, attendToTargets: (Tensor) -> Tensor, attendToMemory: (Tensor) -> Tensor
    ) -> Tensor {
        func feedForward(_ x: Tensor) -> Tensor { dropout3(linear2(dropout(activation(linear1(x))))) }
        if normFirst {
            let x = target + dropout1(attendToTargets(norm1(target)))
            let y = x + dropout2(attendToMemory(norm2(x)))
            return y + feedForward(norm3(y))
        }
        let x = norm1(target + dropout1(attendToTargets(target)))
        let y = norm2(x + dropout2(attendToMemory(x)))
        return norm3(y + feedForward(y))
    }
}

/// Decoder layers one after the other, and a last norm.
public final class TransformerDecoder: Module, Layer {
    /// The layers, in the order they are called.
    public let layers: [TransformerDecoderLayer]
    /// Applied to the output; nil for none.
    public let norm: LayerNorm?

    /// A decoder of `layers`, with `norm` applied to the output: wanted where the layers have `normFirst`.
    public init(_ layers: [TransformerDecoderLayer], norm: LayerNorm? = nil) {
        self.layers = layers
        self.norm = norm
    }

    /// The output, of the shape of `target`.
    /// - Parameters:
    ///   - target: [targets, batch, size], or with the batch first, or without it.
    ///   - memory: the encoder's output, [sources, batch, size] likewise.
    ///   - masks: what a target may attend to, in every layer.
    public func callAsFunction(_ target: Tensor, memory: Tensor, masks: DecoderMasks = .init()) -> Tensor {
        self(DecoderInput(target: target, memory: memory, masks: masks))
    }

    public func forward(_ input: DecoderInput) -> Tensor {
        normalized(layers.reduce(input.target) { $1($0, memory: input.memory, masks: input.masks) })
    }

    /// What the layers keep of an encoder's output before the first target.
    /// - Parameters:
    ///   - memory: the encoder's output, [batch, sources, size]; the layers are batch first.
    ///   - memoryPadding: which sources there are, [batch, sources]; uint8, 1 where a source is there. nil where all are.
    ///   - capacity: the most targets that can be kept.
    public func makeCaches(memory: Tensor, memoryPadding: Tensor? = nil, capacity: Int) -> [DecoderCache] {
        layers.map { layer in
            DecoderCache(
                targets: AttentionCache(capacity: capacity),
                memory: layer.crossAttention.remembering(memory, keyPaddingMask: memoryPadding))
        }
    }

    /// The output for targets that follow those that were kept; a target attends to those up to itself.
    /// - Parameters:
    ///   - target: [batch, new, size]; the layers are batch first.
    ///   - caches: what `makeCaches` gave, in which the keys and values of the new targets are kept too.
    /// - Returns: of the shape of `target`. No gradient flows to what was kept.
    public func callAsFunction(_ target: Tensor, caches: [DecoderCache]) -> Tensor {
        require(
            caches.count == layers.count, "TransformerDecoder", "\(caches.count) caches for \(layers.count) layers")
        return entering(target) { target in
            normalized(zip(layers, caches).reduce(target) { $1.0($0, cache: $1.1) })
        }
    }

    private func normalized(_ output: Tensor) -> Tensor { norm.map { $0(output) } ?? output }
}
