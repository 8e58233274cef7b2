/// A model that makes a sequence of tokens of another, such as a translation: an encoder reads the source, a decoder predicts
/// each token of the target from the source and from those before it.
///
/// ```swift
/// let model = TransformerSequenceToSequence(
///     sourceVocabulary: 4000, targetVocabulary: 4000, length: 64, size: 256, heads: 4, layers: 3)
/// let logits = model(source: source, target: target)  // int32 [64, 12] and [64, 15] to [960, 4000]
/// ```
/// A target begins with a token that begins it. Shorter sequences are filled up with `padding` at their ends, and at
/// their ends only; how much of it there is changes nothing for the tokens before. It is told from tokens on the device, so
/// that nobody waits for it. Logits where the target is padding mean nothing; a loss leaves them out, as it does with the
/// labels of `SequencePairs`. A source may be padding alone, as an empty text is: its target is predicted from the target
/// alone, by finite numbers.
///
/// The decoder never looks at tokens that follow, padding among them, so that `padding` may also be what begins a target.
///
/// `greedySearch` and `beamSearch` write targets, `ConditionedModel` is such a model with one source for
/// `TokenGenerator`.
public protocol SequenceToSequenceModel: Layer where Input == Tensor, Output == Tensor {
    /// What is kept of the sources, and of the targets' tokens so far.
    associatedtype State: DecodingState

    /// How many tokens a source may be made of.
    var sourceVocabulary: Int { get }
    /// How many tokens a target may be made of: classes of the logits.
    var targetVocabulary: Int { get }
    /// What fills up shorter sequences, a number of both vocabularies.
    var padding: Int32 { get }
    /// The most tokens of a source, and of a target that the decoder sees; nil for any number.
    var maximumLength: Int? { get }

    /// The logits of the token after each of the target, [batch · T, targetVocabulary]. To be called through the model itself,
    /// `model(source: source, target: target)`.
    /// - Parameters:
    ///   - source: int32 [batch, S], S at least 1.
    ///   - target: int32 [batch, T], T at least 1: what the decoder sees.
    func forward(source: Tensor, target: Tensor) -> Tensor

    /// What is kept before the first token of the targets: the encoder reads the sources here, and never again.
    ///
    /// It is to be called within `withoutGradients`, in evaluation mode.
    /// - Parameter source: int32 [batch, S], S at least 1.
    func makeState(source: Tensor) -> State

    /// The logits of the token that follows the last, [batch, targetVocabulary].
    ///
    /// Without gradients into what was kept: it is to be called within `withoutGradients`, in evaluation mode.
    /// - Parameters:
    ///   - tokens: int32 [batch, n], those of the targets that have come since the last call, none of them padding; n at
    ///     least 1. The first of all begins the target.
    ///   - state: what is kept of those before; with these, at most `maximumLength`.
    func nextLogits(_ tokens: Tensor, _ state: inout State) -> Tensor
}

extension SequenceToSequenceModel {
    /// The logits of the token after each of the target, [batch · length, targetVocabulary].
    /// - Parameter input: int32 [batch, 2, length]: pairs of a source and of what the decoder sees, both filled up to the
    ///   same length with `padding`.
    public func forward(_ input: Tensor) -> Tensor {
        require(
            input.rank == 3 && input.shape[1] == 2, "\(Self.self)",
            "needs pairs of int32 [batch, 2, length], not \(input.dtype) \(input.shape)")
        return checkedForward(source: input.selecting(0, axis: 1), target: input.selecting(1, axis: 1))
    }

    /// The logits of the token after each of the target, [batch · T, targetVocabulary].
    /// - Parameters:
    ///   - source: int32 [batch, S], S at least 1.
    ///   - target: int32 [batch, T], T at least 1: what the decoder sees.
    public func callAsFunction(source: Tensor, target: Tensor) -> Tensor {
        entering((source: source, target: target)) { checkedForward(source: $0.source, target: $0.target) }
    }

    private func checkedForward(source: Tensor, target: Tensor) -> Tensor {
        requireTokens(source, "sources")
        requireTokens(target, "targets")
        require(
            source.shape[0] == target.shape[0], "\(Self.self)",
            "\(source.shape[0]) sources and \(target.shape[0]) targets make no pairs")
        return forward(source: source, target: target)
    }

    /// Stops where these are no tokens of sequences side by side.
    func requireTokens(_ tokens: Tensor, _ what: String) {
        require(
            tokens.rank == 2 && tokens.shape[1] > 0 && tokens.dtype == .int32, "\(Self.self)",
            "needs \(what) of int32 [batch, length], not \(tokens.dtype) \(tokens.shape)")
    }

    /// uint8 of the shape of `tokens`: 1 where they are no padding.
    func isThere(_ tokens: Tensor) -> Tensor { tokens .!= Int(padding) }
}

/// Stops where vocabularies are empty, or lack the padding.
func requireVocabularies(_ source: Int, _ target: Int, _ padding: Int32, _ model: String) {
    require(
        source > 0 && target > 0 && (0..<min(source, target)).contains(Int(padding)), model,
        "vocabularies of \(source) and \(target) tokens, filled up with the token \(padding), make no model")
}
