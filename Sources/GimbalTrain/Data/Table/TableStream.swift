import Gimbal

/// The rows of one part of a table, in batches, for tables larger than memory.
///
/// Several readers go through the file at once, each through a stretch of its own, and their rows pass through a buffer in
/// which they are shuffled: so batches are mixed even where the file is sorted. The order follows from the seed and the
/// epoch alone. To go on at a batch, the rows before are read again and passed over, without becoming features.
public struct TableStream: Sendable {
    /// What the rows are made by.
    public let schema: TableSchema
    /// Names the file.
    public let path: String
    /// The part whose rows are given; nil for all.
    public let part: TableSplit.Part?
    /// Rows of the part.
    public let count: Int
    /// Rows in a batch; the last one of an epoch may have fewer.
    public let batchSize: Int
    /// Whether rows are shuffled.
    public let shuffles: Bool
    /// What the order of each epoch follows from, with the epoch's number.
    public let seed: UInt64

    private let source: TableSource
    private let split: TableSplit
    private let ranges: [(bytes: Range<Int>, line: Int)]
    /// Rows that are shuffled at once: a whole number of batches.
    private let windowSize: Int

    /// Stretches of a file that are read side by side.
    static let rangeCount = 16

    /// Batches in an epoch.
    public var batchCount: Int { (count + batchSize - 1) / batchSize }

    /// - Parameters:
    ///   - table: the table; means and deviations are those of `schema`.
    ///   - schema: of the table, with its means and deviations: `Table.fittedSchema()`.
    ///   - part: whose rows are given; nil for all.
    ///   - batchSize: rows in a batch, at least 1.
    ///   - shuffles: whether rows are shuffled; the test part needs no shuffling.
    ///   - seed: of the order.
    ///   - bufferBytes: memory for the rows that are shuffled at once.
    public init(
        _ table: Table, schema: TableSchema, part: TableSplit.Part?, batchSize: Int, shuffles: Bool = true,
        seed: UInt64 = 0, bufferBytes: Int = 1 << 26
    ) throws {
        require(batchSize > 0, "TableStream", "a batch size of \(batchSize)")
        self.schema = schema
        path = table.path
        self.part = part
        count = part.map { table.rowCount($0) } ?? table.profile.rows
        self.batchSize = batchSize
        self.shuffles = shuffles
        self.seed = seed
        source = table.source
        split = table.split
        let rowBytes = 4 * (schema.featureCount + 1)
        windowSize = max(bufferBytes / rowBytes / batchSize, 1) * batchSize
        let places = table.facts.places
        if shuffles, places.count > 1, try source.canSeek(encoding: schema.dialect.encoding) {
            let ends = places.dropFirst().map(\.byte) + [source.byteCount]
            ranges = zip(places, ends).map { ($0.byte..<$1, $0.line) }
        } else {
            ranges = []
        }
    }

    /// The batches of an epoch, in order.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at.
    /// - Throws: as `TableSchema.rows(path:options:needsTarget:)`.
    public func batches(epoch: Int, from first: Int = 0) throws -> Iterator {
        try Iterator(self, epoch: epoch, first: first)
    }

    /// Walks through the batches of an epoch.
    public final class Iterator {
        private let stream: TableStream
        private let epoch: Int
        private var readers: [TableRows]
        private var turn = 0
        private var window: Int
        private var number: Int
        /// The rows of the window, in the order of the file.
        private var rows: Dataset
        private var order: [Int] = []
        private var used = 0

        fileprivate init(_ stream: TableStream, epoch: Int, first: Int) throws {
            self.stream = stream
            self.epoch = epoch
            number = first
            rows = DatasetRows(stream.schema).dataset(name: stream.path)
            let (schema, source) = (stream.schema, stream.source)
            readers =
                try stream.ranges.isEmpty
                ? [TableRows(schema, source: source, dialect: schema.dialect, needsTarget: true)]
                : stream.ranges.map {
                    try TableRows(schema, source: source, dialect: schema.dialect, needsTarget: true, range: $0)
                }
            window = first * stream.batchSize / stream.windowSize
            var left = window * stream.windowSize
            while left > 0, try nextRow() != nil { left -= 1 }
            try fill()
            used = min(first * stream.batchSize - window * stream.windowSize, order.count)
        }

        /// The reader whose row is the next of the part; nil at the end.
        private func nextRow() throws -> TableRows? {
            while !readers.isEmpty {
                turn = turn % readers.count
                let reader = readers[turn]
                guard try reader.next() else {
                    readers.remove(at: turn)
                    continue
                }
                turn += 1
                if let part = stream.part, reader.part(of: stream.split) != part { continue }
                return reader
            }
            return nil
        }

        private func fill() throws {
            // Let go of before the next is read: there is memory for one window.
            rows = DatasetRows(stream.schema).dataset(name: stream.path)
            var read = DatasetRows(stream.schema, expecting: min(stream.windowSize, stream.count))
            while read.count < stream.windowSize, let reader = try nextRow() { try read.add(reader) }
            rows = read.dataset(name: stream.path)
            if stream.shuffles {
                // Each window of each epoch draws from a sequence of its own.
                let seed = folded(stream.seed ^ 0x9E37_79B9_7F4A_7C15, UInt64(window) &+ 0xD6E8_FEB8_6659_FD93)
                var random = Philox(seed: seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
                order = random.permutation(of: rows.count)
            } else {
                order = Array(0..<rows.count)
            }
            used = 0
        }

        /// The next batch; nil after the last.
        /// - Throws: `GimbalError.invalidFile` with the line of a row that cannot be read.
        public func next() throws -> HostBatch? {
            if used >= order.count {
                guard !order.isEmpty else { return nil }
                window += 1
                try fill()
                guard !order.isEmpty else { return nil }
            }
            let chosen = [Int](order[used..<min(used + stream.batchSize, order.count)])
            used += chosen.count
            defer { number += 1 }
            let batch = rows.batch(chosen, number: number)
            // Counted over the whole epoch.
            return HostBatch(
                number: number, indices: chosen.map { window * stream.windowSize + $0 }, inputs: batch.inputs,
                inputShape: batch.inputShape, targets: batch.targets)
        }
    }
}

extension Table {
    /// The schema with the means, deviations and medians of the rows that are trained on.
    /// - Throws: as the initializer.
    public func fittedSchema() throws -> TableSchema { try fitted { $0 == .training } }

    /// Rows of a part.
    public func rowCount(_ part: TableSplit.Part) -> Int {
        if let rows = facts.partRows[part] { return rows }
        return facts.hashes.indices.count {
            split.part(of: facts.hashes[$0], label: classes.isEmpty ? nil : Int(classes[$0])) == part
        }
    }
}

/// What a run keeps of the table it was trained on: how its rows become numbers, and which of them are held back.
public struct TableRecord: Codable, Sendable, Equatable {
    /// How rows become numbers.
    public var schema: TableSchema
    /// Which rows are held back.
    public var split: TableSplit

    /// - Parameters:
    ///   - schema: how rows become numbers.
    ///   - split: which rows are held back.
    public init(schema: TableSchema, split: TableSplit) {
        self.schema = schema
        self.split = split
    }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    public func validate() throws {
        try schema.validate()
        try split.validate()
        guard split.limits.count == 1 || split.limits.count == schema.classNames.count else {
            throw GimbalError.invalidSetting(name: "split", reason: "has another number of classes than the schema")
        }
    }

    /// The parts of a file: the same rows as in training, where it is that file or one with other rows beside them.
    /// - Parameters:
    ///   - path: a text file, plain or gzip.
    ///   - options: what is told of how the file is written.
    /// - Throws: as `TableSchema.rows(path:options:needsTarget:)`.
    public func parts(path: String, options: TableOptions = TableOptions()) throws -> TableParts {
        try TableParts(schema.rows(path: path, options: options), split: split)
    }

    /// The rows of a file that a model may be judged by: all of them where it shares none with the file that was trained
    /// on, else those of a part, as a rule those that were held back.
    /// - Parameters:
    ///   - path: a text file, plain or gzip.
    ///   - options: what is told of how the file is written.
    ///   - part: the part that is asked for; nil for all rows, whatever they were used for.
    /// - Returns: the rows, and in words which they are.
    /// - Throws: as `TableSchema.rows(path:options:needsTarget:)`.
    public func evaluationRows(
        path: String, options: TableOptions = TableOptions(), part: TableSplit.Part? = .test
    ) throws -> (dataset: Dataset, notes: [String]) {
        let known = Set(split.smallestHashes)
        let largest = known.max() ?? 0
        let rows = try schema.rows(path: path, options: options)
        var isShared = false
        // All rows until one is met that the file shares, from then on those of the part.
        var kept = DatasetRows(schema)
        var chosen: [Int] = []
        while try rows.next() {
            let hash = rows.hash(seed: split.request.seed)
            if hash <= largest, known.contains(hash) { isShared = true }
            let isOfPart = part == nil || split.part(of: hash, label: rows.label < 0 ? nil : Int(rows.label)) == part
            if try (isOfPart || !isShared) && kept.add(rows) && isOfPart { chosen.append(kept.count - 1) }
        }
        let dataset = kept.dataset(name: rows.fileName)
        guard isShared else {
            return (
                dataset, rows.notes + ["all \(dataset.count) rows are tested: none is of the file that was trained on"]
            )
        }
        return (
            dataset.subset(chosen),
            rows.notes + [
                "\(chosen.count) of \(rows.count) rows are tested: the file shares rows with the one that was trained on, "
                    + (part == .test
                        ? "and these were held back"
                        : "and these are \(part.map { "its \($0.rawValue) part" } ?? "all of them")")
            ]
        )
    }
}
