/// A model that predicts each token of a sequence from those before it, and can go on from what it keeps of them: a token
/// costs about the same however many came before.
///
/// `LanguageModel` keeps keys and values, `RecurrentLanguageModel` its hidden state. `TokenGenerator` and `TextGenerator` write with
/// any.
public protocol AutoregressiveModel: Module {
    /// What is kept of the tokens so far.
    associatedtype State: DecodingState

    /// How many tokens there are to predict: classes of the logits.
    var vocabulary: Int { get }

    /// The most tokens that the model can look at, one to be predicted from them not counted; nil for any number.
    var maximumLength: Int? { get }

    /// What is kept before the first token.
    /// - Parameter batch: how many sequences go on side by side.
    func makeState(batch: Int) -> State

    /// The logits of the token that follows the last, [batch, vocabulary].
    ///
    /// Without gradients into what was kept: it is to be called within `withoutGradients`, in evaluation mode.
    /// - Parameters:
    ///   - tokens: int32 [batch, length], those that have come since the last call; at least one for each sequence.
    ///   - state: what is kept of those before; with these, at most `maximumLength`.
    func nextLogits(_ tokens: Tensor, _ state: inout State) -> Tensor
}

/// What a model keeps of the tokens that it has read.
///
/// A state belongs to the sequences that it was made for. Its tensors are written in place, so a copy is none of its own.
public protocol DecodingState {
    /// How many tokens of each sequence were read.
    var length: Int { get }

    /// Puts other sequences in the place of those that there are, as a search does that gives up some and goes on with
    /// others in several ways.
    /// - Parameter rows: for each that goes on, which of the present ones it is.
    mutating func select(_ rows: [Int])
}
