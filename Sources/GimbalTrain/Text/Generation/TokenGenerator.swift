import Gimbal
import GimbalNN

/// Goes on with a sequence of tokens as a model would have it.
///
/// ```swift
/// let model = LanguageModel(vocabulary: tokenizer.count, length: 256, size: 256, heads: 4, layers: 4)
/// let generator = try TokenGenerator(
///     model, prompt: tokenizer.encode("ROMEO:"), sampling: Sampling(temperature: 0.8, topK: 40), maximumCount: 200)
/// while let token = try generator.next() { print(token) }
/// ```
/// What the model keeps of the tokens so far makes each take the same time. The model is in evaluation mode, without
/// gradients, while a token is worked out, and as it was between them; its weights must stay the same.
///
/// A model that looks at `maximumLength` tokens at most sees, of a longer text, a part from a place on that moves by half
/// of that length at a time: the smallest multiple of it from which the rest fits. What is kept is worked out anew there,
/// once in half a length.
public final class TokenGenerator<Model: AutoregressiveModel> {
    /// Why no more tokens come.
    public enum Ending: Sendable, Equatable {
        /// This token came, which is no part of the sequence.
        case stopToken(Int32)
        /// As many came as were asked for.
        case maximumCount
    }

    /// The prompt and what has been written so far.
    public private(set) var tokens: [Int32]
    /// How many tokens the prompt has.
    public let promptCount: Int
    /// Why no more come; nil while some may.
    public private(set) var ending: Ending?
    private let maximumCount: Int
    private let stopTokens: Set<Int32>
    private let allowedCount: Int
    private var chooser: TokenChooser
    private var context: ModelContext<Model>
    private var seen: Set<Int32>

    /// A sequence that begins with `prompt`.
    /// - Parameters:
    ///   - model: predicts the tokens; on any device.
    ///   - prompt: at least one token.
    ///   - sampling: how tokens are chosen.
    ///   - maximumCount: the most tokens that are written, those of the prompt not counted; at least 0.
    ///   - stopTokens: tokens that end the sequence, such as one that ends a text. None unless given.
    ///   - seed: of what is drawn.
    /// - Throws: `GimbalError.invalidSetting` for a prompt without tokens, or with one that the model does not know.
    public convenience init(
        _ model: Model, prompt: [Int32], sampling: Sampling = Sampling(), maximumCount: Int,
        stopTokens: Set<Int32> = [], seed: UInt64 = 0
    ) throws {
        try self.init(
            model, prompt: prompt, sampling: sampling, maximumCount: maximumCount, stopTokens: stopTokens, seed: seed,
            allowedCount: model.vocabulary)
    }

    /// - Parameter allowedCount: tokens from there on are never chosen.
    init(
        _ model: Model, prompt: [Int32], sampling: Sampling, maximumCount: Int, stopTokens: Set<Int32>, seed: UInt64,
        allowedCount: Int
    ) throws {
        require(maximumCount >= 0, "TokenGenerator", "\(maximumCount) tokens at most")
        context = try ModelContext(model, prompt: prompt)
        tokens = prompt
        promptCount = prompt.count
        seen = Set(prompt)
        chooser = TokenChooser(sampling, seed: seed)
        self.maximumCount = maximumCount
        self.stopTokens = stopTokens
        self.allowedCount = allowedCount
    }

    /// The next token; nil where the sequence has ended, as `ending` tells.
    /// - Throws: `GimbalError.nonFinite` where a logit is NaN or infinite, and what the device throws.
    public func next() throws -> Int32? {
        guard ending == nil else { return nil }
        guard tokens.count - promptCount < maximumCount else {
            ending = .maximumCount
            return nil
        }
        var logits = try context.nextLogits([tokens])[0]
        for place in logits.indices.dropFirst(allowedCount) { logits[place] = -.infinity }
        let token = chooser.next(logits, seen: seen)
        if stopTokens.contains(token) {
            ending = .stopToken(token)
            return nil
        }
        tokens.append(token)
        seen.insert(token)
        return token
    }

    /// What is still to be written, to its end.
    /// - Throws: as `next()`.
    public func rest() throws -> [Int32] {
        let begin = tokens.count
        while try next() != nil {}
        return Array(tokens[begin...])
    }
}
