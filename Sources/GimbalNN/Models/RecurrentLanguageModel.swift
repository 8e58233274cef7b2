/// A recurrent net that predicts each token from those before it: vectors of the tokens, LSTM or GRU layers, and a product
/// to logits (Mikolov et al. 2010; with LSTM, Zaremba et al. 2014, whose dropout it has: not along time).
///
/// ```swift
/// let model = RecurrentLanguageModel(vocabulary: 96, size: 128, hiddenSize: 256, layers: 2, dropout: 0.2)
/// let logits = model(tokens)  // int32 [32, 100] to [3200, 96]
/// ```
public final class RecurrentLanguageModel: Module, Layer, AutoregressiveModel {
    /// What the layers are made of.
    public enum Kind: String, Sendable, CaseIterable {
        /// Long short-term memory.
        case lstm
        /// Gated recurrent units.
        case gru

        /// A net of such layers, batch first.
        func makeNet(
            inputSize: Int, hiddenSize: Int, layers: Int, dropout: Double, isBidirectional: Bool = false,
            generator: RandomGenerator, device: Device
        ) -> RecurrentNet {
            switch self {
            case .lstm:
                LSTM(
                    inputSize: inputSize, hiddenSize: hiddenSize, layers: layers, isBatchFirst: true, dropout: dropout,
                    isBidirectional: isBidirectional, generator: generator, device: device)
            case .gru:
                GRU(
                    inputSize: inputSize, hiddenSize: hiddenSize, layers: layers, isBatchFirst: true, dropout: dropout,
                    isBidirectional: isBidirectional, generator: generator, device: device)
            }
        }
    }

    /// The tokens' vectors, [vocabulary, size], uniform in ±0.1 at first.
    public let tokens: Parameter
    /// Drops elements of the vectors and of what the last layer gives out.
    public let dropout: Dropout
    /// The layers, batch first; between them dropout as well.
    public let recurrent: RecurrentNet
    /// The product that gives the logits; nil where the tokens' own vectors give them.
    public let head: Linear?

    /// A model with weights as they are drawn, not trained.
    /// - Parameters:
    ///   - vocabulary: how many tokens there are.
    ///   - size: features of a token's vector.
    ///   - hiddenSize: units of each layer; nil for `size`.
    ///   - layers: how many layers there are.
    ///   - kind: what they are made of.
    ///   - dropout: the probability of dropping in training, before, between and behind the layers.
    ///   - sharesTokens: whether a token's logit is the product with its vector, without a head of its own (Press and
    ///     Wolf 2017); `hiddenSize` is `size` then.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        vocabulary: Int, size: Int, hiddenSize: Int? = nil, layers: Int, kind: Kind = .lstm, dropout: Double = 0,
        sharesTokens: Bool = false, generator: RandomGenerator = .current, device: Device = .current
    ) {
        let hiddenSize = hiddenSize ?? size
        require(
            vocabulary > 0 && size > 0, "RecurrentLanguageModel",
            "\(vocabulary) tokens of \(size) features make no model")
        require(
            !sharesTokens || hiddenSize == size, "RecurrentLanguageModel",
            "tokens of \(size) features cannot be shared with \(hiddenSize) hidden units")
        let uniform = Initializer.uniform(low: -0.1, high: 0.1)
        tokens = Parameter(uniform.make([vocabulary, size], generator: generator, device: device))
        self.dropout = Dropout(dropout)
        recurrent = kind.makeNet(
            inputSize: size, hiddenSize: hiddenSize, layers: layers, dropout: dropout, generator: generator,
            device: device)
        head = sharesTokens ? nil : Linear(hiddenSize, vocabulary, generator: generator, device: device)
    }

    /// The logits of the token after each, [batch · length, vocabulary], for tokens int32 [batch, length].
    public func forward(_ input: Tensor) -> Tensor {
        require(
            input.rank == 2, "RecurrentLanguageModel",
            "needs int32 [batch, length], not \(input.dtype) \(input.shape)")
        let features = dropout(recurrent(dropout(tokens.value.gathered(input))))
        return logits(features).reshaped([input.elementCount, vocabulary])
    }

    private func logits(_ features: Tensor) -> Tensor {
        head.map { $0(features) } ?? features.linear(weight: tokens.value)
    }

    // MARK: Token by token

    public var vocabulary: Int { tokens.shape[0] }
    public var maximumLength: Int? { nil }
    public func makeState(batch: Int) -> RecurrentDecodingState { RecurrentDecodingState() }

    /// The logits of the token that follows the last of `input`, int32 [batch, length]: [batch, vocabulary].
    public func nextLogits(_ input: Tensor, _ state: inout RecurrentDecodingState) -> Tensor {
        entering(input) { input in
            require(
                input.rank == 2 && input.shape[1] > 0, "RecurrentLanguageModel",
                "needs int32 [batch, length], not \(input.dtype) \(input.shape)")
            let vectors = dropout(tokens.value.gathered(input))
            let (outputs, next) = recurrent(vectors, state: state.state)
            state.state = next.detached()
            state.length += input.shape[1]
            return logits(dropout(outputs.selecting(-1, axis: 1)))
        }
    }
}

/// What a recurrent net keeps of the tokens it has read.
public struct RecurrentDecodingState: DecodingState {
    /// nil before the first token.
    public internal(set) var state: RecurrentState?
    public internal(set) var length = 0

    public mutating func select(_ rows: [Int]) { state = state?.selecting(rows) }
}
