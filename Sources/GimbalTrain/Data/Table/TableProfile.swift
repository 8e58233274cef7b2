import Foundation
import Gimbal

/// What one pass over a table found out, for people to read before they train.
public struct TableProfile: Sendable {
    /// What a column holds.
    public struct Column: Sendable, Equatable {
        /// The column's name.
        public var name: String
        /// What the column is there for.
        public var role: TableSchema.Column.Role
        /// What the column holds.
        public var type: ColumnType
        /// Rows in which the value is missing.
        public var missing: Int
        /// The least and the largest number; nil for a column of other things.
        public var range: ClosedRange<Double>?
        /// Different values; nil where there are too many to have been counted.
        public var distinct: Int?
        /// The most frequent values, and how often they occur; none for numbers.
        public var frequent: [(value: String, count: Int)]
        /// Features that a model gets of it.
        public var features: Int
        /// Why the column is left out; empty for one that is not.
        public var reason: String

        public static func == (a: Column, b: Column) -> Bool {
            a.name == b.name && a.role == b.role && a.type == b.type && a.missing == b.missing && a.range == b.range
                && a.distinct == b.distinct && a.features == b.features && a.reason == b.reason
                && a.frequent.elementsEqual(b.frequent) { $0 == $1 }
        }
    }

    /// Names the file.
    public let path: String
    /// Bytes of the file.
    public let byteCount: Int
    /// How the file is written.
    public let dialect: TableDialect
    /// Rows that have a target; about as many where `sampledRows` is set.
    public let rows: Int
    /// Rows that were looked at, of a file of which samples were: all other counts are of these. Nil for all rows.
    public let sampledRows: Int?
    /// Rows that were left out as they have none.
    public let rowsWithoutTarget: Int
    /// Records of empty fields that were passed over.
    public let blankRows: Int
    /// Rows of another number of fields that were left out.
    public let raggedRows: Int
    /// Every column of the file, in its order.
    public let columns: [Column]
    /// The names of the classes; empty where a number is predicted.
    public let classNames: [String]
    /// Rows of each class.
    public let classCounts: [Int]
    /// What gives cause for doubt: columns that give the answer away, labels that look like numbers, uneven classes.
    public let warnings: [String]
    /// What was decided by what the target holds, and how it is decided otherwise.
    public let notes: [String]

    init(
        path: String, byteCount: Int, schema: TableSchema, facts: TableFacts, classCounts: [Int], warnings: [String],
        notes: [String],
        rowEstimate: Int? = nil
    ) {
        self.path = path
        self.byteCount = byteCount
        dialect = schema.dialect
        let seen = max(facts.rows + facts.rowsWithoutTarget, 1)
        rows = rowEstimate.map { Int((Double($0) * Double(facts.rows) / Double(seen)).rounded()) } ?? facts.rows
        sampledRows = rowEstimate == nil ? nil : facts.rows
        rowsWithoutTarget = facts.rowsWithoutTarget
        (blankRows, raggedRows) = (facts.blankRows, facts.raggedRows)
        classNames = schema.classNames
        self.classCounts = classCounts
        self.warnings = warnings
        self.notes = notes
        columns = zip(schema.columns, facts.columns).map { column, found in
            let isNumber = found.numbers > 0 && found.texts == 0
            let order = found.values.counts.indices.sorted {
                (found.values.counts[$0], $1) > (found.values.counts[$1], $0)
            }
            return Column(
                name: column.name, role: column.role, type: column.type,
                missing: found.empty + (column.type == .category ? 0 : found.marks),
                range: isNumber ? found.minimum...found.maximum : nil,
                distinct: found.hasAllValues ? found.values.count : nil,
                frequent: isNumber && column.role != .target
                    ? [] : order.prefix(5).map { (found.values.text($0), found.values.counts[$0]) },
                features: column.featureCount, reason: column.reason)
        }
    }

    /// The weight of each class with which all classes count alike: the number of rows over that of classes and of the
    /// class's rows (scikit-learn's "balanced").
    public var balancedClassWeights: [Double] {
        ClassWeights.balanced(classCounts).map { $0 ?? 0 }
    }

    /// Makes sure that there is something to learn.
    /// - Throws: `GimbalError.invalidFile` for a single row, a single class, a number that never changes, or as many
    ///   classes as rows.
    public func requireLearnable() throws {
        func fail(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        guard rows > 1 else { throw fail("has one row of data, which is too few to train on") }
        guard let target = columns.first(where: { $0.role == .target }) else { return }
        let name = shown(target.name)
        if classNames.isEmpty {
            guard let range = target.range, range.lowerBound < range.upperBound else {
                throw fail(
                    "\(name) is the same number in every row: there is nothing to learn; --target names another column")
            }
        } else {
            let present = classCounts.filter { $0 > 0 }
            guard present.count > 1 else {
                let only = zip(classNames, classCounts).first { $0.1 > 0 }?.0 ?? ""
                throw fail(
                    "every row has the class '\(shown(only))' in \(name): there is nothing to learn; --target names another "
                        + "column")
            }
            guard rows < 10 || present.contains(where: { $0 > 1 }) else {
                throw fail(
                    "every one of the \(sampledRows ?? rows) labels in \(name) is different: they are no classes; numbers are predicted by "
                        + "regression (--task regression)")
            }
        }
    }
}

extension TableProfile: CustomStringConvertible {
    /// The table of columns, the classes, what was left out and why, and what gives cause for doubt.
    public var description: String {
        let about = sampledRows == nil ? "" : "about "
        var lines = [
            "\(shown(path, limit: 200)): \(about)\(counted(rows, "row")), \(counted(columns.count, "column")); \(form)"
        ]
        if let sampledRows { lines.append("what follows is of a sample of \(counted(sampledRows, "row"))") }
        let used = columns.filter { $0.role == .input || $0.role == .target }
        let shownColumns = used.prefix(40)
        var table = [["column", "type", "missing", "values"]]
        for column in shownColumns {
            let role = column.role == .target ? " (to be predicted)" : ""
            let type = column.type.isDate ? "date" : column.type.rawValue
            table.append([shown(column.name, limit: 40), type, "\(column.missing)", values(of: column) + role])
        }
        lines += aligned(table).map { "  " + $0 }
        if used.count > shownColumns.count { lines.append("  and \(used.count - shownColumns.count) more") }
        if !classNames.isEmpty {
            let classes = zip(classNames, classCounts).map { "\(shown($0, limit: 30)) \($1)" }
            lines.append("\(counted(classNames.count, "class", "classes")): \(listed(classes, limit: 20))")
        }
        let omitted = columns.filter { $0.role == .ignored || $0.role == .id }
        for column in omitted.prefix(20) {
            lines.append("left out: \(shown(column.name, limit: 40)), \(column.reason)")
        }
        if omitted.count > 20 { lines.append("left out: \(omitted.count - 20) more") }
        if rowsWithoutTarget > 0 { lines.append("left out: \(counted(rowsWithoutTarget, "row")) without a target") }
        if blankRows > 0 { lines.append("left out: \(counted(blankRows, "row")) of empty fields") }
        if raggedRows > 0 { lines.append("left out: \(counted(raggedRows, "row")) of another number of fields") }
        for note in notes { lines.append("note: \(note)") }
        for warning in warnings { lines.append("warning: \(warning)") }
        return lines.joined(separator: "\n")
    }

    private var form: String {
        let marks = [",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"]
        var words = ["separated by \(marks[dialect.delimiter] ?? "'\(dialect.delimiter)'")"]
        words.append(dialect.hasHeader ? "names in the first line" : "no names")
        if dialect.decimalMark == "," { words.append("decimal commas") }
        if let mark = dialect.thousandsMark { words.append("'\(mark)' between thousands") }
        if !TableDialect.isUTF8(dialect.encoding) { words.append(shown(dialect.encoding)) }
        if dialect.preambleLines > 0 {
            words.append("\(counted(dialect.preambleLines, "line")) before them passed over")
        }
        if let mark = dialect.commentMark { words.append("lines that begin with \(mark) passed over") }
        return words.joined(separator: ", ")
    }

    private func values(of column: Column) -> String {
        if let range = column.range, column.type == .number || column.type.isDate {
            return "\(Self.short(range.lowerBound)) to \(Self.short(range.upperBound))"
        }
        guard column.type != .date, !column.frequent.isEmpty else {
            return column.distinct.map { "\($0) different" } ?? "many"
        }
        let frequent = column.frequent.prefix(4).map { "\(shown($0.value, limit: 24)) \($0.count)" }.joined(
            separator: ", ")
        let more = (column.distinct ?? 0) - min(column.frequent.count, 4)
        return more > 0 ? "\(frequent) and \(more) more" : frequent
    }

    /// A number as people write it.
    package static func short(_ number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : String(format: "%.6g", number)
    }
}
