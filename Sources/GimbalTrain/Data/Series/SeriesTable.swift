import Gimbal

/// The columns of a table as series: a number for each row, in the order of time.
struct SeriesTable: Sendable {
    /// A column that is used.
    struct Column: Sendable {
        var name: String
        var values: [Double]
        /// Whether the file has the number, so that it was not filled in.
        var isMeasured: [Bool]
    }

    /// What messages call it.
    var name: String
    /// The column to be predicted, and then others that a model sees.
    var columns: [Column]
    /// What is doubtful, or was filled in, in sentences.
    var notes: [String] = []

    /// Rows of the table.
    var count: Int { columns[0].values.count }

    /// Whether a forecast can be judged that is made before row `end`, of `horizon` rows: by numbers that were measured, and
    /// from such, as what was filled in before would tell of those behind.
    func isJudged(_ end: Int, _ horizon: Int) -> Bool {
        columns.allSatisfy { $0.isMeasured[end - 1] } && columns[0].isMeasured[end..<end + horizon].allSatisfy { $0 }
    }

    /// Reads the column to be predicted and those named beside it. What is missing between two numbers lies on the line
    /// between them; rows before the first and behind the last that all columns have a number in are left out.
    /// - Parameters:
    ///   - path: of the table, whose rows are in the order of time.
    ///   - options: how it is written; `target` is to be predicted, the last column unless given, and `columns` names what a
    ///     model sees beside it.
    ///   - known: what the run keeps whose model reads it, which has its own columns; nil for a new one.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` with the line of what is no number, or not in the
    ///   order of time; `GimbalError.invalidSetting` for a column that is not there, or an option that has no meaning.
    init(path: String, options asked: TableOptions, known: SeriesRecord? = nil) throws {
        try Self.requireOptions(asked)
        let options = known?.reading(asked) ?? asked
        let source = try TableSource(path: path)
        name = source.fileName
        let (dialect, records) = try TableDialect.found(in: source, options: options, leastColumns: 1)
        let first = dialect.hasHeader ? records.dropFirst().first ?? records.first : records.first
        let (header, width) = (dialect.hasHeader ? records.first : nil, first?.count ?? 0)
        let names = TableNames.names(header: header, width: width, dialect)
        // A run's own columns are told apart as when it began.
        let repeated = known == nil ? TableNames.repeated(header: header, width: width, dialect) : []
        let choice = try ColumnChoice(options, names: names, repeated: repeated, last: names.count - 1, path: path)
        if let known { try Self.requireAgreement(asked, known, names, path: path) }
        let others = options.columns == nil ? [] : names.indices.filter { choice.roles[$0] == .input }
        let chosen = [choice.target] + others
        let marks = options.missingMarks.map { MissingMarks($0) } ?? .usual
        let number = dialect.numberReader
        var values = [[Double]](repeating: [], count: chosen.count)
        var times = SeriesTimes(
            names: names, used: chosen, rows: Array(records.dropFirst(dialect.hasHeader ? 1 : 0)), path: path)
        let reader = try source.open(dialect)
        while try reader.next() {
            guard reader.count == names.count else {
                throw GimbalError.invalidFile(
                    path: path,
                    reason: "line \(reader.line) has \(reader.count) fields, where there are \(names.count) columns")
            }
            for (place, column) in chosen.enumerated() {
                let field = reader.field(column)
                let isMissing = field.count == 0 || marks.contains(field.start, field.count)
                guard let value = isMissing ? .nan : number(field.start, field.count), !value.isInfinite else {
                    throw GimbalError.invalidFile(
                        path: path,
                        reason:
                            "line \(reader.line): '\(shown(reader.text(column)))' in \(TableNames.place(column, names[column])) is no "
                            + "number; --missing tells what stands for a missing one")
                }
                if value.isNaN, options.missing == .refuse {
                    throw reader.invalid(
                        "\(TableNames.place(column, names[column])): missing value '\(shown(reader.text(column)))', which the run "
                            + "was told to refuse (missing, --missing-rows); fill the field in, or remove the row")
                }
                values[place].append(value)
            }
            times?.add(reader)
        }
        notes = try times?.check() ?? []
        columns = zip(chosen, values).map { Column(name: names[$0], values: $1, isMeasured: $1.map { !$0.isNaN }) }
        try trim(path)
        for index in columns.indices { fill(index) }
    }

    /// What a forecast does not know of.
    private static func requireOptions(_ options: TableOptions) throws {
        let unknown = [
            ("excluded", !options.excluded.isEmpty), ("ids", !options.ids.isEmpty), ("types", !options.types.isEmpty),
        ]
        if let (name, _) = unknown.first(where: { $0.1 }) {
            throw GimbalError.invalidSetting(
                name: name,
                reason: "is not for a forecast, which sees the target and what columns (--columns) names")
        }
        try checkSetting(
            options.missing != .drop, "missing",
            "of drop (--missing-rows drop) is not for a forecast, whose rows follow each "
                + "other: what is missing is filled in, or refused")
    }

    /// What is forecast, and from what, is the run's own: it may be said again, not otherwise.
    private static func requireAgreement(
        _ options: TableOptions, _ known: SeriesRecord, _ names: [String], path: String
    ) throws {
        let choice = try ColumnChoice(options, names: names, last: names.count - 1, path: path)
        func isAlike(_ places: [Int], _ columns: [String]) -> Bool {
            places.map { Array(names[$0].utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
                == columns.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
        }
        try checkSetting(
            options.target == .last || isAlike([choice.target], [known.columns[0]]), "target",
            "the run began with \(shown(known.columns[0])), which cannot be changed")
        let others = Array(known.columns.dropFirst())
        try checkSetting(
            options.columns == nil || isAlike(names.indices.filter { choice.roles[$0] == .input }, others), "columns",
            "the run began with \(others.isEmpty ? "none beside the target" : listed(others)), which cannot be changed")
    }

    /// Leaves out the rows before the first and behind the last that all columns have a number in: what is not between two
    /// numbers is not known.
    private mutating func trim(_ path: String) throws {
        let ranges = try columns.map { column in
            guard let first = column.isMeasured.firstIndex(of: true), let last = column.isMeasured.lastIndex(of: true)
            else { throw GimbalError.invalidFile(path: path, reason: "\(shown(column.name)) has no number in any row") }
            return (first, last)
        }
        let (first, last) = (ranges.map(\.0).max()!, ranges.map(\.1).min()!)
        guard first <= last else {
            throw GimbalError.invalidFile(path: path, reason: "the columns have no numbers in the same rows")
        }
        let (before, after) = (first, count - 1 - last)
        guard before + after > 0 else { return }
        for index in columns.indices {
            columns[index].values = Array(columns[index].values[first...last])
            columns[index].isMeasured = Array(columns[index].isMeasured[first...last])
        }
        let left = [(before, "at the start"), (after, "at the end")].filter { $0.0 > 0 }
        notes.append(
            left.map { "\(counted($0.0, "row")) \($0.1)" }.joined(separator: " and ")
                + " without a number of \(listed(columns.map(\.name))) are left out")
    }

    /// Takes what is missing between two numbers from the line between them.
    private mutating func fill(_ index: Int) {
        let column = columns[index]
        let known = column.isMeasured.indices.filter { column.isMeasured[$0] }
        let gaps = zip(known, known.dropFirst()).filter { $1 > $0 + 1 }
        guard let longest = gaps.map({ $1 - $0 - 1 }).max() else { return }
        for (before, after) in gaps {
            for place in before + 1..<after {
                let share = Double(place - before) / Double(after - before)
                columns[index].values[place] =
                    column.values[before] + share * (column.values[after] - column.values[before])
            }
        }
        notes.append(
            "\(count - known.count) missing values of \(shown(column.name)) are taken from the line between their neighbours, at "
                + "most \(longest) one after another; no forecast is judged by them, or made from them as the newest")
    }
}
