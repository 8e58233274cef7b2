import Gimbal
import GimbalNN
import GimbalTestSupport
import GimbalTrain
import Testing

/// The same model without anything kept: it reads the whole sequence for every token.
final class Uncached<Model: AutoregressiveModel & TensorLayer>: Module, AutoregressiveModel {
    struct State: DecodingState {
        var rows: [[Int32]]
        var length: Int { rows[0].count }
        mutating func select(_ places: [Int]) { rows = places.map { rows[$0] } }
    }

    let model: Model
    init(_ model: Model) { self.model = model }
    var vocabulary: Int { model.vocabulary }
    var maximumLength: Int? { model.maximumLength }
    func makeState(batch: Int) -> State { State(rows: [[Int32]](repeating: [], count: batch)) }

    func nextLogits(_ tokens: Tensor, _ state: inout State) -> Tensor {
        let new = try! tokens.integers()
        for row in state.rows.indices {
            state.rows[row] += new[row * tokens.shape[1]..<(row + 1) * tokens.shape[1]].map { Int32($0) }
        }
        let (batch, length) = (state.rows.count, state.length)
        let logits = model(Tensor(state.rows.flatMap { $0 }, [batch, length], device: tokens.device))
        return logits.reshaped([batch, length, vocabulary]).selecting(-1, axis: 1)
    }
}

@Suite struct GenerationTests {
    /// With weights large enough that the tokens differ much in probability.
    private static func sharpened<Model: Module>(_ model: Model) -> Model {
        for parameter in model.parameters where parameter.shape.rank == 2 {
            parameter.assign(parameter.value.detached() * 4)
        }
        return model
    }

    private static func expectSame<Model: AutoregressiveModel & TensorLayer>(
        _ model: Model, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let model = sharpened(model)
        for sampling in [.greedy, Sampling(temperature: 1.2, topK: 9, topP: 0.95, repetitionPenalty: 1.1)] {
            let kept = try TokenGenerator(model, prompt: [1, 2, 3], sampling: sampling, maximumCount: 40, seed: 5)
            let plain = try TokenGenerator(
                Uncached(model), prompt: [1, 2, 3], sampling: sampling, maximumCount: 40, seed: 5)
            let tokens = try kept.rest()
            #expect(try tokens == plain.rest(), sourceLocation: location)
            #expect(tokens.count == 40 && Set(tokens).count > 1, sourceLocation: location)
        }
    }

    /// Also beyond the 13 tokens that the model can look at, where the part that it sees moves on.
    @Test(arguments: BackendUnderTest.all) func keptKeysGiveTheSameTokens(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            for shares in [false, true] {
                try Self.expectSame(
                    LanguageModel(
                        vocabulary: 12, length: 13, size: 16, heads: 2, layers: 2, sharesTokens: shares,
                        generator: RandomGenerator(seed: 3)))
            }
        }
    }

    /// Of a text longer than 7 tokens, the model sees a part from a multiple of 3 on, the first from which the rest fits.
    @Test func theSeenPartMovesByHalves() throws {
        let model = Self.sharpened(
            LanguageModel(
                vocabulary: 12, length: 7, size: 16, heads: 2, layers: 1, generator: RandomGenerator(seed: 3)))
        let tokens = try TokenGenerator(model, prompt: [1, 2], sampling: .greedy, maximumCount: 25)
        _ = try tokens.rest()
        let starts = [8: 3, 9: 3, 10: 3, 11: 6, 12: 6, 13: 6, 14: 9, 15: 9, 16: 9, 17: 12, 20: 15, 26: 21]
        for (count, start) in starts {
            let seen = Array(tokens.tokens[start..<count])
            let best = try withoutGradients {
                try model(Tensor(seen, [1, seen.count]))[-1].argMax().item(as: Int32.self)
            }
            #expect(tokens.tokens[count] == best, "after \(count)")
        }
        // A prompt of any length.
        let long = try TokenGenerator(model, prompt: Array(tokens.tokens[..<20]), sampling: .greedy, maximumCount: 7)
        #expect(try long.rest() == Array(tokens.tokens[20...]))
    }

    @Test(arguments: BackendUnderTest.all) func keptStateGivesTheSameTokens(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            for kind in RecurrentLanguageModel.Kind.allCases {
                for shares in [false, true] {
                    try Self.expectSame(
                        RecurrentLanguageModel(
                            vocabulary: 12, size: 10, layers: 2, kind: kind, sharesTokens: shares,
                            generator: RandomGenerator(seed: 3)))
                }
            }
        }
    }

    /// In pieces of any size, each position is given what it gets in the whole; blocks of 64 positions are outgrown.
    @Test func logitsOfPiecesAreThoseOfTheWhole() throws {
        let model = Self.sharpened(
            LanguageModel(
                vocabulary: 20, length: 150, size: 16, heads: 4, layers: 2, generator: RandomGenerator(seed: 1)))
        let tokens = (0..<150).map { Int32($0 * 7 % 20) }
        try withoutGradients {
            let whole = model(Tensor(tokens, [1, 150]))
            var state = model.makeState(batch: 1)
            for piece in [0..<1, 1..<40, 40..<41, 41..<63, 63..<130, 130..<150] {
                let logits = model.nextLogits(Tensor(Array(tokens[piece]), [1, piece.count]), &state)
                let difference = try (logits[0] - whole[piece.upperBound - 1]).absolute().max().item()
                // Logits up to about 10, by sums in another order.
                #expect(difference < 1e-4, "\(piece): \(difference)")
            }
            #expect(state.length == 150)
        }
    }

    @Test func aModelInTrainingIsLeftInTraining() throws {
        let model = LanguageModel(
            vocabulary: 12, length: 13, size: 16, heads: 2, layers: 2, dropout: 0.5, generator: RandomGenerator(seed: 3)
        )
        let first = try TokenGenerator(model, prompt: [1], sampling: .greedy, maximumCount: 20).rest()
        #expect(model.isTraining && model.modules.allSatisfy(\.isTraining))
        let second = try TokenGenerator(model, prompt: [1], sampling: .greedy, maximumCount: 20).rest()
        #expect(first == second)
        #expect(model.parameters.allSatisfy { $0.gradient == nil })
    }

    @Test func sequencesEnd() throws {
        let model = Self.sharpened(
            RecurrentLanguageModel(
                vocabulary: 12, size: 10, layers: 1, generator: RandomGenerator(seed: 3)))
        let all = try TokenGenerator(model, prompt: [1, 2], maximumCount: 30, seed: 1)
        let tokens = try all.rest()
        #expect(all.ending == .maximumCount && all.tokens == [1, 2] + tokens && all.promptCount == 2)
        #expect(try all.next() == nil)
        let stop = tokens[10]
        let ended = try TokenGenerator(model, prompt: [1, 2], maximumCount: 30, stopTokens: [stop], seed: 1)
        #expect(try ended.rest() == Array(tokens.prefix { $0 != stop }))
        #expect(ended.ending == .stopToken(stop))
        #expect(try TokenGenerator(model, prompt: [1], maximumCount: 0).rest() == [])
        // The same seed, the same tokens; another, others.
        #expect(try TokenGenerator(model, prompt: [1, 2], maximumCount: 30, seed: 1).rest() == tokens)
        #expect(try TokenGenerator(model, prompt: [1, 2], maximumCount: 30, seed: 2).rest() != tokens)
    }

    @Test func promptsThatCannotBeGoneOnFrom() throws {
        let model = RecurrentLanguageModel(vocabulary: 12, size: 10, layers: 1)
        for (prompt, words) in [([], "empty"), ([12], "the token 12, where the model has 12"), ([-1], "the token -1")]
            as [([Int32], String)]
        {
            let error = #expect(throws: GimbalError.self) {
                _ = try TokenGenerator(model, prompt: prompt, maximumCount: 1)
            }
            #expect("\(String(describing: error))".contains(words))
        }
    }

    @Test func logitsThatAreNotFinite() throws {
        let model = RecurrentLanguageModel(vocabulary: 12, size: 10, layers: 1)
        model.head!.bias!.assign(Tensor([0, 0, 0, 0, .nan, 0, 0, 0, 0, 0, 0, 0] as [Float]))
        let error = #expect(throws: GimbalError.self) {
            _ = try TokenGenerator(model, prompt: [1, 2], maximumCount: 1).next()
        }
        #expect("\(String(describing: error))".contains("the logit of token 4 became nan at place 2 of the sequence"))
    }

    @Test func textComesInWholeCharacters() throws {
        let text = String(repeating: "жук ел сыр, ёж пил чай. ", count: 20)
        let tokenizer = BytePairTokenizer(training: [text], count: 262, specialTokens: ["<end>"])
        // More classes than tokens: those beyond are never chosen.
        let model = RecurrentLanguageModel(
            vocabulary: 300, size: 16, layers: 1, generator: RandomGenerator(seed: 3))
        let prompt = "жук "
        let writer = try TextGenerator(model, tokenizer, prompt: prompt, maximumCount: 300, seed: 4)
        var pieces: [String] = []
        while let piece = try writer.next() { pieces.append(piece) }
        let promptCount = try tokenizer.encode(prompt).count
        #expect(writer.tokens.allSatisfy { $0 < 262 } && writer.tokens.count == promptCount + 300)
        let whole = tokenizer.decode(writer.tokens, skipsSpecialTokens: true)
        #expect(Array((prompt + pieces.joined()).utf8) == Array(whole.utf8))
        let small = RecurrentLanguageModel(vocabulary: 261, size: 4, layers: 1)
        let error = #expect(throws: GimbalError.self) {
            _ = try TextGenerator(small, tokenizer, prompt: prompt, maximumCount: 1)
        }
        #expect("\(String(describing: error))".contains("262 tokens, where the model has 261"))
    }
}
