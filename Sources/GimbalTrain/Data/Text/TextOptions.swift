import Gimbal

/// How a text, or pairs of texts, become tokens and those become examples, where something else is wanted than what suits most.
///
/// ```swift
/// var options = TextOptions()
/// (options.tokenizer, options.vocabulary) = (.bytePairs, 4096)
/// let parts = try DataSource.text(path: "novels.txt", options: options).parts()
/// ```
public struct TextOptions: Sendable, Equatable {
    /// What tokens are.
    public enum Tokens: Sendable, Equatable {
        /// Unicode scalars: `CharacterVocabulary`.
        case characters
        /// Words and signs: `WordTokenizer`.
        case words
        /// Parts of words, learned from the text that is trained on: `BytePairTokenizer`.
        case bytePairs
        /// Those of the tokenizer in this file, which `TokenizerFile` reads.
        case file(String)
    }

    /// What tokens are; nil for characters of a text, and byte pairs of pairs.
    public var tokenizer: Tokens?
    /// The most words or byte pairs, special tokens included; nil for 8192, and 4000 of pairs. Characters are all taken.
    public var vocabulary: Int?
    /// Tokens that a model sees of a text, or the most that each text of a pair has, where longer pairs are left out; nil for
    /// 128, and for as many as the longest of the pairs has, at most 256.
    public var length: Int?
    /// What the bytes of the files mean, such as windows-1252, by a name that iconv knows; nil for UTF-8, or what a byte order
    /// mark says.
    public var encoding: String?

    /// What suits most texts.
    public init() {}

    /// More than any model attends to; each sample, and some tables, are as long.
    private static let mostTokens = 1 << 20

    fileprivate static func check(_ length: Int) throws {
        try checkSetting(
            (1...mostTokens).contains(length), "length", "must be from 1 to \(mostTokens), not \(length)")
    }

    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        if let length { try Self.check(length) }
        let least = tokenizer == .words ? 16 : 300
        try checkSetting(
            vocabulary.map { (least...1_000_000).contains($0) } ?? true, "vocabulary",
            "must be from \(least) to 1000000, not \(vocabulary ?? 0)")
        switch tokenizer {
        case .characters, .file:
            try checkSetting(vocabulary == nil, "vocabulary", "is for words and byte pairs, which are counted")
        case .words, .bytePairs, nil: break
        }
    }

    /// A tokenizer of these options.
    /// - Parameters:
    ///   - texts: what is trained on, from which words and byte pairs are learned.
    ///   - all: all texts, whose characters are numbered.
    ///   - specialTokens: their names.
    ///   - usual: what tokens are where nothing is said.
    ///   - size: the most words or byte pairs where nothing is said.
    /// - Throws: as `TokenizerFile.read`.
    func makeTokenizer(
        trainedOn texts: [String], all: () -> String, specialTokens: [String] = [], usual: Tokens, size: Int
    ) throws -> any Tokenizer {
        let count = vocabulary ?? size
        switch tokenizer ?? usual {
        case .characters: return CharacterVocabulary(all(), specialTokens: specialTokens)
        case .words:
            return WordTokenizer(
                texts.joined(separator: "\n"), limit: count - specialTokens.count - 1, specialTokens: specialTokens)
        case .bytePairs: return BytePairTokenizer(training: texts, count: count, specialTokens: specialTokens)
        case .file(let path): return try TokenizerFile.read(path)
        }
    }
}

/// How texts become tokens: what a run keeps of it, so that other texts are read in the same way.
public struct TextRecord: Codable, Sendable, Equatable {
    /// The file of the tokenizer, as `TokenizerFile` reads it.
    public var tokenizer: String
    /// Tokens that a model sees of a text, or the most of each text of a pair.
    public var length: Int
    /// What the bytes of the run's files mean, as `TextOptions` has it.
    public var encoding: String?

    /// The tokenizer.
    /// - Throws: `GimbalError.invalidFile` where its text is damaged.
    public func makeTokenizer() throws -> any Tokenizer {
        try TokenizerFile.tokenizer(in: Array(tokenizer.utf8), path: "the run's tokenizer")
    }

    /// Whether `tokens`, no more than `vocabulary` of them, may be what the run keeps; nil stands for anything.
    /// - Throws: where the file of a tokenizer cannot be read.
    package func agrees(with tokens: TextOptions.Tokens?, vocabulary: Int?) throws -> Bool {
        let kept = try makeTokenizer()
        if let vocabulary, vocabulary < kept.count { return false }
        return switch tokens {
        case nil: true
        case .characters: kept is CharacterVocabulary
        case .words: kept is WordTokenizer
        case .bytePairs: kept is BytePairTokenizer
        case .file(let path): try TokenizerFile.read(path).json == tokenizer
        }
    }

    /// What the tokens are, in a word or two.
    package var tokenizerName: String {
        switch try? makeTokenizer() {
        case is CharacterVocabulary: "characters"
        case is WordTokenizer: "words"
        case is BytePairTokenizer: "byte pairs"
        default: "tokens"
        }
    }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        try TextOptions.check(length)
    }
}
