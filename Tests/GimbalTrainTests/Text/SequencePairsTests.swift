import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct SequencePairsTests {
    private let pairs = SequencePairs(
        (0..<57).map { number in
            ((0..<number * 7 % 11).map { Int32($0) + 3 }, (0..<number * 5 % 8).map { Int32($0) + 4 })
        }, begin: 1, end: 2)

    @Test func everyPairComesOnce() throws {
        for epoch in 0..<3 {
            let order = pairs.order(of: 8, epoch: epoch, seed: 3, bucket: 3)
            #expect(order.joined().sorted() == Array(0..<57))
            #expect(order.filter { $0.count == 8 }.count == 7 && order.count == 8)
        }
        #expect(pairs.order(of: 8, epoch: 0, seed: 3) == pairs.order(of: 8, epoch: 0, seed: 3))
        #expect(pairs.order(of: 8, epoch: 0, seed: 3) != pairs.order(of: 8, epoch: 1, seed: 3))
        #expect(pairs.order(of: 8, epoch: 0, seed: 3) != pairs.order(of: 8, epoch: 0, seed: 4))
        let sorted = pairs.order(of: 8, epoch: 0, seed: 3, shuffles: false).joined().map {
            pairs.pairs[$0].source.count
        }
        #expect(sorted == sorted.sorted())
        #expect(SequencePairs([], begin: 1, end: 2).order(of: 8, epoch: 0, seed: 0).isEmpty)
    }

    /// Sorted together, batches hold much less padding than at random.
    @Test func lengthsOfABatchAreAlike() {
        func padding(_ order: [[Int]]) -> Int {
            order.reduce(0) { sum, batch in
                let counts = batch.map { pairs.pairs[$0].source.count }
                return sum + counts.count * counts.max()! - counts.reduce(0, +)
            }
        }
        let bucketed = padding(pairs.order(of: 8, epoch: 0, seed: 3))
        let random = padding(pairs.order(of: 8, epoch: 0, seed: 3, bucket: 1))
        #expect(bucketed * 4 < random, "\(bucketed) against \(random)")
    }

    @Test func batchesHoldWhatIsThere() throws {
        let pairs = SequencePairs([([5, 6, 7], [8]), ([], [9, 10]), ([5], [])], begin: 1, end: 2, padding: 3)
        let batch = pairs.batch([0, 1, 2], on: .cpu)
        #expect(batch.source.shape == [3, 3] && batch.target.shape == [3, 3] && batch.labels.shape == [9])
        #expect(try batch.source.integers() == [5, 6, 7, 3, 3, 3, 5, 3, 3])
        #expect(try batch.sourceLengths.integers() == [3, 0, 1])
        #expect(try batch.sourceMask.integers() == [1, 1, 1, 0, 0, 0, 1, 0, 0])
        #expect(try batch.target.integers() == [1, 8, 3, 1, 9, 10, 1, 3, 3])
        #expect(try batch.targetLengths.integers() == [2, 3, 1])
        #expect(try batch.targetMask.integers() == [1, 1, 0, 1, 1, 1, 1, 0, 0])
        #expect(try batch.labels.integers() == [8, 2, -1, 9, 10, 2, 2, -1, -1])
        #expect(Array(pairs.batches(of: 2, epoch: 0, from: 1, on: .cpu)).count == 1)
        #expect(pairs.batch([1], on: .cpu).source.shape == [1, 1])
    }

    @Test func filesOfPairs() throws {
        func read(_ text: String) throws -> [(source: String, target: String)] {
            try withTemporaryFolder { folder in
                try AtomicFile.write(text, to: folder + "/p.tsv")
                return try PairFile.read(folder + "/p.tsv")
            }
        }
        let pairs = try read("\u{FEFF}Hi.\tПривет.\r\nGo!\tИди!\tCC-BY\n")
        #expect(pairs.map(\.source) == ["Hi.", "Go!"] && pairs.map(\.target) == ["Привет.", "Иди!"])
        for (text, words) in [
            ("a\tb\nab\n", "line 2 has no tab: 'ab'"), ("a\tb\n\na\tb", "line 2 has no tab"),
            ("a\tb\n\tb\n", "line 2 has nothing before its tab"), ("a\t\n", "line 1 has nothing behind its tab"),
        ] {
            let error = #expect(throws: GimbalError.self) { _ = try read(text) }
            #expect("\(String(describing: error))".contains(words))
        }
    }
}
