import Gimbal
import Glibc

/// The rows of a file as a schema has them: features in float32, after standardisation in float64, and what is to be
/// predicted.
///
/// Columns are found by their names, whatever their order; those that the schema does not know are passed over. A file
/// without names is read by place.
public final class TableRows {
    /// What the rows are made by.
    public let schema: TableSchema
    /// How the file is written.
    public let dialect: TableDialect
    /// The names of the file's columns that the schema does not know.
    public private(set) var unknownColumns: [String] = []
    /// Whether the file has the column to be predicted.
    public var hasTarget: Bool { target != nil }
    /// The class of the row; -1 where the file has none.
    public private(set) var label: Int32 = -1
    /// What is to be predicted of the row in the data's units; NaN where the file has none.
    public private(set) var value = Double.nan
    /// Rows given so far.
    public private(set) var count = 0
    /// Rows that were left out as they have no target.
    public private(set) var rowsWithoutTarget = 0
    /// Rows that were left out as an input is missing.
    public private(set) var rowsWithMissing = 0

    /// What data sets of the file are called.
    let fileName: String

    private let reader: TableReader
    private let number: NumberReader
    private let marks: MissingMarks?
    private let plans: [Plan]
    /// Of the columns of numbers what the making of a feature needs, and the plans of all other columns.
    private let numbers: [NumberPlan]
    private let others: [Int]
    private let target: Int?
    private let ids: [(name: String, place: Int)]
    private let classes: ValueTable
    private let classNumbers: ValueTable
    private let needsTarget: Bool
    private let width: Int
    /// Whether a column of numbers is of per cents.
    private let hasPerCents: Bool
    private var isAhead: Bool
    /// What each column that belongs to a row's hash has as its place in the file and its seed.
    private let content: [(place: Int, seed: UInt64)]
    /// Where equal rows are shared out: those that were met.
    private var met = RowOccurrences()
    private var unseen: [Int]
    private var filled: [Int]

    private struct Plan {
        var column: TableSchema.Column
        var place: Int
        /// Of the first feature.
        var offset: Int
        var categories: ValueTable
        var form: DateForm?
    }

    private struct NumberPlan: BitwiseCopyable {
        var place: Int
        var offset: Int
        var mean: Double
        var deviation: Double
        var hasMissingFeature: Bool
        var plan: Int
    }

    /// - Parameters:
    ///   - needsTarget: whether a file without the column to be predicted, or another label than the known, is an error.
    ///   - range: the bytes to read, which begin and end with a record; nil for the whole file.
    init(
        _ schema: TableSchema, source: TableSource, dialect: TableDialect, needsTarget: Bool,
        range: Range<Int>? = nil
    ) throws {
        self.schema = schema
        self.dialect = dialect
        self.needsTarget = needsTarget
        fileName = source.fileName
        number = dialect.numberReader
        marks = schema.missingMarks.map { MissingMarks($0) }
        var reader = try TableReader(source.open(encoding: dialect.encoding), dialect)
        for _ in 0..<dialect.preambleLines { _ = try reader.next() }
        var header: [String]?
        if dialect.hasHeader, try reader.next() {
            header = dialect.hasCommentedHeader ? TableDialect.uncommented(reader.texts) : reader.texts
        }
        if let range {
            reader = try TableReader(source.open(bytes: range), dialect)
        }
        reader.rowWidth = dialect.rowWidth
        isAhead = try reader.next()
        self.reader = reader
        let width = isAhead ? reader.count : header?.count ?? 0
        self.width = width
        let places = try Self.places(
            of: schema, header: header, width: width, dialect, needsTarget: needsTarget, path: source.path)
        target = places.target
        unknownColumns = places.unknown
        var offset = 0
        var plans: [Plan] = []
        for column in schema.columns where column.role == .input {
            plans.append(
                Plan(
                    column: column, place: places.of[column.place]!, offset: offset,
                    categories: ValueTable(column.categories), form: DateForm(name: column.dateForm)))
            offset += column.featureCount
        }
        self.plans = plans
        numbers = plans.enumerated().filter { $0.element.column.type == .number }.map { index, plan in
            NumberPlan(
                place: plan.place, offset: plan.offset, mean: plan.column.mean, deviation: plan.column.deviation,
                hasMissingFeature: plan.column.hasMissingFeature, plan: index)
        }
        others = plans.indices.filter { plans[$0].column.type != .number }
        ids = schema.columns.filter { $0.role == .id }.compactMap { column in
            places.of[column.place].map { (column.name, $0) }
        }
        classes = ValueTable(schema.classNames)
        classNumbers = ValueTable(schema.classNames.map { TableLabels.key($0) })
        hasPerCents = schema.columns.contains { $0.unit == NumberDress.perCentSign }
        let seeds = RowHash.seeds(of: schema.columns.map(\.name))
        content = zip(schema.columns, seeds).compactMap { column, seed in
            guard column.role == .input || column.role == .target else { return nil }
            return places.of[column.place].map { ($0, seed) }
        }
        unseen = [Int](repeating: 0, count: plans.count)
        filled = [Int](repeating: 0, count: plans.count)
    }

    /// Where a file has the columns of a schema, by their places in the schema.
    private static func places(
        of schema: TableSchema, header: [String]?, width: Int, _ dialect: TableDialect, needsTarget: Bool,
        path: String
    ) throws -> (of: [Int: Int], target: Int?, unknown: [String]) {
        var places: [Int: Int] = [:]
        let target = schema.columns.firstIndex { $0.role == .target }
        guard schema.dialect.hasHeader, let header else {
            let all = schema.columns.count
            let isWithoutTarget = width == all - 1 && target != nil && !needsTarget
            guard width == all || isWithoutTarget else {
                throw GimbalError.invalidFile(
                    path: path,
                    reason: "has \(width) columns and no names, where the file that was trained on has \(all) columns")
            }
            for index in 0..<all where !(isWithoutTarget && index == target) {
                places[index] = isWithoutTarget && index > target! ? index - 1 : index
            }
            return (places, isWithoutTarget ? nil : target, [])
        }
        let names = TableNames.names(header: header, width: width, dialect)
        var of: [[UInt8]: Int] = [:]
        for (place, name) in names.enumerated() { of[Array(name.utf8)] = place }
        var missing: [String] = []
        for (index, column) in schema.columns.enumerated() {
            if let place = of[Array(column.name.utf8)] {
                places[index] = place
            } else if column.role == .input || (column.role == .target && needsTarget) {
                missing.append(column.name)
            }
        }
        guard missing.isEmpty else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "has no \(missing.count == 1 ? "column '\(listed(missing))'" : "columns \(listed(missing))"), which the model was trained "
                    + "with; its columns are \(listed(names))")
        }
        let known = Set(schema.columns.map { Array($0.name.utf8) })
        return (places, target.flatMap { places[$0] }, names.filter { !known.contains(Array($0.utf8)) })
    }

    // MARK: Rows

    /// Goes to the next row. Rows without a target are passed over where one is needed.
    /// - Returns: false at the end of the file.
    /// - Throws: `GimbalError.invalidFile` with the line of a row that cannot be read.
    public func next() throws -> Bool {
        while try isAhead || reader.next() {
            isAhead = false
            guard reader.count == width else {
                throw reader.raggedRow(width: width)
            }
            if try readTarget() {
                count += 1
                return true
            }
        }
        return false
    }

    /// - Returns: whether the row has a target, or needs none.
    private func readTarget() throws -> Bool {
        label = -1
        value = .nan
        guard let target else { return true }
        let field = reader.field(target)
        let isMissing =
            field.count == 0 || marks?.contains(field.start, field.count) == true
            || (schema.isRegression && MissingMarks.usual.contains(field.start, field.count))
        if isMissing {
            guard needsTarget else { return true }
            guard !schema.refusesMissingTargets else { throw reader.invalid("\(place(target)): no target") }
            rowsWithoutTarget += 1
            return false
        }
        if schema.isRegression {
            if let number = number(field.start, field.count), number.isFinite {
                if needsTarget, let column = schema.target { try requireUnit(column, target, field, number) }
                value = number
            } else if needsTarget {
                throw reader.invalid(
                    "\(place(target)): '\(shown(reader.text(target)))' is not a number; \(TableAdvice.mend)")
            }
        } else if let index = classes.find(field.start, field.count, hash: contentHash(field.start, field.count))
            ?? classNumbers.find(TableLabels.key(reader.text(target)))
        {
            label = Int32(index)
        } else if needsTarget {
            throw reader.invalid(
                "\(place(target)): '\(shown(reader.text(target)))' is none of the classes \(listed(schema.classNames)); "
                    + TableAdvice.mend)
        }
        return true
    }

    private func place(_ column: Int) -> String {
        let name = schema.target?.name ?? ""
        return TableNames.place(column, name)
    }

    /// The row's 64-bit hash, by which a split tells its part: of what is in its inputs and its target, and the seed.
    public func hash(seed: UInt64) -> UInt64 {
        var sum: UInt64 = 0
        for (place, seed) in content {
            let field = reader.field(place)
            let hash: UInt64
            if field.count == 0 || marks?.contains(field.start, field.count) == true {
                hash = RowHash.empty
            } else if let number = number(field.start, field.count), number.isFinite {
                hash = contentHash(number)
            } else {
                hash = contentHash(field.start, field.count)
            }
            sum &+= RowHash.part(hash, seed)
        }
        return RowHash.whole(sum, seed: seed)
    }

    /// The part of a split that the row belongs to. To be asked once of each row: equal rows may be shared out.
    public func part(of split: TableSplit) -> TableSplit.Part {
        part(of: split, hash: hash(seed: split.request.seed))
    }

    /// The same of a row whose hash is known.
    func part(of split: TableSplit, hash: UInt64) -> TableSplit.Part {
        split.part(
            of: split.sharesOutEqualRows ? met.ownHash(of: hash) : hash, label: label < 0 ? nil : Int(label))
    }

    /// What the columns hold that only tell rows apart, by name.
    public var idTexts: [(name: String, text: String)] { ids.map { ($0.name, reader.text($0.place)) } }

    /// The names of the columns that only tell rows apart, of those that the file has.
    public var idNames: [String] { ids.map(\.name) }

    /// The line of the file on which the row begins, from 1.
    public var line: Int { reader.linesBefore + reader.line }

    // MARK: Features

    /// What is to be predicted as a model is trained to give it: standardised.
    public var standardizedValue: Float {
        guard let target = schema.target else { return .nan }
        return standardized(value, target.mean, target.deviation)
    }

    /// Writes the row's features.
    /// - Parameter features: room for `schema.featureCount` numbers.
    /// - Returns: false for a row that is left out, as an input is missing and the schema has it so.
    /// - Throws: `GimbalError.invalidFile` with the line and column of what cannot be read.
    public func write(to features: UnsafeMutablePointer<Float>) throws -> Bool {
        for column in numbers {
            let field = reader.field(column.place)
            if let number = number(field.start, field.count), number.isFinite,
                marks?.contains(field.start, field.count) != true
            {
                try requireUnit(plans[column.plan].column, column.place, field, number)
                let feature = standardized(number, column.mean, column.deviation)
                if !feature.isFinite { throw tooLarge(column.place) }
                features[column.offset] = feature
                if column.hasMissingFeature { features[column.offset + 1] = 0 }
            } else if try !writeOther(plans[column.plan], column.plan, field, features + column.offset) {
                rowsWithMissing += 1
                return false
            }
        }
        for index in others {
            let plan = plans[index]
            if try !writeOther(plan, index, reader.field(plan.place), features + plan.offset) {
                rowsWithMissing += 1
                return false
            }
        }
        return true
    }

    /// The row's features; nil where an input is missing and the schema leaves such rows out.
    /// - Throws: as `write(to:)`.
    func features() throws -> [Float]? {
        var features = [Float](repeating: 0, count: max(schema.featureCount, 1))
        guard try features.withUnsafeMutableBufferPointer({ try write(to: $0.baseAddress!) }) else { return nil }
        return features
    }

    /// A per cent is no fraction, and a dollar no euro; amounts may stand alone.
    @inline(__always)
    private func requireUnit(
        _ column: @autoclosure () -> TableSchema.Column, _ place: Int,
        _ field: (start: UnsafePointer<UInt8>, count: Int), _ number: Double
    ) throws {
        let isBare = NumberDress.isBare(field.start, field.count)
        if isBare, !hasPerCents { return }
        let (column, unit) = (column(), isBare ? "" : NumberDress(field.start, field.count)?.unit ?? "")
        guard unit != column.unit, number != 0,
            unit == NumberDress.perCentSign || column.unit == NumberDress.perCentSign
                || (!unit.isEmpty && !column.unit.isEmpty)
        else { return }
        throw reader.invalid(
            "\(TableNames.place(place, column.name)): '\(shown(reader.text(place)))', where the numbers that were trained with "
                + (column.unit.isEmpty ? "stand alone" : "have \(column.unit)") + "; write it as they were")
    }

    private func tooLarge(_ column: Int) -> GimbalError {
        reader.invalid("column \(column + 1): '\(shown(reader.text(column)))' is too large for a float32")
    }

    private func writeOther(
        _ plan: Plan, _ index: Int, _ field: (start: UnsafePointer<UInt8>, count: Int),
        _ features: UnsafeMutablePointer<Float>
    ) throws -> Bool {
        let column = plan.column
        let width = column.featureCount
        for feature in 0..<width { features[feature] = 0 }
        let isEmpty = field.count == 0 || marks?.contains(field.start, field.count) == true
        let isMissing =
            isEmpty
            || (column.type != .category && MissingMarks.usual.contains(field.start, field.count))
        if isMissing {
            switch schema.missing {
            case .refuse:
                throw reader.invalid(
                    "\(place(plan)): missing value '\(shown(reader.text(plan.place)))', which the run was told to refuse "
                        + "(missing, --missing-rows); fill the field in, or remove the row")
            case .drop: return false
            case .fill: break
            }
            if column.hasMissingFeature { features[width - 1] = 1 } else { filled[index] += 1 }
            if column.type == .number || column.type.isDate {
                features[0] = standardized(column.substitute, column.mean, column.deviation)
            }
            return true
        }
        switch column.type {
        case .number:
            let text = reader.text(plan.place)
            let isInfinite = number(field.start, field.count) != nil || MissingMarks.infinities.contains(text)
            throw reader.invalid(
                "\(place(plan)): '\(shown(text))' "
                    + (isInfinite ? "is infinite, or too large for a float64" : "is not a number")
                    + "; " + TableAdvice.mend)
        case .boolean:
            guard let truth = Truth.value(reader.text(plan.place)) else {
                throw reader.invalid(
                    "\(place(plan)): '\(shown(reader.text(plan.place)))' is neither true nor false; \(TableAdvice.mend)"
                )
            }
            features[0] = Float(truth)
        case .category:
            let hash = contentHash(field.start, field.count)
            if let place = plan.categories.find(field.start, field.count, hash: hash) {
                features[place] = 1
            } else if column.sharedFeatures > 0 {
                features[column.categories.count + Int(hash >> 32) % column.sharedFeatures] = 1
            } else {
                unseen[index] += 1
            }
        case .date, .dateDayFirst, .dateMonthFirst:
            guard let date = plan.form.flatMap({ readDate(field.start, field.count, $0) }) else {
                throw reader.invalid(
                    "\(place(plan)): '\(shown(reader.text(plan.place)))' is no date or time as those that were trained with"
                )
            }
            write(date, column, features)
        case .text: break
        }
        return true
    }

    private func write(_ date: DateReading, _ column: TableSchema.Column, _ features: UnsafeMutablePointer<Float>) {
        features[0] = standardized(date.seconds, column.mean, column.deviation)
        var next = 1
        func add(_ turn: Double) {
            features[next] = Float(sin(2 * .pi * turn))
            features[next + 1] = Float(cos(2 * .pi * turn))
            next += 2
        }
        if column.hasTimeOfDay { add(date.secondOfDay / 86_400) }
        if column.hasCalendar {
            add(Double(date.day) / 7)
            add(Double(date.day) / 365.2425)
        }
    }

    private func place(_ plan: Plan) -> String { TableNames.place(plan.place, plan.column.name) }

    // MARK: For the schema's statistics

    /// Adds the row's numbers and dates to the statistics of their columns, and the target's where it is a number.
    func add(to statistics: inout [Int: ColumnStatistics], hash: UInt64) {
        for plan in plans where plan.column.type == .number || plan.column.type.isDate {
            let field = reader.field(plan.place)
            guard field.count > 0, marks?.contains(field.start, field.count) != true else { continue }
            let value =
                plan.form.map { readDate(field.start, field.count, $0)?.seconds } ?? number(field.start, field.count)
            guard let value, value.isFinite else { continue }
            statistics[plan.column.place, default: ColumnStatistics()].add(
                value, hash: hash, isSampled: plan.column.hasMissingFeature)
        }
        if let target = schema.target, value.isFinite {
            statistics[target.place, default: ColumnStatistics()].add(value, hash: hash, isSampled: false)
        }
    }

    // MARK: What was met

    /// What happened to rows and values that were not as in training, in sentences.
    public var notes: [String] {
        var notes: [String] = []
        func add(_ count: Int, _ words: String) {
            if count > 0 { notes.append("\(counted(count, "row")) \(words)") }
        }
        add(rowsWithoutTarget, "without a target left out")
        add(rowsWithMissing, "with missing values left out")
        add(reader.blankRecords, "of empty fields passed over")
        add(reader.raggedRecords, "of another number of fields left out")
        for (index, plan) in plans.enumerated() {
            let name = shown(plan.column.name)
            add(unseen[index], "with a value of \(name) that training did not meet: none of its categories")
            if filled[index] > 0 {
                let stand = plan.column.type == .number || plan.column.type.isDate ? ": the median stands in" : ""
                add(filled[index], "without a value of \(name), where training had one in each\(stand)")
            }
        }
        if !unknownColumns.isEmpty {
            notes.append("columns that training did not have, passed over: \(listed(unknownColumns))")
        }
        return notes
    }
}

/// A number as a model gets it. Halves are exact, and leave room for the distance of numbers of any size.
@inline(__always)
private func standardized(_ value: Double, _ mean: Double, _ deviation: Double) -> Float {
    Float((value / 2 - mean / 2) / deviation * 2)
}
