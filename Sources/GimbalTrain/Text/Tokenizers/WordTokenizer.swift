import Gimbal

/// Numbers for the words of a text, as they stand in it: with the space before them, and in their own case, so that decoding
/// gives back the text but for unknown words.
///
/// ```swift
/// let tokenizer = WordTokenizer(text, minimumCount: 2, limit: 10_000)
/// let tokens = try tokenizer.encode("It is a truth universally acknowledged")
/// ```
/// A word is letters, digits and their marks, with apostrophes and hyphens inside. Every other character is a piece of its
/// own; a sign takes the space before it as a word does. Unknown ones decode as the name of the unknown token.
public struct WordTokenizer: Tokenizer, Equatable {
    /// Words, signs and white space that have numbers: the place of each.
    public let words: [String]
    /// The name of the special token for words without a number; nil where there is none.
    public let unknownToken: String?
    private let numbers: [ByteString: Int32]
    private let added: AddedTokens

    /// Numbers the words of a text, the most frequent first, and of equally frequent ones in the order of their bytes.
    /// - Parameters:
    ///   - text: what the words are taken from.
    ///   - minimumCount: how often a word must come to get a number; at least 1.
    ///   - limit: the most words that get one; nil for all.
    ///   - specialTokens: their names; their numbers follow those of the words. None unless given.
    ///   - unknownToken: the name of a special token, one of these or one more, for words without a number; nil makes
    ///     `encode` throw where one comes.
    public init(
        _ text: String, minimumCount: Int = 1, limit: Int? = nil, specialTokens: [String] = [],
        unknownToken: String? = "<unk>"
    ) {
        require(
            minimumCount >= 1 && limit ?? 0 >= 0, "WordTokenizer",
            "words that come \(minimumCount) times, at most \(limit ?? 0) of them")
        let added = AddedTokens(named: specialTokens, unknown: unknownToken, from: 0, "WordTokenizer")
        let bytes = Array(text.utf8)
        var counts: [ByteString: Int] = [:]
        for case .text(let range) in added.segments(of: bytes) {
            bytes.withUnsafeBufferPointer { bytes in
                Self.split(bytes, range) { counts[ByteString(bytes[$0]), default: 0] += 1 }
            }
        }
        let kept = counts.filter { $0.value >= minimumCount }.sorted { left, right in
            left.value != right.value
                ? left.value > right.value : left.key.bytes.lexicographicallyPrecedes(right.key.bytes)
        }
        self.init(
            words: kept.prefix(limit ?? .max).map { String(decoding: $0.key.bytes, as: UTF8.self) },
            specialTokens: specialTokens, unknownToken: unknownToken)
    }

    /// Numbers distinct words in the order in which they are given; one that comes twice stops the program.
    public init(words: [String], specialTokens: [String] = [], unknownToken: String? = "<unk>") {
        self.words = words
        self.unknownToken = unknownToken
        numbers = Dictionary(zip(words.map { ByteString($0.utf8) }, 0...)) { first, second in
            stop("WordTokenizer", "\(shown(words[Int(first)])) comes twice, as \(first) and \(second)")
        }
        added = AddedTokens(named: specialTokens, unknown: unknownToken, from: words.count, "WordTokenizer")
    }

    /// Number of words and special tokens: the classes of a model that predicts words.
    public var count: Int { words.count + added.tokens.count }

    public var specialTokens: [SpecialToken] { added.special }

    public var unknownNumber: Int32? { unknownToken.flatMap(number(ofSpecialToken:)) }

    /// The numbers of a text's words.
    /// - Throws: `GimbalError.invalidSetting` for a word that has no number, where there is no `unknownToken`.
    public func encode(_ text: String) throws -> [Int32] {
        let bytes = Array(text.utf8)
        let unknown = unknownNumber
        var result: [Int32] = []
        for segment in added.segments(of: bytes) {
            switch segment {
            case .token(let token): result.append(token)
            case .text(let range):
                try bytes.withUnsafeBufferPointer { bytes in
                    try Self.split(bytes, range) { piece in
                        guard let number = numbers[ByteString(bytes[piece])] ?? unknown else {
                            throw GimbalError.invalidSetting(
                                name: "text",
                                reason: "piece \(result.count + 1), "
                                    + "'\(shown(String(decoding: bytes[piece], as: UTF8.self)))', is not in the "
                                    + "vocabulary of \(count), which has no token for unknown words")
                        }
                        result.append(number)
                    }
                }
            }
        }
        return result
    }

    public func bytes(of token: Int32, after previous: Int32?) -> [UInt8] {
        check(token)
        guard Int(token) >= words.count else { return Array(words[Int(token)].utf8) }
        let name = added.bytes(of: token) ?? []
        // Whether a space was before it is not known; between words there is one.
        guard token == unknownNumber, let previous,
            let last = bytes(of: previous, after: nil).last, ![0x20, 0x0A, 0x0D, 0x09].contains(last)
        else { return name }
        return [0x20] + name
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.words.map { ExactText($0) } == right.words.map { ExactText($0) } && left.added == right.added
            && left.unknownToken.map { ExactText($0) } == right.unknownToken.map { ExactText($0) }
    }

    /// Calls `body` with the pieces of a part of a text, which together are all of it.
    static func split(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) throws -> Void
    ) rethrows {
        let scan = PatternScan(bytes: bytes, end: range.upperBound)
        var start = range.lowerBound
        while start < range.upperBound {
            let hasSpace =
                bytes[start] == 0x20 && start + 1 < range.upperBound && !scan.kind(start + 1).contains(.space)
            let word = hasSpace ? start + 1 : start
            var end = scan.run(word) { $0.isPartOfWord }
            if end == word {
                end += UTF8Scan.scalar(at: word, bytes).length
            } else {
                while let inside = joint(scan, end) { end = scan.run(inside) { $0.isPartOfWord } }
            }
            try body(start..<end)
            start = end
        }
    }

    /// Behind an apostrophe or hyphen at `position` that a word goes on after; nil where none is.
    private static func joint(_ scan: PatternScan, _ position: Int) -> Int? {
        guard position < scan.end else { return nil }
        let sign = UTF8Scan.scalar(at: position, scan.bytes)
        // ', ’, -, ‐
        guard [0x27, 0x2019, 0x2D, 0x2010].contains(sign.value), position + sign.length < scan.end,
            scan.kind(position + sign.length).isPartOfWord
        else { return nil }
        return position + sign.length
    }
}
