import Foundation
import Gimbal

/// The batches of pictures that are decoded on threads of their own, ahead of the step that takes them.
///
/// The order follows from the seed and the epoch, and what an augmentation draws from the epoch and the picture: neither
/// depends on the threads.
public struct PictureStream: TrainingData, Sendable {
    /// The pictures.
    public let pictures: Pictures
    /// Pictures in a batch; the last one of an epoch may have fewer.
    public let batchSize: Int
    /// Whether each epoch has a new random order.
    public let shuffles: Bool
    /// Whether a last batch of fewer pictures is left out.
    public let dropsLast: Bool
    /// What the order of each epoch follows from, with the epoch's number.
    public let seed: UInt64
    /// Threads that decode, each a batch at a time.
    public let workers: Int
    /// Batches made ahead of the one in use.
    public let prefetchCount: Int

    private let augmentation: Augmentation?

    /// - Parameters:
    ///   - pictures: may be none; an epoch then has no batches.
    ///   - batchSize: pictures in a batch, at least 1.
    ///   - shuffles: whether each epoch has a new random order.
    ///   - dropsLast: whether a last batch of fewer pictures is left out.
    ///   - seed: of the order.
    ///   - workers: threads that decode, at least 1; half of those that the machine has unless given, at most 16.
    ///   - prefetchCount: batches made ahead of the one in use; twice the workers unless given, 0 for none and no thread.
    ///   - augmentation: changes each batch after it was put together.
    public init(
        _ pictures: Pictures, batchSize: Int, shuffles: Bool = true, dropsLast: Bool = false, seed: UInt64 = 0,
        workers: Int? = nil, prefetchCount: Int? = nil, augmentation: Augmentation? = nil
    ) {
        let workers = workers ?? min(max(ProcessInfo.processInfo.activeProcessorCount / 2, 1), 16)
        require(batchSize > 0, "PictureStream", "a batch size of \(batchSize)")
        require(
            workers > 0 && (prefetchCount ?? 0) >= 0, "PictureStream",
            "\(workers) workers, a prefetch count of \(prefetchCount ?? 0)")
        self.pictures = pictures
        self.batchSize = batchSize
        self.shuffles = shuffles
        self.dropsLast = dropsLast
        self.seed = seed
        self.workers = workers
        self.prefetchCount = prefetchCount ?? 2 * workers
        self.augmentation = augmentation
    }

    public var batchesPerEpoch: Int? {
        dropsLast ? pictures.count / batchSize : (pictures.count + batchSize - 1) / batchSize
    }
    public var samplesPerEpoch: Int? { dropsLast ? pictures.count / batchSize * batchSize : pictures.count }
    public var examples: (any SupervisedData)? { pictures }

    public func iterator(epoch: Int, from first: Int, on device: Device) -> BatchIterator<Batch> {
        let batches = hostBatches(epoch: epoch, from: first)
        return BatchIterator { try batches.next().map { SizedBatch($0.to(device), samples: $0.count) } }
    }

    /// The batches of an epoch, in the memory of the host, from one of them on.
    func hostBatches(epoch: Int, from first: Int = 0) -> HostBatches { HostBatches(self, epoch: epoch, first: first) }

    /// Walks through the batches of an epoch. Letting go of it ends its threads.
    final class HostBatches {
        private let make: @Sendable (Int) throws -> HostBatch?
        private let prefetcher: Prefetcher<HostBatch, any Error>?
        private var number = 0

        fileprivate init(_ stream: PictureStream, epoch: Int, first: Int) {
            let count = stream.batchesPerEpoch ?? 0
            let places = epochOrder(
                of: stream.pictures.count, epoch: epoch, seed: stream.seed, shuffles: stream.shuffles)
            let make: @Sendable (Int) throws -> HostBatch? = { place in
                let number = first + place
                guard number < count else { return nil }
                let end = min((number + 1) * stream.batchSize, places.count)
                let batch = try stream.pictures.batch(Array(places[number * stream.batchSize..<end]), number: number)
                return stream.augmentation?(batch, epoch: epoch) ?? batch
            }
            self.make = make
            let left = count - first
            // One batch alone gains nothing from a thread.
            guard stream.prefetchCount > 0, left > 1 else {
                prefetcher = nil
                return
            }
            prefetcher = Prefetcher(capacity: stream.prefetchCount, workers: min(stream.workers, left)) { try make($0) }
        }

        /// The next batch; nil after the last.
        /// - Throws: `GimbalError.invalidFile` with the file of a picture that cannot be read, `GimbalError.fileSystem`.
        func next() throws -> HostBatch? {
            defer { number += 1 }
            return if let prefetcher { try prefetcher.next() } else { try make(number) }
        }
    }
}
