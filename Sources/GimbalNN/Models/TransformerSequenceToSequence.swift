/// A Transformer that makes a sequence of another (Vaswani et al. 2017): tokens and learned positions of the source and of
/// the target, an encoder and a decoder of pre-norm blocks (Xiong et al. 2020) with GELU, and a head over the target's
/// vocabulary.
///
/// ```swift
/// let model = TransformerSequenceToSequence(
///     sourceVocabulary: 4000, targetVocabulary: 4000, length: 64, size: 256, heads: 4, layers: 3, dropout: 0.1)
/// let loss = crossEntropy(model(source: source, target: target), labels, ignoredIndex: -1)
/// ```
/// Encoder and decoder have the names and layouts of PyTorch's `nn.Transformer`. An empty source is attended to as to nothing:
/// what the attention to it adds is its last bias.
public final class TransformerSequenceToSequence: Module, SequenceToSequenceModel {
    /// The vectors of the source's tokens, [sourceVocabulary, size], normal with deviation 0.02 at first.
    public let sourceTokens: Parameter
    /// The vectors of the target's tokens, [targetVocabulary, size], normal with deviation 0.02 at first.
    public let targetTokens: Parameter
    /// Adds a vector for each position of a source, [length, size] in all.
    public let sourcePositions: LearnedPositions
    /// Adds a vector for each position of a target, [length, size] in all.
    public let targetPositions: LearnedPositions
    /// Drops elements of what encoder and decoder read.
    public let dropout: Dropout
    /// Reads the source; blocks and a last norm.
    public let encoder: TransformerEncoder
    /// Reads the target and the encoder's output; blocks and a last norm. A token attends to those up to itself.
    public let decoder: TransformerDecoder
    /// The product that gives the logits; nil where the vectors of the target's tokens give them.
    public let head: Linear?
    public let padding: Int32

    /// A model with weights as they are drawn, not trained: tokens and positions as in `LanguageModel`, small against the
    /// norms' unit scale, weight matrices of attention Xavier-uniform, the others uniform in ±1/√inputs. With the norms
    /// first, a deep stack of them trains without more (Xiong et al. 2020).
    /// - Parameters:
    ///   - sourceVocabulary: how many tokens there are for sources.
    ///   - targetVocabulary: how many tokens there are for targets.
    ///   - padding: what fills up shorter sequences, a number of both vocabularies.
    ///   - length: the most tokens of a source, and of a target with what begins it.
    ///   - size: features of a token; a multiple of `heads`, which share them.
    ///   - heads: how many heads attend in each block.
    ///   - layers: how many blocks the encoder has, and the decoder.
    ///   - feedforwardSize: hidden units of a block's feedforward network; nil for four times `size`.
    ///   - dropout: the probability of dropping in training, before the blocks and in them.
    ///   - sharesTokens: whether the logit of a target's token is the product with its vector, without a head of its own
    ///     (Press and Wolf 2017).
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        sourceVocabulary: Int, targetVocabulary: Int, padding: Int32 = 0, length: Int, size: Int, heads: Int,
        layers: Int, feedforwardSize: Int? = nil, dropout: Double = 0, sharesTokens: Bool = false,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        requireVocabularies(sourceVocabulary, targetVocabulary, padding, "TransformerSequenceToSequence")
        require(layers >= 0, "TransformerSequenceToSequence", "\(layers) layers make no model")
        func makeTokens(_ count: Int) -> Parameter {
            Parameter(.normal([count, size], standardDeviation: 0.02, generator: generator, device: device))
        }
        func makePositions() -> LearnedPositions {
            LearnedPositions(size, maximumLength: length, generator: generator, device: device)
        }
        sourceTokens = makeTokens(sourceVocabulary)
        targetTokens = makeTokens(targetVocabulary)
        sourcePositions = makePositions()
        targetPositions = makePositions()
        self.dropout = Dropout(dropout)
        encoder = TransformerEncoder(
            size, heads: heads, layers: layers, feedforwardSize: feedforwardSize, dropout: dropout,
            generator: generator, device: device)
        decoder = TransformerDecoder(
            (0..<layers).map { _ in
                TransformerDecoderLayer(
                    size, heads: heads, feedforwardSize: feedforwardSize ?? 4 * size, dropout: dropout,
                    activation: GELU(), isBatchFirst: true, normFirst: true, generator: generator, device: device)
            }, norm: LayerNorm(size, device: device))
        head = sharesTokens ? nil : Linear(size, targetVocabulary, generator: generator, device: device)
        self.padding = padding
    }

    public var sourceVocabulary: Int { sourceTokens.shape[0] }
    public var targetVocabulary: Int { targetTokens.shape[0] }
    /// As many tokens as there are positions.
    public var maximumLength: Int? { targetPositions.weight.shape[0] }

    public func forward(source: Tensor, target: Tensor) -> Tensor {
        let (memory, isThere) = encode(source)
        // Padding comes last: no token before attends to it.
        let features = decoder(
            dropout(targetPositions(targetTokens.value.gathered(target))), memory: memory,
            masks: DecoderMasks(memoryPadding: isThere, isCausal: true))
        return logits(features).reshaped([target.elementCount, targetVocabulary])
    }

    /// The encoder's output, [batch, S, size], and where there are tokens, uint8 [batch, S].
    private func encode(_ source: Tensor) -> (memory: Tensor, isThere: Tensor) {
        let isThere = isThere(source)
        let vectors = dropout(sourcePositions(sourceTokens.value.gathered(source)))
        return (encoder(vectors, mask: nil, keyPaddingMask: isThere), isThere)
    }

    private func logits(_ features: Tensor) -> Tensor {
        head.map { $0(features) } ?? features.linear(weight: targetTokens.value)
    }

    // MARK: Token by token

    /// The keys and values that each layer of the decoder attends to: of the source, and of the target so far.
    public struct State: DecodingState {
        /// In the order of the layers.
        public private(set) var caches: [DecoderCache]
        public fileprivate(set) var length = 0

        fileprivate init(caches: [DecoderCache]) { self.caches = caches }

        public mutating func select(_ rows: [Int]) { caches = caches.map { $0.selecting(rows) } }
    }

    public func makeState(source: Tensor) -> State {
        entering(source) { source in
            requireTokens(source, "sources")
            let (memory, isThere) = encode(source)
            return State(
                caches: decoder.makeCaches(
                    memory: memory, memoryPadding: isThere, capacity: targetPositions.weight.shape[0]))
        }
    }

    public func nextLogits(_ tokens: Tensor, _ state: inout State) -> Tensor {
        entering(tokens) { tokens in
            requireTokens(tokens, "tokens")
            let vectors = dropout(targetPositions(targetTokens.value.gathered(tokens), offset: state.length))
            let features = decoder(vectors, caches: state.caches)
            state.length += tokens.shape[1]
            return logits(features.selecting(-1, axis: 1))
        }
    }
}
