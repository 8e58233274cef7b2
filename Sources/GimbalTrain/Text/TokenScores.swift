import Foundation

/// How well the tokens of texts were predicted.
///
/// Perplexities and accuracies compare models with the same tokenizer only; bits per character compare any.
public struct TokenScores: Codable, Sendable, Equatable {
    /// Tokens that were predicted.
    public var tokenCount = 0
    /// Those whose most probable value was theirs.
    public var correctCount = 0
    /// The sum of their cross-entropies, in nats.
    public var totalLoss = 0.0
    /// Characters, Unicode scalars, that the tokens spell; nil where that is not asked.
    public var characterCount: Int?
    /// Of pairs of texts, BLEU of what is written from the sources, in 0...100; nil where nothing was written.
    public var bleu: Double?

    /// Scores of nothing yet.
    /// - Parameter characterCount: characters that all tokens together spell; nil where that is not asked.
    public init(characterCount: Int? = nil) { self.characterCount = characterCount }

    /// The mean cross-entropy of a token, in nats; NaN over none.
    public var meanLoss: Double { totalLoss / Double(tokenCount) }
    /// exp of `meanLoss`: among how many tokens, as it were, the model still has to guess.
    public var perplexity: Double { exp(meanLoss) }
    /// The share of tokens whose most probable value was theirs; NaN over none.
    public var accuracy: Double { Double(correctCount) / Double(tokenCount) }
    /// Bits that a character takes by the model's probabilities; nil where characters are not counted.
    public var bitsPerCharacter: Double? {
        characterCount.flatMap { $0 > 0 ? totalLoss / log(2) / Double($0) : nil }
    }

    /// By name, as files and tables have them: `accuracy`, `perplexity`, `bits_per_character` and `bleu`; what is undefined is absent.
    var figures: Figures {
        var figures: Figures = [:]
        figures["accuracy"] = accuracy.ifFinite
        figures["perplexity"] = perplexity.ifFinite
        figures["bits_per_character"] = bitsPerCharacter?.ifFinite
        figures["bleu"] = bleu
        return figures
    }

    /// Takes in a batch.
    /// - Parameters:
    ///   - logits: [places, vocabulary].
    ///   - targets: int32 [places].
    ///   - hostTargets: the same on the host; `HostBatch.ignoredToken` where there is none to predict.
    /// - Throws: what the device reports.
    mutating func add(logits: Tensor, targets: Tensor, hostTargets: [Int32]) throws {
        let (loss, predicted) = withoutGradients {
            (
                logits.crossEntropies(targets, ignoredIndex: Int(HostBatch.ignoredToken)).sum(),
                logits.finiteArgMax()
            )
        }
        totalLoss += Double(try loss.item())
        for (target, prediction) in zip(hostTargets, try predicted.integers()) where target != HostBatch.ignoredToken {
            tokenCount += 1
            if target == prediction { correctCount += 1 }
        }
    }
}

extension Tensor {
    /// The class of the largest logit of each row of [rows, classes]; -1 where that is not finite, which predicts nothing.
    func finiteArgMax() -> Tensor {
        let (classes, largest) = (argMax(), max([1]))
        return Tensor.select((largest - largest).isNaN(), classes.scalar(-1), classes)
    }
}
