import Foundation
import Gimbal
import GimbalNN
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct BeamSearchTests {
    private func model() -> RecurrentLanguageModel {
        let model = RecurrentLanguageModel(
            vocabulary: 4, size: 6, layers: 1, generator: RandomGenerator(seed: 9))
        for parameter in model.parameters where parameter.shape.rank == 2 {
            parameter.assign(parameter.value.detached() * 6)
        }
        return model
    }

    /// The logarithm of the probability of what follows the prompt, from the whole sequence.
    private func logProbability(_ model: some TensorLayer, _ prompt: [Int32], _ tokens: [Int32]) throws -> Double {
        let all = prompt + tokens
        let logits = try withoutGradients { try model(Tensor(Array(all.dropLast()), [1, all.count - 1])).doubles() }
        return tokens.indices.reduce(0) { sum, place in
            let row = logits[(prompt.count + place - 1) * 4..<(prompt.count + place) * 4]
            return sum + row[row.startIndex + Int(tokens[place])] - log(row.reduce(0) { $0 + exp($1) })
        }
    }

    /// With room for all beginnings, the search is exhaustive.
    @Test func enoughBeamsFindTheBest() throws {
        let model = model()
        for penalty in [0, 0.6, 1, 2] as [Double] {
            let found = try beamSearch(
                model, prompt: [1, 2], beams: 64, maximumCount: 3, lengthPenalty: penalty, stopTokens: [0])
            var all: [(tokens: [Int32], score: Double)] = []
            func extend(_ tokens: [Int32]) throws {
                if tokens.count == 3 || tokens.last == 0 {
                    all.append(
                        (tokens, try logProbability(model, [1, 2], tokens) / pow(Double(tokens.count), penalty)))
                    return
                }
                for token in 0..<4 as Range<Int32> { try extend(tokens + [token]) }
            }
            try extend([])
            all.sort { $0.score > $1.score }
            #expect(found.count == all.count && found[0].tokens == all[0].tokens)
            for (hypothesis, wanted) in zip(found, all) {
                // Sums of float32 logits.
                #expect(abs(hypothesis.score - wanted.score) < 1e-5)
            }
        }
    }

    @Test func oneBeamIsGreedy() throws {
        let model = model()
        let greedy = try TokenGenerator(model, prompt: [3], sampling: .greedy, maximumCount: 12).rest()
        let found = try beamSearch(model, prompt: [3], beams: 1, maximumCount: 12)
        #expect(found.map(\.tokens) == [greedy])
        let expected = try logProbability(model, [3], greedy)
        // Sums of float32 logits.
        #expect(abs(found[0].logProbability - expected) < 1e-4)
    }

    /// Kept keys and values go with the beams that go on, also where the part that the model sees moves.
    @Test func beamsOfATransformer() throws {
        let model = LanguageModel(
            vocabulary: 12, length: 9, size: 16, heads: 2, layers: 2, generator: RandomGenerator(seed: 3))
        for parameter in model.parameters where parameter.shape.rank == 2 {
            parameter.assign(parameter.value.detached() * 4)
        }
        let kept = try beamSearch(model, prompt: [1, 2], beams: 4, maximumCount: 20, stopTokens: [5])
        let plain = try beamSearch(Uncached(model), prompt: [1, 2], beams: 4, maximumCount: 20, stopTokens: [5])
        #expect(kept.map(\.tokens) == plain.map(\.tokens) && kept.count == 4)
        #expect(zip(kept, kept.dropFirst()).allSatisfy { $0.score >= $1.score })
    }
}
