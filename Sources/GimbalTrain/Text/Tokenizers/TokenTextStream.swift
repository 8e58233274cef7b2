import Gimbal

/// Makes a text of tokens that come one after the other, as a model writes them.
///
/// ```swift
/// var stream = TokenTextStream(tokenizer, skipsSpecialTokens: true)
/// for token in try tokenizer.encode("wörter") { print(stream.text(of: token), terminator: "") }
/// print(stream.end())
/// ```
/// A piece never ends within a character: its bytes wait until the last of them has come. All pieces together, with that
/// of `end()`, are what `decode` gives.
public struct TokenTextStream {
    private let tokenizer: any Tokenizer
    private let skipped: Set<Int32>
    private var previous: Int32?
    /// The beginning of a character: at most 3 bytes.
    private var waiting: [UInt8] = []

    /// A text that is still empty.
    /// - Parameters:
    ///   - tokenizer: gave the tokens their numbers.
    ///   - skipsSpecialTokens: whether special tokens are left out, instead of showing by their names.
    public init(_ tokenizer: any Tokenizer, skipsSpecialTokens: Bool = false) {
        self.tokenizer = tokenizer
        skipped = skipsSpecialTokens ? Set(tokenizer.specialTokens.map(\.number)) : []
    }

    /// What the text goes on with: empty while a character is not complete.
    /// - Parameter token: in 0..<tokenizer.count; another stops the program.
    public mutating func text(of token: Int32) -> String {
        waiting += bytes(of: token)
        let whole = waiting.count - Self.lengthOfBegunCharacter(waiting)
        defer { waiting.removeFirst(whole) }
        return String(decoding: waiting[..<whole], as: UTF8.self)
    }

    /// What is left at the end of the text: U+FFFD for a character that was begun and not completed, else nothing.
    public mutating func end() -> String {
        defer { waiting = [] }
        return String(decoding: waiting, as: UTF8.self)
    }

    /// What a token adds, in UTF-8.
    mutating func bytes(of token: Int32) -> [UInt8] {
        if skipped.contains(token) { return [] }
        defer { previous = token }
        return tokenizer.bytes(of: token, after: previous)
    }

    /// How many bytes at the end begin a character of UTF-8 that more bytes could complete.
    static func lengthOfBegunCharacter(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let first = bytes[bytes.count - length]
            if first & 0xC0 == 0x80 { continue }
            let wanted = first >= 0xF0 && first <= 0xF4 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1
            guard length < wanted, first <= 0xF4 else { return 0 }
            guard length > 1 else { return 1 }
            // Of what these begin with, not every continuation is a character (RFC 3629).
            let second = bytes[bytes.count - length + 1]
            let isAllowed =
                switch first {
                case 0xE0: second >= 0xA0
                case 0xED: second < 0xA0
                case 0xF0: second >= 0x90
                case 0xF4: second < 0x90
                default: true
                }
            return isAllowed ? length : 0
        }
        return 0
    }
}
