import Gimbal

/// What a run keeps of the table it was trained on: how its rows become numbers, and which of them are held back.
public struct TableRecord: Codable, Sendable, Equatable {
    /// How rows become numbers.
    public var schema: TableSchema
    /// Which rows are held back.
    public var split: TableSplit
    /// Bytes that the features of all rows of a file may take in memory; of a larger one they are read whenever they are
    /// needed.
    public var memoryLimit: Int

    /// Features of 256 MB.
    public static let usualMemoryLimit = 1 << 28

    /// - Parameters:
    ///   - schema: how rows become numbers.
    ///   - split: which rows are held back.
    ///   - memoryLimit: bytes that the features of all rows may take in memory.
    public init(schema: TableSchema, split: TableSplit, memoryLimit: Int = usualMemoryLimit) {
        self.schema = schema
        self.split = split
        self.memoryLimit = memoryLimit
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

    /// The parts of a file, as `parts(path:options:)`: in memory, or to be read whenever they are needed.
    /// - Parameters:
    ///   - path: a text file, plain or gzip.
    ///   - validation: the file of the validation part, all rows of which belong to it; nil for rows of the first file.
    ///   - test: the file of the test part, likewise.
    ///   - options: what is told of how the files are written.
    /// - Throws: as `TableSchema.rows(path:options:needsTarget:)`.
    public func data(
        path: String, validation: String? = nil, test: String? = nil, options: TableOptions = TableOptions()
    ) throws -> TableData {
        let source = try TableSource(path: path)
        var data = try data(source, try schema.dialect(of: source, options))
        try data.replaceParts(
            validation: validation.map(TableSource.init(path:)), test: test.map(TableSource.init(path:)),
            options: options)
        return data
    }

    /// All rows of a file, in memory or to be read whenever they are needed.
    /// - Parameters:
    ///   - path: a text file, plain or gzip.
    ///   - options: what is told of how the file is written.
    /// - Returns: the rows, and what happened to those that were not as in training.
    /// - Throws: as `TableSchema.rows(path:options:needsTarget:)`.
    public func allRows(
        path: String, options: TableOptions = TableOptions()
    ) throws -> (data: any SupervisedData, notes: [String]) {
        try allRows(TableSource(path: path), options)
    }

    fileprivate func allRows(
        _ source: TableSource, _ options: TableOptions
    ) throws -> (data: any SupervisedData, notes: [String]) {
        let (schema, dialect) = (schema.reading(options), try schema.dialect(of: source, options))
        let layout = try TableLayout(source, dialect)
        guard !isTooLarge(layout.recordCount) else {
            return (
                TablePart(schema, source: source, dialect: dialect, split: split, layout: layout, part: nil), []
            )
        }
        let rows = try TableRows(schema, source: source, dialect: dialect, needsTarget: true)
        return (try schema.dataset(rows, name: source.fileName), rows.notes)
    }

    func data(
        _ source: TableSource, _ dialect: TableDialect, layout known: TableLayout? = nil, knownRecordCount: Int? = nil,
        expecting expected: (TableSplit.Part) -> Int = { _ in 0 }
    ) throws -> TableData {
        let layout = try known ?? TableLayout(source, dialect, knownRecordCount: knownRecordCount)
        guard isTooLarge(layout.recordCount) else {
            let rows = try TableRows(schema, source: source, dialect: dialect, needsTarget: true)
            let parts = try TableParts(rows, split: split, expecting: expected)
            return TableData(
                training: parts.training, validation: parts.validation, test: parts.test, record: self,
                notes: parts.notes, contents: parts.contents)
        }
        func part(_ part: TableSplit.Part) -> TablePart {
            TablePart(schema, source: source, dialect: dialect, split: split, layout: layout, part: part)
        }
        return TableData(
            training: part(.training), validation: part(.validation), test: part(.test), record: self, notes: [],
            contents: layout.contents)
    }

    private func isTooLarge(_ rows: Int) -> Bool { rows > memoryLimit / (4 * (schema.featureCount + 1)) }

    /// The rows of a file that a model may be judged by: all of them where it shares none with the file that was trained
    /// on, else those of a part, as a rule those that were held back.
    /// - Parameters:
    ///   - path: a text file, plain or gzip.
    ///   - options: what is told of how the file is written.
    ///   - part: the part that is asked for; nil for all rows, whatever they were used for.
    /// - Returns: the rows, in memory or to be read whenever they are needed, and in words which they are.
    /// - Throws: as `TableSchema.rows(path:options:needsTarget:)`.
    public func evaluationData(
        path: String, options: TableOptions = TableOptions(), part: TableSplit.Part? = .test
    ) throws -> (data: any SupervisedData, notes: [String]) {
        let found = try evaluatedRows(path: path, options: options, part: part)
        return (found.data, found.notes)
    }

    /// As `evaluationData(path:options:part:)`, with what tells the rows from others.
    func evaluatedRows(
        path: String, options: TableOptions, part: TableSplit.Part?
    ) throws -> (data: any SupervisedData, notes: [String], contents: TableContents) {
        let source = try TableSource(path: path)
        let (schema, dialect) = (schema.reading(options), try schema.dialect(of: source, options))
        let layout = try TableLayout(source, dialect)
        guard isTooLarge(layout.recordCount) else {
            return try evaluationRows(TableRows(schema, source: source, dialect: dialect, needsTarget: true), part)
        }
        let isShared = try sharesRows(with: TableRows(schema, source: source, dialect: dialect, needsTarget: false))
        let rows = TablePart(
            schema, source: source, dialect: dialect, split: split, layout: layout, part: isShared ? part : nil)
        return (
            rows, [Self.note(isShared, part, tested: rows.count, of: layout.recordCount, isExact: false)],
            layout.contents
        )
    }

    /// Which rows are tested, and why.
    private static func note(
        _ isShared: Bool, _ part: TableSplit.Part?, tested: Int, of count: Int, isExact: Bool = true
    ) -> String {
        let tested = isExact ? "\(tested)" : "about \(tested)"
        guard isShared else {
            let all = isExact ? "all \(tested) rows" : "all rows, \(tested),"
            return "\(all) are tested: none is of the file that was trained on"
        }
        let words =
            switch part {
            case .test: "and these were held back"
            case nil: "and these are all of them"
            case let part?: "and these are its \(part.rawValue) part"
            }
        return "\(tested) of \(count) rows are tested: the file shares rows with the one that was trained on, \(words)"
    }

    /// Whether a file has rows of the one that was trained on; true where none of that is known.
    func sharesRows(withFileAt path: String, options: TableOptions) throws -> Bool {
        try !split.hasSketch || sharesRows(with: schema.rows(path: path, options: options, needsTarget: false))
    }

    private func sharesRows(with rows: TableRows) throws -> Bool {
        let sketch = split.rowSketch
        while try rows.next() { if sketch.contains(rows.hash(seed: split.request.seed)) { return true } }
        return false
    }

    private func evaluationRows(
        _ rows: TableRows, _ part: TableSplit.Part?
    ) throws -> (data: any SupervisedData, notes: [String], contents: TableContents) {
        let sketch = split.rowSketch
        var contents = TableContents()
        var isShared = false
        // All rows until one is met that the file shares, from then on those of the part.
        var kept = DatasetRows(rows.schema)
        var chosen: [Int] = []
        while try rows.next() {
            let hash = rows.hash(seed: split.request.seed)
            contents.add(row: hash)
            if sketch.contains(hash) { isShared = true }
            let isOfPart = rows.part(of: split, hash: hash) == part || part == nil
            if try (isOfPart || !isShared) && kept.add(rows) && isOfPart { chosen.append(kept.count - 1) }
        }
        let all = kept.dataset(name: rows.fileName)
        let tested = isShared ? all.subset(chosen) : all
        return (tested, rows.notes + [Self.note(isShared, part, tested: tested.count, of: rows.count)], contents)
    }
}

/// A table's rows in three parts, in memory or to be read whenever they are needed, and what they were made by.
public struct TableData: Sendable {
    /// The rows that weights are fitted to.
    public let training: any SupervisedData
    /// The rows that choices are made on; may be empty.
    public fileprivate(set) var validation: any SupervisedData
    /// The rows that are looked at once; may be empty.
    public fileprivate(set) var test: any SupervisedData
    /// What reads this and other files in the same way.
    public let record: TableRecord
    /// What happened to rows and values that were not as in training, in sentences.
    public var notes: [String]
    /// What tells the rows of the table from others, apart from parts that have files of their own.
    let contents: TableContents

    /// Whether rows are read whenever they are needed.
    public var isStreamed: Bool { training is TablePart }

    /// Takes parts from files of their own.
    mutating func replaceParts(validation: TableSource?, test: TableSource?, options: TableOptions) throws {
        for (file, part) in [(validation, \TableData.validation), (test, \TableData.test)] {
            guard let file else { continue }
            let rows = try record.allRows(file, options)
            guard rows.data.count > 0 else {
                throw GimbalError.invalidFile(path: file.path, reason: "has no row that can be measured")
            }
            self[keyPath: part] = rows.data
            notes += rows.notes.map { "\(shown(file.path, limit: 200)): \($0)" }
        }
    }
}
