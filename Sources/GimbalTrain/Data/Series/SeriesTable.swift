import Gimbal

/// The columns of a table as series: a number for each row, in the order of time.
struct SeriesTable: Sendable {
    /// A column that is used.
    struct Column: Sendable {
        var name: String
        var values: [Double]
    }

    /// What messages call it.
    var name: String
    /// The column to be predicted, and then others that a model sees.
    var columns: [Column]
    /// What is doubtful, or was filled in, in sentences.
    var notes: [String] = []

    /// Rows of the table.
    var count: Int { columns[0].values.count }

    /// Reads the column to be predicted and those named beside it. What is missing between two numbers lies on the line
    /// between them.
    /// - Parameters:
    ///   - path: of the table, whose rows are in the order of time.
    ///   - options: how it is written; `target` is to be predicted, the last column unless given, and `columns` names what a
    ///     model sees beside it.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` with the line of what is no number,
    ///   `GimbalError.invalidSetting` for a column that is not there.
    init(path: String, options: TableOptions) throws {
        let source = try TableSource(path: path)
        name = source.fileName
        let (dialect, records) = try TableDialect.found(in: source, options: options, leastColumns: 1)
        let first = dialect.hasHeader ? records.dropFirst().first ?? records.first : records.first
        let names = TableNames.names(
            header: dialect.hasHeader ? records.first : nil, width: first?.count ?? 0, dialect)
        let choice = try ColumnChoice(options, names: names, last: names.count - 1, path: path)
        let others = options.columns == nil ? [] : names.indices.filter { choice.roles[$0] == .input }
        let chosen = [choice.target] + others
        let marks = options.missingMarks.map { MissingMarks($0) } ?? .usual
        let number = dialect.numberReader
        var values = [[Double]](repeating: [], count: chosen.count)
        var times: [Double]? = choice.target == 0 || others.contains(0) ? nil : []
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
                values[place].append(value)
            }
            if times != nil {
                if let time = Self.time(reader.text(0)) { times!.append(time) } else { times = nil }
            }
        }
        columns = []
        for (place, column) in chosen.enumerated() {
            let filled = try Self.filled(values[place], names[column], path: path)
            if let note = filled.note { notes.append(note) }
            columns.append(Column(name: names[column], values: filled.values))
        }
        try Self.requireOrder(times ?? [], names[0], path: path)
    }

    /// A number that grows with time, of a number or a date whose year comes first; nil for what is neither.
    private static func time(_ text: String) -> Double? {
        if let number = Double(text) { return number }
        guard text.prefix(4).allSatisfy(\.isNumber), text.count > 4 else { return nil }
        return Double(text.filter { $0.isASCII && $0.isNumber })
    }

    /// A table that begins with what is newest would be learnt backwards.
    private static func requireOrder(_ times: [Double], _ name: String, path: String) throws {
        guard times.count > 2, zip(times, times.dropFirst()).allSatisfy(>) else { return }
        throw GimbalError.invalidFile(
            path: path,
            reason: "\(shown(name)) falls from row to row: the rows run backwards in time; turn them around")
    }

    private static func filled(
        _ values: [Double], _ name: String, path: String
    ) throws -> (values: [Double], note: String?) {
        let known = values.indices.filter { !values[$0].isNaN }
        guard let first = known.first, let last = known.last else {
            throw GimbalError.invalidFile(path: path, reason: "\(shown(name)) has no number in any row")
        }
        guard known.count < values.count else { return (values, nil) }
        var result = values
        for place in 0..<first { result[place] = values[first] }
        for place in last..<values.count { result[place] = values[last] }
        for (before, after) in zip(known, known.dropFirst()) where after > before + 1 {
            for place in before + 1..<after {
                let share = Double(place - before) / Double(after - before)
                result[place] = values[before] + share * (values[after] - values[before])
            }
        }
        let gap = zip(known, known.dropFirst()).map { $1 - $0 - 1 }.max() ?? 0
        return (
            result,
            "\(values.count - known.count) missing values of \(shown(name)) are taken from the line between their neighbours, at "
                + "most \(gap) one after another"
        )
    }
}
