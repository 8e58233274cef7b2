import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct TokenTextStreamTests {
    /// Each byte a token: no piece ends in the middle of a character, and all together are the text.
    @Test func charactersAreNotCut() throws {
        let tokenizer = BytePairTokenizer(training: [], count: 256)
        let text = "aé中😀e\u{301}\u{10FFFF}\u{10000}\u{7FF}\u{800}\u{FFFF}."
        var stream = TokenTextStream(tokenizer)
        let pieces = try tokenizer.encode(text).map { stream.text(of: $0) } + [stream.end()]
        #expect(pieces.joined() == text)
        #expect(pieces.allSatisfy { !$0.unicodeScalars.contains("\u{FFFD}") })
        #expect(pieces.filter { !$0.isEmpty }.map { $0.unicodeScalars.count }.allSatisfy { $0 == 1 })
    }

    /// What is no UTF-8 shows as `decode` shows it, wherever it is cut.
    @Test func bytesThatAreNoText() throws {
        let tokenizer = BytePairTokenizer(training: [], count: 256)
        var tokens = [Int32](repeating: 0, count: 256)
        for token in 0..<256 as Range<Int32> { tokens[Int(tokenizer.bytes(of: token, after: nil)[0])] = token }
        for bytes in [
            [0xE4, 0xB8], [0xE4, 0x41], [0x80, 0x80], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98],
            [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF, 0xFE, 0x41], [0xE0, 0x80, 0x80], [0xC3],
            [0xF0, 0x9F, 0xE4, 0xB8, 0xAD], [0xF5, 0x80], [0xC3, 0xC3, 0xA9],
        ] {
            let row = bytes.map { tokens[$0] }
            var stream = TokenTextStream(tokenizer)
            let joined = row.map { stream.text(of: $0) }.joined() + stream.end()
            #expect(Array(joined.utf8) == Array(tokenizer.decode(row).utf8), "\(bytes)")
        }
    }

    @Test func specialTokensAreLeftOut() throws {
        let tokenizer = BytePairTokenizer(training: [], count: 257, specialTokens: ["<end>"])
        var stream = TokenTextStream(tokenizer, skipsSpecialTokens: true)
        #expect(try tokenizer.encode("a<end>b").map { stream.text(of: $0) } == ["a", "", "b"])
    }
}
