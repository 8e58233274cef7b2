import Gimbal

/// What a pass over a table finds out.
struct TableFacts {
    var columns: [ColumnFacts]
    /// Rows with a target.
    var rows = 0
    /// Rows without.
    var rowsWithoutTarget = 0
    var blankRows = 0
    /// Rows of another number of fields.
    var raggedRows = 0
    /// The last row, where it is called as sums are.
    var total: Witness?
    /// The hash of each row, and the place of its label among the target's values; empty where there are too many rows.
    var hashes: [UInt64] = []
    var labels: [Int32] = []
    var smallest = SmallestHashes()
}

/// Goes through a table once and collects facts of its columns.
struct TableProfiler {
    let source: TableSource
    let dialect: TableDialect
    let names: [String]
    let target: Int
    var isRegression: Bool
    let marks: MissingMarks?
    let refusesMissingTargets: Bool

    /// - Parameters:
    ///   - expected: what the columns are thought to hold: those that are no inputs do not belong to a row's hash.
    ///   - limit: rows to look at; nil for all.
    ///   - sample: the stretches of the file to look at, each of which begins with a record; nil for the whole file.
    ///   - plain: a split known beforehand, by which statistics over the training part are made on the way; nil keeps the
    ///     hashes of all rows.
    ///   - seed: of the hashes.
    func facts(
        expected: [TableSchema.Column]?, limit: Int?, sample: [Range<Int>?]? = nil, plain: TableSplit?, seed: UInt64
    ) throws -> TableFacts {
        let width = names.count
        let number = dialect.numberReader
        let columns = UnsafeMutablePointer<ColumnFacts>.allocate(capacity: width)
        columns.initialize(repeating: ColumnFacts(), count: width)
        defer {
            columns.deinitialize(count: width)
            columns.deallocate()
        }
        let isContent = (0..<width).map { column in
            column == target || expected.map { $0[column].role == .input } ?? true
        }
        let isId = names.map { TableNames.isId($0) }
        let forms = expected?.map { DateForm(name: $0.dateForm) } ?? [DateForm?](repeating: nil, count: width)
        let needsMedian = expected?.map(\.hasMissingFeature) ?? [Bool](repeating: false, count: width)
        let seeds = RowHash.seeds(of: names)
        var scratch = [Double](repeating: .nan, count: width)
        var facts = TableFacts(columns: [])
        for stretch in sample ?? [nil] {
            let reader = try open(stretch)
            if stretch != nil { for column in 0..<width { columns[column].beginStretch() } }
            let end = stretch?.upperBound ?? .max
            while reader.nextPlace < end, try reader.next() {
                if let limit, facts.rows >= limit { break }
                guard reader.count == width else {
                    throw reader.raggedRow(width: width)
                }
                var sum: UInt64 = 0
                var label: Int32 = -1
                let field = reader.field(target)
                if isMissingTarget(field.start, field.count) {
                    facts.rowsWithoutTarget += 1
                    guard !refusesMissingTargets else {
                        throw reader.invalid("\(TableNames.place(target, names[target])): no target")
                    }
                    continue
                }
                let (hash, value) = columns[target].add(
                    field.start, field.count, line: reader.line, label: -1, reader: number, isId: false,
                    isTarget: !isRegression)
                scratch[target] = value
                sum = RowHash.part(hash, seeds[target])
                if !isRegression {
                    label = Int32(columns[target].values.lastInserted)
                    guard columns[target].values.count <= TableNames.largestClassCount else {
                        throw reader.invalid(
                            "more than \(TableNames.largestClassCount) different classes in "
                                + "\(TableNames.place(target, names[target])); numbers are predicted by regression (--task regression)"
                        )
                    }
                }
                for column in 0..<width where column != target {
                    let field = reader.field(column)
                    let hash: UInt64
                    if field.count == 0 || marks?.contains(field.start, field.count) == true {
                        hash = columns[column].addEmpty()
                        scratch[column] = .nan
                    } else {
                        (hash, scratch[column]) = columns[column].add(
                            field.start, field.count, line: reader.line, label: label, reader: number,
                            isId: isId[column],
                            isTarget: false)
                        if plain != nil, let form = forms[column] {
                            scratch[column] = readDate(field.start, field.count, form)?.seconds ?? .nan
                        }
                    }
                    if isContent[column] { sum &+= RowHash.part(hash, seeds[column]) }
                }
                facts.rows += 1
                let name = reader.field(0)
                facts.total =
                    TableNames.isTotal(name.start, name.count) ? Witness(name.start, name.count, reader.line) : nil
                let rowHash = RowHash.whole(sum, seed: seed)
                facts.smallest.add(rowHash)
                if let plain {
                    let part = plain.part(of: rowHash)
                    guard part == .training else { continue }
                    for column in 0..<width where !scratch[column].isNaN {
                        columns[column].statistics.add(scratch[column], hash: rowHash, isSampled: needsMedian[column])
                    }
                } else {
                    facts.hashes.append(rowHash)
                    if !isRegression { facts.labels.append(label) }
                }
            }
            facts.blankRows += reader.blankRecords
            facts.raggedRows += reader.raggedRecords
            if stretch != nil {
                lazy var linesBefore = reader.linesBefore
                for column in 0..<width { columns[column].endStretch { linesBefore } }
            }
        }
        facts.columns = (0..<width).map { columns[$0] }
        return facts
    }

    /// A reader behind the header, or of a stretch of the file and what follows it.
    private func open(_ stretch: Range<Int>?) throws -> TableReader {
        if let stretch {
            let reader = try TableReader(source.open(bytes: stretch.lowerBound..<source.byteCount), dialect)
            reader.rowWidth = dialect.rowWidth
            return reader
        }
        return try source.open(dialect)
    }

    private func isMissingTarget(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        // A class may be called None or NA.
        count == 0 || marks?.contains(bytes, count) == true
            || (isRegression && MissingMarks.usual.contains(bytes, count))
    }
}

/// How the hash of a row is made of those of its fields: whatever the order of the columns, and by their names.
enum RowHash {
    /// Stands for a field with nothing in it.
    static let empty: UInt64 = 0x1234_5678_9ABC_DEF1

    static func seeds(of names: [String]) -> [UInt64] {
        names.map { name in
            var name = name
            return name.withUTF8 { bytes in
                bytes.baseAddress.map { contentHash($0, bytes.count) } ?? 0
            }
        }
    }

    @inline(__always)
    static func part(_ hash: UInt64, _ seed: UInt64) -> UInt64 { folded(hash ^ seed, 0xD6E8_FEB8_6659_FD93) }

    @inline(__always)
    static func whole(_ sum: UInt64, seed: UInt64) -> UInt64 {
        folded(sum ^ folded(seed ^ 0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9), 0x94D0_49BB_1331_11EB)
    }
}

/// The names of a table's columns.
enum TableNames {
    /// More classes than this are numbers, or ids.
    static let largestClassCount = 100_000

    /// A name for each column: the file's own, "column 3" where it gives none, "price (2)" where it gives one twice.
    static func names(header: [String]?, width: Int, _ dialect: TableDialect) -> [String] {
        var taken: Set<[UInt8]> = []
        // The number that the next column of a name is given: a thousand of one name are not counted up to anew for each.
        var next: [[UInt8]: Int] = [:]
        return given(header, width, dialect).enumerated().map { column, given in
            let base = given.isEmpty ? "column \(column + 1)" : given
            let key = Array(base.utf8)
            var name = base
            while !taken.insert(Array(name.utf8)).inserted {
                let number = next[key, default: 2]
                name = "\(base) (\(number))"
                next[key] = number + 1
            }
            return name
        }
    }

    /// The names that the file itself gives its columns; empty where it gives none.
    private static func given(_ header: [String]?, _ width: Int, _ dialect: TableDialect) -> [String] {
        // Where rows have one field more than the header, they begin with their own names.
        let shift = dialect.hasTrailingDelimiter ? 0 : header.map { width - $0.count } ?? 0
        return (0..<width).map { column in
            header.map { $0.indices.contains(column - shift) ? $0[column - shift] : "" } ?? ""
        }
    }

    /// The places of the columns of each name that a file gives to several, in its order.
    static func repeated(header: [String]?, width: Int, _ dialect: TableDialect) -> [(name: String, places: [Int])] {
        var places: [[UInt8]: [Int]] = [:]
        let names = given(header, width, dialect)
        for (column, name) in names.enumerated() where !name.isEmpty {
            places[Array(name.utf8), default: []].append(column)
        }
        return places.values.filter { $0.count > 1 }.sorted { $0[0] < $1[0] }.map { (names[$0[0]], $0) }
    }

    /// What messages call a column: by its number from 1, and its name where the file gives one.
    static func place(_ column: Int, _ name: String) -> String {
        name == "column \(column + 1)" ? name : "column \(column + 1) (\(shown(name)))"
    }

    private static let totals = MissingMarks([
        "total", "totals", "total:", "grand total", "sum", "average", "mean", "summe", "gesamt", "subtotal",
    ])

    /// Whether a row is called as those are that sum up others.
    @inline(__always)
    static func isTotal(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        3...11 ~= count && bytes[0] > 0x40 && totals.contains(bytes, count)
    }

    /// Whether a column is called as those are that number rows.
    static func isId(_ name: String) -> Bool {
        let lower = name.lowercased()
        let words: Set = [
            "id", "ids", "index", "idx", "uuid", "guid", "row", "rowid", "rownames", "row.names", "rownum", "no.",
            "nr.",
            "s.no", "s.no.", "sno", "serial", "order", "obs", "observation", "instance", "record", "#", "unnamed: 0",
            "column 1",
        ]
        if words.contains(lower) { return true }
        if ["_id", "-id", " id", ".id", "_key", "number", "_no", " no", "_nr"].contains(where: lower.hasSuffix) {
            return true
        }
        return name.hasSuffix("ID") || name.hasSuffix("Id")
    }
}
