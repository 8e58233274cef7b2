import Gimbal

/// What the tokens that a model predicts of a text spell: all but the first, before which it sees nothing.
struct TextSpelling: Sendable {
    /// Bytes of UTF-8.
    private(set) var byteCount = 0
    /// Unicode scalars, each counted where it begins.
    private(set) var characterCount = 0
    /// Tokens that stand for what has no number, and spell nothing of the text.
    private(set) var unknownCount = 0

    init(_ tokens: [Int32], _ tokenizer: any Tokenizer) {
        guard let first = tokens.first else { return }
        let unknown = tokenizer.unknownNumber
        var stream = TokenTextStream(tokenizer)
        _ = stream.bytes(of: first)
        for token in tokens.dropFirst() {
            let spelled = stream.bytes(of: token)
            byteCount += spelled.count
            characterCount += spelled.count { $0 & 0xC0 != 0x80 }
            if token == unknown { unknownCount += 1 }
        }
    }
}
