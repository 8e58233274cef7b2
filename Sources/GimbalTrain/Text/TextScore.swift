import Foundation
import Gimbal
import GimbalNN

/// How well a model predicts a text: by what its tokens surprise it.
///
/// ```swift
/// let model = LanguageModel(vocabulary: tokenizer.count, length: 256, size: 256, heads: 4, layers: 4)
/// let score = try TextScore(of: text, by: model, tokenizer, length: 256, stride: 128)
/// print(score.bitsPerCharacter, score.perplexity)
/// ```
/// Perplexities compare models with the same tokenizer only; bits per byte or character compare any.
public struct TextScore: Sendable, Equatable {
    /// Tokens that were predicted: all but the first, before which the model sees nothing.
    public let tokenCount: Int
    /// Bytes of UTF-8 that those tokens spell.
    public let byteCount: Int
    /// Unicode scalars that they spell.
    public let characterCount: Int
    /// Tokens among them that stand for what has no number, such as unknown words.
    public let unknownCount: Int
    /// The sum of the tokens' cross-entropies in nats.
    public let totalLoss: Double

    /// exp of the mean cross-entropy per token.
    public var perplexity: Double { exp(totalLoss / Double(tokenCount)) }
    /// Bits that a byte of the text takes by the model's probabilities; NaN where a token is unknown, as what stands there
    /// is not predicted.
    public var bitsPerByte: Double { unknownCount == 0 ? totalLoss / log(2) / Double(byteCount) : .nan }
    /// Bits that a character, a Unicode scalar, takes; NaN where a token is unknown.
    public var bitsPerCharacter: Double { unknownCount == 0 ? totalLoss / log(2) / Double(characterCount) : .nan }

    /// Has a model predict a text, in windows that overlap: each begins `stride` tokens behind the one before, and predicts
    /// those that no earlier one has. So a token, but for the first window's, is predicted from at least
    /// `length` - `stride` before it: a small stride judges the model better, and takes longer.
    ///
    /// The model computes in evaluation mode and without gradients, and is left as it was.
    /// - Parameters:
    ///   - text: at least two tokens.
    ///   - model: from tokens int32 [batch, length] to logits [batch · length, classes], as `LanguageModel`.
    ///   - tokenizer: the one that the model was trained with.
    ///   - length: tokens that the model sees at most, such as the length it was trained with; at least 1.
    ///   - stride: in 1...length; nil for `length`, windows that do not overlap.
    ///   - batchSize: windows that are computed together; at least 1.
    /// - Throws: `GimbalError.invalidSetting` for a text of fewer than two tokens, or with what has no number;
    ///   `GimbalError.nonFinite` where the model does not give numbers, and what the device throws.
    public init(
        of text: String, by model: some TensorLayer, _ tokenizer: any Tokenizer, length: Int, stride: Int? = nil,
        batchSize: Int = 8
    ) throws {
        let step = stride ?? length
        require(
            length >= 1 && (1...length).contains(step) && batchSize >= 1, "TextScore",
            "windows of \(length) tokens with a stride of \(step), \(batchSize) at a time")
        let part = try TextPart(text, tokenizer, length: length, name: "a text that is scored")
        let tokens = part.windows.tokens
        guard tokens.count > 1 else {
            throw GimbalError.invalidSetting(name: "text", reason: "\(tokens.count) tokens, where two are the least")
        }
        let device = model.parameters.first?.device ?? .current
        var sums = BatchSums()
        try model.evaluating {
            try withoutGradients {
                try part.forEachBatch(of: batchSize, stride: step) { host in
                    let batch = host.to(device)
                    sums.add(
                        model(batch.inputs).crossEntropies(
                            batch.targets, ignoredIndex: Int(HostBatch.ignoredToken)
                        ).sum())
                }
            }
        }
        totalLoss = try sums.total
        guard totalLoss.isFinite else {
            throw GimbalError.nonFinite(quantity: "the cross-entropy", value: totalLoss, place: part.name)
        }
        tokenCount = tokens.count - 1
        (byteCount, characterCount) = (part.spelling.byteCount, part.spelling.characterCount)
        unknownCount = part.spelling.unknownCount
    }
}
