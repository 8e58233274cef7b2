import Gimbal

/// The batches of a part of a table that is read as it is trained on.
///
/// Rows pass through a buffer from which those of a batch are drawn at random. The order follows from the file, the seed
/// and the epoch alone. To go on at a batch, the rows before it are read again and passed over.
public struct TableStream: TrainingData, Sendable {
    /// The rows.
    public let part: TablePart
    /// Rows in a batch; the last one of an epoch may have fewer.
    public let batchSize: Int
    /// A last batch of fewer rows is left out.
    public let leastSize: Int
    /// Whether rows are shuffled.
    public let shuffles: Bool
    /// What the order of each epoch follows from, with the epoch's number.
    public let seed: UInt64
    /// Threads that read; the order does not depend on them.
    public let workers: Int
    /// Batches prepared ahead of the one in use, on a thread of their own.
    public let prefetchCount: Int

    private let augmentation: Augmentation?
    /// Rows that are drawn from.
    private let bufferSize: Int

    /// - Parameters:
    ///   - part: the rows.
    ///   - batchSize: rows in a batch, at least 1.
    ///   - leastSize: a last batch of fewer rows is left out.
    ///   - shuffles: whether rows are shuffled; else each stretch of the file gives some of its rows in turn.
    ///   - seed: of the order.
    ///   - bufferBytes: memory for the rows that are drawn from.
    ///   - workers: threads that read, at least 1; half of those that the machine has unless given, at most eight.
    ///   - prefetchCount: batches prepared ahead of the one in use; 0 for none.
    ///   - augmentation: changes each batch after it was put together.
    public init(
        _ part: TablePart, batchSize: Int, leastSize: Int = 1, shuffles: Bool = true, seed: UInt64 = 0,
        bufferBytes: Int = 1 << 26, workers: Int? = nil, prefetchCount: Int = 2, augmentation: Augmentation? = nil
    ) {
        require(batchSize > 0, "TableStream", "a batch size of \(batchSize)")
        require(
            (workers ?? 1) > 0 && prefetchCount >= 0, "TableStream",
            "\(workers ?? 1) workers, a prefetch count of \(prefetchCount)")
        self.part = part
        self.batchSize = batchSize
        self.leastSize = leastSize
        self.shuffles = shuffles
        self.seed = seed
        self.workers = workers ?? TablePart.defaultWorkers
        self.prefetchCount = prefetchCount
        self.augmentation = augmentation
        bufferSize = max(bufferBytes / (4 * (part.schema.featureCount + 1)), 1)
    }

    /// Nil: rows are counted only as they are read.
    public var batchesPerEpoch: Int? { nil }
    public var examples: (any SupervisedData)? { part }

    /// As many as about so many rows make.
    public var estimatedBatchesPerEpoch: Int? { max(part.count.batches(of: batchSize), 1) }

    public func iterator(epoch: Int, from first: Int, on device: Device) -> BatchIterator<Batch> {
        iterator(epoch: epoch, from: first, on: device, rank: 0, of: 1)
    }

    /// The rows of a rank's shares; every rank reads the whole part.
    public func iterator(
        epoch: Int, from first: Int, on device: Device, rank: Int, of size: Int
    ) -> BatchIterator<Batch> {
        ExampleStream(prefetchCount: prefetchCount, isShared: true) { epoch, first, ranks in
            let batches = hostBatches(epoch: epoch, from: first)
            return { try batches.next(ranks) }
        } upload: {
            $0.to($1)
        }.sharedIterator(epoch: epoch, from: first, on: device, Ranks(rank, of: size))
    }

    /// The batches of an epoch, in the memory of the host, from one of them on.
    func hostBatches(epoch: Int, from first: Int = 0) -> HostBatches {
        HostBatches(self, epoch: epoch, first: first)
    }

    /// Walks through the batches of an epoch.
    final class HostBatches {
        private let stream: TableStream
        private let epoch: Int
        private var number: Int
        /// Rows that lie before the first batch that is asked for.
        private var passed: Int
        private var rows: OrderedRows?
        /// The rows that were read last, and how many of them were taken.
        private var piece: DatasetRows
        private var taken = 0
        private var isAtEnd = false
        private var buffer: DatasetRows
        private var drawn = 0
        private var random: Philox

        init(_ stream: TableStream, epoch: Int, first: Int) {
            self.stream = stream
            self.epoch = epoch
            number = first
            passed = first * stream.batchSize
            piece = DatasetRows(stream.part.schema)
            buffer = piece
            random = Philox(seed: stream.seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
        }

        /// The next batch; nil after the last.
        /// - Throws: `GimbalError.invalidFile` with the line of a row that cannot be read.
        func next() throws -> HostBatch? { try next(.alone)?.batch }

        /// A rank's rows of the next batch; nil after the last.
        func next(_ ranks: Ranks) throws -> PreparedBatch<HostBatch>? {
            while passed > 0 {
                var nothing = DatasetRows(stream.part.schema)
                let count = min(passed, stream.batchSize)
                try take(count, into: &nothing)
                guard nothing.count == count else { return nil }
                passed -= count
            }
            var rows = DatasetRows(stream.part.schema, expecting: stream.batchSize)
            try take(stream.batchSize, into: &rows)
            guard rows.count >= max(stream.leastSize, 1) else { return nil }
            defer { number += 1 }
            let batch = rows.batch(number: number, firstIndex: number * stream.batchSize)
            let share = ranks.share(of: batch.count)
            let part =
                stream.augmentation.map { $0(batch, epoch: epoch, rows: share?.rows) }
                ?? share.map { batch.rows($0.rows) } ?? batch
            return PreparedBatch(batch: part, samples: batch.count, share: share)
        }

        private func take(_ count: Int, into batch: inout DatasetRows) throws {
            while batch.count < count {
                guard stream.shuffles else {
                    guard try readOn() else { return }
                    let end = min(taken + count - batch.count, piece.count)
                    batch.append(piece, rows: taken..<end)
                    taken = end
                    continue
                }
                try fill()
                guard buffer.count > 0 else { return }
                buffer.move(random.next(below: buffer.count), to: &batch)
                drawn += 1
            }
        }

        /// Fills the buffer: at first an eighth of it, so that training begins soon, and then by two rows for each that is
        /// drawn.
        private func fill() throws {
            let size = min(firstSize + drawn, stream.bufferSize)
            while buffer.count < size, try readOn() {
                let end = min(taken + size - buffer.count, piece.count)
                buffer.append(piece, rows: taken..<end)
                taken = end
            }
        }

        private var firstSize: Int { max(stream.bufferSize / 8, 1) }

        /// At first, the buffer holds rows of all stretches of the file.
        private var pieceSize: Int {
            stream.shuffles ? max(firstSize / max(stream.part.stretches.count, 1), 1) : Int.max
        }

        /// - Returns: whether there are rows that were read and not taken.
        private func readOn() throws -> Bool {
            while taken == piece.count, !isAtEnd {
                let rows = try self.rows ?? OrderedRows(stream.part, workers: stream.workers, pieceSize: pieceSize)
                self.rows = rows
                taken = 0
                guard let next = try rows.next() else {
                    isAtEnd = true
                    self.rows = nil
                    piece = DatasetRows(stream.part.schema)
                    break
                }
                piece = next
            }
            return taken < piece.count
        }
    }
}
