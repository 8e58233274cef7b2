import Gimbal
import GimbalNN
import GimbalTestSupport
import GimbalTrain
import Synchronization
import Testing

/// Ranks that measure together come to what one comes to alone.
@Suite("Evaluation shared out among ranks")
struct SharedEvaluationTests {
    /// Compares bits of all figures.
    private func expectSame(
        _ data: any SupervisedData, batchSize: Int, classWeights: [Double]? = nil,
        sourceLocation: SourceLocation = #_sourceLocation, model: @escaping @Sendable () -> any TensorLayer
    ) throws {
        let made = { @Sendable () -> any TensorLayer in withGenerator(RandomGenerator(seed: 3)) { model() } }
        let one = try Evaluation(
            of: made(), on: data, batchSize: batchSize, device: .cpu, classWeights: classWeights)
        #expect(one.loss != nil, sourceLocation: sourceLocation)
        for count in [1, 2, 3] {
            let all = try onRanks(count) { exchange in
                try Evaluation(
                    of: made(), on: data, batchSize: batchSize, device: .cpu, classWeights: classWeights,
                    exchange: exchange)
            }
            for (rank, found) in all.enumerated() {
                #expect(
                    found.loss == one.loss && found.confusion == one.confusion && found.text == one.text
                        && found.regression == one.regression, "rank \(rank) of \(count)",
                    sourceLocation: sourceLocation)
            }
        }
    }

    // Of 7 batches, rounds of 2 and of 3 ranks have a rest; of 2 batches, not all of 3 ranks have one.
    @Test("Classes, with and without weights", arguments: [10, 40])
    func classes(batchSize: Int) throws {
        let digits = Dataset.digits().flattened.prefix(65)
        for weights in [nil, (0..<10).map { Double($0) / 3 }] {
            try expectSame(digits, batchSize: batchSize, classWeights: weights) { Linear(64, 10, device: .cpu) }
        }
    }

    @Test("Numbers, two of each example", arguments: [10, 40])
    func values(batchSize: Int) throws {
        let values = Dataset(
            name: "values", inputShape: [3], inputs: .floats((0..<65 * 3).map { Float($0 * 37 % 101) / 50 }),
            targets: .values((0..<65 * 2).map { Float($0 * 13 % 17) }, width: 2))
        try expectSame(values, batchSize: batchSize) { Linear(3, 2, device: .cpu) }
    }

    @Test("Tokens of a text")
    func tokens() throws {
        let text = String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 6)
        let vocabulary = CharacterVocabulary(text)
        let part = try TextPart(text, vocabulary, length: 8, name: "text")
        let size = vocabulary.count
        try expectSame(part, batchSize: 9) {
            LanguageModel(vocabulary: size, length: 8, size: 8, heads: 2, layers: 1, device: .cpu)
        }
    }

    @Test("A table that is read as it is measured")
    func tables() throws {
        let lines = (0..<300).map { "\($0).5,\($0 * 7 % 100).25,\($0 % 3 == 0 ? "u" : "v")" }
        try withTable(Array(("a,b,y\n" + lines.joined(separator: "\n")).utf8)) { path in
            let part = try Table(path: path).data(memoryLimit: 100).training
            #expect(part is TablePart)
            let (inputs, outputs) = (part.featureCount, part.outputCount)
            try expectSame(part, batchSize: 31) { Linear(inputs, outputs, device: .cpu) }
        }
    }

    @Test("Ranks measure a batch each, and no batch twice")
    func turns() throws {
        let measured = Mutex<[Int]>([])
        let digits = Dataset.digits().flattened.prefix(65)
        _ = try onRanks(3) { exchange in
            let model = Linear(64, 10, generator: RandomGenerator(seed: 1), device: .cpu)
            _ = try Evaluation(of: model, on: digits, batchSize: 10, device: .cpu, exchange: exchange) {
                measured.withLock { $0.append(exchange.rank) }
                return crossEntropy($0, $1)
            }
        }
        let counts = measured.withLock { ranks in (0..<3).map { rank in ranks.count { $0 == rank } } }
        #expect(counts == [3, 2, 2])
    }

    @Test("Means over batches, weighted, of figures that some batches lack, and of NaN", arguments: [1, 2, 3, 8])
    func means(count: Int) throws {
        // Their sum depends on its order.
        let sizes: [Float] = [1e9, 1e-3 / 3, -1e9, 1.0 / 3, 1e-5, 7, 1]
        @Sendable func figures(_ exchange: ThreadExchange?) throws -> Figures {
            let stream = ExampleStream(batchSize: 4, prefetchCount: 0) { _ in
                var next: Float = 0
                return {
                    next += 1
                    return next <= 26 ? next : nil
                }
            } collate: {
                $0
            } upload: { (numbers: [Float], _: Device) in
                numbers
            }
            return try meanFigures(over: stream, on: .cpu, exchange: exchange) { numbers in
                let mean = Tensor(numbers.map { 1 / $0 }, device: .cpu).mean()
                var metrics = ["all": Tensor([sizes[Int(numbers[0]) / 4]], device: .cpu).mean()]
                if numbers[0] == 5 { metrics["once"] = mean }
                if numbers[0] > 20 { metrics["broken"] = mean * Float.nan }
                return (WeightedLoss(mean, count: numbers[0] < 2 ? 0 : Int(numbers[0])), metrics)
            }
        }
        let one = try figures(nil)
        #expect(one.count == 4 && one["broken"]?.isNaN == true && one["once"]?.isNaN == false)
        for found in try onRanks(count, { try figures($0) }) {
            #expect(found.mapValues(\.bitPattern) == one.mapValues(\.bitPattern))
        }
    }
}
