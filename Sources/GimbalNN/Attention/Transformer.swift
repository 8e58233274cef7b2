/// What `Transformer` is called with.
public struct TransformerInput {
    /// What the encoder reads, [sources, batch, size], or with the batch first, or without it.
    public var source: Tensor
    /// What the decoder reads, [targets, batch, size], with its axes as the source has them.
    public var target: Tensor
    /// Which sources a source may attend to, as `MultiheadAttention`'s attention mask; nil for all.
    public var sourceMask: Tensor?
    /// Which sources there are, [batch, sources]; uint8, 1 where a source is there. nil where all are.
    public var sourcePadding: Tensor?
    /// Whether a source attends to sources up to itself only.
    public var isSourceCausal: Bool
    /// What the decoder may attend to.
    public var masks: DecoderMasks

    /// A source and a target, without masks unless given.
    public init(
        source: Tensor, target: Tensor, sourceMask: Tensor? = nil, sourcePadding: Tensor? = nil,
        isSourceCausal: Bool = false, masks: DecoderMasks = .init()
    ) {
        self.source = source
        self.target = target
        self.sourceMask = sourceMask
        self.sourcePadding = sourcePadding
        self.isSourceCausal = isSourceCausal
        self.masks = masks
    }
}

/// An encoder and a decoder that attends to its output (Vaswani et al. 2017), without embeddings and head.
///
/// ```swift
/// let model = Transformer(size: 64, heads: 4, encoderLayers: 2, decoderLayers: 2, isBatchFirst: true)
/// let y = model(source, target, masks: DecoderMasks(isCausal: true))  // [batch, targets, 64]
/// ```
public final class Transformer: Module, Layer {
    /// Reads the source; ends in a norm.
    public let encoder: TransformerEncoder
    /// Reads the target and the encoder's output; ends in a norm.
    public let decoder: TransformerDecoder

    /// A transformer with the sizes of the paper unless given; weight matrices are Xavier-uniform at first.
    ///
    /// `makeActivation` is called once for each layer. The other arguments are those of `TransformerEncoderLayer`, for
    /// the layers of both sides.
    public init(
        size: Int = 512, heads: Int = 8, encoderLayers: Int = 6, decoderLayers: Int = 6, feedforwardSize: Int = 2048,
        dropout: Double = 0.1, makeActivation: () -> any TensorLayer = { ReLU() }, epsilon: Double = 1e-5,
        isBatchFirst: Bool = false, normFirst: Bool = false, hasBias: Bool = true,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        func makeNorm() -> LayerNorm { LayerNorm(size, epsilon: epsilon, hasBias: hasBias, device: device) }
        encoder = TransformerEncoder(
            (0..<encoderLayers).map { _ in
                TransformerEncoderLayer(
                    size, heads: heads, feedforwardSize: feedforwardSize, dropout: dropout,
                    activation: makeActivation(), epsilon: epsilon, isBatchFirst: isBatchFirst, normFirst: normFirst,
                    hasBias: hasBias, generator: generator, device: device)
            }, norm: makeNorm())
        decoder = TransformerDecoder(
            (0..<decoderLayers).map { _ in
                TransformerDecoderLayer(
                    size, heads: heads, feedforwardSize: feedforwardSize, dropout: dropout,
                    activation: makeActivation(), epsilon: epsilon, isBatchFirst: isBatchFirst, normFirst: normFirst,
                    hasBias: hasBias, generator: generator, device: device)
            }, norm: makeNorm())
        super.init()
        for parameter in parameters where parameter.shape.rank > 1 {
            parameter.assign(
                Initializer.xavierUniform().make(parameter.shape, generator: generator, device: parameter.device))
        }
    }

    /// The decoder's output, of the shape of `target`.
    /// - Parameters:
    ///   - source: [sources, batch, size], or with the batch first, or without it.
    ///   - target: [targets, batch, size] likewise.
    ///   - sourceMask: which sources a source may attend to, as `MultiheadAttention`'s attention mask; nil for all.
    ///   - sourcePadding: [batch, sources]; uint8, 1 where a source is there. nil where all are.
    ///   - isSourceCausal: whether a source attends to sources up to itself only.
    ///   - masks: what the decoder may attend to. Where `memoryPadding` is nil, `sourcePadding` is not taken for it.
    public func callAsFunction(
        _ source: Tensor, _ target: Tensor, sourceMask: Tensor? = nil, sourcePadding: Tensor? = nil,
        isSourceCausal: Bool = false, masks: DecoderMasks = .init()
    ) -> Tensor {
        self(
            TransformerInput(
                source: source, target: target, sourceMask: sourceMask, sourcePadding: sourcePadding,
                isSourceCausal: isSourceCausal, masks: masks))
    }

    public func forward(_ input: TransformerInput) -> Tensor {
        let memory = encoder(
            input.source, mask: input.sourceMask, keyPaddingMask: input.sourcePadding, isCausal: input.isSourceCausal)
        return decoder(input.target, memory: memory, masks: input.masks)
    }
}
