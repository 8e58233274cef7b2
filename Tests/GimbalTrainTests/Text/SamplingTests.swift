import Foundation
import Gimbal
import GimbalTrain
import Testing

@Suite struct SamplingTests {
    private let logits: [Float] = [1.5, -0.5, 3, 0, 2.25, -4, 3, 0.75, -1.25, 2]

    /// Softmax of what is left, from the definitions.
    private func expect(
        _ sampling: Sampling, seen: Set<Int32> = [], is kept: [(Int, Double)],
        _ location: SourceLocation = #_sourceLocation
    ) {
        let sum = kept.reduce(0) { $0 + exp($1.1) }
        var expected = [Double](repeating: 0, count: logits.count)
        for (token, score) in kept { expected[token] = exp(score) / sum }
        let result = sampling.probabilities(logits, seen: seen)
        for (got, wanted) in zip(result, expected) {
            // Sums in Double in another order.
            #expect(abs(got - wanted) < 1e-14, "\(result)", sourceLocation: location)
        }
    }

    private func all(_ score: (Double) -> Double = { $0 }) -> [(Int, Double)] {
        logits.enumerated().map { ($0, score(Double($1))) }
    }

    @Test func eachStep() {
        expect(Sampling(), is: all())
        expect(Sampling(temperature: 0.7), is: all { $0 / 0.7 })
        // The two best are equal.
        expect(Sampling(topK: 1), is: [(2, 3), (6, 3)])
        expect(Sampling(topK: 3), is: [(2, 3), (6, 3), (4, 2.25)])
        expect(Sampling(topK: 100), is: all())
        expect(Sampling(topP: 1), is: all())
        expect(Sampling(topP: 1e-9), is: [(2, 3)])
        expect(Sampling(repetitionPenalty: 1.5), is: all())
        let penalized = all().map { ($0, [0: 1, 1: -0.75, 2: 2][$0] ?? $1) }
        expect(Sampling(repetitionPenalty: 1.5), seen: [0, 1, 2], is: penalized)
    }

    /// The fewest whose probabilities together are at least p, for every p.
    @Test func topPKeepsTheFewest() {
        let plain = Sampling().probabilities(logits)
        let order = [2, 6, 4, 9, 0, 7, 3, 1, 8, 5]
        for step in 1..<200 {
            let p = Double(step) / 200
            let kept = Sampling(topP: p).probabilities(logits).enumerated().filter { $1 > 0 }.map(\.offset)
            let sums = order.indices.map { count in order[...count].reduce(0) { $0 + plain[$1] } }
            #expect(kept == order.prefix(sums.firstIndex { $0 >= p }! + 1).sorted())
        }
    }

    /// The order tells: the penalty before the temperature, top-k before top-p, which renormalises.
    @Test func stepsInTheirOrder() {
        let sampling = Sampling(temperature: 0.5, topK: 4, topP: 0.75, repetitionPenalty: 2)
        // Penalised: 6 has 1.5. Divided by 0.5: 2 has 6, 4 has 4.5, 9 has 4, then 0, 6 with 3.
        // Of 6, 4.5, 4, 3, 3 the first has 0.698, the second with it 0.853.
        expect(sampling, seen: [6], is: [(2, 6), (4, 4.5)])
    }

    @Test func greedyTakesTheFirstOfTheBest() {
        #expect(Sampling.greedy.probabilities(logits) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
        let penalized = Sampling(temperature: 0, repetitionPenalty: 1.2).probabilities(logits, seen: [2, 6])
        #expect(penalized[2] == 1)
        let turned = Sampling(temperature: 0, repetitionPenalty: 1.5).probabilities(logits, seen: [2, 6])
        #expect(turned[4] == 1)
    }

    @Test func impossibleTokensStayImpossible() {
        var logits = logits
        logits[2] = -.infinity
        #expect(Sampling(temperature: 5).probabilities(logits)[2] == 0)
        #expect(Sampling(topK: 9, topP: 0.999_999).probabilities(logits)[2] == 0)
    }

    @Test func mistakesStop() async {
        await #expect(processExitsWith: .failure) { _ = Sampling(temperature: -1) }
        await #expect(processExitsWith: .failure) { _ = Sampling(topK: 0) }
        await #expect(processExitsWith: .failure) { _ = Sampling(topP: 0) }
        await #expect(processExitsWith: .failure) { _ = Sampling(repetitionPenalty: 0) }
    }
}
