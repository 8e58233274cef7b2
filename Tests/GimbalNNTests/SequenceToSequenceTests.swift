import GimbalNN
import GimbalTestSupport
import Testing

/// Models from one sequence to another: gradients, padding, and what is written token by token.
@Suite struct SequenceToSequenceTests {
    /// A model of each form, with weights large enough that tokens differ much in probability.
    private static func recurrent(_ kind: RecurrentLanguageModel.Kind, layers: Int) -> RecurrentSequenceToSequence {
        sharpened(
            RecurrentSequenceToSequence(
                sourceVocabulary: 9, targetVocabulary: 7, padding: 0, size: 6, hiddenSize: 5, layers: layers,
                kind: kind, generator: RandomGenerator(seed: 3)), 3)
    }

    private static func transformer(sharesTokens: Bool) -> TransformerSequenceToSequence {
        sharpened(
            TransformerSequenceToSequence(
                sourceVocabulary: 9, targetVocabulary: 7, padding: 0, length: 12, size: 8, heads: 2, layers: 2,
                sharesTokens: sharesTokens, generator: RandomGenerator(seed: 3)), 2)
    }

    private static func sharpened<Model: Module>(_ model: Model, _ factor: Double) -> Model {
        for parameter in model.parameters where parameter.shape.rank == 2 {
            parameter.assign(parameter.value.detached() * factor)
        }
        return model
    }

    /// Runs `body` with each model on the device.
    private static func forEachModel(
        on subject: BackendUnderTest, _ body: (any SequenceToSequenceModel, _ name: String) throws -> Void
    ) throws {
        try withDevice(Device(backend: subject.backend)) {
            for kind in RecurrentLanguageModel.Kind.allCases {
                for layers in [1, 2] { try body(recurrent(kind, layers: layers), "\(kind) of \(layers)") }
            }
            for sharesTokens in [false, true] {
                try body(transformer(sharesTokens: sharesTokens), "Transformer, shared: \(sharesTokens)")
            }
        }
    }

    /// Sequences side by side with at least `extra` places of padding.
    private static func padded(_ rows: [[Int32]], extra: Int = 0) -> Tensor {
        let width = rows.map(\.count).max()! + extra
        return Tensor(rows.flatMap { $0 + [Int32](repeating: 0, count: width - $0.count) }, [rows.count, width])
    }

    private static let sources: [[Int32]] = [[3, 8, 1, 5], [2], [], [7, 4, 4]]
    private static let targets: [[Int32]] = [[1, 5, 3], [1, 2, 6, 4, 3], [1, 4], [1]]

    private static func largestDifference(_ x: [Double], _ y: [Double]) -> Double {
        x.count == y.count ? zip(x, y).map { abs($0 - $1) }.max() ?? 0 : .infinity
    }

    // MARK: Gradients

    @Test func modelsDifferentiate() throws {
        // A source alone, one with padding and one without any token.
        let pairs: [Int32] = [
            1, 3, 2, 1, 0, 2,
            3, 0, 0, 1, 2, 0,
            0, 0, 0, 1, 3, 1,
        ]
        for (kind, layers) in [(.lstm, 1), (.gru, 2)] as [(RecurrentLanguageModel.Kind, Int)] {
            try expectGradient(
                of: .layer("RecurrentSequenceToSequence"), [spread([9, 4])], "\(kind)",
                module: {
                    RecurrentSequenceToSequence(
                        sourceVocabulary: 4, targetVocabulary: 4, size: 2, hiddenSize: 2, layers: layers, kind: kind)
                }
            ) { model, inputs in model(Tensor(pairs, [3, 2, 3])) * inputs[0] }
        }
        for sharesTokens in [false, true] {
            try expectGradient(
                of: .layer("TransformerSequenceToSequence"), [spread([9, 4])], "shared: \(sharesTokens)",
                module: {
                    TransformerSequenceToSequence(
                        sourceVocabulary: 4, targetVocabulary: 4, length: 3, size: 4, heads: 2, layers: 1,
                        feedforwardSize: 3, sharesTokens: sharesTokens)
                }
            ) { model, inputs in model(Tensor(pairs, [3, 2, 3])) * inputs[0] }
        }
    }

    @Test func globalAttentionDifferentiates() throws {
        try expectGradient(
            of: .layer("GlobalAttention"), [spread([2, 3, 4]), spread([2, 5, 3])],
            module: { GlobalAttention(4, memorySize: 3) }
        ) { layer, inputs in
            layer(inputs[0], memory: inputs[1], mask: Tensor([1, 1, 1, 0, 0, 1, 1, 1, 1, 1] as [UInt8], [2, 5]))
        }
    }

    // MARK: Padding

    /// Logits of the targets' own tokens, their loss and all gradients.
    private static func everything(
        _ model: any SequenceToSequenceModel, extra: Int
    ) throws -> (logits: [Double], gradients: [[Double]]) {
        let (source, target) = (padded(sources, extra: extra), padded(targets, extra: extra))
        let width = target.shape[1]
        let places = targets.enumerated().flatMap { row, target in target.indices.map { Int32(row * width + $0) } }
        let logits = model(source: source, target: target).gathered(Tensor(places))
        for parameter in model.parameters { parameter.gradient = nil }
        try logits.square().sum().backward()
        return (try logits.doubles(), try model.parameters.map { try $0.gradient!.doubles() })
    }

    @Test(arguments: BackendUnderTest.all) func paddingChangesNothing(on subject: BackendUnderTest) throws {
        try Self.forEachModel(on: subject) { model, name in
            let expected = try Self.everything(model, extra: 0)
            #expect((expected.gradients + [expected.logits]).joined().allSatisfy { $0.isFinite }, "\(name)")
            for extra in [1, 6] {
                let found = try Self.everything(model, extra: extra)
                // Logits of a size of 10, gradients of one of 1000, by sums in another order.
                #expect(Self.largestDifference(found.logits, expected.logits) < 1e-5, "\(name), \(extra)")
                for (x, y) in zip(found.gradients, expected.gradients) {
                    let scale = y.map(abs).max() ?? 0
                    #expect(Self.largestDifference(x, y) <= 2e-5 * max(scale, 1), "\(name), \(extra)")
                }
            }
        }
    }

    /// A pair is given what it gets by itself, and pairs in one tensor what they get in two.
    @Test(arguments: BackendUnderTest.all) func pairsDoNotKnowOfOneAnother(on subject: BackendUnderTest) throws {
        try Self.forEachModel(on: subject) { model, name in
            let (source, target) = (Self.padded(Self.sources, extra: 1), Self.padded(Self.targets))
            let together = model(source: source, target: target)
            let classes = model.targetVocabulary
            for (row, tokens) in Self.targets.enumerated() {
                let alone = try model(
                    source: Self.padded([Self.sources[row] + [0]]), target: Self.padded([tokens])
                ).doubles()
                let begin = row * target.shape[1]
                let same = try together.sliced(begin..<begin + tokens.count).doubles()
                #expect(alone.count == tokens.count * classes)
                #expect(Self.largestDifference(alone, same) < 1e-5, "\(name), pair \(row)")
            }
            let pairs = Tensor.stacked([source, target], axis: 1)
            #expect(pairs.shape == [4, 2, 5])
            let whole = try model(pairs).doubles()
            let separate = try together.doubles()
            #expect(whole == separate, "\(name)")
        }
    }

    /// The decoder predicts from the target alone: logits differ from those with a source, and are the same for any width.
    @Test(arguments: BackendUnderTest.all) func emptySources(on subject: BackendUnderTest) throws {
        try Self.forEachModel(on: subject) { model, name in
            func logits(_ source: [Int32]) throws -> [Double] {
                try model(source: Self.padded([source]), target: Self.padded([[1, 4, 2]])).doubles()
            }
            let empty = try logits([0])
            #expect(empty.allSatisfy { $0.isFinite }, "\(name)")
            let wider = try logits([0, 0, 0])
            #expect(Self.largestDifference(empty, wider) < 1e-6, "\(name)")
            let other = try logits([5, 3])
            #expect(Self.largestDifference(empty, other) > 1e-3, "\(name)")
        }
    }

    @Test(arguments: BackendUnderTest.all) func emptyBatches(on subject: BackendUnderTest) throws {
        try Self.forEachModel(on: subject) { model, name in
            let logits = model(Tensor([Int32](), [0, 2, 5]))
            #expect(logits.shape == [0, 7], "\(name)")
            try logits.sum().backward()
            for parameter in model.parameters {
                let values = try parameter.gradient?.floats() ?? []
                #expect(values.allSatisfy { $0 == 0 }, "\(name), \(parameter.name)")
            }
        }
    }

    // MARK: Token by token

    /// Expects the next logits, in pieces that end at `ends`, to be those of the whole target at the same places.
    private static func expectPieces(
        _ model: some SequenceToSequenceModel, ends: [Int], _ name: String
    ) throws {
        let targets: [[Int32]] = [[1, 5, 3, 2, 6, 4], [1, 2, 6, 4, 3, 3], [1, 4, 4, 2, 5, 1], [1, 3, 2, 1, 6, 5]]
        try withoutGradients {
            let source = padded(sources)
            let whole = model(source: source, target: padded(targets)).reshaped([4, 6, model.targetVocabulary])
            var state = model.makeState(source: source)
            var begin = 0
            for end in ends {
                let logits = model.nextLogits(padded(targets.map { Array($0[begin..<end]) }), &state)
                let expected = try whole.selecting(end - 1, axis: 1).doubles()
                // Logits of a size of 10, by sums in another order.
                #expect(try largestDifference(logits.doubles(), expected) < 1e-5, "\(name), at \(end)")
                #expect(state.length == end)
                begin = end
            }
        }
    }

    @Test(arguments: BackendUnderTest.all) func logitsOfPiecesAreThoseOfTheWhole(on subject: BackendUnderTest) throws {
        try Self.forEachModel(on: subject) { model, name in
            model.setMode(.evaluation)
            try Self.expectPieces(model, ends: [1, 2, 3, 4, 5, 6], name)
            try Self.expectPieces(model, ends: [2, 5, 6], name)
        }
    }

    /// Expects rows that are chosen to go on as they would have.
    private static func expectSelection(_ model: some SequenceToSequenceModel, _ name: String) throws {
        try withoutGradients {
            func logits(_ rows: [Int]?, _ tokens: [Int32]) throws -> [[Double]] {
                var state = model.makeState(source: padded(sources))
                _ = model.nextLogits(padded([[1, 5], [1, 2], [1, 3], [1, 6]]), &state)
                if let rows { state.select(rows) }
                let logits = model.nextLogits(Tensor(tokens, [tokens.count, 1]), &state)
                return try (0..<tokens.count).map { try logits[$0].doubles() }
            }
            let all = try logits(nil, [4, 2, 3, 5])
            let chosen = try logits([3, 1, 1, 2], [5, 2, 2, 3])
            for (row, origin) in [3, 1, 1, 2].enumerated() {
                #expect(largestDifference(chosen[row], all[origin]) < 1e-6, "\(name), row \(row)")
            }
            #expect(largestDifference(all[0], all[1]) > 1e-3, "\(name)")
            let fewer = try logits([2], [3])
            #expect(largestDifference(fewer[0], all[2]) < 1e-6, "\(name)")
        }
    }

    @Test(arguments: BackendUnderTest.all) func chosenRowsGoOn(on subject: BackendUnderTest) throws {
        try Self.forEachModel(on: subject) { model, name in
            model.setMode(.evaluation)
            try Self.expectSelection(model, name)
        }
    }

    /// With the norms behind the additions, as PyTorch has them unless told otherwise.
    @Test func aDecoderOfPostNormLayersKeepsWhatItNeeds() throws {
        try withDevice(.cpu) {
            try withoutGradients {
                let decoder = TransformerDecoder(
                    (0..<2).map { _ in
                        TransformerDecoderLayer(8, heads: 2, feedforwardSize: 6, dropout: 0, isBatchFirst: true)
                    })
                let generator = RandomGenerator(seed: 2)
                let (target, memory) = (
                    Tensor.normal([2, 5, 8], generator: generator), Tensor.normal([2, 3, 8], generator: generator)
                )
                let padding = Tensor([1, 1, 0, 1, 0, 0] as [UInt8], [2, 3])
                let whole = decoder(
                    target, memory: memory, masks: DecoderMasks(memoryPadding: padding, isCausal: true))
                let caches = decoder.makeCaches(memory: memory, memoryPadding: padding, capacity: 5)
                for place in 0..<5 {
                    let next = try decoder(target.sliced(place..<place + 1, axis: 1), caches: caches).doubles()
                    let expected = try whole.sliced(place..<place + 1, axis: 1).doubles()
                    #expect(Self.largestDifference(next, expected) < 1e-6, "\(place)")
                }
            }
        }
    }

    // MARK: First values

    @Test func firstWeightsAreOfTheSizeThatIsTold() throws {
        try withDevice(.cpu) {
            let transformer = TransformerSequenceToSequence(
                sourceVocabulary: 400, targetVocabulary: 300, length: 100, size: 64, heads: 4, layers: 1)
            let recurrent = RecurrentSequenceToSequence(
                sourceVocabulary: 400, targetVocabulary: 300, size: 64, layers: 1)
            let expected: [(Parameter, deviation: Double)] = [
                (transformer.sourceTokens, 0.02), (transformer.targetTokens, 0.02),
                (transformer.sourcePositions.weight, 0.02), (transformer.targetPositions.weight, 0.02),
                // Uniform numbers up to a bound deviate by the bound / √3.
                (recurrent.sourceTokens, 0.1 / 3.0.squareRoot()), (recurrent.targetTokens, 0.1 / 3.0.squareRoot()),
                (recurrent.hiddenBridge.weight, 1 / (3.0 * 128).squareRoot()),
            ]
            for (parameter, deviation) in expected {
                let found = Double(try parameter.value.detached().square().mean().item()).squareRoot()
                // Of 6,400 numbers or more: within five standard errors.
                #expect(abs(found / deviation - 1) < 0.05, "\(parameter.name): \(found)")
            }
        }
    }

    /// What a step drops is drawn anew, and nothing in evaluation.
    @Test func dropoutIsForTrainingOnly() throws {
        try withDevice(.cpu) {
            let models: [any SequenceToSequenceModel] = [
                RecurrentSequenceToSequence(
                    sourceVocabulary: 9, targetVocabulary: 7, size: 6, layers: 2, dropout: 0.5),
                TransformerSequenceToSequence(
                    sourceVocabulary: 9, targetVocabulary: 7, length: 12, size: 8, heads: 2, layers: 1, dropout: 0.5),
            ]
            for model in models {
                func logits() throws -> [Double] {
                    try model(source: Self.padded(Self.sources), target: Self.padded(Self.targets)).doubles()
                }
                let (first, second) = (try logits(), try logits())
                #expect(first != second)
                model.setMode(.evaluation)
                let (third, fourth) = (try logits(), try logits())
                #expect(third == fourth)
            }
        }
    }
}
