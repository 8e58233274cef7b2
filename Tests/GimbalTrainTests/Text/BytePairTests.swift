import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct BytePairTests {
    /// "low", "lower" and so on, as in Sennrich et al.: learned by hand.
    @Test func mergesAreThoseOfTheMostFrequentPairs() throws {
        let text = "low low low low low lower lower newest newest newest newest newest newest widest widest widest"
        let tokenizer = BytePairTokenizer(training: [text], count: 256 + 6)
        // es and st come 9 times, lo and ow 7, and then e w, n e, w est, a space before n and before low 6 times: of equal
        // ones the smaller number comes first, that of a letter before that of the space.
        func spelling(_ token: Int32) -> String { tokenizer.decode([token]) }
        #expect((256..<262).map { spelling($0) } == ["es", "est", "lo", "low", "ew", "new"])
        #expect(tokenizer.mergeCount == 6)
        #expect(try tokenizer.encode(" lowest").map(spelling) == [" ", "low", "est"])
    }

    /// Of pairs that are as often together that with the smaller numbers, not that which was seen first.
    @Test func tiesAreBrokenByNumbers() throws {
        let tokenizer = BytePairTokenizer(training: ["zz yy xx zz yy xx"], count: 257)
        #expect(tokenizer.decode([256]) == "xx")
        for _ in 0..<5 {
            #expect(
                BytePairTokenizer(training: ["zz yy xx zz yy xx"], count: 300)
                    == BytePairTokenizer(
                        training: ["zz yy xx ", "zz yy xx"], count: 300))
        }
    }

    @Test(arguments: SplitPattern.allCases) func anyTextComesBack(_ pattern: SplitPattern) throws {
        let tokenizer = BytePairTokenizer(
            training: ["the cat sat on the mat, the cat sat, 100 200"], count: 280, specialTokens: ["<|end|>"],
            pattern: pattern)
        for text in [
            "", " ", "the cat\r\n\r\n  sat <|end|>", "мир 😀 \u{0} e\u{301}\u{FEFF}",
            String(repeating: "the", count: 5000),
            "12345'S a\u{2003}\u{A0}b\n\n\n ", "<|end|><|end|>",
        ] {
            let tokens = try tokenizer.encode(text)
            #expect(Array(tokenizer.decode(tokens).utf8) == Array(text.utf8))
            let without = text.replacing("<|end|>", with: "")
            #expect(Array(tokenizer.decode(tokens, skipsSpecialTokens: true).utf8) == Array(without.utf8))
        }
        #expect(try tokenizer.encode("the<|end|>the").filter { $0 == 0 }.count == 1)
        #expect(tokenizer.specialTokens == [SpecialToken(name: "<|end|>", number: 0)])
        #expect(tokenizer.number(ofSpecialToken: "<|end|>") == 0 && tokenizer.number(ofSpecialToken: "end") == nil)
    }

    /// No pair is left, or none comes often enough.
    @Test func aSmallTextGivesFewerTokens() {
        #expect(BytePairTokenizer(training: ["abab"], count: 1000, minimumPairCount: 1).count == 258)
        #expect(BytePairTokenizer(training: ["abab"], count: 1000).count == 257)
        #expect(BytePairTokenizer(training: [], count: 1000).count == 256)
    }

    @Test func specialTokensAreNotLearnedFrom() throws {
        let text = String(repeating: "<|end|>", count: 50)
        #expect(BytePairTokenizer(training: [text], count: 300, specialTokens: ["<|end|>"]).mergeCount == 0)
    }

    /// A piece without an end, as base64 is, takes n log n steps: a second or two in a debug build, not hours.
    @Test(.timeLimit(.minutes(2))) func longPiecesAreJoinedInTime() throws {
        var state: UInt32 = 1
        let text = String(
            decoding: (0..<200_000).map { _ -> UInt8 in
                state = state &* 1_664_525 &+ 1_013_904_223
                return 97 + UInt8(state >> 24) % 8
            }, as: UTF8.self)
        let tokenizer = BytePairTokenizer(training: [String(text.prefix(5000))], count: 400)
        let tokens = try tokenizer.encode(text)
        #expect(tokenizer.decode(tokens) == text && tokens.count < 120_000)
    }

    @Test func severalThreadsEncodeTheSame() async throws {
        let text = String(repeating: "how many roads must a man walk down ", count: 200)
        let tokenizer = BytePairTokenizer(training: [text], count: 300)
        let expected = try tokenizer.encode(text)
        try await withThrowingTaskGroup(of: [Int32].self) { group in
            for _ in 0..<8 { group.addTask { try tokenizer.encode(text) } }
            for try await tokens in group { #expect(tokens == expected) }
        }
    }

    @Test func mistakesStop() async {
        await #expect(processExitsWith: .failure) { _ = BytePairTokenizer(training: ["a"], count: 255) }
        await #expect(processExitsWith: .failure) {
            _ = BytePairTokenizer(training: ["a"], count: 300, specialTokens: ["a"])
        }
        await #expect(processExitsWith: .failure) {
            _ = BytePairTokenizer(training: ["a"], count: 300, specialTokens: ["x", "x"])
        }
        await #expect(processExitsWith: .failure) {
            _ = BytePairTokenizer(training: ["a"], count: 300).decode([300])
        }
    }
}
