import Gimbal

/// What the facts of a table prove about its columns.
struct TableDecisions {
    var columns: [TableSchema.Column] = []
    /// What the facts contradict or leave open: reading stops with the first.
    var problems: [GimbalError] = []
    /// What gives cause for doubt in the data or the question asked of them.
    var warnings: [String] = []

    private let path: String
    private let names: [String]
    private let target: Int
    private let facts: TableFacts
    private let options: TableOptions
    private let types: [Int: ColumnType]
    private let askedFor: Set<Int>
    private let hasHeader: Bool

    init(
        _ facts: TableFacts, names: [String], target: Int, roles: [TableSchema.Column.Role], types: [Int: ColumnType],
        askedFor: Set<Int>, options: TableOptions, hasHeader: Bool, path: String
    ) {
        self.path = path
        self.names = names
        self.target = target
        self.facts = facts
        self.options = options
        self.types = types
        self.askedFor = askedFor
        self.hasHeader = hasHeader
        for (place, name) in names.enumerated() {
            var column = TableSchema.Column(name: name, place: place, role: roles[place], type: .number)
            switch column.role {
            case .target:
                column.type = isRegression ? .number : .category
                if isRegression { decideTarget(&column, facts.columns[place]) }
            case .input: decide(&column, facts.columns[place])
            case .id:
                column.type = .text
                column.reason = "an id, as told"
            case .ignored:
                column.type = .text
                column.reason = TableSchema.Column.leftOutAsTold
            }
            columns.append(column)
        }
        if !options.keepsRedundantColumns { leaveOutRedundant() }
        keepOneInput()
        warnOfGiveaways()
        warnOfSentinels()
    }

    private var isRegression: Bool { options.task == .regression }

    private func place(_ column: Int) -> String { TableNames.place(column, names[column]) }

    private func problem(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }

    /// What is wrong with a field of a column, and where.
    private func problem(_ field: Witness, _ column: Int, _ reason: String) -> GimbalError {
        problem("line \(field.line), \(place(column)): '\(shown(field.text))' \(reason)")
    }

    /// What may be said of a column whose fields are not of one kind.
    private func waysOn(_ column: Int, missing marks: [String] = []) -> String {
        TableAdvice.waysOn(names[column], missing: marks, isTarget: column == target)
    }

    // MARK: One column

    private mutating func decide(_ column: inout TableSchema.Column, _ facts: ColumnFacts) {
        let told = types[column.place]
        guard let type = told ?? proven(column, facts) else {
            (column.role, column.type, column.reason) = (.ignored, .text, "holds nothing")
            return
        }
        column.type = type
        switch type {
        case .number:
            if told == .number, let text = facts.text.first {
                problems.append(problem(text, column.place, "is no number"))
            }
            requireNumbers(&column, facts)
            column.hasMissingFeature = facts.empty + facts.marks > 0
            if told == nil, !askedFor.contains(column.place) { tellIds(&column, facts) }
        case .boolean:
            column.hasMissingFeature = facts.empty + facts.marks > 0
            if Truth.pair(facts.values.texts) == nil {
                problems.append(
                    problem(
                        "\(place(column.place)) is no column of truth values: it holds \(listed(facts.values.texts))"))
            }
        case .category:
            guard facts.hasAllValues || told != nil else {
                (column.role, column.type, column.reason) = (
                    .ignored, .text, Self.textReason(facts, rows: self.facts.rows)
                )
                return
            }
            chooseCategories(&column, facts)
        case .date, .dateDayFirst, .dateMonthFirst: decideDate(&column, facts)
        case .text:
            let isId = hasHeader && TableNames.isId(column.name)
            (column.role, column.reason) = (isId ? .id : .ignored, Self.textReason(facts, rows: self.facts.rows))
            if told == .text { column.reason = "text, as told" }
        }
    }

    private mutating func decideTarget(_ column: inout TableSchema.Column, _ facts: ColumnFacts) {
        if let text = facts.text.first {
            let marks = facts.text.distinct.map(\.first.text)
            let areMarks = marks.count < TextFacts.limit && 2 * facts.numbers > facts.texts
            problems.append(
                problem(text, column.place, "is not a number" + waysOn(column.place, missing: areMarks ? marks : [])))
        }
        requireNumbers(&column, facts)
    }

    /// Numbers are finite, and of one unit.
    private mutating func requireNumbers(_ column: inout TableSchema.Column, _ facts: ColumnFacts) {
        if let infinite = facts.firstInfinite {
            problems.append(
                problem(
                    infinite, column.place,
                    "is infinite, or too large for a float64; it may be named as missing (missingMarks, --missing) or its "
                        + "column left out (excluded, --exclude)"))
        }
        if let (first, second) = facts.units.conflict {
            problems.append(
                problem(
                    second, column.place,
                    "and '\(shown(first.text))' in line \(first.line) are not of one unit; write all numbers of the column in "
                        + "the same, or leave it out (excluded, --exclude)"))
        }
        column.unit = facts.units.unit
    }

    /// What a column holds by what is in it; nil for nothing.
    private mutating func proven(_ column: TableSchema.Column, _ facts: ColumnFacts) -> ColumnType? {
        let filled = self.facts.rows - facts.empty
        let texts = facts.texts
        guard filled > 0, facts.numbers + facts.infinite + texts > 0 else { return nil }
        if let other = facts.text.firstOtherNumber, 10 * facts.text.compactDates >= 9 * filled, facts.values.count > 10
        {
            problems.append(
                problem(
                    other, column.place,
                    "is no date, but \(facts.text.compactDates) of the \(filled) fields are, in digits alone; say that it is "
                        + "missing (missingMarks, --missing \(shown(other.text))), that the column holds numbers (types, --types "
                        + "\(shown(column.name))=number) or leave it out (excluded, --exclude)"))
            return .number
        }
        if texts == 0 {
            let isCompactDate =
                facts.dateForms & DateForm.compact.bit != 0 && facts.numbers >= 10
                && (!facts.hasAllValues || facts.values.count >= 10)
            return isCompactDate ? .date : .number
        }
        if let mixture = mixture(facts, filled: filled, column.place) {
            problems.append(mixture)
            return .number
        }
        if facts.numbers + facts.infinite == 0 {
            if facts.text.areDates { return .date }
            if facts.hasAllValues, Truth.pair(facts.values.texts) != nil { return .boolean }
        }
        return textOrCategory(facts, filled: filled)
    }

    /// Why texts are no categories: most fields are numbers, dates, or numbers with units, and the others are not.
    private func mixture(_ facts: ColumnFacts, filled: Int, _ column: Int) -> GimbalError? {
        let (text, numbers) = (facts.text, facts.numbers + facts.infinite)
        if numbers > 0, TableAdvice.areMarks(facts, filled: filled), let first = text.first {
            return problem(
                first, column,
                "is not a number, but \(numbers) of its \(filled) fields are"
                    + waysOn(column, missing: text.distinct.map(\.first.text)))
        }
        if 2 * text.dates > text.count, let date = text.firstDate {
            if let other = text.firstUndated {
                return problem(
                    other, column,
                    "is no date, but \(text.dates) of \(text.count) texts are, such as '\(shown(date.text))' in line "
                        + "\(date.line)" + waysOn(column, missing: [other.text]))
            }
            if let other = text.firstOfOtherForm {
                return problem(
                    other, column,
                    "is a date in another form than '\(shown(date.text))' in line \(date.line); write all in one form"
                        + waysOn(column))
            }
            if numbers > 0 {
                return problem(
                    date, column, "is a date, but \(numbers) of the \(filled) fields are numbers" + waysOn(column))
            }
        }
        let isMany = !facts.hasAllValues || facts.values.count > TableAdvice.fewValues
        if 5 * text.measures >= 4 * text.count, text.units.count <= 3, isMany, let (unit, first) = text.units.first {
            let others = text.units.dropFirst().map { "'\(shown($0.first.text))' in line \($0.first.line)" }
            let also = others.isEmpty ? "" : ", where others have others: \(others.joined(separator: ", "))"
            return problem(
                first, column,
                "is a number with the unit \(shown(unit))\(also); write the numbers alone, all in one unit"
                    + waysOn(column))
        }
        return nil
    }

    private func textOrCategory(_ facts: ColumnFacts, filled: Int) -> ColumnType {
        let distinct = facts.values.count
        guard facts.hasAllValues else { return .text }
        if filled >= 20, 2 * distinct > filled { return .text }
        return distinct > 32 && 4 * distinct > filled ? .text : .category
    }

    private static func textReason(_ facts: ColumnFacts, rows: Int) -> String {
        let count = facts.hasAllValues ? "\(facts.values.count)" : "more than \(facts.values.count - 1)"
        return "text: \(count) different values in \(rows - facts.empty) rows (--types NAME=category makes it an input)"
    }

    /// Numbers that only number the rows.
    private func tellIds(_ column: inout TableSchema.Column, _ facts: ColumnFacts) {
        let rows = self.facts.rows
        guard hasHeader, rows >= 8, facts.whole == rows, TableNames.isId(column.name) else { return }
        if facts.isRising, facts.firstNumber == 0 || facts.firstNumber == 1 {
            (column.role, column.reason) = (.id, "an index: it rises by one from row to row")
        } else if facts.distinctEstimate >= 0.9 * Double(rows), !facts.hasAllValues || facts.values.count == rows {
            (column.role, column.reason) = (.id, "an id, by its name and as every row has its own")
        }
    }

    private mutating func decideDate(_ column: inout TableSchema.Column, _ facts: ColumnFacts) {
        let alive = facts.text.areDates || facts.texts == 0 ? facts.dateForms : 0
        func has(_ form: DateForm) -> Bool { alive & form.bit != 0 }
        let form: DateForm?
        switch column.type {
        case .dateDayFirst: form = has(.dayFirst) ? .dayFirst : nil
        case .dateMonthFirst: form = has(.monthFirst) ? .monthFirst : nil
        default:
            if has(.dayFirst), has(.monthFirst), facts.texts > 0 {
                problems.append(
                    problem(
                        "\(place(column.place)): dates such as '\(shown(facts.text.first?.text ?? ""))' may begin with the day or the "
                            + "month; say which (types, --types \(shown(column.name))=date-dmy or date-mdy)"))
            }
            form =
                facts.texts == 0
                ? (has(.compact) ? .compact : nil)
                : [.yearFirst, .dayFirst, .monthFirst, .time, .monthName, .week, .compact].first(where: has)
        }
        guard let form else {
            let text = facts.text
            if let odd = text.firstUndated ?? text.firstOfOtherForm ?? text.first {
                problems.append(problem(odd, column.place, "is no date in the form of the others"))
            } else {
                problems.append(problem("\(place(column.place)) holds no dates"))
            }
            return
        }
        column.dateForm = form.name
        column.hasMissingFeature = facts.empty + facts.marks > 0
        column.hasTimeOfDay = form == .time || facts.hasTimeOfDay
        column.hasCalendar = form != .time
    }

    private func chooseCategories(_ column: inout TableSchema.Column, _ facts: ColumnFacts) {
        let values = facts.values
        let limit = max(options.oneHotLimit, 1)
        var chosen = Array(0..<values.count)
        let texts = values.texts
        func precedes(_ a: Int, _ b: Int) -> Bool { texts[a].utf8.lexicographicallyPrecedes(texts[b].utf8) }
        if values.count > limit {
            chosen.sort {
                values.counts[$0] != values.counts[$1] ? values.counts[$0] > values.counts[$1] : precedes($0, $1)
            }
            chosen = Array(chosen.prefix(limit))
            column.sharedFeatures = 8
        }
        column.categories = chosen.sorted(by: precedes).map { texts[$0] }
        column.hasMissingFeature = facts.empty > 0
    }

    // MARK: Columns together

    private mutating func leaveOutRedundant() {
        var first: [UInt64: Int] = [:]
        for index in columns.indices where columns[index].role == .input && !askedFor.contains(index) {
            let found = facts.columns[index]
            let isMissingSometimes = found.empty + found.marks > 0
            let isConstant =
                !isMissingSometimes && facts.rows > 1
                && (found.numbers == facts.rows
                    ? found.minimum == found.maximum : found.hasAllValues && found.values.count == 1)
            if isConstant {
                let value = found.values.count > 0 ? found.values.text(0) : ""
                (columns[index].role, columns[index].reason) = (.ignored, "never changes: always '\(shown(value))'")
            } else if let same = first[found.fingerprint], facts.rows > 1, types[index] == nil {
                (columns[index].role, columns[index].reason) = (.ignored, "repeats \(shown(names[same]))")
            } else {
                first[found.fingerprint] = index
            }
        }
    }

    /// A table of nothing but an index and a target asks for the index.
    private mutating func keepOneInput() {
        guard !columns.contains(where: { $0.role == .input }) else { return }
        for index in columns.indices where columns[index].role == .id && columns[index].type == .number {
            guard options.ids.isEmpty else { break }
            (columns[index].role, columns[index].reason) = (.input, "")
            return
        }
        problems.append(
            problem(
                "no column is left to predict \(shown(names[target])) from: "
                    + listed(columns.filter { $0.role != .target }.map { "\($0.name) \($0.reason)" }, length: 80)))
    }

    private mutating func warnOfGiveaways() {
        let answers = facts.columns[target]
        for column in columns where column.role == .input {
            let found = facts.columns[column.place]
            if found.fingerprint == answers.fingerprint, facts.rows > 1 {
                warnings.append(
                    "\(shown(column.name)) gives the answer away: it is the same as \(shown(names[target]))")
                continue
            }
            guard !isRegression, found.hasAllValues, facts.rows >= 20, found.values.count >= 2,
                2 * found.values.count <= facts.rows - found.empty - found.marks, answers.values.count > 1,
                found.values.classes.allSatisfy({ $0 >= 0 })
            else { continue }
            warnings.append(
                "\(shown(column.name)) gives the answer away: each of its \(found.values.count) values goes with one class "
                    + "(--exclude leaves it out)")
        }
    }
}

extension TableDecisions {
    /// Numbers that may stand for a missing value.
    fileprivate mutating func warnOfSentinels() {
        for column in columns where column.role == .input {
            let (found, name) = (facts.columns[column.place], shown(column.name))
            if column.type == .number, !found.hasAllValues || found.values.count > 3 {
                warnings += found.extremes.doubts(of: column.name, among: found.numbers)
            } else if column.type.isDate, found.text.latest >= 253_370_764_800 {
                warnings.append(
                    "\(name) has dates of the year 9999; where they stand for a missing value, name them as they are written "
                        + "(missingMarks, --missing)")
            }
        }
    }
}

/// The words that stand for true and false.
enum Truth {
    private static let pairs: [(no: String, yes: String)] = [
        ("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("off", "on"),
    ]

    /// The two words that `texts` are made of, whatever their case and the usual marks for missing values aside.
    static func pair(_ texts: [String]) -> (no: String, yes: String)? {
        let words = Set(texts.map { $0.lowercased() }.filter { !MissingMarks.usual.contains($0) })
        guard words.count == 2 else { return nil }
        return pairs.first { words == [$0.no, $0.yes] }
    }

    /// 1 for a word that stands for true, 0 for one that stands for false; nil for others.
    static func value(_ text: String) -> Double? {
        let word = text.lowercased()
        if pairs.contains(where: { $0.yes == word }) { return 1 }
        return pairs.contains { $0.no == word } ? 0 : nil
    }
}

extension MissingMarks {
    func contains(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in bytes.baseAddress.map { contains($0, bytes.count) } ?? false }
    }
}
