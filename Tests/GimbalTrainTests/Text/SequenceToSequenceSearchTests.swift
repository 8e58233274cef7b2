import Foundation
import Gimbal
import GimbalNN
import GimbalTestSupport
import GimbalTrain
import Testing

/// Targets that models write of sources, by the most probable token and by beams.
@Suite struct SequenceToSequenceSearchTests {
    private static let (begin, end): (Int32, Int32) = (1, 2)

    /// With weights large enough that tokens differ much in probability.
    private static func sharpened<Model: Module>(_ model: Model, _ factor: Double) -> Model {
        for parameter in model.parameters where parameter.shape.rank == 2 {
            parameter.assign(parameter.value.detached() * factor)
        }
        return model
    }

    private static func recurrent(
        targets: Int = 7, kind: RecurrentLanguageModel.Kind = .lstm
    ) -> RecurrentSequenceToSequence {
        sharpened(
            RecurrentSequenceToSequence(
                sourceVocabulary: 11, targetVocabulary: targets, padding: 0, size: 6, layers: 1, kind: kind,
                dropout: 0.4, generator: RandomGenerator(seed: 8)), 5)
    }

    private static func transformer(targets: Int = 7, length: Int = 12) -> TransformerSequenceToSequence {
        sharpened(
            TransformerSequenceToSequence(
                sourceVocabulary: 11, targetVocabulary: targets, padding: 0, length: length, size: 8, heads: 2,
                layers: 2, dropout: 0.4, generator: RandomGenerator(seed: 5)), 4)
    }

    private static var models: [any SequenceToSequenceModel] {
        [recurrent(), recurrent(kind: .gru), transformer()]
    }

    /// Sources of many lengths, in no order, among them one without a token.
    private static let sources: [[Int32]] = (0..<23).map { row in
        let count: Int = row * 5 % 9
        return (0..<count).map { (place: Int) -> Int32 in Int32((row * 7 + place * place * 3) % 10) + 1 }
    }

    private static func greedy(
        _ model: some SequenceToSequenceModel, _ sources: [[Int32]], count: Int = 9, batchSize: Int = 64
    ) throws -> [[Int32]] {
        try greedySearch(
            model, sources: sources, begin: begin, end: end, maximumCount: count, batchSize: batchSize)
    }

    /// What the whole target gives at each place, without anything kept.
    private static func plain(_ model: some SequenceToSequenceModel, _ source: [Int32], count: Int) throws -> [Int32] {
        try model.evaluating {
            try withoutGradients {
                var target = [begin]
                let sources = Tensor(source.isEmpty ? [model.padding] : source, [1, max(source.count, 1)])
                while target.count <= count {
                    let logits = model(source: sources, target: Tensor(target, [1, target.count]))
                    let token = try logits[-1].argMax().item(as: Int32.self)
                    if token == end { break }
                    target.append(token)
                }
                return Array(target.dropFirst())
            }
        }
    }

    @Test(arguments: BackendUnderTest.all) func targetsSideBySideAreThoseOfEachAlone(
        on subject: BackendUnderTest
    ) throws {
        func expect(_ model: some SequenceToSequenceModel) throws {
            let together = try Self.greedy(model, Self.sources)
            let expected = try Self.sources.map { try Self.plain(model, $0, count: 9) }
            #expect(together == expected)
            // Targets that end, at different places, and such that do not.
            #expect(Set(together.map(\.count)).count > 2 && Set(together).count > 2, "\(together)")
            for batchSize in [1, 5] {
                let inPieces = try Self.greedy(model, Self.sources, batchSize: batchSize)
                #expect(inPieces == together, "\(batchSize)")
            }
            let backwards = try Self.greedy(model, Self.sources.reversed())
            #expect(backwards == together.reversed())
            for (source, target) in zip(Self.sources, together).prefix(6) {
                let writer = try TokenGenerator(
                    ConditionedModel(model, source: source), prompt: [Self.begin], sampling: .greedy,
                    maximumCount: 9, stopTokens: [Self.end])
                let written = try writer.rest()
                #expect(written == target)
                #expect(writer.ending == (target.count == 9 ? .maximumCount : .stopToken(Self.end)))
            }
        }
        try withDevice(Device(backend: subject.backend)) {
            for model in Self.models { try expect(model) }
        }
    }

    @Test(arguments: BackendUnderTest.all) func oneBeamIsGreedy(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            for model in Self.models {
                for source in Self.sources.prefix(8) {
                    let greedy = try Self.greedy(model, [source])[0]
                    let found = try beamSearch(
                        model, source: source, begin: Self.begin, end: Self.end, beams: 1, maximumCount: 9)
                    #expect(found.map(\.tokens) == [greedy.count < 9 ? greedy + [Self.end] : greedy])
                }
            }
        }
    }

    /// With room for all beginnings, the search is exhaustive.
    @Test func enoughBeamsFindTheBest() throws {
        func expect(_ model: some SequenceToSequenceModel) throws {
            model.setMode(.evaluation)
            let source: [Int32] = [4, 9, 3]
            func score(_ tokens: [Int32]) throws -> Double {
                let seen = [Self.begin] + tokens.dropLast()
                let logits = try withoutGradients {
                    try model(source: Tensor(source, [1, 3]), target: Tensor(seen, [1, seen.count])).doubles()
                }
                let sum = tokens.indices.reduce(0.0) { sum, place in
                    let row = Array(logits[place * 4..<(place + 1) * 4])
                    return sum + row[Int(tokens[place])] - log(row.reduce(0) { $0 + exp($1) })
                }
                return sum / Double(tokens.count)
            }
            var all: [(tokens: [Int32], score: Double)] = []
            func extend(_ tokens: [Int32]) throws {
                if tokens.count == 3 || tokens.last == Self.end { return all.append((tokens, try score(tokens))) }
                for token in 0..<4 as Range<Int32> { try extend(tokens + [token]) }
            }
            try extend([])
            all.sort { $0.score > $1.score }
            let found = try beamSearch(
                model, source: source, begin: Self.begin, end: Self.end, beams: 64, maximumCount: 3)
            #expect(found.count == all.count && found[0].tokens == all[0].tokens)
            // Sums of float32 logits.
            for (hypothesis, wanted) in zip(found, all) { #expect(abs(hypothesis.score - wanted.score) < 1e-5) }
        }
        try withDevice(.cpu) {
            try expect(Self.recurrent(targets: 4))
            try expect(Self.transformer(targets: 4))
        }
    }

    /// A target never has more tokens than a model can look at with what begins it, less the last.
    @Test func targetsEndWhereTheModelSeesNoMore() throws {
        try withDevice(.cpu) {
            let model = Self.transformer(length: 8)
            model.head!.bias!.assign(Tensor([0, 0, -1000, 0, 0, 0, 0] as [Float]))
            let targets = try Self.greedy(model, [[3, 4], []], count: 100)
            #expect(targets.map(\.count) == [8, 8])
            let found = try beamSearch(
                model, source: [3, 4], begin: Self.begin, end: Self.end, beams: 2, maximumCount: 100)
            #expect(found.map(\.tokens.count) == [8, 8])
            // Who goes on for longer sees the later half, as of any text.
            let writer = try TokenGenerator(
                ConditionedModel(model, source: [3, 4]), prompt: [Self.begin], sampling: .greedy, maximumCount: 20)
            let written = try writer.rest()
            #expect(written.count == 20 && Array(written.prefix(8)) == targets[0])
        }
    }

    @Test func nothingIsLeftChanged() throws {
        try withDevice(.cpu) {
            for model in Self.models {
                let names = model.parameters.map(\.name)
                let targets = try Self.greedy(model, Self.sources)
                _ = try beamSearch(
                    model, source: [3], begin: Self.begin, end: Self.end, beams: 3, maximumCount: 4)
                #expect(model.isTraining && model.modules.allSatisfy { $0.isTraining })
                #expect(model.parameters.map(\.name) == names)
                #expect(model.parameters.allSatisfy { $0.gradient == nil })
                // No dropout, though the model is in training.
                let again = try Self.greedy(model, Self.sources)
                #expect(again == targets)
            }
        }
    }

    @Test func noSourcesAndNoTokens() throws {
        try withDevice(.cpu) {
            let model = Self.recurrent()
            let none = try Self.greedy(model, [])
            #expect(none == [])
            let empty = try Self.greedy(model, [[3], []], count: 0)
            #expect(empty == [[], []])
            let ofEmpty = try Self.greedy(model, [[], []])
            #expect(ofEmpty.count == 2 && ofEmpty[0] == ofEmpty[1])
        }
    }

    @Test func sourcesThatCannotBeRead() {
        withDevice(.cpu) {
            let model = Self.transformer(length: 4)
            let cases: [([Int32], String)] = [
                ([1, 2, 3, 4, 5], "source 1: 5 tokens, where the model looks at 4 at most"),
                ([1, 11], "source 1: the token 11, where the model has 11"),
                ([1, -1], "source 1: the token -1"),
                ([3, 0, 1], "source 1: the token 0 at place 1, which is padding to the model"),
            ]
            for (source, words) in cases {
                let error = #expect(throws: GimbalError.self) { _ = try Self.greedy(model, [[1], source]) }
                #expect("\(String(describing: error))".contains(words), "\(String(describing: error))")
                #expect(throws: GimbalError.self) { _ = try ConditionedModel(model, source: source) }
            }
            for begin in [-1, 7] as [Int32] {
                let error = #expect(throws: GimbalError.self) {
                    _ = try greedySearch(model, sources: [[1]], begin: begin, end: 2, maximumCount: 3)
                }
                #expect("\(String(describing: error))".contains("begin: the token \(begin), where the model has 7"))
            }
        }
    }

    @Test func logitsThatAreNotFinite() {
        withDevice(.cpu) {
            for value in [Float.nan, .infinity] {
                let model = Self.recurrent()
                model.head.bias!.assign(Tensor([0, 0, 0, value, 0, 0, 0] as [Float]))
                let error = #expect(throws: GimbalError.self) { _ = try Self.greedy(model, [[1], [3, 4]]) }
                #expect("\(String(describing: error))".contains("the greatest logit became"))
            }
        }
    }
}
