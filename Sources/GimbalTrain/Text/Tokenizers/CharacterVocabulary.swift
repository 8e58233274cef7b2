import Gimbal

/// Numbers for the characters of a text: its Unicode scalars, so that what is decoded has the bytes of what was encoded,
/// and a vocabulary the size that other programs count.
///
/// ```swift
/// let text = try TextFile.read("shakespeare.txt")
/// let vocabulary = CharacterVocabulary(text)
/// let (train, test) = TextWindows(try vocabulary.encode(text), length: 128).split(trainFraction: 0.9)
/// for batch in train.batches(of: 32, epoch: 0, seed: 1, on: .current) {
///     let logits = model(batch.inputs)  // a LanguageModel's: [32 · 128, vocabulary.count]
///     let loss = crossEntropy(logits, batch.targets)
/// }
/// ```
public struct CharacterVocabulary: Tokenizer, Equatable {
    /// The characters that have numbers, in the order of their Unicode where they were taken from a text. The number of
    /// each is its place here.
    public let characters: [Unicode.Scalar]
    /// The name of the special token that stands for characters without a number; nil where there is none.
    public let unknownToken: String?
    private let numbers: [Unicode.Scalar: Int32]
    private let added: AddedTokens

    /// Numbers every character that occurs in `text`, in the order of their Unicode.
    /// - Parameters:
    ///   - text: what the characters are taken from.
    ///   - specialTokens: their names; their numbers follow those of the characters. None unless given.
    ///   - unknownToken: the name of a special token, one of these or one more, for characters that `text` does not have;
    ///     nil makes `encode` throw where one comes.
    public init(_ text: String, specialTokens: [String] = [], unknownToken: String? = nil) {
        self.init(
            characters: Set(text.unicodeScalars).sorted(), specialTokens: specialTokens, unknownToken: unknownToken)
    }

    /// Numbers distinct characters in the order in which they are given; one that comes twice stops the program.
    public init(characters: [Unicode.Scalar], specialTokens: [String] = [], unknownToken: String? = nil) {
        self.characters = characters
        self.unknownToken = unknownToken
        numbers = Dictionary(zip(characters, 0...)) { first, second in
            stop("CharacterVocabulary", "\(Self.name(characters[Int(first)])) comes twice, as \(first) and \(second)")
        }
        added = AddedTokens(named: specialTokens, unknown: unknownToken, from: characters.count, "CharacterVocabulary")
    }

    /// Number of characters and special tokens: the classes of a model that predicts characters.
    public var count: Int { characters.count + added.tokens.count }

    public var specialTokens: [SpecialToken] { added.special }

    public var unknownNumber: Int32? { unknownToken.flatMap(number(ofSpecialToken:)) }

    /// The number of each character.
    /// - Throws: `GimbalError.invalidSetting` for a text with a character that is not in the vocabulary, such as a prompt
    ///   or another text than the one it was made of, where there is no `unknownToken`.
    public func encode(_ text: String) throws -> [Int32] {
        let bytes = Array(text.utf8)
        var result: [Int32] = []
        result.reserveCapacity(bytes.count)
        let unknown = unknownNumber
        for segment in added.segments(of: bytes) {
            switch segment {
            case .token(let token): result.append(token)
            case .text(let range):
                for character in String(decoding: bytes[range], as: UTF8.self).unicodeScalars {
                    guard let number = numbers[character] ?? unknown else { throw missing(character, in: text) }
                    result.append(number)
                }
            }
        }
        return result
    }

    /// The error for the first place at which a character stands.
    private func missing(_ character: Unicode.Scalar, in text: String) -> GimbalError {
        let place = text.unicodeScalars.prefix { $0 != character }.count + 1
        return .invalidSetting(
            name: "text",
            reason:
                "character \(place), \(Self.name(character)), is not in the vocabulary of \(count); leave it out, or "
                + "make the vocabulary, and the model, of a text that has it, or with an unknown token")
    }

    public func bytes(of token: Int32, after previous: Int32?) -> [UInt8] {
        require(
            (0..<count).contains(Int(token)), "CharacterVocabulary",
            "\(token) is the number of none of \(count) characters")
        guard Int(token) < characters.count else { return added.bytes(of: token) ?? [] }
        return Array(UTF8.encode(characters[Int(token)])!)
    }

    private static func name(_ character: Unicode.Scalar) -> String {
        "U+\(hexadecimal(character.value, digits: 4).uppercased()) (\(visible(CollectionOfOne(character))))"
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.characters == right.characters && left.added == right.added
            && left.unknownToken.map { ExactText($0) } == right.unknownToken.map { ExactText($0) }
    }
}
