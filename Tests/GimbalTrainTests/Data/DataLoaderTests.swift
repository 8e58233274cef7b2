import Foundation
import Gimbal
import GimbalTrain
import Synchronization
import Testing

@Suite("Data loader")
struct DataLoaderTests {
    private static func numbered(_ count: Int) -> Dataset {
        Dataset(
            name: "numbered", inputShape: [1], inputs: .floats((0..<count).map { Float($0) }),
            targets: .classes((0..<count).map { Int32($0) }, names: (0..<count).map(String.init)))
    }

    private final class Counter: Sendable { let value = Atomic(0) }

    // MARK: Random numbers

    @Test("Philox gives the numbers its authors published")
    func philox() {
        // Salmon et al. 2011, the known answers of their program for philox4x32-10.
        #expect(
            Philox.block(counter: SIMD4(repeating: 0), key: SIMD2(repeating: 0))
                == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
        #expect(
            Philox.block(counter: SIMD4(repeating: .max), key: SIMD2(repeating: .max))
                == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
        #expect(
            Philox.block(
                counter: SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), key: SIMD2(0xA409_3822, 0x299F_31D0)
            )
                == SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1))
    }

    @Test("Every order of four is as likely as the others")
    func permutations() {
        var counts: [[Int]: Int] = [:]
        var random = Philox(seed: 3, stream: .epoch)
        for _ in 0..<24_000 { counts[random.permutation(of: 4), default: 0] += 1 }
        #expect(counts.count == 24)
        // 1000 expected of each, with a standard deviation of 31: five of those on either side.
        #expect(counts.values.allSatisfy { (845...1155).contains($0) })
    }

    @Test("Numbers below a bound are equally likely, however the bound divides the range of words")
    func unbiased() {
        // Scaled down without care, 8 words would fall on every 3 numbers: on two of them 3, on one 2.
        let bound = 3 << 61
        var counts = [0, 0, 0]
        var random = Philox(seed: 7, stream: .epoch)
        for _ in 0..<30_000 { counts[random.next(below: bound) % 3] += 1 }
        // 10,000 expected of each, with a standard deviation of 82: five of those on either side.
        #expect(counts.allSatisfy { (9590...10_410).contains($0) }, "\(counts)")
    }

    // MARK: Order

    @Test("An epoch has every example once, in an order of its own")
    func epochs() {
        let loader = DataLoader(Self.numbered(100), batchSize: 7, seed: 5)
        var orders: [[Int]] = []
        for epoch in 0..<3 {
            let order = loader.batches(epoch: epoch).flatMap(\.indices)
            #expect(order.sorted() == Array(0..<100))
            #expect(order == loader.order(epoch: epoch))
            orders.append(order)
        }
        #expect(Set(orders).count == 3)
        #expect(DataLoader(Self.numbered(100), batchSize: 7, seed: 6).order(epoch: 0) != orders[0])
    }

    @Test("The order of an epoch never changes between versions")
    func fixedOrder() {
        #expect(
            DataLoader(Self.numbered(10), batchSize: 1, seed: 42).order(epoch: 1) == [4, 6, 3, 8, 1, 2, 7, 5, 0, 9])
    }

    @Test("Without shuffling, examples come as they are")
    func unshuffled() {
        let loader = DataLoader(Self.numbered(5), batchSize: 2, shuffles: false)
        #expect(loader.batches(epoch: 3).map(\.indices) == [[0, 1], [2, 3], [4]])
    }

    @Test("Begun at any batch, an epoch goes on as it would have", arguments: [0, 1, 3])
    func resumes(prefetchCount: Int) {
        let loader = DataLoader(Self.numbered(50), batchSize: 8, seed: 1, prefetchCount: prefetchCount)
        let whole = Array(loader.batches(epoch: 2))
        #expect(whole.map(\.number) == Array(0..<7))
        for first in 0...7 {
            #expect(Array(loader.batches(epoch: 2, from: first)) == Array(whole[first...]), "from \(first)")
        }
    }

    // MARK: Batches

    @Test("A batch holds the inputs and classes of its examples")
    func contents() {
        for batch in DataLoader(Self.numbered(20), batchSize: 6).batches(epoch: 0) {
            #expect(batch.inputs == batch.indices.map { Float($0) })
            #expect(batch.targets == .classes(batch.indices.map { Int32($0) }))
            #expect(batch.inputShape == [batch.count, 1])
        }
    }

    @Test(
        "The last batch is smaller, or left out",
        arguments: [(0, 4, 0, 0), (1, 4, 1, 0), (3, 4, 1, 0), (4, 4, 1, 1), (5, 4, 2, 1), (8, 4, 2, 2), (9, 1, 9, 9)])
    func counts(count: Int, batchSize: Int, kept: Int, dropped: Int) {
        let keeping = DataLoader(Self.numbered(count), batchSize: batchSize)
        #expect(keeping.batchCount == kept)
        #expect(Array(keeping.batches(epoch: 0)).map(\.count).reduce(0, +) == count)
        let dropping = DataLoader(Self.numbered(count), batchSize: batchSize, dropsLast: true)
        #expect(dropping.batchCount == dropped && dropping.exampleCount == dropped * batchSize)
        #expect(Array(dropping.batches(epoch: 0)).map(\.count) == [Int](repeating: batchSize, count: dropped))
    }

    // MARK: The thread

    /// Threads of this process.
    private func threadCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
    }

    @Test("Leaving an epoch midway ends its thread")
    func leaving() throws {
        let loader = DataLoader(Self.numbered(1000), batchSize: 2)
        var iterators = (0..<50).map { epoch in loader.batches(epoch: epoch).makeIterator() }
        for iterator in iterators { #expect(iterator.next() != nil) }
        let during = try threadCount()
        iterators = []
        // Other tests run beside this one and have threads of their own, but nowhere near fifty.
        #expect(try threadCount() < during - 25)
    }

    @Test("Batches are made a bounded number ahead, and no longer once nobody wants them")
    func bounded() {
        let made = Counter()
        let batch = Self.numbered(1).batch([0])
        var prefetcher = Prefetcher<HostBatch, Never>(capacity: 2) { number in
            made.value.add(1, ordering: .relaxed)
            return number < 1000 ? batch : nil
        }
        #expect(prefetcher?.next() == batch)
        prefetcher = nil
        // The one taken, two in the queue, and one in hand.
        #expect((1...4).contains(made.value.load(ordering: .relaxed)))
    }

    @Test("An iterator that is at its end stays there")
    func atTheEnd() {
        let iterator = DataLoader(Self.numbered(5), batchSize: 2).batches(epoch: 0).makeIterator()
        for _ in 0..<3 { #expect(iterator.next() != nil) }
        for _ in 0..<3 { #expect(iterator.next() == nil) }
    }

    @Test("Any number of workers gives the same batches in the same order", arguments: [1, 2, 5])
    func workers(count: Int) {
        // The later a batch of three in a row, the sooner it is done.
        let slow: DataLoader<Dataset>.Transform = { batch, place in
            usleep(UInt32(2 - place.number % 3) * 2000)
            return batch
        }
        let expected = Array(DataLoader(Self.numbered(50), batchSize: 4, seed: 3).batches(epoch: 1))
        let loader = DataLoader(
            Self.numbered(50), batchSize: 4, seed: 3, workers: count, prefetchCount: 3, transform: slow)
        for first in [0, 5, 12] { #expect(Array(loader.batches(epoch: 1, from: first)) == Array(expected[first...])) }
        let iterator = loader.batches(epoch: 1).makeIterator()
        #expect(iterator.next() == expected[0])
    }

    @Test("A failure comes in its turn, after what was made before it, and ends the values")
    func failure() throws {
        struct Broken: Error {}
        let prefetcher = try #require(
            Prefetcher<Int, any Error>(capacity: 4, workers: 2) { number in
                if number == 3 { throw Broken() }
                return number
            })
        for number in 0..<3 { #expect(try prefetcher.next() == number) }
        #expect(throws: Broken.self) { try prefetcher.next() }
        #expect(try prefetcher.next() == nil)
    }

    private struct Pair: Sendable {
        var left: [Float]
        var right: [Float]
        var label: [Int32]
    }

    @Test("Examples of several inputs and targets are a closure away")
    func severalInputs() throws {
        let examples = Examples(count: 5) { (indices: [Int]) -> Pair in
            let numbers = indices.map { Float($0) }
            return Pair(left: numbers, right: numbers.map { 10 * $0 }, label: indices.map { Int32($0 % 2) })
        } upload: { (host: Pair, device: Device) -> (left: Tensor, right: Tensor, label: Tensor) in
            (
                Tensor(host.left, device: device), Tensor(host.right, device: device),
                Tensor(host.label, device: device)
            )
        }
        let loader = DataLoader(examples, batchSize: 2, shuffles: false)
        let batches = Array(loader.batches(epoch: 0, on: .cpu))
        #expect(batches.map { $0.left.shape[0] } == [2, 2, 1])
        #expect(try batches[1].right.floats() == [20, 30])
        #expect(try batches[2].label.integers() == [0])
        let plain = Examples(count: 3) { (indices: [Int]) -> [Int] in indices }
        let numbers = Array(DataLoader(plain, batchSize: 3, shuffles: false).batches(epoch: 0, on: .cpu))
        #expect(numbers == [[0, 1, 2]])
    }

    @Test("One loader serves several threads")
    func concurrent() async {
        let loader = DataLoader(Self.numbered(200), batchSize: 3, seed: 9)
        let expected = loader.order(epoch: 4)
        await withTaskGroup(of: [Int].self) { group in
            for _ in 0..<8 { group.addTask { loader.batches(epoch: 4).flatMap(\.indices) } }
            for await order in group { #expect(order == expected) }
        }
    }
}
