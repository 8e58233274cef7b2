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
        dropsLast ? pictures.count / batchSize : pictures.count.batches(of: batchSize)
    }
    public var samplesPerEpoch: Int? { dropsLast ? pictures.count / batchSize * batchSize : pictures.count }
    public var examples: (any SupervisedData)? { pictures }

    public func iterator(epoch: Int, from first: Int, on device: Device) -> BatchIterator<Batch> {
        iterator(epoch: epoch, from: first, on: device, rank: 0, of: 1)
    }

    /// The rows of a rank's shares. Where no batch has to be changed as a whole, only their pictures are decoded.
    public func iterator(
        epoch: Int, from first: Int, on device: Device, rank: Int, of size: Int
    ) -> BatchIterator<Batch> {
        let ranks = Ranks(rank, of: size)
        return hostBatches(epoch: epoch, from: first, ranks).iterator(ranks) {
            range(of: $0).count
        } upload: {
            $0.to(device)
        }
    }

    /// Where in the order the pictures of a batch lie.
    private func range(of number: Int) -> Range<Int> {
        pictures.count.places(ofBatch: number, of: batchSize)
    }

    /// The batches of an epoch, or a rank's rows of them, in the memory of the host, from one of them on. They throw
    /// `GimbalError.invalidFile` with the file of a picture that cannot be read, and `GimbalError.fileSystem`.
    func hostBatches(
        epoch: Int, from first: Int = 0, _ ranks: Ranks = .alone
    ) -> NumberedBatches<HostBatch, any Error> {
        let order = epochOrder(of: pictures.count, epoch: epoch, seed: seed, shuffles: shuffles)
        let count = batchesPerEpoch ?? 0
        return NumberedBatches(min(first, count)..<count, workers: workers, prefetchCount: prefetchCount) { number in
            let wanted = order[range(of: number)]
            let rows = ranks.share(of: wanted.count)?.rows
            guard let augmentation else { return try pictures.batch(wanted.rows(rows), number: number) }
            guard augmentation.changesExamplesAlone else {
                return augmentation(try pictures.batch(Array(wanted), number: number), epoch: epoch, rows: rows)
            }
            return augmentation(try pictures.batch(wanted.rows(rows), number: number), epoch: epoch)
        }
    }
}

extension ArraySlice {
    /// Those at these places, counted from its first; all where there are none given.
    func rows(_ rows: Range<Int>?) -> [Element] {
        Array(rows.map { dropFirst($0.lowerBound).prefix($0.count) } ?? self)
    }
}
