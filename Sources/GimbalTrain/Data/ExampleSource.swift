import Gimbal

/// Examples that can be fetched by number, in any order: what a `DataLoader` cuts into batches.
///
/// `Dataset` is one. Another is a closure, with several inputs and targets as a tuple or a struct of one's own:
/// ```swift
/// let digits = Dataset.digits().flattened
/// let halves = Examples(count: digits.count) { indices in
///     digits.batch(indices)  // on a worker thread: read and collate
/// } upload: { host, device in
///     let batch = host.to(device)
///     return (upper: batch.inputs[..., 0..<32], lower: batch.inputs[..., 32...], digit: batch.targets)
/// }
/// for batch in DataLoader(halves, batchSize: 64).batches(epoch: 0, on: .current) { print(batch.upper.shape) }
/// ```
public protocol ExampleSource: Sendable {
    /// Examples put together in the memory of the host.
    associatedtype HostBatch: Sendable
    /// What a training step takes: the batch on a device.
    associatedtype Batch = HostBatch

    /// Number of examples.
    var count: Int { get }
    /// Puts examples together. Called on worker threads, several at once where a loader has several.
    /// - Parameters:
    ///   - indices: the examples, each in 0..<count, in the order wanted.
    ///   - number: the batch's place in its epoch, from 0.
    func batch(_ indices: [Int], number: Int) -> HostBatch
    /// Copies a batch to `device`, when its turn has come. Unless given, the batch is taken as it is.
    func upload(_ batch: HostBatch, to device: Device) -> Batch
    /// Some rows of a batch: what one of several ranks computes of a batch that had to be changed as a whole. Where none is, a
    /// rank asks `batch(_:number:)` for its own examples, which then have to come out as they do among all of the batch.
    /// Unless given, an error.
    /// - Parameters:
    ///   - rows: places in the batch.
    ///   - batch: as a loader's `transform` gave it.
    /// - Throws: `GimbalError.invalidSetting` for batches that cannot be cut.
    func rows(_ rows: Range<Int>, of batch: HostBatch) throws -> HostBatch
}

extension ExampleSource {
    /// Not known.
    /// - Throws: `GimbalError.invalidSetting` in any case.
    public func rows(_ rows: Range<Int>, of batch: HostBatch) throws -> HostBatch {
        throw GimbalError.invalidSetting(
            name: "ranks",
            reason:
                "batches of \(Self.self) that a loader changes as a whole cannot be shared out among several: give the "
                + "type a function rows(_:of:), or set transformsExamplesAlone where each example is changed by itself")
    }
}

extension ExampleSource where Batch == HostBatch {
    /// The batch as it is.
    public func upload(_ batch: HostBatch, to device: Device) -> Batch { batch }
}

extension Dataset: ExampleSource {
    public typealias HostBatch = GimbalTrain.HostBatch
    public typealias Batch = GimbalTrain.Batch

    /// Copies the batch to `device`.
    public func upload(_ batch: HostBatch, to device: Device) -> Batch { batch.to(device) }

    /// Those rows of inputs and targets.
    public func rows(_ rows: Range<Int>, of batch: HostBatch) -> HostBatch { batch.rows(rows) }
}

/// Examples of any kind, fetched by a closure: see `ExampleSource`.
public struct Examples<HostBatch: Sendable, Batch>: ExampleSource {
    /// Number of examples.
    public let count: Int
    private let collate: @Sendable ([Int]) -> HostBatch
    private let uploading: @Sendable (HostBatch, Device) -> Batch

    /// - Parameters:
    ///   - count: number of examples.
    ///   - collate: puts the examples of these numbers together; called on worker threads.
    ///   - upload: copies a batch to a device.
    public init(
        count: Int, collate: @escaping @Sendable (_ indices: [Int]) -> HostBatch,
        upload: @escaping @Sendable (_ batch: HostBatch, _ device: Device) -> Batch
    ) {
        require(count >= 0, "Examples", "a count of \(count)")
        self.count = count
        self.collate = collate
        uploading = upload
    }

    /// Examples whose batches are taken as `collate` makes them.
    /// - Parameters:
    ///   - count: number of examples.
    ///   - collate: puts the examples of these numbers together; called on worker threads.
    public init(count: Int, collate: @escaping @Sendable (_ indices: [Int]) -> HostBatch) where Batch == HostBatch {
        self.init(count: count, collate: collate) { batch, _ in batch }
    }

    public func batch(_ indices: [Int], number: Int) -> HostBatch { collate(indices) }

    public func upload(_ batch: HostBatch, to device: Device) -> Batch { uploading(batch, device) }
}
