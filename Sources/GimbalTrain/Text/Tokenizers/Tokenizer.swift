import Gimbal

/// Numbers for the pieces of a text, which a model of language reads and writes: characters (`CharacterVocabulary`),
/// words (`WordTokenizer`) or byte pairs (`BytePairTokenizer`).
///
/// ```swift
/// let text = try TextFile.read("shakespeare.txt")
/// let tokenizer = BytePairTokenizer(training: [text], count: 4096, specialTokens: ["<|endoftext|>"])
/// let tokens = try tokenizer.encode(text)
/// print(tokenizer.decode(tokens.prefix(10)))
/// try tokenizer.write(to: "tokenizer.json")
/// let same = try TokenizerFile.read("tokenizer.json")
/// ```
/// A special token, such as one that ends a text, has a name instead of a spelling. Where its name stands in a text, it
/// becomes this one token.
public protocol Tokenizer: Sendable {
    /// How many numbers there are: tokens are in 0..<count, and a model has as many classes.
    var count: Int { get }

    /// The special tokens in the order of their numbers.
    var specialTokens: [SpecialToken] { get }

    /// The numbers of a text's tokens, in its order; none for an empty text.
    /// - Throws: `GimbalError.invalidSetting` where the text has something that has no number.
    func encode(_ text: String) throws -> [Int32]

    /// What a token adds to a text, in UTF-8: a token may hold a part of a character, so that several have to be joined
    /// before they are a text. Empty for a number that no token has; one beyond 0..<count stops the program.
    /// - Parameters:
    ///   - token: in 0..<count.
    ///   - previous: the token before it; nil where it is the first.
    func bytes(of token: Int32, after previous: Int32?) -> [UInt8]

    /// The number of the token that stands for what has no number of its own; nil where there is none.
    var unknownNumber: Int32? { get }

    /// What `TokenizerFile.read` makes this tokenizer of, in JSON.
    var json: String { get }
}

/// A token with a name instead of a spelling.
public struct SpecialToken: Sendable, Hashable {
    /// What stands for it in a text, such as `<|endoftext|>`.
    public let name: String
    /// Its number among the tokens.
    public let number: Int32

    /// Tells that the token `number` is called `name`.
    public init(name: String, number: Int32) {
        self.name = name
        self.number = number
    }
}

extension Tokenizer {
    /// Writes the file that `TokenizerFile.read` reads, wholly or not at all.
    /// - Throws: `GimbalError.fileSystem`.
    public func write(to path: String) throws { try AtomicFile.write(json, to: path) }

    /// The number of the special token with this name, to the byte; nil where there is none.
    public func number(ofSpecialToken name: String) -> Int32? {
        specialTokens.first { ExactText($0.name) == ExactText(name) }?.number
    }

    /// None.
    public var unknownNumber: Int32? { nil }

    /// The tokens of a text from a file.
    /// - Parameters:
    ///   - text: all of the file, or a part.
    ///   - path: of the file, for messages.
    ///   - line: where the text stands, counted from 1; nil where that is not known.
    /// - Throws: `GimbalError.invalidFile` where the text has something that has no number.
    func encode(_ text: String, from path: String, line: Int? = nil) throws -> [Int32] {
        try naming(path, line: line) { try encode(text) }
    }

    /// The text of these tokens, each in 0..<count; another stops the program. Bytes that are no UTF-8, such as a character
    /// cut in half at an end, become U+FFFD, one for each part that could begin a character.
    /// - Parameters:
    ///   - tokens: in the order of the text.
    ///   - skipsSpecialTokens: whether special tokens are left out, instead of showing by their names.
    public func decode(_ tokens: some Sequence<Int32>, skipsSpecialTokens: Bool = false) -> String {
        var stream = TokenTextStream(self, skipsSpecialTokens: skipsSpecialTokens)
        var bytes: [UInt8] = []
        for token in tokens { bytes += stream.bytes(of: token) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Stops the program where `token` is no number of this tokenizer.
    func check(_ token: Int32) {
        require(
            (0..<count).contains(Int(token)), "\(Self.self)", "\(token) is the number of none of \(count) tokens")
    }
}

/// Calls `body`, whose complaint about a text becomes one about the file that the text is from.
/// - Throws: `GimbalError.invalidFile` in place of `GimbalError.invalidSetting`; others as they are.
package func naming<Result>(_ path: String, line: Int? = nil, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch GimbalError.invalidSetting(_, let reason) {
        throw GimbalError.invalidFile(path: path, reason: (line.map { "line \($0): " } ?? "") + reason)
    }
}
