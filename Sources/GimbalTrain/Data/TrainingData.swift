import Gimbal

/// What a `Trainer` takes its batches from: a `DataLoader`, an `ExampleStream`, or something of one's own.
///
/// The batches of an epoch, and their order, must follow from the epoch's number alone, so that a run can be resumed at
/// any of them and sees what it would have seen.
public protocol TrainingData<Batch> {
    /// What the loss closure of a `Trainer` is called with.
    associatedtype Batch

    /// Batches in each epoch; nil where that shows only as they come. `iterator` must give as many.
    var batchesPerEpoch: Int? { get }
    /// About how many batches an epoch has, for schedules and for what is said of the time left; the same each time it is
    /// asked for. Unless given, `batchesPerEpoch`.
    var estimatedBatchesPerEpoch: Int? { get }
    /// Samples in all batches of an epoch; nil where that is not known, as it is unless given.
    var samplesPerEpoch: Int? { get }
    /// The examples that batches are made of, where the doctor may look at them by themselves; nil unless given.
    var examples: (any SupervisedData)? { get }
    /// The batches of an epoch, from one of them on.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at, counted from 0.
    ///   - device: where the batches are to be.
    /// - Throws: what reading the data throws.
    func iterator(epoch: Int, from first: Int, on device: Device) throws -> BatchIterator<Batch>
    /// The part of each batch of an epoch that one of several ranks computes: the rows of its `BatchShare`, just as they are
    /// in the whole batch. All ranks get as many batches. Unless given, the whole batches for a rank alone, and an error
    /// for several.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at, counted from 0.
    ///   - device: where the batches are to be.
    ///   - rank: whose rows are wanted, in 0..<size.
    ///   - size: how many ranks there are.
    /// - Throws: `GimbalError.invalidSetting` for data that cannot be shared out, and what reading the data throws.
    func iterator(
        epoch: Int, from first: Int, on device: Device, rank: Int, of size: Int
    ) throws -> BatchIterator<Batch>
}

extension TrainingData {
    /// The exact number, where it is known.
    public var estimatedBatchesPerEpoch: Int? { batchesPerEpoch }
    /// Not known.
    public var samplesPerEpoch: Int? { nil }
    /// Not known.
    public var examples: (any SupervisedData)? { nil }

    /// The whole batches for a rank alone.
    /// - Throws: `GimbalError.invalidSetting` for several ranks, and what reading the data throws.
    public func iterator(
        epoch: Int, from first: Int, on device: Device, rank: Int, of size: Int
    ) throws -> BatchIterator<Batch> {
        guard Ranks(rank, of: size).size == 1 else { throw cannotBeShared(Self.self) }
        return try iterator(epoch: epoch, from: first, on: device)
    }
}

/// What is thrown for data whose batches cannot be cut.
func cannotBeShared(_ type: Any.Type) -> GimbalError {
    .invalidSetting(
        name: "ranks",
        reason: "data of type \(type) cannot be shared out among several; give the type a function "
            + "iterator(epoch:from:on:rank:of:), which makes the rows of each batch that a rank computes")
}

/// Which rank of how many is given its part of each batch.
struct Ranks: Sendable {
    let rank: Int
    let size: Int

    /// One, which is given whole batches.
    static let alone = Ranks(0, of: 1)

    init(_ rank: Int, of size: Int) {
        require(size > 0 && (0..<size).contains(rank), "TrainingData", "rank \(rank) of \(size)")
        (self.rank, self.size) = (rank, size)
    }

    /// Which of so many rows are this rank's; nil for all of them.
    func share(of rows: Int) -> BatchShare? { size == 1 ? nil : BatchShare(rank: rank, of: size, rows: rows) }
}

/// A batch, and how many samples it counts for in means.
public struct SizedBatch<Batch> {
    /// The batch itself, or the rows of `share`.
    public let batch: Batch
    /// Number of samples that it counts for: those in it, or 0 where its share is a stand-in.
    public let samples: Int
    /// Which rows of the whole batch it holds; nil for all.
    public let share: BatchShare?
    /// Samples of the whole batch, those of other ranks included.
    public var totalSamples: Int { share?.total ?? samples }

    /// A batch that counts for `samples`.
    public init(_ batch: Batch, samples: Int) {
        self.init(batch, samples: samples, share: nil)
    }

    /// The rows of `share`, which count for its weight.
    public init(_ batch: Batch, share: BatchShare) { self.init(batch, samples: share.total, share: share) }

    /// - Parameters:
    ///   - batch: the whole batch, or the rows of the share.
    ///   - samples: of the whole batch.
    ///   - share: nil for the whole batch.
    init(_ batch: Batch, samples: Int, share: BatchShare?) {
        self.batch = batch
        self.samples = share?.weight ?? samples
        self.share = share
    }
}

/// Walks through the batches of an epoch.
public final class BatchIterator<Batch> {
    private let body: () throws -> SizedBatch<Batch>?

    /// An iterator whose batches `next` gives one after another, nil after the last.
    public init(_ next: @escaping () throws -> SizedBatch<Batch>?) { body = next }

    /// The next batch; nil after the last.
    /// - Throws: what reading the data throws.
    public func next() throws -> SizedBatch<Batch>? { try body() }
}

extension DataLoader: TrainingData {
    public typealias Batch = Source.Batch

    public var batchesPerEpoch: Int? { batchCount }
    public var samplesPerEpoch: Int? { exampleCount }
    public var examples: (any SupervisedData)? { source as? any SupervisedData }

    public func iterator(epoch: Int, from first: Int, on device: Device) -> BatchIterator<Source.Batch> {
        iterator(epoch: epoch, from: first, on: device, rank: 0, of: 1)
    }

    /// The rows of a rank's shares. Where no batch has to be changed as a whole, only they are read.
    /// - Throws: what `ExampleSource.rows(_:of:)` throws, where batches are changed as a whole.
    public func iterator(
        epoch: Int, from first: Int, on device: Device, rank: Int, of size: Int
    ) -> BatchIterator<Source.Batch> {
        let ranks = Ranks(rank, of: size)
        return shares(epoch: epoch, from: first, ranks).iterator(ranks) {
            range(of: $0).count
        } upload: {
            source.upload($0, to: device)
        }
    }
}
