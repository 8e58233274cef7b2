import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Tables larger than memory")
struct TableStreamTests {
    /// Sorted by class, with line ends in quotes.
    private static func lines(_ count: Int) -> [String] {
        (0..<count).map {
            "\($0).5,\"a text, one\nof three: \($0 % 3)\",\($0 * 7 % 1000).25,\($0 < count / 2 ? "u" : "v")"
        }
    }

    private static func text(_ count: Int, mark: String = "") -> [UInt8] {
        Array((mark + "a,t,b,y\n" + lines(count).joined(separator: "\n")).utf8)
    }

    private func all(_ stream: TableStream, epoch: Int = 0, from first: Int = 0) throws -> [[[Float]]] {
        let batches = stream.iterator(epoch: epoch, from: first, on: .cpu)
        let width = stream.part.featureCount
        var found: [[[Float]]] = []
        while let batch = try batches.next() {
            #expect(batch.samples == batch.batch.count)
            let inputs = try batch.batch.inputs.floats()
            let targets = try batch.batch.targets.integers()
            found.append(targets.indices.map { Array(inputs[$0 * width..<($0 + 1) * width]) + [Float(targets[$0])] })
        }
        return found
    }

    /// Inputs and target of each row.
    private func rows(_ data: Dataset) throws -> [[Float]] {
        let (batch, width) = (data.batch(on: .cpu), data.featureCount)
        let (inputs, targets) = (try batch.inputs.floats(), try batch.targets.integers())
        return targets.indices.map { Array(inputs[$0 * width..<($0 + 1) * width]) + [Float(targets[$0])] }
    }

    private func sorted(_ batches: [[[Float]]]) -> [[Float]] {
        batches.flatMap { $0 }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Wherever a file is looked into, what is there may look like a byte order mark.
    @Test("Marks in the middle of a file are text", arguments: 0..<6)
    func marks(offset: Int) throws {
        let filler = String(repeating: "\u{FEFF}", count: 50)
        let lines = (0..<2000).map {
            "\(100_000 + $0 * 7919 % 99_999),\(filler)\($0 % 3),\($0 * 7 % 1000 + 1000),\($0 % 2 == 0 ? "u" : "v")"
        }
        let header = "a" + String(repeating: "a", count: offset) + ",t,b,y\n"
        try withTable(Array((header + lines.joined(separator: "\n")).utf8)) { path in
            let table = try Table(path: path)
            let whole = try table.data()
            let streamed = try table.data(memoryLimit: 1000)
            #expect(streamed.isStreamed)
            let part = try #require(streamed.training as? TablePart)
            let batches = try all(TableStream(part, batchSize: 32, leastSize: 1, seed: 3, workers: 2))
            #expect(sorted(batches) == sorted([try rows(try #require(whole.training as? Dataset))]))
        }
    }

    @Test(
        "A stream gives every row of a part once, in an order that follows from seed and epoch, from any batch on",
        arguments: ["", "\u{FEFF}"])
    func order(mark: String) throws {
        try withTable(Self.text(3000, mark: mark)) { path in
            let table = try Table(path: path)
            let parts = try table.parts()
            let data = try table.data(memoryLimit: 1000)
            #expect(data.isStreamed && data.record.schema == parts.schema)
            let part = try #require(data.training as? TablePart)
            #expect(abs(part.count - parts.training.count) < 60 && part.inputShape == parts.training.inputShape)
            func stream(_ seed: UInt64 = 3, workers: Int = 2, size: Int = 32, least: Int = 1) -> TableStream {
                // A buffer of twelve batches.
                TableStream(
                    part, batchSize: size, leastSize: least, seed: seed,
                    bufferBytes: 12 * 32 * 4 * (part.featureCount + 1),
                    workers: workers)
            }
            let first = try all(stream())
            #expect(abs(first.count - stream().estimatedBatchesPerEpoch!) <= 2)
            let rows = try rows(parts.training)
            let width = part.featureCount
            #expect(sorted(first) == sorted([rows]))
            #expect(first.flatMap { $0 } != rows)
            // The file is sorted by class, its batches are not.
            #expect(first.allSatisfy { Set($0.map { $0[width] }).count == 2 })
            for workers in [1, 3, 8] { #expect(try all(stream(workers: workers)) == first) }
            #expect(try all(stream(), epoch: 1).flatMap { $0 } != first.flatMap { $0 })
            #expect(try all(stream(4)).flatMap { $0 } != first.flatMap { $0 })
            for start in [1, 11, 12, 40, first.count - 1, first.count] {
                #expect(try all(stream(), from: start) == Array(first[start...]), "\(start)")
            }
            let rest = parts.training.count % 32
            #expect(try all(stream(least: rest + 1)).count == first.count - 1)
            // Measured in an order that is the same each time, all at once or not.
            var measured = 0
            for _ in 0..<2 {
                try data.validation.forEachBatch(of: 50) { measured += $0.count }
            }
            #expect(measured == 2 * parts.validation.count)
            #expect(try part.examples(limit: 100).count == 100)
        }
    }

    @Test("Lines of a long quoted text that look like records are none, wherever a reader begins")
    func recordsWithinText() throws {
        func rows(_ range: Range<Int>) -> String { range.map { "\($0).5,x,\($0 % 2 == 0 ? "u" : "v")\n" }.joined() }
        // Behind its end nothing is quoted, so that what begins within it ends with a quote that does not close.
        let text = "a,t,y\n" + rows(0..<1200) + "7,\"" + rows(0..<60) + "\",v\n" + rows(1200..<1220)
        try withTable(Array(text.utf8)) { path in
            let data = try Table(path: path).data(memoryLimit: 1000)
            #expect(data.isStreamed)
            var count = 0
            for part in [data.training, data.validation, data.test] {
                try part.forEachBatch(of: 100) { count += $0.count }
            }
            #expect(count == 1221)
        }
    }

    @Test("A stream of a single input gives every row")
    func oneInput() throws {
        let lines = (0..<2000).map { "\($0).5,\($0 * 7 % 13 < 6 ? "u" : "v")" }
        try withTable(Array(("a,y\n" + lines.joined(separator: "\n")).utf8)) { path in
            let table = try Table(path: path)
            let part = try #require(table.data(memoryLimit: 1000).training as? TablePart)
            #expect(part.inputShape == [1])
            let whole = try table.parts().training.batch(on: .cpu)
            let rows = try zip(whole.inputs.floats(), whole.targets.integers()).map { [$0, Float($1)] }
            #expect(sorted(try all(TableStream(part, batchSize: 32, seed: 3))) == sorted([rows]))
        }
    }

    @Test("What cannot be read is refused by its line, wherever a reader began")
    func line() throws {
        var lines = Self.lines(3000)
        lines[2500] = "x" + lines[2500]
        let told = options { $0.types = ["a": .number] }
        try withTable(Array(("a,t,b,y\n" + Self.lines(3000).joined(separator: "\n")).utf8)) { good in
            let record = try Table(path: good, options: told).data(memoryLimit: 1000).record
            try withTable(Array(("a,t,b,y\n" + lines.joined(separator: "\n")).utf8)) { path in
                let data = try record.data(path: path)
                let error = #expect(throws: GimbalError.self) {
                    for part in [data.training, data.validation, data.test] { try part.forEachBatch(of: 100) { _ in } }
                }
                #expect(
                    error?.description.contains("line 5002, column 1 (a): 'x2500.5' is not a number") == true,
                    "\(error!)")
            }
        }
    }

    @Test("Of a large file samples are looked at: about so many rows, and a later row that contradicts is refused")
    func sampled() throws {
        let change: (inout TableOptions) -> Void = {
            $0.sampledAbove = 10_000
            $0.sampleBytes = 20_000
        }
        try withTable(Self.text(20_000)) { path in
            let table = try Table(path: path, options: options(change))
            let seen = try #require(table.profile.sampledRows)
            #expect(seen < 2000 && abs(table.profile.rows - 20_000) < 400, "\(table.profile)")
            #expect("\(table.profile)".contains("what follows is of a sample of \(seen) rows"))
            #expect(
                table.schema.classNames == ["u", "v"]
                    && table.schema.columns.map(\.type) == [.number, .category, .number, .category])
            let mean = try table.fittedSchema().columns[0].mean
            #expect(abs(mean - 10_000) < 500)
            let data = try table.data(memoryLimit: 1000)
            var count = 0
            for part in [data.training, data.validation, data.test] {
                try part.forEachBatch(of: 500) { count += $0.count }
            }
            #expect(count == 20_000)
            #expect(abs(data.training.count - 14_400) < 600)
            // Folds of a sampled table are fitted to their own rows.
            #expect(try table.fold(1, of: 4).fittedSchema().columns[0].mean != mean)
        }
        let odd = Self.lines(20_000).enumerated().map { $0 == 10_077 ? "1,t,2,w" : $1 }
        try withTable(Array(("a,t,b,y\n" + odd.joined(separator: "\n")).utf8)) { path in
            let data = try Table(path: path, options: options(change)).data(memoryLimit: 1000)
            let error = #expect(throws: GimbalError.self) { try data.training.forEachBatch(of: 500) { _ in } }
            #expect(error?.description.contains("line 20156, column 4 (y): 'w' is none of the classes u, v") == true)
        }
    }

    @Test("A file that is compressed is read from its beginning")
    func compressed() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/table.csv.gz"
            try Data(gzip(Self.text(2000))).write(to: URL(filePath: path))
            let table = try Table(path: path)
            let data = try table.data(memoryLimit: 1000)
            var count = 0
            try data.training.forEachBatch(of: 100) { count += $0.count }
            #expect(try count == table.parts().training.count && data.isStreamed)
            #expect(try data.record.data(path: path).training.count == data.training.count)
        }
    }

    @Test("A run on a stream is interrupted and resumed to the same bits, and measured as one in memory")
    func run() throws {
        try withTable(Self.text(1500)) { path in
            let data = try Table(path: path).data(memoryLimit: 1000)
            var training = TrainingSettings()
            (training.epochs, training.batchSize, training.accumulation, training.optimizer) = (2, 32, 2, .adam)
            (training.schedule, training.classWeights) = (.cosine, .balanced)
            var model = ModelSettings(for: data.training)
            model.hidden = 8
            let recipe = Recipe(model: model, training: training)
            func run(_ folder: RunFolder? = nil) throws -> RecipeRun {
                try recipe.makeRun(train: data.training, validation: data.validation, device: .cpu, folder: folder)
            }
            func state(_ run: RecipeRun) throws -> [[Float]] { try run.model.parameters.map { try $0.value.floats() } }
            let whole = try run()
            #expect(whole.summary.contains("Linear"))
            #expect(whole.recipe.training.classWeights?.weights.map(\.name) == ["u", "v"])
            #expect(try whole.trainer.run() == .finished)
            let expected = try state(whole)
            #expect(whole.trainer.progress.history.count == 2)
            for stop in [1, 7, 17, 20, 33] {
                try withTemporaryFolder { folder in
                    let folder = try RunFolder(path: folder)
                    let first = try run(folder).trainer
                    #expect(try first.run { first.progress.step >= stop } == .interrupted)
                    let second = try run(folder)
                    #expect(try second.trainer.resume())
                    try second.trainer.run()
                    #expect(try state(second) == expected, "stopped after step \(stop)")
                }
            }
            let parts = try Table(path: path).parts()
            let (streamed, inMemory) = (try whole.evaluate(on: data.test), try whole.evaluate(on: parts.test))
            #expect(streamed.accuracy == inMemory.accuracy && streamed.confusion == inMemory.confusion)
            #expect(abs(streamed.loss! - inMemory.loss!) < 1e-6)
        }
    }

    @Test("Another large file is tested whole, the trained one where it was held back")
    func evaluation() throws {
        try withTable(Self.text(2000)) { path in
            let record = try Table(path: path).data(memoryLimit: 1000).record
            let (same, words) = try record.evaluationData(path: path)
            var count = 0
            try same.forEachBatch(of: 100) { count += $0.count }
            #expect(count == 400 && words[0].contains("these were held back"))
            let other = Self.lines(1000).map { $0.replacingOccurrences(of: ".5,", with: ".75,") }
            try withTable(Array(("a,t,b,y\n" + other.joined(separator: "\n")).utf8)) { path in
                let (all, words) = try record.evaluationData(path: path)
                #expect(words[0].contains("all rows, about") && all is TablePart)
                var count = 0
                try all.forEachBatch(of: 100) { count += $0.count }
                #expect(count == 1000)
            }
        }
    }

    // MARK: Scores of many numbers

    /// Numbers that are made as they are measured; what is predicted is half of each.
    private struct Numbers: SupervisedData {
        let count: Int
        var name: String { "numbers" }
        var isCountExact: Bool { true }
        var inputShape: Shape { [1] }
        var classNames: [String] { [] }
        var outputCount: Int { 1 }
        func classCounts() -> [Int] { [] }
        func examples(limit: Int) -> Dataset { dataset(0..<min(limit, count)) }
        func trainingBatches(
            of size: Int, leastSize: Int, seed: UInt64, augmentation: Augmentation?
        ) -> any TrainingData<Batch> { DataLoader(examples(limit: count), batchSize: size) }
        func dataset(_ range: Range<Int>) -> Dataset {
            let inputs = range.map { Float($0 * 7919 % 10_007) / 1000 }
            let targets = zip(range, inputs).map { $1 / 2 + Float($0 % 5 - 2) / 8 + 1 }
            return Dataset(name: name, inputShape: [1], inputs: .floats(inputs), targets: .values(targets, width: 1))
        }
        func forEachBatch(of size: Int, _ body: (HostBatch) throws -> Void) throws {
            for start in stride(from: 0, to: count, by: size) {
                let rows = dataset(start..<min(start + size, count))
                try body(rows.batch(Array(0..<rows.count)))
            }
        }
    }

    @Test(
        "Scores over more numbers than are kept are those over all of them, whatever their size",
        arguments: [1, 1e300, 1e-300])
    func manyNumbers(size: Double) throws {
        let model = Sequential { Linear(1, 1, hasBias: false) }
        model.parameters[0].assign(Tensor([0.5] as [Float], [1, 1], device: .cpu))
        let data = Numbers(count: (1 << 20) + 5000)
        let units = Standardization(means: [], deviations: [], targetMeans: [0], targetDeviations: [size])
        let streamed = try #require(
            try Evaluation(of: model, on: data, batchSize: 65_536, device: .cpu, standardization: units).regression)
        let all = data.dataset(0..<data.count)
        guard case .values(let targets, _) = all.targets, case .floats(let inputs) = all.inputs else { return }
        let expected = RegressionScores(predictions: inputs.map { Double($0 / 2) }, targets: targets.map(Double.init))
        let scaled = RegressionScores(
            predictions: inputs.map { Double($0 / 2) * size }, targets: targets.map { Double($0) * size })
        #expect(streamed.count == expected.count)
        for score in [
            \RegressionScores.meanAbsoluteError, \.rootMeanSquaredError, \.medianAbsoluteError, \.maximumError,
        ] {
            let tolerance = score == \.medianAbsoluteError ? 1e-3 : 1e-9
            #expect(abs(streamed[keyPath: score] / size - expected[keyPath: score]) < tolerance)
            #expect(abs(scaled[keyPath: score] / size - expected[keyPath: score]) < 1e-9)
        }
        for score in [\RegressionScores.determination, \.explainedVariance] {
            #expect(abs(streamed[keyPath: score] - expected[keyPath: score]) < 1e-9)
            #expect(abs(scaled[keyPath: score] - expected[keyPath: score]) < 1e-9)
        }
        guard size == 1 else { return }
        for score in [\RegressionScores.meanSquaredError, \.meanAbsolutePercentageError] {
            #expect(abs(streamed[keyPath: score] - expected[keyPath: score]) < 1e-9)
        }
    }
}
