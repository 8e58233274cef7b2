import Gimbal
import GimbalNN

/// Writes on from a text as a model would have it, a piece at a time.
///
/// ```swift
/// let model = RecurrentLanguageModel(vocabulary: tokenizer.count, size: 256, layers: 2)
/// let writer = try TextGenerator(
///     model, tokenizer, prompt: "ROMEO:", sampling: Sampling(temperature: 0.8, topP: 0.9), maximumCount: 200)
/// while let piece = try writer.next() { print(piece, terminator: "") }
/// ```
/// A piece never ends within a character, and may be empty while one is not complete. Special tokens are left out of the
/// text. See `TokenGenerator` for how long texts are gone on with.
public final class TextGenerator<Model: AutoregressiveModel> {
    private let generator: TokenGenerator<Model>
    private var stream: TokenTextStream
    private var hasEnded = false

    /// A text that begins with `prompt`.
    /// - Parameters:
    ///   - model: predicts the tokens; on any device. It may have more classes than there are tokens; those are never
    ///     chosen.
    ///   - tokenizer: the one that the model was trained with.
    ///   - prompt: what is gone on from; at least one token.
    ///   - sampling: how tokens are chosen.
    ///   - maximumCount: the most tokens that are written.
    ///   - stopTokens: tokens that end the text, such as that of `<|endoftext|>`. None unless given.
    ///   - seed: of what is drawn.
    /// - Throws: `GimbalError.invalidSetting` for a prompt without tokens, or with what has no number, and for a model that
    ///   has fewer classes than there are tokens.
    public init(
        _ model: Model, _ tokenizer: any Tokenizer, prompt: String, sampling: Sampling = Sampling(), maximumCount: Int,
        stopTokens: Set<Int32> = [], seed: UInt64 = 0
    ) throws {
        guard model.vocabulary >= tokenizer.count else {
            throw GimbalError.invalidSetting(
                name: "tokenizer",
                reason:
                    "\(tokenizer.count) tokens, where the model has \(model.vocabulary): it was trained with another")
        }
        let tokens = try tokenizer.encode(prompt)
        generator = try TokenGenerator(
            model, prompt: tokens, sampling: sampling, maximumCount: maximumCount, stopTokens: stopTokens, seed: seed,
            allowedCount: tokenizer.count)
        stream = TokenTextStream(tokenizer, skipsSpecialTokens: true)
        // The prompt is not repeated, but a character may begin in it.
        for token in tokens { _ = stream.text(of: token) }
    }

    /// The tokens of the prompt and of what has been written so far.
    public var tokens: [Int32] { generator.tokens }

    /// Why no more comes; nil while some may.
    public var ending: TokenGenerator<Model>.Ending? { generator.ending }

    /// What the text goes on with; nil at its end.
    /// - Throws: `GimbalError.nonFinite` where a logit is NaN or infinite, and what the device throws.
    public func next() throws -> String? {
        if let token = try generator.next() { return stream.text(of: token) }
        if hasEnded { return nil }
        hasEnded = true
        let last = stream.end()
        return last.isEmpty ? nil : last
    }

    /// What is still to be written, to its end.
    /// - Throws: as `next()`.
    public func rest() throws -> String {
        var result = ""
        while let piece = try next() { result += piece }
        return result
    }
}
