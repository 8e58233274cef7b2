import Gimbal

/// A table in a file, and what is known of it: how it is written, what its columns hold, what is to be predicted.
///
/// ```swift
/// let table = try Table(path: "houses.csv", options: TableOptions(target: .named("price"), task: .regression))
/// print(table.profile)
/// let parts = try table.parts()
/// // parts.training, parts.validation, parts.test: Dataset; parts.schema reads other files in the same way.
/// ```
///
/// The file is gone through several times, and never held as a whole. Of a large one, samples are looked at: see
/// `TableOptions.sampledAbove`.
public struct Table: Sendable {
    /// Names the file.
    public let path: String
    /// What was told of the file.
    public let options: TableOptions
    /// What the file is made of, for people to read.
    public let profile: TableProfile
    /// The columns and classes; means and deviations are set by `parts()`, which knows what is trained on.
    public let schema: TableSchema
    /// Which rows are trained on.
    public private(set) var split: TableSplit

    let source: TableSource
    let facts: TableFacts
    /// Of a file of which samples were looked at.
    private let layout: TableLayout?
    /// Whether the facts have statistics over what is trained on.
    private var hasOwnStatistics: Bool
    /// The class of each row, by the place of its label.
    let classes: [Int32]

    /// Bytes of a file from which on a split goes by its shares alone, and one pass finds out everything.
    static let largeByteCount = 1 << 26
    /// Rows that a first look at the columns goes through.
    private static let firstLook = 20_000

    /// Goes through a table and finds out what it holds.
    /// - Parameters:
    ///   - path: a text file, plain or gzip; a pipe is read into memory.
    ///   - told: what is known beforehand, and what is wanted.
    ///   - request: the parts that rows are put into.
    /// - Throws: `GimbalError.invalidFile` with the line of what cannot be read, or with the option that decides what the
    ///   file does not prove; `GimbalError.invalidSetting` for options that do not fit the file; `GimbalError.fileSystem`.
    public init(
        path: String, options told: TableOptions = TableOptions(),
        split request: TableSplit.Request = TableSplit.Request()
    ) throws {
        try request.validate()
        self.path = path
        var options = told
        source = try TableSource(path: path)
        let (dialect, records) = try TableDialect.found(in: source, options: options)
        let names = try Self.names(records, dialect, path: path)
        let repeated = TableNames.repeated(
            header: dialect.hasHeader ? records.first : nil, width: names.count, dialect)
        let columns = try ColumnChoice(
            options, names: names, repeated: repeated,
            last: Self.lastColumn(records, dialect, width: names.count), path: path)
        let targetName = TableNames.place(columns.target, names[columns.target])
        var profiler = TableProfiler(
            source: source, dialect: dialect, names: names, target: columns.target,
            isRegression: options.task == .regression,
            marks: options.missingMarks.map { MissingMarks($0) }, refusesMissingTargets: options.refusesMissingTargets)
        // A first look tells which columns are inputs; what the whole file tells otherwise is gone through again.
        var facts = try profiler.facts(expected: nil, limit: Self.firstLook, plain: nil, seed: request.seed)
        var notes: [String] = []
        if options.task == .automatic {
            let proven = try ProvenTask(facts, target: columns.target, name: names[columns.target], path: path)
            options.task = proven.task
            if let note = proven.note { notes.append(note) }
            if proven.task == .regression {
                profiler.isRegression = true
                facts = try profiler.facts(expected: nil, limit: Self.firstLook, plain: nil, seed: request.seed)
            }
        }
        self.options = options
        func decisions(_ facts: TableFacts) -> TableDecisions {
            TableDecisions(
                facts, names: names, target: columns.target, roles: columns.roles, types: columns.types,
                askedFor: columns.askedFor, options: options, hasHeader: dialect.hasHeader, path: path)
        }
        let isLarge = source.byteCount > min(Self.largeByteCount, options.sampledAbove)
        let canSeek = try source.canSeek(encoding: dialect.encoding)
        let layout = isLarge && canSeek ? try TableLayout(source, dialect) : nil
        let sample =
            source.byteCount > options.sampledAbove ? layout?.sample(of: max(options.sampleBytes, 1)) : nil
        self.layout = sample == nil ? nil : layout
        hasOwnStatistics = isLarge
        let plain = isLarge ? TableSplit(plain: request, rows: layout?.recordCount) : nil
        var decided = decisions(facts)
        while true {
            let expected = decided.columns
            facts = try profiler.facts(
                expected: expected, limit: nil, sample: sample, plain: plain, seed: request.seed)
            decided = decisions(facts)
            let isAsExpected = zip(decided.columns, expected).allSatisfy { found, expected in
                (found.role == .input) == (expected.role == .input)
                    && (plain == nil
                        || (found.dateForm == expected.dateForm
                            && found.hasMissingFeature == expected.hasMissingFeature))
            }
            if isAsExpected || !decided.problems.isEmpty { break }
        }
        guard facts.rows > 0 else {
            throw GimbalError.invalidFile(
                path: path,
                reason: facts.rowsWithoutTarget > 0
                    ? "none of its \(facts.rowsWithoutTarget) rows has a value of \(shown(names[columns.target]))"
                    : "a header and no data")
        }
        if let problem = decided.problems.first { throw problem }

        var schema = TableSchema(
            columns: decided.columns, classNames: [], dialect: dialect, missingMarks: options.missingMarks,
            missing: options.missing, refusesMissingTargets: options.refusesMissingTargets)
        var warnings = decided.warnings
        var counts: [Int] = []
        let target = facts.columns[columns.target]
        if case .classification(let given) = options.task {
            let labels = try TableLabels(
                target, given: given, reader: dialect.bareNumberReader, column: targetName, path: path)
            schema.classNames = labels.names
            counts = labels.counts
            warnings += labels.warnings(column: targetName, rows: facts.rows)
            classes = facts.labels.map { labels.classes[Int($0)] }
        } else {
            classes = []
        }
        split =
            plain.map { $0.with(sketch: facts.smallest.sorted) }
            ?? TableSplit(request, hashes: facts.hashes, labels: classes, classCount: schema.classNames.count)
        if split.sharesOutEqualRows {
            warnings.append(
                "only \(Set(facts.hashes).count) of \(facts.rows) rows differ: equal rows are shared out among the parts, so "
                    + "that rows like those that are tested were trained on")
        }
        warnings += Self.warnings(ofRepeated: repeated, names, decided.columns)
        if let total = facts.total {
            warnings.append(
                "the last row, in line \(total.line), is called '\(shown(total.text))': where it sums up those above it, remove it"
            )
        }
        self.schema = schema
        self.facts = facts
        profile = TableProfile(
            path: path, byteCount: source.byteCount, schema: schema, facts: facts, classCounts: counts,
            warnings: warnings, notes: notes, rowEstimate: sample == nil ? nil : layout?.recordCount)
    }

    /// The names of the columns, by the header and the first row behind it.
    private static func names(_ records: [[String]], _ dialect: TableDialect, path: String) throws -> [String] {
        let header = dialect.hasHeader ? records.first : nil
        guard let first = dialect.hasHeader ? records.dropFirst().first ?? records.first : records.first else {
            throw GimbalError.invalidFile(path: path, reason: "empty")
        }
        // As R writes its row names: a field that the header has no name for.
        let isNamed = header.map {
            $0.count + 1 == first.count && !records.dropFirst().contains { $0.count != first.count }
        }
        let width = isNamed == true ? first.count : header?.count ?? first.count
        guard width > 1 else {
            throw dialect.oneColumn(path)
        }
        return TableNames.names(header: header, width: width, dialect)
    }

    /// Columns of one name are told apart by their order alone.
    private static func warnings(
        ofRepeated repeated: [(name: String, places: [Int])], _ names: [String], _ columns: [TableSchema.Column]
    ) -> [String] {
        let used = repeated.filter { $0.places.contains { columns[$0].role == .input || columns[$0].role == .target } }
        guard let (name, places) = used.first else { return [] }
        let others = used.count > 1 ? ", and \(counted(used.count - 1, "other name")) is given more than once" : ""
        return [
            "\(counted(places.count, "column")) are called '\(shown(name))'\(others): they are told apart by their order, here and in "
                + "other tables, as \(listed(places.map { names[$0] }, limit: 3))"
        ]
    }

    /// The last column that has a name or holds anything: rows may end with a delimiter.
    private static func lastColumn(_ records: [[String]], _ dialect: TableDialect, width: Int) -> Int {
        let isNamed = dialect.hasHeader && !dialect.hasTrailingDelimiter && records[0].last?.isEmpty == false
        let isFilled = records.contains { $0.count == width && $0[width - 1].isEmpty == false }
        return isNamed || isFilled || width < 3 ? width - 1 : width - 2
    }

    // MARK: Parts

    /// The rows in their parts, as float32 after standardisation by what is trained on.
    /// - Throws: as the initializer, and where the file has changed since.
    public func parts() throws -> TableParts {
        let schema = try fittedSchema()
        return try TableParts(
            TableRows(schema, source: source, dialect: schema.dialect, needsTarget: true), split: split,
            expecting: expectedRows)
    }

    /// The rows in their parts: in memory, or to be read from the file whenever they are needed where they are too large
    /// for that.
    ///
    /// A part that has a file of its own is all of its rows; the table itself should then have been split without that part,
    /// by a share of 0. What the file shares with this table is noted.
    /// - Parameters:
    ///   - validation: the file of the validation part; nil for rows of this table.
    ///   - test: the file of the test part; nil for rows of this table.
    ///   - memoryLimit: bytes that the features of all rows of a file may take; of more, none are kept.
    /// - Throws: as the initializer, and where the file has changed since.
    public func data(
        validation: String? = nil, test: String? = nil, memoryLimit: Int = TableRecord.usualMemoryLimit
    ) throws -> TableData {
        let record = TableRecord(schema: try fittedSchema(), split: split, memoryLimit: memoryLimit)
        var data = try record.data(
            source, record.schema.dialect, layout: layout, knownRecordCount: facts.rows + facts.rowsWithoutTarget,
            expecting: expectedRows)
        let (validation, test) = (try validation.map(TableSource.init(path:)), try test.map(TableSource.init(path:)))
        try data.replaceParts(validation: validation, test: test, options: options.writing)
        for file in [validation, test].compactMap({ $0 }) {
            let shared = try sharedRows(with: file)
            guard shared.count > 0 else { continue }
            data.notes.append(
                "\(facts.hashes.isEmpty ? "about " : "")\(shared.count) of \(shared.of) rows of \(shown(file.path, limit: 200)) are in "
                    + "\(shown(self.path, limit: 200)) as well: figures on them tell little of new data")
        }
        return data
    }

    /// The schema with the means, deviations and medians of the rows that are trained on.
    /// - Throws: as the initializer.
    public func fittedSchema() throws -> TableSchema { try fitted { $0 == .training } }

    private func expectedRows(_ part: TableSplit.Part) -> Int {
        let request = split.request
        let share =
            switch part {
            case .test: request.test
            case .validation: (1 - request.test) * request.validation
            case .training: (1 - request.test) * (1 - request.validation)
            }
        return Int(Double(facts.rows) * share * 1.01) + 64
    }

    /// The schema with means, deviations and medians over the rows of some parts.
    func fitted(to isIncluded: (TableSplit.Part) -> Bool) throws -> TableSchema {
        var statistics: [Int: ColumnStatistics] = [:]
        if hasOwnStatistics {
            for (place, column) in facts.columns.enumerated() { statistics[place] = column.statistics }
        } else {
            let rows = try TableRows(schema, source: source, dialect: schema.dialect, needsTarget: true)
            while try rows.next() {
                let hash = rows.hash(seed: split.request.seed)
                guard isIncluded(rows.part(of: split, hash: hash)) else { continue }
                rows.add(to: &statistics, hash: hash)
            }
        }
        var schema = self.schema
        for index in schema.columns.indices {
            let column = schema.columns[index]
            guard column.role == .input || column.role == .target, column.type == .number || column.type.isDate,
                let found = statistics[column.place]
            else { continue }
            schema.columns[index].mean = found.mean
            schema.columns[index].deviation = found.deviation
            schema.columns[index].substitute = found.median
        }
        return schema
    }

    /// All rows in the units of the file, in its order.
    func plainDataset(name: String) throws -> Dataset {
        var schema = self.schema
        if schema.columns.contains(where: { $0.hasMissingFeature }) {
            schema = try fitted { _ in true }
            for index in schema.columns.indices {
                (schema.columns[index].mean, schema.columns[index].deviation) = (0, 1)
            }
        }
        return try schema.dataset(
            TableRows(schema, source: source, dialect: schema.dialect, needsTarget: true), name: name)
    }

    // MARK: Folds and other files

    /// The same table split for one fold of a cross-validation: the fold is its test part, and its schema is fitted to its own
    /// training part. The folds of a table share no row and leave none out; every class is shared out evenly.
    ///
    /// ```swift
    /// let table = try Table(path: "houses.csv")
    /// for number in 0..<5 {
    ///     let data = try table.fold(number, of: 5).data()
    ///     // train on data.training, choose by data.validation, measure data.test
    /// }
    /// ```
    /// - Parameters:
    ///   - number: of the fold, from 0.
    ///   - count: how many folds there are, from 2 to the number of rows.
    /// - Throws: `GimbalError.invalidSetting` for another number of folds.
    public func fold(_ number: Int, of count: Int) throws -> Table {
        guard 2...max(profile.rows, 2) ~= count else {
            throw GimbalError.invalidSetting(
                name: "folds", reason: "must lie between 2 and the number of rows, \(profile.rows), not \(count)")
        }
        require((0..<count).contains(number), "Table.fold", "fold \(number) of \(count)")
        var fold = self
        fold.split = TableSplit(
            fold: number, of: count, split.request, hashes: facts.hashes, labels: classes,
            classCount: schema.classNames.count)
        if facts.hashes.isEmpty { fold.split = fold.split.with(sketch: facts.smallest.sorted) }
        fold.hasOwnStatistics = false
        return fold
    }

    /// Rows of another file that this one has as well.
    /// - Parameter path: a text file, plain or gzip, with the columns of this one by name.
    /// - Returns: how many, exactly, or about as many where this table is too large to keep track of its rows; and of how
    ///   many rows of the other file.
    /// - Throws: as `TableSchema.rows(path:options:needsTarget:)`.
    public func sharedRows(with path: String) throws -> (count: Int, of: Int) {
        try sharedRows(with: TableSource(path: path))
    }

    private func sharedRows(with file: TableSource) throws -> (count: Int, of: Int) {
        let sketch = facts.smallest.sorted
        let known = Set(facts.hashes.isEmpty ? sketch : facts.hashes)
        let rows = try schema.rows(source: file, options: options.writing, needsTarget: true)
        var found = 0
        while try rows.next() { if known.contains(rows.hash(seed: split.request.seed)) { found += 1 } }
        if facts.hashes.isEmpty, facts.rows > sketch.count {
            found = Int((Double(found) * Double(profile.rows) / Double(sketch.count)).rounded())
        }
        return (min(found, rows.count), rows.count)
    }
}

/// A table's rows in three parts, and what they were made by.
public struct TableParts: Sendable {
    /// The rows that weights are fitted to.
    public let training: Dataset
    /// The rows that choices are made on; may be empty.
    public let validation: Dataset
    /// The rows that are looked at once; may be empty.
    public let test: Dataset
    /// What reads other files in the same way.
    public let schema: TableSchema
    /// What tells which rows are in which part.
    public let split: TableSplit
    /// What happened to rows and values that were not as in training, in sentences.
    public var notes: [String] = []
    /// What tells the rows from others.
    let contents: TableContents

    /// Puts all rows of an opened file into their parts.
    /// - Parameter expected: how many rows memory is set aside for.
    init(
        _ rows: TableRows, split: TableSplit, expecting expected: (TableSplit.Part) -> Int = { _ in 0 }
    ) throws {
        var parts: [TableSplit.Part: DatasetRows] = [:]
        for part in TableSplit.Part.allCases { parts[part] = DatasetRows(rows.schema, expecting: expected(part)) }
        var contents = TableContents()
        while try rows.next() {
            let hash = rows.hash(seed: split.request.seed)
            contents.add(row: hash)
            try parts[rows.part(of: split, hash: hash)]!.add(rows)
        }
        self.contents = contents
        func dataset(_ part: TableSplit.Part) -> Dataset {
            parts.removeValue(forKey: part)!.dataset(name: rows.fileName)
        }
        training = dataset(.training)
        validation = dataset(.validation)
        test = dataset(.test)
        (schema, self.split, notes) = (rows.schema, split, rows.notes)
    }
}

extension TableSchema {
    /// Opens a file whose rows are to be read as this schema has them.
    /// - Parameters:
    ///   - path: a text file, plain or gzip.
    ///   - options: what is told of how the file is written; what it leaves out is as in training where the file bears
    ///     that out, else proven from the file.
    ///   - needsTarget: whether every row must have what is to be predicted; false for prediction.
    /// - Throws: `GimbalError.invalidFile` for a file that lacks a column, with its name; as `Table`.
    public func rows(
        path: String, options: TableOptions = TableOptions(), needsTarget: Bool = true
    ) throws -> TableRows {
        try rows(source: TableSource(path: path), options: options, needsTarget: needsTarget)
    }

    /// As `rows(path:options:needsTarget:)`, of a file that is open.
    func rows(source: TableSource, options: TableOptions, needsTarget: Bool) throws -> TableRows {
        try TableRows(
            reading(options), source: source, dialect: try dialect(of: source, options), needsTarget: needsTarget)
    }

    /// The schema for a file in which more stands for a missing value than in the one it was made from.
    func reading(_ options: TableOptions) -> TableSchema {
        guard let marks = options.missingMarks else { return self }
        var schema = self
        schema.missingMarks = (schema.missingMarks ?? []) + marks
        return schema
    }

    /// Rows that a program holds, without a target.
    /// - Parameter rows: of each, texts by the names of columns.
    /// - Throws: `GimbalError.invalidSetting` for a name that is none of the schema's, or an input that has no text.
    func rows(_ rows: [[String: String]]) throws -> TableRows {
        let used = columns.filter { $0.role == .input || $0.role == .id }
        let known = Set(columns.map { Array($0.name.utf8) })
        for (place, row) in rows.enumerated() {
            let given = Set(row.keys.map { Array($0.utf8) })
            let unknown = row.keys.filter { !known.contains(Array($0.utf8)) }.sorted()
            let missing = used.filter { $0.role == .input && !given.contains(Array($0.name.utf8)) }.map(\.name)
            guard unknown.isEmpty, missing.isEmpty else {
                let reason =
                    unknown.isEmpty
                    ? "has no value of \(listed(missing)), which the model was trained with"
                    : "has a value of \(listed(unknown)), which the model does not know; its inputs are "
                        + listed(used.map(\.name), limit: 20)
                throw GimbalError.invalidSetting(name: "rows", reason: "row \(place) \(reason)")
            }
        }
        var schema = self
        var dialect = dialect
        (dialect.delimiter, dialect.hasHeader, dialect.preambleLines) = (",", true, 0)
        dialect.encoding = TableDialect.utf8
        schema.dialect = dialect
        let records = [used.map(\.name)] + rows.map { row in used.map { row[$0.name] ?? "" } }
        let text = records.map { csvRecord($0, quotesAll: true) + "\n" }.joined()
        return try TableRows(
            schema, source: TableSource(name: "the given rows", contents: Array(text.utf8)), dialect: dialect,
            needsTarget: false)
    }

    /// All rows of an opened file. In a regression the targets are standardised, as `targetStandardization` says.
    func dataset(_ rows: TableRows, name: String) throws -> Dataset {
        var result = DatasetRows(self)
        while try rows.next() { try result.add(rows) }
        return result.dataset(name: name)
    }

    func dialect(of source: TableSource, _ options: TableOptions) throws -> TableDialect {
        let inputs = columns.filter { $0.role == .input }.map(\.name)
        var options = options
        if dialect.rowWidth != nil { options.raggedRows = .skip }
        var told = options
        if told.delimiter == nil, told.encoding == nil, told.decimalMark == nil, told.thousandsMark == nil,
            told.hasHeader == nil
        {
            // As in training, where that gives the columns that are looked for.
            told.delimiter = dialect.delimiter.first
            told.encoding = TableDialect.isUTF8(dialect.encoding) ? nil : dialect.encoding
            told.decimalMark = dialect.decimalMark.first
            told.thousandsMark = dialect.thousandsMark?.first
            if !dialect.hasHeader { told.hasHeader = false }
            // Without the target, what has one input is a file of one column.
            for leastColumns in inputs.count == 1 && columns.count == 2 ? [2, 1] : [2] {
                let found = try? TableDialect.found(
                    in: source, options: told, expecting: inputs, leastColumns: leastColumns)
                if let found, fits(found) { return found.dialect }
            }
            told = options
        }
        let found = try TableDialect.found(in: source, options: told, expecting: inputs)
        if dialect.hasHeader, !found.dialect.hasHeader, options.hasHeader != false {
            throw GimbalError.invalidFile(
                path: source.path,
                reason: "has no header, and the model knows its columns by name (\(listed(inputs))); hasHeader false "
                    + "(--no-header) takes them in the order of the file that was trained on")
        }
        return found.dialect
    }

    private func fits(_ found: (dialect: TableDialect, records: [[String]])) -> Bool {
        guard dialect.hasHeader else {
            // A single column may be several that something else separates.
            return found.records.allSatisfy { $0.count > 1 || !$0.contains { $0.contains(where: ";\t| ".contains) } }
        }
        let names = Set(found.records[0].map { Array($0.utf8) })
        let isNumbered = { (column: Column) in column.name.hasPrefix("column ") }
        return found.dialect.hasHeader
            && columns.allSatisfy { $0.role != .input || isNumbered($0) || names.contains(Array($0.name.utf8)) }
    }
}

extension Dataset {
    /// A table from a text file, plain or gzip, in the units of the file: one example in each row, one column of it the
    /// target, numbers as they are and every category a feature.
    ///
    /// This is the short way for data that fits float32. `Table` splits a file by content, standardises in float64 by what
    /// is trained on, and keeps the schema that reads other files.
    /// - Parameters:
    ///   - path: the file.
    ///   - options: what is known of it; constant columns and such that repeat another stay in.
    ///   - name: what messages call the data; the file's name unless given.
    /// - Throws: as `Table`.
    public static func csv(path: String, options: TableOptions = TableOptions(), name: String? = nil) throws -> Dataset
    {
        var options = options
        options.keepsRedundantColumns = true
        let table = try Table(path: path, options: options)
        return try table.plainDataset(name: name ?? table.source.fileName)
    }
}
