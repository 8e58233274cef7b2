import Gimbal
import GimbalNN

/// Writes texts from others, such as translations, with a model that was trained on pairs of them.
///
/// ```swift
/// let run = try SavedRun("runs/english-russian")
/// let writer = try PairWriter(run)
/// print(try writer.texts(for: ["I am cold.", "Who are you calling?"]))
/// ```
public struct PairWriter {
    private let model: any SequenceToSequenceModel
    private let tokenizer: any Tokenizer
    private let special: PairTokens

    /// - Parameters:
    ///   - model: with a vocabulary of the tokenizer's tokens, for sources and targets.
    ///   - tokenizer: has special tokens that fill up, begin and end a text: `<pad>`, `<s>` and `</s>`, or what others call
    ///     them.
    /// - Throws: `GimbalError.invalidSetting` for a tokenizer without such tokens.
    public init(_ model: any SequenceToSequenceModel, _ tokenizer: any Tokenizer) throws {
        self.model = model
        self.tokenizer = tokenizer
        special = try PairTokens(tokenizer)
    }

    /// - Throws: `GimbalError.invalidSetting` for a run that was not trained on pairs of texts.
    public init(_ run: SavedRun) throws {
        guard let model = run.model as? any SequenceToSequenceModel else {
            throw GimbalError.invalidSetting(
                name: "runs", reason: "\(run.checkpoint.path) was not trained on pairs of texts")
        }
        try self.init(model, run.record.recipe.data.requiredText().makeTokenizer())
    }

    /// The text that the model writes from each of `sources`.
    /// - Parameters:
    ///   - sources: as many as one likes; those of like length are read side by side.
    ///   - beams: beginnings that go on side by side; nil takes the most probable token always.
    ///   - maximumCount: the most tokens of a text; never more than the model can look at.
    /// - Throws: `GimbalError.invalidSetting` for a source that is longer than the model can look at, and what the device
    ///   throws.
    public func texts(for sources: [String], beams: Int? = nil, maximumCount: Int = 256) throws -> [String] {
        let sources = try sources.map(tokenizer.encode)
        let targets: [[Int32]]
        if let beams {
            targets = try sources.map { source in
                let found = try beamSearch(
                    model, source: source, begin: special.begin, end: special.end, beams: beams,
                    maximumCount: maximumCount)
                return found.first?.tokens ?? []
            }
        } else {
            targets = try greedySearch(
                model, sources: sources, begin: special.begin, end: special.end, maximumCount: maximumCount)
        }
        return targets.map(text)
    }

    /// - Throws: `GimbalError.invalidSetting` for a source that the model cannot read.
    package func check(_ source: String) throws { try model.check([tokenizer.encode(source)]) }

    private func text(_ target: [Int32]) -> String { tokenizer.decode(target, skipsSpecialTokens: true) }

    /// BLEU of what the model writes from the sources of `part`, always with the most probable token, in 0...100: over the
    /// words and signs of its texts, as `WordTokenizer` splits them, with the target of each pair as its reference.
    /// - Throws: what the device throws.
    public func bleu(on part: PairPart) throws -> Double {
        let pairs = part.pairs.pairs
        let written = try greedySearch(
            model, sources: pairs.map(\.source), begin: special.begin, end: special.end, maximumCount: part.length)
        var bleu = BLEU<String>()
        for (pair, target) in zip(pairs, written) {
            bleu.update(
                hypothesis: WordTokenizer.words(of: text(target)),
                references: [WordTokenizer.words(of: text(pair.target))])
        }
        return 100 * bleu.value
    }
}

extension WordTokenizer {
    /// The words and signs of a text, without the space before them.
    static func words(of text: String) -> [String] {
        let bytes = Array(text.utf8)
        var words: [String] = []
        bytes.withUnsafeBufferPointer { buffer in
            split(buffer, 0..<buffer.count) { range in
                let word = buffer[range].drop { $0 == 0x20 }
                if !word.isEmpty { words.append(String(decoding: word, as: UTF8.self)) }
            }
        }
        return words
    }
}
