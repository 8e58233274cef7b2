import GimbalTrain
import Testing

/// Examples that come one after another.
@Suite("Example stream")
struct ExampleStreamTests {
    private struct Torn: Error {}

    /// 0..<count, in batches as arrays.
    private static func stream(
        _ count: Int, batchSize: Int, buffer: Int = 0, batches: Int? = nil, prefetchCount: Int = 2, failsAt: Int? = nil
    ) -> ExampleStream<[Int]> {
        ExampleStream(
            batchSize: batchSize, shuffleBuffer: buffer, seed: 7, batchesPerEpoch: batches, prefetchCount: prefetchCount
        ) { _ in
            var next = 0
            return {
                if next == failsAt { throw Torn() }
                defer { next += 1 }
                return next < count ? next : nil
            }
        } collate: {
            $0
        } upload: { numbers, _ in
            numbers
        }
    }

    private func all(_ stream: ExampleStream<[Int]>, epoch: Int = 0, from first: Int = 0) throws -> [[Int]] {
        let iterator = stream.iterator(epoch: epoch, from: first, on: .cpu)
        var batches: [[Int]] = []
        while let batch = try iterator.next() {
            #expect(batch.samples == batch.batch.count)
            batches.append(batch.batch)
        }
        #expect(try iterator.next()?.batch == nil)
        return batches
    }

    @Test("Without a buffer, examples come as they are", arguments: [0, 2])
    func plain(prefetchCount: Int) throws {
        #expect(
            try all(Self.stream(5, batchSize: 2, prefetchCount: prefetchCount)) == [[0, 1], [2, 3], [4]])
        #expect(try all(Self.stream(0, batchSize: 2, prefetchCount: prefetchCount)).isEmpty)
    }

    @Test("A buffer mixes, each epoch in its own way, and loses nothing", arguments: [2, 10, 1000])
    func mixes(buffer: Int) throws {
        let stream = Self.stream(100, batchSize: 7, buffer: buffer)
        let epochs = try (0..<3).map { try all(stream, epoch: $0).flatMap { $0 } }
        for order in epochs {
            #expect(order.sorted() == Array(0..<100) && order != Array(0..<100))
            // What is drawn can lie no further ahead than the buffer reaches.
            #expect(order.enumerated().allSatisfy { $0.element < $0.offset + buffer })
        }
        #expect(Set(epochs).count == 3)
        #expect(try all(stream, epoch: 1).flatMap { $0 } == epochs[1])
    }

    @Test("Begun at any batch, an epoch goes on as it would have", arguments: [0, 2])
    func resumes(prefetchCount: Int) throws {
        let stream = Self.stream(50, batchSize: 8, buffer: 20, prefetchCount: prefetchCount)
        let whole = try all(stream, epoch: 2)
        for first in 0...whole.count { #expect(try all(stream, epoch: 2, from: first) == Array(whole[first...])) }
    }

    @Test("An epoch of a known number of batches ends there, and a stream that has fewer is an error")
    func known() throws {
        #expect(try all(Self.stream(50, batchSize: 8, batches: 3)).count == 3)
        let error = #expect(throws: GimbalError.self) { try all(Self.stream(50, batchSize: 8, batches: 9)) }
        #expect(error?.description.contains("ended after 7 batches, where 9 were expected") == true)
    }

    @Test("What reading throws comes after the batches before it", arguments: [0, 2])
    func failure(prefetchCount: Int) throws {
        let iterator = Self.stream(50, batchSize: 8, prefetchCount: prefetchCount, failsAt: 20)
            .iterator(epoch: 0, from: 0, on: .cpu)
        for _ in 0..<2 { #expect(try iterator.next()?.batch.count == 8) }
        #expect(throws: Torn.self) { try iterator.next() }
    }
}
