/// A causal language model: tokens and learned positions, pre-norm blocks of self-attention and a feedforward network
/// with GELU, and a head over the vocabulary (Radford et al. 2019).
///
/// ```swift
/// let model = LanguageModel(vocabulary: 96, length: 128, size: 256, heads: 4, layers: 4)
/// let loss = crossEntropy(model(tokens), nextTokens)  // tokens int32 [16, 128], nextTokens int32 [16 · 128]
/// ```
public final class LanguageModel: Module, Layer {
    /// The tokens' vectors, [vocabulary, size], normal with deviation 0.02 at first.
    public let tokens: Parameter
    /// Adds a vector for each position, [length, size] in all.
    public let positions: LearnedPositions
    /// Drops elements of what the encoder reads.
    public let dropout: Dropout
    /// The blocks and a last norm; a token attends to those up to itself.
    public let encoder: TransformerEncoder
    /// The product that gives the logits; nil where the tokens' own vectors give them.
    public let head: Linear?

    /// A model with weights as they are drawn, not trained.
    /// - Parameters:
    ///   - vocabulary: how many tokens there are.
    ///   - length: the most tokens of a sequence.
    ///   - size: features of a token; a multiple of `heads`, which share them.
    ///   - heads: how many heads attend in each block.
    ///   - layers: how many blocks there are.
    ///   - feedforwardSize: hidden units of a block's feedforward network; nil for four times `size`.
    ///   - dropout: the probability of dropping in training, before the blocks and in them.
    ///   - sharesTokens: whether a token's logit is the product with its vector, without a head of its own (Press and
    ///     Wolf 2017), as in GPT-2.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        vocabulary: Int, length: Int, size: Int, heads: Int, layers: Int, feedforwardSize: Int? = nil,
        dropout: Double = 0, sharesTokens: Bool = false, generator: RandomGenerator = .current,
        device: Device = .current
    ) {
        require(
            vocabulary > 0 && layers >= 0, "LanguageModel", "\(vocabulary) tokens and \(layers) layers make no model")
        tokens = Parameter(
            .normal([vocabulary, size], standardDeviation: 0.02, generator: generator, device: device))
        positions = LearnedPositions(size, maximumLength: length, generator: generator, device: device)
        self.dropout = Dropout(dropout)
        encoder = TransformerEncoder(
            size, heads: heads, layers: layers, feedforwardSize: feedforwardSize, dropout: dropout,
            generator: generator, device: device)
        head = sharesTokens ? nil : Linear(size, vocabulary, generator: generator, device: device)
    }

    /// The logits of the token after each, [batch · length, vocabulary], for tokens int32 [batch, length].
    public func forward(_ input: Tensor) -> Tensor {
        require(input.rank == 2, "LanguageModel", "needs int32 [batch, length], not \(input.dtype) \(input.shape)")
        let vectors = dropout(positions(tokens.value.gathered(input)))
        let features = encoder(vectors, mask: nil, isCausal: true)
        return logits(features).reshaped([input.elementCount, tokens.shape[0]] as Shape)
    }

    private func logits(_ features: Tensor) -> Tensor {
        head.map { $0(features) } ?? features.linear(weight: tokens.value)
    }
}

extension LanguageModel: AutoregressiveModel {
    public var vocabulary: Int { tokens.shape[0] }

    /// As many tokens as there are positions.
    public var maximumLength: Int? { positions.weight.shape[0] }

    public func makeState(batch: Int) -> TransformerState {
        TransformerState(layers: encoder.layers.count, capacity: positions.weight.shape[0])
    }

    /// The logits of the token that follows the last of `input`, int32 [batch, length]: [batch, vocabulary].
    public func nextLogits(_ input: Tensor, _ state: inout TransformerState) -> Tensor {
        entering(input) { input in
            require(
                input.rank == 2 && input.shape[1] > 0, "LanguageModel",
                "needs int32 [batch, length], not \(input.dtype) \(input.shape)")
            let vectors = dropout(positions(tokens.value.gathered(input), offset: state.length))
            let features = encoder(vectors, caches: state.caches)
            state.length += input.shape[1]
            return logits(features.selecting(-1, axis: 1))
        }
    }
}
