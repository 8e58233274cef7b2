import Foundation
import Gimbal
import GimbalNN
import GimbalTrain
import Testing

@Suite struct TextScoreTests {
    private let text = "the cät sat on the mat, thé cat sät on thé mat"

    /// Every token's cross-entropy from the tokens that its window shows, one by one.
    @Test func lossesAreThoseOfTheWindows() throws {
        let vocabulary = CharacterVocabulary(text)
        let model = LanguageModel(
            vocabulary: vocabulary.count, length: 8, size: 16, heads: 2, layers: 1, dropout: 0.5,
            generator: RandomGenerator(seed: 1))
        let tokens = try vocabulary.encode(text)
        for (length, stride) in [(8, 8), (8, 3), (5, 1), (1, 1), (8, 7)] {
            var total = 0.0
            for place in 1..<tokens.count {
                // The first window that reaches the token.
                var begin = 0
                while begin + length < place { begin += stride }
                let logits = try model.evaluating {
                    try withoutGradients {
                        try model(Tensor(Array(tokens[begin..<place]), [1, place - begin]))[-1].doubles()
                    }
                }
                total += log(logits.reduce(0) { $0 + exp($1) }) - logits[Int(tokens[place])]
            }
            let score = try TextScore(of: text, by: model, vocabulary, length: length, stride: stride, batchSize: 3)
            // Sums of float32.
            #expect(abs(score.totalLoss - total) < 1e-3, "\(length), \(stride)")
            #expect(score.tokenCount == tokens.count - 1 && score.characterCount == tokens.count - 1)
            #expect(score.byteCount == text.utf8.count - 1)
            #expect(abs(score.bitsPerByte - total / log(2) / Double(text.utf8.count - 1)) < 1e-4)
            #expect(abs(score.perplexity - exp(total / Double(tokens.count - 1))) < 1e-2)
        }
        #expect(model.isTraining)
    }

    @Test func bytesAreCountedByWhatTokensSpell() throws {
        let tokenizer = BytePairTokenizer(training: [text], count: 270)
        let model = RecurrentLanguageModel(vocabulary: 270, size: 8, layers: 1)
        let score = try TextScore(of: text, by: model, tokenizer, length: 16)
        let first = tokenizer.bytes(of: try tokenizer.encode(text)[0], after: nil).count
        #expect(score.byteCount == text.utf8.count - first)
        #expect(
            abs(score.bitsPerCharacter / score.bitsPerByte - Double(score.byteCount) / Double(score.characterCount))
                < 1e-12)
    }

    @Test func whatCannotBeScored() throws {
        let vocabulary = CharacterVocabulary("ab")
        let model = RecurrentLanguageModel(vocabulary: 2, size: 8, layers: 1)
        let short = #expect(throws: GimbalError.self) {
            _ = try TextScore(of: "a", by: model, vocabulary, length: 4)
        }
        #expect("\(String(describing: short))".contains("1 tokens, where two are the least"))
        model.head!.bias!.assign(Tensor([.nan, 0] as [Float]))
        let broken = #expect(throws: GimbalError.self) {
            _ = try TextScore(of: "abab", by: model, vocabulary, length: 4)
        }
        #expect("\(String(describing: broken))".contains("the cross-entropy became nan"))
    }

    @Test(arguments: [(0, 1, 8), (4, 0, 8), (4, 5, 8), (4, 4, 0)])
    func windowsThatLeaveTokensOutStop(length: Int, stride: Int, batchSize: Int) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            [length = length as Int, stride = stride as Int, batchSize = batchSize as Int] in
            _ = try TextScore(
                of: "abab", by: RecurrentLanguageModel(vocabulary: 2, size: 8, layers: 1), CharacterVocabulary("ab"),
                length: length, stride: stride, batchSize: batchSize)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        let words = "windows of \(length) tokens with a stride of \(stride), \(batchSize) at a time"
        #expect(text.contains(words), "\(text)")
    }
}
