import Gimbal

/// Examples that come one after another, such as the lines of a file larger than memory, in batches.
///
/// A shuffle buffer holds some of them, and each one that is wanted is drawn from it at random: the larger the buffer, the
/// better mixed. The order follows from the seed and the epoch alone. To resume, the examples before the batch are read
/// again and passed over, without being put together.
///
/// ```swift
/// let numbers = ExampleStream(batchSize: 32, shuffleBuffer: 1000) { epoch in
///     var number: Float = 0
///     return {
///         number += 1
///         return number <= 5000 ? number : nil
///     }
/// } collate: { numbers in
///     numbers
/// } upload: { numbers, device in
///     Tensor(numbers, [numbers.count, 1], device: device)
/// }
/// ```
public struct ExampleStream<Batch>: TrainingData {
    public let batchesPerEpoch: Int?
    private let open: @Sendable (_ epoch: Int, _ first: Int, _ ranks: Ranks) -> any Batches<Batch>
    /// Whether it can give each of several ranks its rows.
    private let isShared: Bool

    /// A stream of examples that are shuffled and put together into batches.
    /// - Parameters:
    ///   - batchSize: examples in a batch, at least 1; the last one of an epoch may have fewer.
    ///   - shuffleBuffer: examples that are held to draw from, with their order as it comes where 0 or 1.
    ///   - seed: of the order.
    ///   - batchesPerEpoch: where it is known: an epoch ends after as many, and a stream that has fewer is an error.
    ///     Schedules that are told how long a run is need it, unless the run has a number of steps.
    ///   - prefetchCount: batches prepared ahead of the one in use, on a thread of their own; 0 for none.
    ///   - examples: begins an epoch's examples from the first, and gives what gives one after another, nil at the end.
    ///     Both are called on one thread at a time.
    ///   - collate: puts the examples of a batch together. Of several ranks, each reads all examples and puts together those
    ///     of its share alone; they have to come out as they do among all of the batch.
    ///   - upload: copies a batch to a device.
    public init<Example: Sendable, HostBatch: Sendable>(
        batchSize: Int, shuffleBuffer: Int = 0, seed: UInt64 = 0, batchesPerEpoch: Int? = nil, prefetchCount: Int = 2,
        examples: @escaping @Sendable (_ epoch: Int) throws -> () throws -> Example?,
        collate: @escaping @Sendable (_ examples: [Example]) throws -> HostBatch,
        upload: @escaping @Sendable (_ batch: HostBatch, _ device: Device) -> Batch
    ) {
        require(batchSize > 0, "ExampleStream", "a batch size of \(batchSize)")
        require(shuffleBuffer >= 0, "ExampleStream", "a shuffle buffer of \(shuffleBuffer)")
        self.init(batchesPerEpoch: batchesPerEpoch, prefetchCount: prefetchCount, isShared: true) {
            epoch, first, ranks in
            let shuffled = ShuffledExamples(
                capacity: max(shuffleBuffer, 1),
                random: Philox(seed: seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
            ) { try examples(epoch) }
            var isPassed = false
            return {
                if !isPassed { try shuffled.pass(first * batchSize) }
                isPassed = true
                let batch = try shuffled.next(batchSize)
                guard !batch.isEmpty else { return nil }
                let share = ranks.share(of: batch.count)
                return PreparedBatch(
                    batch: try collate(batch[...].rows(share?.rows)), samples: batch.count, share: share)
            }
        } upload: {
            upload($0, $1)
        }
    }

    /// A stream of batches that come ready-made, which cannot be shared out among several ranks.
    /// - Parameters:
    ///   - batchesPerEpoch: where it is known: an epoch ends after as many, and a stream that has fewer is an error.
    ///   - prefetchCount: batches prepared ahead of the one in use, on a thread of their own; 0 for none.
    ///   - batches: begins an epoch at one of its batches, and gives what gives one after another with the number of its
    ///     samples, nil at the end. That is called on one thread at a time.
    ///   - upload: copies a batch to a device.
    public init<HostBatch: Sendable>(
        batchesPerEpoch: Int? = nil, prefetchCount: Int = 2,
        batches: @escaping @Sendable (_ epoch: Int, _ first: Int) -> () throws -> (HostBatch, samples: Int)?,
        upload: @escaping @Sendable (_ batch: HostBatch, _ device: Device) -> Batch
    ) {
        self.init(batchesPerEpoch: batchesPerEpoch, prefetchCount: prefetchCount, isShared: false) { epoch, first, _ in
            let next = batches(epoch, first)
            return { try next().map { PreparedBatch(batch: $0.0, samples: $0.samples, share: nil) } }
        } upload: {
            upload($0, $1)
        }
    }

    /// - Parameters:
    ///   - isShared: whether batches are those of a rank's rows.
    ///   - batches: begins an epoch at one of its batches, for a rank.
    init<HostBatch: Sendable>(
        batchesPerEpoch: Int? = nil, prefetchCount: Int, isShared: Bool,
        batches:
            @escaping @Sendable (_ epoch: Int, _ first: Int, _ ranks: Ranks) -> () throws -> PreparedBatch<
                HostBatch
            >?,
        upload: @escaping @Sendable (_ batch: HostBatch, _ device: Device) -> Batch
    ) {
        require(prefetchCount >= 0, "ExampleStream", "a prefetch count of \(prefetchCount)")
        require((batchesPerEpoch ?? 1) > 0, "ExampleStream", "an epoch of \(batchesPerEpoch ?? 0) batches")
        self.batchesPerEpoch = batchesPerEpoch
        self.isShared = isShared
        open = { epoch, first, ranks in
            PrefetchedBatches(
                batches(epoch, first, ranks), first: first, last: batchesPerEpoch, prefetchCount: prefetchCount,
                upload: upload)
        }
    }

    public func iterator(epoch: Int, from first: Int, on device: Device) -> BatchIterator<Batch> {
        sharedIterator(epoch: epoch, from: first, on: device, .alone)
    }

    /// - Throws: `GimbalError.invalidSetting` for batches that come ready-made.
    public func iterator(
        epoch: Int, from first: Int, on device: Device, rank: Int, of size: Int
    ) throws -> BatchIterator<Batch> {
        let ranks = Ranks(rank, of: size)
        guard isShared || ranks.size == 1 else { throw cannotBeShared(Self.self) }
        return sharedIterator(epoch: epoch, from: first, on: device, ranks)
    }

    func sharedIterator(epoch: Int, from first: Int, on device: Device, _ ranks: Ranks) -> BatchIterator<Batch> {
        let batches = open(epoch, first, ranks)
        return BatchIterator { try batches.next(on: device) }
    }
}

/// A batch in the memory of the host, or a rank's rows of it.
struct PreparedBatch<HostBatch: Sendable>: Sendable {
    var batch: HostBatch
    /// Of the whole batch.
    var samples: Int
    /// Nil for the whole batch.
    var share: BatchShare?
}

/// The batches of one epoch, whatever they are on the host.
private protocol Batches<Batch> {
    associatedtype Batch
    func next(on device: Device) throws -> SizedBatch<Batch>?
}

private final class PrefetchedBatches<HostBatch: Sendable, Batch>: Batches {
    private typealias Made = PreparedBatch<HostBatch>

    private let make: @Sendable (Int) throws -> Made?
    private let upload: @Sendable (HostBatch, Device) -> Batch
    private let prefetcher: Prefetcher<Made, any Error>?
    private var number = 0

    init(
        _ next: @escaping () throws -> PreparedBatch<HostBatch>?, first: Int, last: Int?, prefetchCount: Int,
        upload: @escaping @Sendable (HostBatch, Device) -> Batch
    ) {
        self.upload = upload
        let source = OneAtATime(next: next)
        let make: @Sendable (Int) throws -> Made? = { number in
            if let last, first + number >= last { return nil }
            if let made = try source.next() { return made }
            guard let last else { return nil }
            throw GimbalError.invalidSetting(
                name: "batchesPerEpoch",
                reason: "the stream ended after \(first + number) batches, where \(last) were expected")
        }
        self.make = make
        prefetcher = prefetchCount > 0 ? Prefetcher(capacity: prefetchCount) { try make($0) } : nil
    }

    func next(on device: Device) throws -> SizedBatch<Batch>? {
        defer { number += 1 }
        let found = if let prefetcher { try prefetcher.next() } else { try make(number) }
        return found.map { SizedBatch(upload($0.batch, device), samples: $0.samples, share: $0.share) }
    }
}

/// Unchecked: used by one thread at a time, the one that makes batches.
private struct OneAtATime<Value>: @unchecked Sendable {
    let next: () throws -> Value?
}

/// Examples in the order in which a buffer that they pass through gives them out.
///
/// Unchecked: it is used by one thread at a time, the one that makes batches.
private final class ShuffledExamples<Example>: @unchecked Sendable {
    private let capacity: Int
    private var random: Philox
    private let begin: () throws -> () throws -> Example?
    private var source: (() throws -> Example?)?
    private var buffer: [Example] = []
    private var isAtEnd = false

    init(capacity: Int, random: Philox, _ begin: @escaping () throws -> () throws -> Example?) {
        self.capacity = capacity
        self.random = random
        self.begin = begin
    }

    /// Up to `count` examples; fewer at the end.
    func next(_ count: Int) throws -> [Example] {
        var result: [Example] = []
        while result.count < count, let example = try next() { result.append(example) }
        return result
    }

    func pass(_ count: Int) throws {
        for _ in 0..<count { if try next() == nil { return } }
    }

    private func next() throws -> Example? {
        while buffer.count < capacity, let example = try read() { buffer.append(example) }
        guard !buffer.isEmpty else { return nil }
        buffer.swapAt(capacity == 1 ? 0 : random.next(below: buffer.count), buffer.count - 1)
        return buffer.removeLast()
    }

    private func read() throws -> Example? {
        if isAtEnd { return nil }
        let source = try self.source ?? begin()
        self.source = source
        let example = try source()
        isAtEnd = example == nil
        return example
    }
}
