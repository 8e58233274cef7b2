import Gimbal

/// Cuts a data set into batches, in a new random order every epoch, and prepares them ahead on a thread of its own.
///
/// The order depends on the seed and the epoch alone, so that a run can be resumed at any batch and sees what it would
/// have seen.
///
/// ```swift
/// let loader = DataLoader(train, batchSize: 64, seed: 42)
/// for epoch in 0..<10 {
///     for batch in loader.batches(epoch: epoch) { print(batch.count) }
/// }
/// ```
public struct DataLoader: Sendable {
    /// The examples that batches are taken from.
    public let dataset: Dataset
    /// Examples in a batch; the last one of an epoch may have fewer.
    public let batchSize: Int
    /// Whether each epoch has a new random order, rather than the order of the data set.
    public let shuffles: Bool
    /// Whether a last batch of fewer examples is left out. A data set smaller than a batch then has none.
    public let dropsLast: Bool
    /// What the order of each epoch follows from, with the epoch's number.
    public let seed: UInt64
    /// Batches prepared ahead of the one in use. 0 prepares each when it is asked for, without a thread.
    public let prefetchCount: Int
    /// Changes each batch after it was read; nil leaves it as it is.
    public let augmentation: Augmentation?

    /// - Parameters:
    ///   - dataset: may be empty; an epoch then has no batches.
    ///   - batchSize: examples in a batch, at least 1.
    ///   - shuffles: whether each epoch has a new random order.
    ///   - dropsLast: whether a last batch of fewer examples is left out.
    ///   - seed: of the order.
    ///   - prefetchCount: batches prepared ahead of the one in use, on a thread of their own; 0 for none.
    ///   - augmentation: changes each batch after it was read; nil leaves it as it is.
    public init(
        _ dataset: Dataset, batchSize: Int, shuffles: Bool = true, dropsLast: Bool = false, seed: UInt64 = 0,
        prefetchCount: Int = 2, augmentation: Augmentation? = nil
    ) {
        require(batchSize > 0, "DataLoader", "a batch size of \(batchSize)")
        require(prefetchCount >= 0, "DataLoader", "a prefetch count of \(prefetchCount)")
        self.dataset = dataset
        self.batchSize = batchSize
        self.shuffles = shuffles
        self.dropsLast = dropsLast
        self.seed = seed
        self.prefetchCount = prefetchCount
        self.augmentation = augmentation
    }

    /// Batches in an epoch.
    public var batchCount: Int {
        dropsLast ? dataset.count / batchSize : (dataset.count + batchSize - 1) / batchSize
    }

    /// Examples an epoch passes through: all, unless a last batch is left out.
    public var exampleCount: Int { dropsLast ? batchCount * batchSize : dataset.count }

    /// The order in which an epoch goes through the examples.
    /// - Parameter epoch: counted from 0.
    public func order(epoch: Int) -> [Int] {
        guard shuffles else { return Array(0..<dataset.count) }
        var random = Philox(seed: seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
        return random.permutation(of: dataset.count)
    }

    /// The batches of an epoch.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at, in 0...batchCount.
    public func batches(epoch: Int, from first: Int = 0) -> Batches {
        require((0...batchCount).contains(first), "DataLoader", "batch \(first) of \(batchCount)")
        return Batches(loader: self, epoch: epoch, first: first)
    }

    func batch(_ number: Int, in order: [Int], epoch: Int) -> HostBatch {
        let start = number * batchSize
        let batch = dataset.batch(Array(order[start..<min(start + batchSize, order.count)]), number: number)
        return augmentation?(batch, epoch: epoch) ?? batch
    }

    /// The batches of one epoch, from one of them on.
    public struct Batches: Sequence, Sendable {
        let loader: DataLoader
        let epoch: Int
        let first: Int

        public var underestimatedCount: Int { loader.batchCount - first }

        public func makeIterator() -> Iterator { Iterator(self) }
    }

    /// Walks through an epoch. Letting go of it, as leaving a loop does, ends its thread.
    public final class Iterator: IteratorProtocol {
        private let batches: Batches
        private var number: Int
        private var order: [Int] = []
        private var prefetcher: Prefetcher?

        init(_ batches: Batches) {
            self.batches = batches
            number = batches.first
            let loader = batches.loader
            let last = loader.batchCount
            guard number < last else { return }
            // One batch alone gains nothing from a thread.
            if loader.prefetchCount > 0, last - number > 1 {
                prefetcher = Prefetcher(capacity: loader.prefetchCount) {
                    [epoch = batches.epoch, first = number] deliver in
                    let order = loader.order(epoch: epoch)
                    for number in first..<last where !deliver(loader.batch(number, in: order, epoch: epoch)) { return }
                }
            }
            if prefetcher == nil { order = loader.order(epoch: batches.epoch) }
        }

        public func next() -> HostBatch? {
            guard number < batches.loader.batchCount else {
                prefetcher = nil
                return nil
            }
            defer { number += 1 }
            return if let prefetcher { prefetcher.next() } else {
                batches.loader.batch(number, in: order, epoch: batches.epoch)
            }
        }
    }
}
