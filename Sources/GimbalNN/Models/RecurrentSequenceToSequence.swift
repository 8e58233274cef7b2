/// A recurrent net that makes a sequence of another: a bidirectional encoder, a decoder that attends to all of its outputs, and
/// a product to logits (Sutskever et al. 2014; with attention Bahdanau et al. 2015, in the form of Luong et al. 2015).
///
/// ```swift
/// let model = RecurrentSequenceToSequence(
///     sourceVocabulary: 4000, targetVocabulary: 4000, size: 256, layers: 1, dropout: 0.2)
/// let loss = crossEntropy(model(source: source, target: target), labels, ignoredIndex: -1)
/// ```
/// The decoder begins where the encoder ends: its first states are tanh(W h + b) of the encoder's last ones, of all layers
/// and both directions (Bahdanau et al. 2015, appendix A.2.2, takes the reverse one alone), and an LSTM's cells are made of the
/// encoder's cells likewise. What it gives out attends to the encoder's outputs as `GlobalAttention` does, with the general score;
/// the next token is predicted from that. What was attended to is not fed into the next step (the input feeding of Luong et al.
/// 2015, section 3.3), so that in training all steps of the decoder are one operation, and so is their attention.
///
/// An empty source gives the states tanh(b), and attention to nothing.
public final class RecurrentSequenceToSequence: Module, SequenceToSequenceModel {
    /// The vectors of the source's tokens, [sourceVocabulary, size], uniform in ±0.1 at first.
    public let sourceTokens: Parameter
    /// The vectors of the target's tokens, [targetVocabulary, size], uniform in ±0.1 at first.
    public let targetTokens: Parameter
    /// Drops elements of the vectors, and of what logits are made of.
    public let dropout: Dropout
    /// Reads the source in both directions, to 2 · hiddenSize features; between its layers dropout as well.
    public let encoder: RecurrentNet
    /// Makes the decoder's first hidden states of the encoder's last, [layers · hiddenSize, layers · 2 · hiddenSize].
    public let hiddenBridge: Linear
    /// The same for cells; nil where the units have none.
    public let cellBridge: Linear?
    /// Reads the target; between its layers dropout as well.
    public let decoder: RecurrentNet
    /// What the decoder's outputs gather from the encoder's.
    public let attention: GlobalAttention
    /// The product that gives the logits.
    public let head: Linear
    public let padding: Int32

    /// A model with weights as they are drawn, not trained: the tokens' vectors uniform in ±0.1, as all weights of Luong et
    /// al. 2015 (section 4.1); the others uniform in ±1/√n for the n units that a unit reads (recurrent nets: hidden units), as
    /// PyTorch's, which is that size for a hundred units and keeps the scale of what comes in for any number.
    /// - Parameters:
    ///   - sourceVocabulary: how many tokens there are for sources.
    ///   - targetVocabulary: how many tokens there are for targets.
    ///   - padding: what fills up shorter sequences, a number of both vocabularies.
    ///   - size: features of a token's vector.
    ///   - hiddenSize: units of each layer and direction; nil for `size`.
    ///   - layers: how many layers the encoder has, and the decoder.
    ///   - kind: what they are made of.
    ///   - dropout: the probability of dropping in training, before and between the layers and before the head.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        sourceVocabulary: Int, targetVocabulary: Int, padding: Int32 = 0, size: Int, hiddenSize: Int? = nil,
        layers: Int, kind: RecurrentLanguageModel.Kind = .lstm, dropout: Double = 0,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        let hiddenSize = hiddenSize ?? size
        requireVocabularies(sourceVocabulary, targetVocabulary, padding, "RecurrentSequenceToSequence")
        require(
            size > 0 && hiddenSize > 0 && layers > 0, "RecurrentSequenceToSequence",
            "sizes must be positive, not \(size), \(hiddenSize) and \(layers) layers")
        func makeTokens(_ count: Int) -> Parameter {
            Parameter(
                Initializer.uniform(low: -0.1, high: 0.1).make([count, size], generator: generator, device: device))
        }
        func makeBridge() -> Linear {
            Linear(2 * layers * hiddenSize, layers * hiddenSize, generator: generator, device: device)
        }
        sourceTokens = makeTokens(sourceVocabulary)
        targetTokens = makeTokens(targetVocabulary)
        self.dropout = Dropout(dropout)
        encoder = kind.makeNet(
            inputSize: size, hiddenSize: hiddenSize, layers: layers, dropout: dropout, isBidirectional: true,
            generator: generator, device: device)
        hiddenBridge = makeBridge()
        cellBridge = kind == .lstm ? makeBridge() : nil
        decoder = kind.makeNet(
            inputSize: size, hiddenSize: hiddenSize, layers: layers, dropout: dropout, generator: generator,
            device: device)
        attention = GlobalAttention(hiddenSize, memorySize: 2 * hiddenSize, generator: generator, device: device)
        head = Linear(hiddenSize, targetVocabulary, generator: generator, device: device)
        self.padding = padding
    }

    public var sourceVocabulary: Int { sourceTokens.shape[0] }
    public var targetVocabulary: Int { targetTokens.shape[0] }
    public var maximumLength: Int? { nil }

    public func forward(source: Tensor, target: Tensor) -> Tensor {
        let (memory, isThere, first) = encode(source)
        // Padding comes last: no state before knows of it.
        let (outputs, _) = decoder(dropout(targetTokens.value.gathered(target)), state: first)
        return head(dropout(attention(outputs, memory: memory, mask: isThere)))
            .reshaped([target.elementCount, targetVocabulary])
    }

    /// The encoder's outputs, [batch, S, 2 · hiddenSize], 0 where there is no token, where there are tokens, uint8 [batch, S],
    /// and the decoder's first state.
    private func encode(_ source: Tensor) -> (memory: Tensor, isThere: Tensor, first: RecurrentState) {
        let isThere = isThere(source)
        let (outputs, last) = encoder(dropout(sourceTokens.value.gathered(source)), lengths: isThere.sum([1]))
        /// [layers · 2, batch, hiddenSize] to [layers, batch, hiddenSize].
        func bridged(_ state: Tensor, _ bridge: Linear) -> Tensor {
            let batch = state.shape[1]
            return bridge(state.transposed(0, 1).reshaped([batch, state.shape[0] * state.shape[2]])).tanh()
                .reshaped([batch, decoder.layers, decoder.hiddenSize]).transposed(0, 1)
        }
        let first = RecurrentState(
            hidden: bridged(last.hidden, hiddenBridge), cell: cellBridge.map { bridged(last.cell!, $0) })
        return (outputs, isThere, first)
    }

    // MARK: Token by token

    /// The encoder's outputs, and the state of the decoder behind the target so far.
    public struct State: DecodingState {
        /// What is attended to.
        public private(set) var memory: AttentionMemory
        /// The decoder's state.
        public fileprivate(set) var state: RecurrentState
        public fileprivate(set) var length = 0

        fileprivate init(memory: AttentionMemory, state: RecurrentState) {
            self.memory = memory
            self.state = state
        }

        public mutating func select(_ rows: [Int]) {
            memory = memory.selecting(rows)
            state = state.selecting(rows)
        }
    }

    public func makeState(source: Tensor) -> State {
        entering(source) { source in
            requireTokens(source, "sources")
            let (memory, isThere, first) = encode(source)
            return State(memory: attention.remembering(memory, mask: isThere), state: first)
        }
    }

    public func nextLogits(_ tokens: Tensor, _ state: inout State) -> Tensor {
        entering(tokens) { tokens in
            requireTokens(tokens, "tokens")
            let (outputs, next) = decoder(dropout(targetTokens.value.gathered(tokens)), state: state.state)
            state.state = next.detached()
            let length = tokens.shape[1]
            state.length += length
            let features = attention(outputs.sliced(length - 1..<length, axis: 1), memory: state.memory)
            return head(dropout(features.selecting(0, axis: 1)))
        }
    }
}
