import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Synchronization
import Testing

/// The rows of all ranks, one after another, are those of whole batches.
@Suite("Data shared out among ranks")
struct SharedDataTests {
    /// The elements of a batch, row by row.
    private struct Rows: Equatable {
        var rows: [[Float]] = []

        mutating func append(_ batch: Batch) throws {
            let inputs = try batch.inputs.doubles().map(Float.init),
                targets = try batch.targets.doubles().map(Float.init)
            let count = batch.count
            for row in 0..<count {
                let (width, targetWidth) = (inputs.count / count, targets.count / count)
                rows.append(
                    Array(inputs[row * width..<(row + 1) * width])
                        + Array(targets[row * targetWidth..<(row + 1) * targetWidth]))
            }
        }
    }

    /// Compares what ranks are given with whole batches, from the first and from a later one on.
    /// - Parameter hasShortBatch: whether a batch has fewer rows than the largest number of ranks.
    private func expectShares(
        of data: any TrainingData<Batch>, hasShortBatch: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var standIns = 0
        for (epoch, first) in [(0, 0), (1, 1)] {
            for size in [1, 2, 3, 8] {
                let whole = try data.iterator(epoch: epoch, from: first, on: .cpu)
                let ranks = try (0..<size).map {
                    try data.iterator(epoch: epoch, from: first, on: .cpu, rank: $0, of: size)
                }
                while let expected = try whole.next() {
                    #expect(expected.share == nil && expected.totalSamples == expected.samples)
                    var (all, found, weight) = (Rows(), Rows(), 0)
                    try all.append(expected.batch)
                    for (rank, iterator) in ranks.enumerated() {
                        let part = try #require(try iterator.next(), sourceLocation: sourceLocation)
                        let share = size == 1 ? nil : BatchShare(rank: rank, of: size, rows: expected.samples)
                        #expect(
                            part.share == share && part.totalSamples == expected.samples
                                && part.batch.count == share?.count ?? expected.samples
                                && part.samples == share?.weight ?? expected.samples, sourceLocation: sourceLocation)
                        weight += part.samples
                        if share?.isStandIn == true {
                            var own = Rows()
                            try own.append(part.batch)
                            #expect(own.rows == [all.rows[0]] && part.samples == 0, sourceLocation: sourceLocation)
                            standIns += 1
                        } else {
                            try found.append(part.batch)
                        }
                    }
                    #expect(
                        found == all && weight == expected.samples, "\(size) ranks, epoch \(epoch)",
                        sourceLocation: sourceLocation)
                }
                for iterator in ranks { #expect(try iterator.next() == nil, sourceLocation: sourceLocation) }
            }
        }
        #expect((standIns > 0) == hasShortBatch, sourceLocation: sourceLocation)
    }

    // MARK: Datasets

    private static func values(_ count: Int) -> Dataset {
        Dataset(
            name: "values", inputShape: [2, 3], inputs: .floats((0..<count * 6).map { Float($0) / 7 }),
            targets: .values((0..<count * 2).map { Float($0) * 3 }, width: 2))
    }

    private static func tokens(_ count: Int) -> Dataset {
        Dataset(
            name: "tokens", inputShape: [5], inputs: .tokens((0..<count * 5).map { Int32($0 % 11) }),
            targets: .tokens((0..<count * 4).map { Int32($0 % 9) - 1 }, width: 4, vocabulary: 9))
    }

    private static func images(_ count: Int) -> Dataset {
        Dataset(
            name: "images", inputShape: [1, 4, 5],
            inputs: .bytes((0..<count * 20).map { UInt8($0 * 37 % 251) }, divisor: 255),
            targets: .classes((0..<count).map { Int32($0 % 3) }, names: ["a", "b", "c"]))
    }

    @Test("Values, tokens and classes", arguments: [1, 2, 3], [1, 3])
    func datasets(batches: Int, workers: Int) throws {
        for data in [Self.values, Self.tokens, Self.images] {
            // A last batch of 2 rows, and no batch of fewer than 8 where it is left out.
            let loader = DataLoader(data(10 * (batches - 1) + 2), batchSize: 10, seed: 4, workers: workers)
            try expectShares(of: loader)
            let full = DataLoader(
                data(10 * batches + 2), batchSize: 10, dropsLast: true, seed: 4, workers: workers, prefetchCount: 0)
            try expectShares(of: full, hasShortBatch: false)
        }
    }

    @Test("Images that are changed one by one, and mixed", arguments: [1, 3], [false, true])
    func augmented(workers: Int, isMixed: Bool) throws {
        let augmentation = Augmentation(seed: 9) {
            RandomCrop(padding: 1)
            if isMixed { Mixup(classCount: 3) }
        }
        #expect(augmentation.changesExamplesAlone == !isMixed)
        let loader = DataLoader(Self.images(24), batchSize: 11, seed: 2, workers: workers, augmentation: augmentation)
        try expectShares(of: loader)
    }

    @Test("A transform of one's own, of which nothing is known, sees whole batches")
    func ownTransform() throws {
        let loader = DataLoader(Self.values(24), batchSize: 11, seed: 2) { batch, _ in
            #expect(batch.count == 11 || batch.count == 2)
            return batch
        }
        try expectShares(of: loader)
    }

    @Test("A rank fetches its own examples alone")
    func fetchesItsRows() throws {
        final class Fetched: Sendable { let count = Atomic(0) }
        let fetched = Fetched()
        let examples = Examples(count: 23) { (indices: [Int]) -> [Int] in
            fetched.count.add(indices.count, ordering: .relaxed)
            return indices
        }
        let loader = DataLoader(examples, batchSize: 10, seed: 1, prefetchCount: 0)
        var all: [Int] = []
        for rank in 0..<3 {
            let iterator = loader.iterator(epoch: 0, from: 0, on: .cpu, rank: rank, of: 3)
            while let part = try iterator.next() { all += part.batch }
        }
        #expect(fetched.count.load(ordering: .relaxed) == 23)
        #expect(all.sorted() == Array(0..<23))
    }

    @Test("Examples whose batches are changed as a whole are refused, and not where each is changed by itself")
    func transformedExamples() throws {
        let examples = Examples(count: 23) { (indices: [Int]) -> [Int] in indices }
        let negative: DataLoader<Examples<[Int], [Int]>>.Transform = { batch, _ in batch.map { -$0 } }
        let whole = DataLoader(examples, batchSize: 10, prefetchCount: 0, transform: negative)
        let error = #expect(throws: GimbalError.self) {
            try whole.iterator(epoch: 0, from: 0, on: .cpu, rank: 1, of: 2).next()
        }
        #expect("\(String(describing: error))".contains("transformsExamplesAlone"))
        let alone = DataLoader(
            examples, batchSize: 10, shuffles: false, transform: negative, transformsExamplesAlone: true)
        let second = alone.iterator(epoch: 0, from: 2, on: .cpu, rank: 1, of: 2)
        #expect(try second.next()?.batch == [-21, -22])
    }

    // MARK: Streams

    @Test("Examples that come one after another", arguments: [0, 2])
    func streams(prefetchCount: Int) throws {
        let stream = ExampleStream(batchSize: 10, shuffleBuffer: 7, seed: 3, prefetchCount: prefetchCount) { epoch in
            var next = 0
            return {
                defer { next += 1 }
                return next < 23 ? Float(next + 100 * epoch) : nil
            }
        } collate: {
            $0
        } upload: { (numbers: [Float], device: Device) -> Batch in
            Batch(
                inputs: Tensor(numbers, [numbers.count, 1], device: device),
                targets: Tensor(numbers.map { -$0 }, [numbers.count, 1], device: device))
        }
        try expectShares(of: stream)
    }

    @Test("Batches that come ready-made cannot be shared out, and go to one rank whole")
    func readyMade() throws {
        let stream = ExampleStream { _, _ in
            var isGiven = false
            return {
                defer { isGiven = true }
                return isGiven ? nil : ([1, 2, 3], samples: 3)
            }
        } upload: { (numbers: [Int], _: Device) -> [Int] in
            numbers
        }
        #expect(try stream.iterator(epoch: 0, from: 0, on: .cpu, rank: 0, of: 1).next()?.batch == [1, 2, 3])
        let error = #expect(throws: GimbalError.self) {
            try stream.iterator(epoch: 0, from: 0, on: .cpu, rank: 0, of: 2)
        }
        #expect("\(String(describing: error))".contains("iterator(epoch:from:on:rank:of:)"))
    }

    private struct Own: TrainingData {
        let batchesPerEpoch: Int? = 1
        func iterator(epoch: Int, from first: Int, on device: Device) -> BatchIterator<Int> {
            var isGiven = false
            return BatchIterator {
                defer { isGiven = true }
                return isGiven ? nil : SizedBatch(5, samples: 2)
            }
        }
    }

    @Test("Data of one's own without shares goes to one rank whole, and is refused to more")
    func ownData() throws {
        let whole = try #require(try Own().iterator(epoch: 0, from: 0, on: .cpu, rank: 0, of: 1).next())
        #expect(whole.batch == 5 && whole.samples == 2 && whole.share == nil)
        let error = #expect(throws: GimbalError.self) {
            try Own().iterator(epoch: 0, from: 0, on: .cpu, rank: 1, of: 2)
        }
        #expect("\(String(describing: error))".contains("Own"))
    }

    // MARK: Files

    @Test("Tables that are read as they are trained on", arguments: [1, 3])
    func tables(workers: Int) throws {
        let lines = (0..<300).map { "\($0).5,\($0 * 7 % 100).25,\($0 % 3 == 0 ? "u" : "v")" }
        try withTable(Array(("a,b,y\n" + lines.joined(separator: "\n")).utf8)) { path in
            let data = try Table(path: path).data(memoryLimit: 100)
            let part = try #require(data.training as? TablePart)
            var count = 0
            try part.forEachBatch(of: 50) { count += $0.count }
            // The last batch has fewer rows than there are ranks.
            let size = try #require((9..<count).first { (1..<8).contains(count % $0) })
            try expectShares(of: TableStream(part, batchSize: size, seed: 5, workers: workers))
            try expectShares(of: part.trainingBatches(of: size, leastSize: 1, seed: 5, augmentation: nil))
        }
    }

    @Test("Windows of a text")
    func texts() throws {
        let text = String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 8)
        let part = try TextPart(text, CharacterVocabulary(text), length: 8, name: "text")
        for size in [1, 10, 14] {
            try expectShares(of: part.trainingBatches(of: size, leastSize: 1, seed: 3, augmentation: nil))
        }
    }

    @Test("Pairs of texts, filled up as in the whole batch")
    func pairs() throws {
        let pairs = (0..<23).map { number in
            (
                source: (0..<number % 7).map { Int32($0 + 3) },
                target: (0..<(number * 5) % 9).map { Int32($0 + 4) }
            )
        }
        let part = PairPart(
            SequencePairs(pairs, begin: 1, end: 2, padding: 0), length: 12, vocabulary: 20, name: "pairs")
        try expectShares(of: part.trainingBatches(of: 10, leastSize: 1, seed: 3, augmentation: nil))
    }

    @Test("Pictures of a folder", arguments: [false, true])
    func pictures(isMixed: Bool) throws {
        try withTemporaryFolder { folder in
            for (number, name) in ["cats", "dogs"].enumerated() {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
                for index in 0..<20 {
                    let pixels = (0..<4 * 5 * 3).map { UInt8(($0 * 7 + index * 13 + number * 90) % 256) }
                    try Data(PNG.encoded(pixels, width: 5, height: 4, channels: 3)).write(
                        to: URL(filePath: "\(folder)/\(name)/\(index).png"))
                }
            }
            let parts = try DataSource.pictures(path: folder).parts(SplitPlan())
            let augmentation = Augmentation(seed: 9) {
                RandomHorizontalFlip()
                if isMixed { Mixup(classCount: 2) }
            }
            let count = parts.train.count
            // The last batch has fewer rows than there are ranks.
            let size = try #require((9..<count).first { (1..<8).contains(count % $0) })
            for augmentation in [nil, augmentation] {
                try expectShares(
                    of: parts.train.trainingBatches(of: size, leastSize: 1, seed: 5, augmentation: augmentation))
            }
        }
    }
}
