import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct WordTokenizerTests {
    @Test func wordsComeByFrequencyAndThenByBytes() throws {
        let tokenizer = WordTokenizer("b a c, b a b\n", specialTokens: ["<pad>"])
        #expect(
            tokenizer.words
                == [" b", " a", "\n", " c", ",", "b"].sorted { left, right in
                    let counts = [" b": 2, " a": 2]
                    return (counts[right] ?? 1, left) < (counts[left] ?? 1, right)
                })
        #expect(tokenizer.count == 8)
        #expect(tokenizer.specialTokens.map(\.name) == ["<pad>", "<unk>"])
        #expect(tokenizer.specialTokens.map(\.number) == [6, 7])
        #expect(WordTokenizer("b a c, b a b\n", minimumCount: 2).words == [" a", " b"])
        #expect(WordTokenizer("b a c, b a b\n", limit: 1).words == [" a"])
    }

    @Test func knownTextComesBackToTheByte() throws {
        let text = "Don’t stop-gap it's  \t\n\n-- \"So, 3.5\u{A0}€!\" e\u{301}te\u{301} мир-труд 😀 'tis dogs' "
        let tokenizer = WordTokenizer(text)
        #expect(Array(tokenizer.decode(try tokenizer.encode(text)).utf8) == Array(text.utf8))
        #expect(tokenizer.words.contains(" it's") && tokenizer.words.contains(" stop-gap"))
        #expect(tokenizer.words.contains(" мир-труд") && tokenizer.words.contains("Don’t"))
    }

    @Test func unknownWords() throws {
        let tokenizer = WordTokenizer("the cat sat on the mat.")
        #expect(tokenizer.decode(try tokenizer.encode("the dog sat on the cat.")) == "the <unk> sat on the cat.")
        #expect(tokenizer.decode(try tokenizer.encode("dog sat.")) == "<unk> sat.")
        let strict = WordTokenizer("the cat", unknownToken: nil)
        let error = #expect(throws: GimbalError.self) { _ = try strict.encode("the dog") }
        #expect("\(String(describing: error))".contains("piece 2, ' dog', is not in the vocabulary of 2"))
    }

    @Test func filesComeBack() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/t.json"
            let words = WordTokenizer("say \"hi\"\\\n\u{2028} é e\u{301} \u{1}", specialTokens: ["<pad>", "<unk>"])
            try words.write(to: path)
            #expect(try TokenizerFile.read(path) as? WordTokenizer == words)
            let characters = CharacterVocabulary("a\"\\\n\u{0}\u{301}😀", specialTokens: ["<s>"], unknownToken: "<unk>")
            try characters.write(to: path)
            #expect(try TokenizerFile.read(path) as? CharacterVocabulary == characters)
            let plain = CharacterVocabulary("ab")
            try plain.write(to: path)
            #expect(try TokenizerFile.read(path) as? CharacterVocabulary == plain)
        }
    }

    @Test func charactersWithAnUnknownToken() throws {
        let vocabulary = CharacterVocabulary("abc", specialTokens: ["<s>"], unknownToken: "<unk>")
        #expect(vocabulary.count == 5)
        #expect(try vocabulary.encode("<s>abxc<unk>") == [3, 0, 1, 4, 2, 4])
        #expect(vocabulary.decode([3, 0, 4]) == "<s>a<unk>")
        #expect(vocabulary.decode([3, 0, 4], skipsSpecialTokens: true) == "a")
    }
}
