import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct TextDataTests {
    @Test func charactersAreNumberedInTheirOrder() throws {
        let vocabulary = CharacterVocabulary("ba\ncabé")
        #expect(vocabulary.characters == ["\n", "a", "b", "c", "é"])
        let numbers = try vocabulary.encode("cab")
        #expect(numbers == [3, 1, 2])
        #expect(vocabulary.decode([3, 1, 2]) == "cab")
        #expect(try vocabulary.encode("") == [])
    }

    /// Also one that looks like a character of the vocabulary, or cannot be seen.
    @Test func aCharacterWithoutANumberIsNamed() throws {
        let vocabulary = CharacterVocabulary("ba\ncabé")
        for (text, words) in [
            ("ax", "character 2, U+0078 (x)"), ("ba\r\n", "character 3, U+000D (\\r)"),
            ("e\u{301}", "character 1, U+0065 (e)"), ("\u{FEFF}a", "character 1, U+FEFF"),
            ("a\0", "character 2, U+0000 (\\u{0})"), ("a\u{2028}", "character 2, U+2028"),
            ("🏳️‍🌈", "character 1, U+1F3F3"),
        ] {
            let error = #expect(throws: GimbalError.self) { try vocabulary.encode(text) }
            #expect("\(String(describing: error))".contains(words + (words.hasSuffix(")") ? ", is not" : "")))
            #expect("\(String(describing: error))".contains("not in the vocabulary of 5"))
        }
    }

    @Test func mistakesWithVocabulariesStop() async {
        let twice = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = CharacterVocabulary(characters: ["a", "b", "a"])
        }
        let repeated = String(decoding: twice?.standardErrorContent ?? [], as: UTF8.self)
        #expect(repeated.contains("U+0061 (a) comes twice"))
        for number in [-1, 2] as [Int32] {
            let beyond = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                [number = number as Int32] in
                _ = CharacterVocabulary("ab").decode([0, number])
            }
            let text = String(decoding: beyond?.standardErrorContent ?? [], as: UTF8.self)
            #expect(text.contains("\(number) is the number of none of 2 characters"))
        }
    }

    /// Characters that Swift takes for equal, and those that it takes for one, are numbered by their Unicode scalars.
    @Test func decodedTextHasTheBytesOfTheText() throws {
        let text = "caf\u{E9} cafe\u{301} a\r\nb\n🏳️‍🌈 \u{1F1E9}\u{1F1EA} \u{212B}\u{C5} 각\u{1100}\u{1161}\u{11A8}\u{FEFF}"
        let vocabulary = CharacterVocabulary(text)
        let numbers = try vocabulary.encode(text)
        #expect(Array(vocabulary.decode(numbers).utf8) == Array(text.utf8))
        #expect(numbers.count == text.unicodeScalars.count)
        #expect(vocabulary.count == Set(text.unicodeScalars).count)
        #expect(vocabulary.characters == vocabulary.characters.sorted())
        // Each half of CR LF is a symbol of its own.
        #expect(try vocabulary.encode("a\nb").count == 3 && vocabulary.encode("\r").count == 1)
    }

    @Test func targetsAreTheNextTokens() throws {
        let text = TextWindows((0..<23).map { Int32($0) }, length: 5)
        #expect(text.count == 4)
        let batches = Array(text.batches(of: 3, epoch: 0, shuffles: false, on: .cpu))
        #expect(batches.map { $0.inputs.shape } == [[3, 5], [1, 5]])
        #expect(batches.map { $0.targets.shape } == [[15], [5]])
        let inputs = try batches[0].inputs.integers()
        let targets = try batches[0].targets.integers()
        #expect(inputs == (0..<15).map { Int32($0) } && targets == (1..<16).map { Int32($0) })
        let (train, test) = text.split(trainFraction: 0.5)
        #expect(train.tokens + test.tokens == text.tokens && train.tokens.count == 12)
        #expect(TextWindows([], length: 5).count == 0)
        #expect(Array(TextWindows([1, 2], length: 5).batches(of: 2, epoch: 0, on: .cpu)).isEmpty)
    }

    @Test func everyEpochCutsTheTextElsewhereAndCanBeResumed() throws {
        let text = TextWindows((0..<1000).map { Int32($0) }, length: 30)
        var offsets: Set<Int> = []
        for epoch in 0..<40 {
            let starts = text.starts(epoch: epoch, seed: 7)
            let sorted = starts.sorted()
            #expect(sorted == (0..<33).map { sorted[0] + 30 * $0 } && sorted != starts)
            #expect(sorted[32] + 31 <= 1000)
            offsets.insert(sorted[0])
        }
        #expect(offsets == Set(0...9))
        let whole = try text.batches(of: 4, epoch: 2, seed: 7, on: .cpu).map { try $0.inputs.integers() }
        let rest = try text.batches(of: 4, epoch: 2, from: 5, seed: 7, on: .cpu).map { try $0.inputs.integers() }
        #expect(rest == Array(whole[5...]))
    }

    @Test func aSeriesBecomesWindows() {
        let data = Dataset.windows(of: [1, 2, 3, 4, 5, 6], window: 3, horizon: 2)
        #expect(data.count == 2 && data.inputShape == [3, 1])
        let batch = data.batch([0, 1])
        #expect(batch.inputs == [1, 2, 3, 2, 3, 4])
        #expect(batch.targets == .values([4, 5, 5, 6], shape: [2, 2]))
        #expect(Dataset.windows(of: [1, 2, 3], window: 3).count == 0)
        #expect(Dataset.windows(of: (0..<10).map(Float.init), window: 3, step: 4).count == 2)
    }
}
