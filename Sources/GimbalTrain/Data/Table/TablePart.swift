import Foundation
import Gimbal

/// The rows of one part of a table, read from its file whenever they are needed: for tables larger than memory.
///
/// ```swift
/// let data = try Table(path: "trips.csv").data()
/// if let part = data.training as? TablePart {
///     let stream = TableStream(part, batchSize: 256)  // what a `Trainer` takes
/// }
/// ```
/// Several threads read a plain file from several places at once, so that its rows are mixed even where the file is
/// sorted. Their order does not depend on the threads.
public struct TablePart: SupervisedData {
    /// What the rows are made by.
    public let schema: TableSchema
    /// Names the file.
    public let path: String
    /// Whose rows these are; nil for all rows of the file.
    public let part: TableSplit.Part?
    public let count: Int

    let source: TableSource
    /// How the file is written, which may be in another way than that the schema was made from.
    let dialect: TableDialect
    let split: TableSplit
    let stretches: [Range<Int>]
    private let kept = Lock<KeptBatches?>(nil)

    /// Memory for batches that are gone through again and again, such as those of a validation part.
    private static let keptByteCount = 1 << 26

    init(
        _ schema: TableSchema, source: TableSource, dialect: TableDialect, split: TableSplit, layout: TableLayout,
        part: TableSplit.Part?
    ) {
        self.schema = schema
        self.source = source
        self.dialect = dialect
        self.split = split
        self.part = part
        path = source.path
        stretches = layout.stretches
        count = Int((Double(layout.recordCount) * (part.map(split.share) ?? 1)).rounded())
    }

    /// What messages and reports call the data: the name of the file.
    public var name: String { source.fileName }
    /// Never: rows are counted only as they are read.
    public var isCountExact: Bool { false }
    public var inputShape: Shape { [schema.featureCount] }
    public var classNames: [String] { schema.classNames }
    public var outputCount: Int { schema.isRegression ? 1 : schema.classNames.count }

    /// Of 131,072 rows.
    public func classCounts() throws -> [Int] { try examples(limit: 1 << 17).classCounts() }

    /// Rows from all over the file.
    public func examples(limit: Int) throws -> Dataset {
        var found = DatasetRows(schema)
        let rows = try OrderedRows(self, workers: 1, pieceSize: max(limit / max(stretches.count, 1), 1))
        while found.count < limit, let chunk = try rows.next() {
            found.append(chunk, rows: 0..<min(chunk.count, limit - found.count))
        }
        return found.dataset(name: name)
    }

    /// A `TableStream`.
    /// - Throws: `GimbalError.invalidSetting` for an augmentation that changes images.
    public func trainingBatches(
        of size: Int, leastSize: Int, seed: UInt64, augmentation: Augmentation?
    ) throws -> any TrainingData<Batch> {
        TableStream(self, batchSize: size, leastSize: leastSize, seed: seed, augmentation: augmentation)
    }

    public func forEachBatch(of size: Int, _ body: (HostBatch) throws -> Void) throws {
        if let kept = kept.withLock({ $0 }), kept.size == size { return try kept.batches.forEach(body) }
        let batches = TableStream(self, batchSize: size, shuffles: false).hostBatches(epoch: 0)
        var found: [HostBatch]? = []
        var byteCount = 0
        while let batch = try batches.next() {
            try body(batch)
            byteCount += 4 * (batch.inputs.count + batch.count)
            found?.append(batch)
            if byteCount > Self.keptByteCount { found = nil }
        }
        if let found { kept.withLock { $0 = KeptBatches(size: size, batches: found) } }
    }

    private struct KeptBatches: Sendable {
        let size: Int
        let batches: [HostBatch]
    }

    /// Threads that read unless said otherwise: half of those that the machine has, at most eight.
    static var defaultWorkers: Int { min(max(ProcessInfo.processInfo.activeProcessorCount / 2, 1), 8) }
}

extension TableSplit {
    /// About the share of rows that belong to a part.
    func share(of part: Part) -> Double {
        var test = request.test
        var validation = (1 - request.test) * request.validation
        if limits.count == 1 {
            test = Double(limits[0].test) * 0x1p-64
            validation = Double(limits[0].validation) * 0x1p-64 - test
        }
        return switch part {
        case .test: test
        case .validation: validation
        case .training: 1 - test - validation
        }
    }
}

/// The rows of a part of a table as features, in pieces that several threads make, and in an order that does not depend on
/// them: a piece of each stretch of the file in turn.
final class OrderedRows {
    private let readers: StretchReaders
    private let prefetcher: Prefetcher<DatasetRows, any Error>?
    private var number = 0

    /// - Parameter pieceSize: the most rows of a stretch at a time; wide rows come in fewer.
    init(_ part: TablePart, workers: Int, pieceSize: Int = 128) throws {
        let readers = try StretchReaders(part, pieceSize: pieceSize)
        self.readers = readers
        prefetcher = Prefetcher(capacity: 2 * workers, workers: workers) { try readers.piece($0) }
    }

    /// The next rows, which may be none; nil after the last.
    func next() throws -> DatasetRows? {
        defer { number += 1 }
        return if let prefetcher { try prefetcher.next() } else { try readers.piece(number) }
    }
}

/// One reader for each stretch of a file.
///
/// Unchecked: what is shared is guarded by `monitor`; a reader is used by the one thread whose turn it is.
private final class StretchReaders: @unchecked Sendable {
    private final class Stretch {
        let rows: TableRows
        /// The piece of the stretch that is made next.
        var turn = 0
        /// The number of the piece, among those of all stretches, in which it came to its end.
        var end: Int?

        init(_ rows: TableRows) { self.rows = rows }
    }

    private let part: TablePart
    private let stretches: [Stretch]
    private let pieceSize: Int
    private let monitor = Monitor()

    init(_ part: TablePart, pieceSize: Int) throws {
        self.part = part
        let ranges: [Range<Int>?] = part.stretches.isEmpty ? [nil] : part.stretches
        stretches = try ranges.map { range in
            Stretch(
                try TableRows(
                    part.schema, source: part.source, dialect: part.dialect, needsTarget: true, range: range))
        }
        self.pieceSize = min(max((1 << 16) / (4 * part.schema.featureCount + 4), 1), pieceSize, 128)
    }

    /// The rows of a piece; nil where all stretches came to their ends before it. Each number must be asked for once, by
    /// any thread.
    func piece(_ number: Int) throws -> DatasetRows? {
        let stretch = stretches[number % stretches.count]
        let isOver = monitor.locked {
            monitor.wait { stretch.turn == number / stretches.count }
            return stretches.allSatisfy { $0.end.map { $0 < number } ?? false }
        }
        var isAtEnd = stretch.end != nil
        defer {
            monitor.locked {
                stretch.turn += 1
                if isAtEnd, stretch.end == nil { stretch.end = number }
            }
        }
        guard !isOver else { return nil }
        var piece = DatasetRows(part.schema, expecting: isAtEnd ? 0 : pieceSize)
        while !isAtEnd, piece.count < pieceSize {
            guard try stretch.rows.next() else {
                isAtEnd = true
                break
            }
            if let wanted = part.part, stretch.rows.part(of: part.split) != wanted { continue }
            try piece.add(stretch.rows)
        }
        return piece
    }
}
