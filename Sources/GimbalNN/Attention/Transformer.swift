/// What `Transformer` is called with. Its parts are explained there.
public struct TransformerInput {
    public var source: Tensor
    public var target: Tensor
    public var sourceMask: Tensor?
    public var sourcePadding: Tensor?
    public var isSourceCausal: Bool
    public var masks: DecoderMasks

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
    public let encoder: TransformerEncoder
    public let decoder: TransformerDecoder

    /// Weight matrices are Xavier-uniform at first. See `TransformerEncoderLayer`.
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

    /// - Parameters:
    ///   - source: [sources, batch, size], or with the batch first, or without it.
    ///   - target: [targets, batch, size] likewise.
    ///   - sourceMask, sourcePadding: for the encoder, as `MultiheadAttention`'s masks.
    ///   - masks: for the decoder. Where `memoryPadding` is nil, `sourcePadding` is not taken for it.
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
