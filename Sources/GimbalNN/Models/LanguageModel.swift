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
    public let positions: LearnedPositions
    public let dropout: Dropout
    public let encoder: TransformerEncoder
    /// nil where the tokens' own vectors give the logits.
    public let head: Linear?

    /// - Parameters:
    ///   - vocabulary: how many tokens there are.
    ///   - length: the most tokens of a sequence.
    ///   - feedforwardSize: four times `size` unless given.
    ///   - sharesTokens: whether a token's logit is the product with its vector, without a head of its own (Press and
    ///     Wolf 2017), as in GPT-2.
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
            (0..<layers).map { _ in
                TransformerEncoderLayer(
                    size, heads: heads, feedforwardSize: feedforwardSize ?? 4 * size, dropout: dropout,
                    activation: GELU(), isBatchFirst: true, normFirst: true, generator: generator, device: device)
            }, norm: LayerNorm(size, device: device))
        head = sharesTokens ? nil : Linear(size, vocabulary, generator: generator, device: device)
    }

    /// - Parameter input: int32 [batch, length].
    /// - Returns: logits of the token after each, [batch · length, vocabulary].
    public func forward(_ input: Tensor) -> Tensor {
        require(input.rank == 2, "LanguageModel", "needs int32 [batch, length], not \(input.dtype) \(input.shape)")
        let vectors = dropout(positions(tokens.value.gathered(input)))
        let features = encoder(vectors, mask: nil, isCausal: true)
        let logits = head.map { $0(features) } ?? features.linear(weight: tokens.value)
        return logits.reshaped([input.elementCount, tokens.shape[0]] as Shape)
    }
}
