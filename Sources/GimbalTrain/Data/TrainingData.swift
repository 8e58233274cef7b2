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
}

extension TrainingData {
    /// The exact number, where it is known.
    public var estimatedBatchesPerEpoch: Int? { batchesPerEpoch }
    /// Not known.
    public var samplesPerEpoch: Int? { nil }
    /// Not known.
    public var examples: (any SupervisedData)? { nil }
}

/// A batch, and how many samples it counts for in means.
public struct SizedBatch<Batch> {
    /// The batch itself.
    public let batch: Batch
    /// Number of samples in it.
    public let samples: Int

    /// A batch that counts for `samples`.
    public init(_ batch: Batch, samples: Int) {
        self.batch = batch
        self.samples = samples
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
        let batches = batches(epoch: epoch, from: first).makeIterator()
        var number = first
        return BatchIterator {
            guard let host = batches.next() else { return nil }
            defer { number += 1 }
            return SizedBatch(self.source.upload(host, to: device), samples: self.range(of: number).count)
        }
    }
}
