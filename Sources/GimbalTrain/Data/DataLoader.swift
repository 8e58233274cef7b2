import Gimbal

/// Cuts examples into batches, in a new random order every epoch, and prepares them ahead on threads of its own.
///
/// The order depends on the seed and the epoch alone, so that a run can be resumed at any batch and sees what it would
/// have seen, whatever the number of threads.
///
/// ```swift
/// let loader = DataLoader(train, batchSize: 64, seed: 42)
/// for epoch in 0..<10 {
///     for batch in loader.batches(epoch: epoch) { print(batch.count) }
/// }
/// ```
public struct DataLoader<Source: ExampleSource>: Sendable {
    /// Changes a batch after it was put together, on the thread that did that.
    public typealias Transform =
        @Sendable (_ batch: Source.HostBatch, _ place: BatchPlace) -> Source.HostBatch

    /// The examples that batches are taken from.
    public let source: Source
    /// Examples in a batch; the last one of an epoch may have fewer.
    public let batchSize: Int
    /// Whether each epoch has a new random order, rather than the order of the source.
    public let shuffles: Bool
    /// Whether a last batch of fewer examples is left out. A source smaller than a batch then has none.
    public let dropsLast: Bool
    /// What the order of each epoch follows from, with the epoch's number.
    public let seed: UInt64
    /// Threads that prepare batches.
    public let workers: Int
    /// Batches prepared ahead of the one in use. 0 prepares each when it is asked for, without a thread.
    public let prefetchCount: Int
    /// Changes each batch after it was put together; nil leaves it as it is.
    public let transform: Transform?
    /// Whether `transform` changes each example of a batch as it would in any other batch of that number: of several ranks,
    /// each then makes its own rows alone.
    public let transformsExamplesAlone: Bool

    /// - Parameters:
    ///   - source: may be empty; an epoch then has no batches.
    ///   - batchSize: examples in a batch, at least 1.
    ///   - shuffles: whether each epoch has a new random order.
    ///   - dropsLast: whether a last batch of fewer examples is left out.
    ///   - seed: of the order.
    ///   - workers: threads that prepare batches, at least 1.
    ///   - prefetchCount: batches prepared ahead of the one in use; 0 for none, and no thread.
    ///   - transform: changes each batch after it was put together; it must depend on the batch and its place only.
    ///   - transformsExamplesAlone: whether it changes each example as it would in any other batch of that number. Unless it
    ///     does, each of several ranks changes whole batches and takes its rows.
    public init(
        _ source: Source, batchSize: Int, shuffles: Bool = true, dropsLast: Bool = false, seed: UInt64 = 0,
        workers: Int = 1, prefetchCount: Int = 2, transform: Transform? = nil, transformsExamplesAlone: Bool = false
    ) {
        require(batchSize > 0, "DataLoader", "a batch size of \(batchSize)")
        require(workers > 0, "DataLoader", "\(workers) workers; to prepare no batch ahead, set prefetchCount to 0")
        require(prefetchCount >= 0, "DataLoader", "a prefetch count of \(prefetchCount)")
        self.source = source
        self.batchSize = batchSize
        self.shuffles = shuffles
        self.dropsLast = dropsLast
        self.seed = seed
        self.workers = workers
        self.prefetchCount = prefetchCount
        self.transform = transform
        self.transformsExamplesAlone = transformsExamplesAlone
    }

    /// Batches in an epoch.
    public var batchCount: Int {
        dropsLast ? source.count / batchSize : source.count.batches(of: batchSize)
    }

    /// Examples an epoch passes through: all, unless a last batch is left out.
    public var exampleCount: Int { dropsLast ? batchCount * batchSize : source.count }

    /// The order in which an epoch goes through the examples.
    /// - Parameter epoch: counted from 0.
    public func order(epoch: Int) -> [Int] {
        epochOrder(of: source.count, epoch: epoch, seed: seed, shuffles: shuffles)
    }

    /// The batches of an epoch.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at, in 0...batchCount.
    public func batches(epoch: Int, from first: Int = 0) -> Batches {
        Batches(loader: self, epoch: epoch, first: requireBatch(first))
    }

    /// The batches of an epoch, each copied to `device` when its turn comes.
    ///
    /// ```swift
    /// for batch in loader.batches(epoch: 0, on: .current) { print(batch.inputs.shape) }
    /// ```
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at, in 0...batchCount.
    ///   - device: where the batches are to be.
    public func batches(
        epoch: Int, from first: Int = 0, on device: Device
    ) -> LazyMapSequence<Batches, Source.Batch> {
        batches(epoch: epoch, from: first).lazy.map { source.upload($0, to: device) }
    }

    /// Where in the order the examples of a batch lie.
    func range(of number: Int) -> Range<Int> { source.count.places(ofBatch: number, of: batchSize) }

    private func requireBatch(_ first: Int) -> Int {
        require((0...batchCount).contains(first), "DataLoader", "batch \(first) of \(batchCount)")
        return first
    }

    /// - Parameter rows: those that are wanted, of the batch; nil for all.
    private func batch(_ number: Int, in order: [Int], epoch: Int, rows: Range<Int>? = nil) -> Source.HostBatch {
        let batch = source.batch(order[range(of: number)].rows(rows), number: number)
        return transform?(batch, BatchPlace(epoch: epoch, number: number)) ?? batch
    }

    /// The rows of an epoch's batches that are a rank's.
    func shares(epoch: Int, from first: Int, _ ranks: Ranks) -> NumberedBatches<Source.HostBatch, any Error> {
        let order = EpochOrder { self.order(epoch: epoch) }
        let numbers = requireBatch(first)..<batchCount
        return NumberedBatches(numbers, workers: workers, prefetchCount: prefetchCount) { number in
            let rows = ranks.share(of: range(of: number).count)?.rows
            if transform == nil || transformsExamplesAlone {
                return batch(number, in: order.value, epoch: epoch, rows: rows)
            }
            let whole = batch(number, in: order.value, epoch: epoch)
            return try rows.map { try source.rows($0, of: whole) } ?? whole
        }
    }

    /// Whole batches of an epoch.
    fileprivate func wholes(epoch: Int, from first: Int) -> NumberedBatches<Source.HostBatch, Never> {
        let order = EpochOrder { self.order(epoch: epoch) }
        return NumberedBatches(first..<batchCount, workers: workers, prefetchCount: prefetchCount) { number in
            batch(number, in: order.value, epoch: epoch)
        }
    }

    /// The batches of one epoch, from one of them on.
    public struct Batches: Sequence, Sendable {
        let loader: DataLoader
        let epoch: Int
        let first: Int

        public var underestimatedCount: Int { loader.batchCount - first }

        public func makeIterator() -> Iterator { Iterator(self) }
    }

    /// Walks through an epoch. Letting go of it, as leaving a loop does, ends its threads.
    public final class Iterator: IteratorProtocol {
        private let batches: NumberedBatches<Source.HostBatch, Never>

        init(_ batches: Batches) { self.batches = batches.loader.wholes(epoch: batches.epoch, from: batches.first) }

        public func next() -> Source.HostBatch? { batches.next() }
    }
}

/// The order in which an epoch, counted from 0, goes through `count` examples.
func epochOrder(of count: Int, epoch: Int, seed: UInt64, shuffles: Bool) -> [Int] {
    guard shuffles else { return Array(0..<count) }
    var random = Philox(seed: seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
    return random.permutation(of: count)
}

/// Where a batch stands: for changes that are drawn at random, yet the same in a resumed run.
public struct BatchPlace: Sendable, Hashable {
    /// The epoch, counted from 0.
    public var epoch: Int
    /// The batch's place in its epoch, from 0.
    public var number: Int

    /// The batch `number` of `epoch`, both counted from 0.
    public init(epoch: Int, number: Int) {
        self.epoch = epoch
        self.number = number
    }
}

extension DataLoader where Source == Dataset {
    /// A loader that augments.
    /// - Parameters:
    ///   - dataset: may be empty; an epoch then has no batches.
    ///   - batchSize: examples in a batch, at least 1.
    ///   - shuffles: whether each epoch has a new random order.
    ///   - dropsLast: whether a last batch of fewer examples is left out.
    ///   - seed: of the order.
    ///   - workers: threads that prepare batches, at least 1.
    ///   - prefetchCount: batches prepared ahead of the one in use; 0 for none, and no thread.
    ///   - augmentation: changes each batch after it was read; nil leaves it as it is.
    public init(
        _ dataset: Dataset, batchSize: Int, shuffles: Bool = true, dropsLast: Bool = false, seed: UInt64 = 0,
        workers: Int = 1, prefetchCount: Int = 2, augmentation: Augmentation?
    ) {
        var transform: Transform?
        if let augmentation { transform = { batch, place in augmentation(batch, epoch: place.epoch) } }
        self.init(
            dataset, batchSize: batchSize, shuffles: shuffles, dropsLast: dropsLast, seed: seed, workers: workers,
            prefetchCount: prefetchCount, transform: transform,
            transformsExamplesAlone: augmentation?.changesExamplesAlone ?? false)
    }
}

/// The order of an epoch, worked out by the first thread that asks for it.
private final class EpochOrder: Sendable {
    private let found = Lock<[Int]?>(nil)
    private let make: @Sendable () -> [Int]

    init(_ make: @escaping @Sendable () -> [Int]) { self.make = make }

    var value: [Int] {
        found.withLock { found in
            if let found { return found }
            let made = make()
            found = made
            return made
        }
    }
}
