import Gimbal

/// What a model knows of a table: every column by name, what it holds, and how a row becomes numbers.
///
/// It is made from the training file (`Table`), kept with the run, and applied to every other file by the names of its
/// columns.
public struct TableSchema: Codable, Sendable, Equatable {
    /// One column.
    public struct Column: Codable, Sendable, Equatable {
        /// What a column is there for.
        public enum Role: String, Codable, Sendable {
            /// One or several features are made of it.
            case input
            /// It is what is to be predicted.
            case target
            /// It tells rows apart: no input, but kept beside what is predicted.
            case id
            /// It is left out.
            case ignored
        }

        /// The column's name in the file; "column N", counted from 1, where the file gives none.
        public var name: String
        /// The column's place in the file that the schema was made from, from 0.
        public var place: Int
        /// What the column is there for.
        public var role: Role
        /// What the column holds.
        public var type: ColumnType
        /// The texts that have a feature each, in the order of the features and exact to the byte.
        public var categories: [String] = []
        /// Features that the rarer texts of a category share, each text by its hash; 0 where every text has its own.
        public var sharedFeatures = 0
        /// What stands beside its numbers: "%", a currency, or nothing.
        public var unit = ""
        /// Whether a feature says that the value is missing.
        public var hasMissingFeature = false
        /// What stands in for a missing number or date; for a date, in seconds since 1970.
        public var substitute = 0.0
        /// The mean over the training part; of a date, in seconds.
        public var mean = 0.0
        /// The standard deviation over the training part (of the population); 1 where nothing varies.
        public var deviation = 1.0
        /// How a date is written, and which of its parts are features; empty for other columns.
        public var dateForm = ""
        /// Whether the time of day is among a date's features.
        public var hasTimeOfDay = false
        /// Whether the day of the week and the time of the year are among a date's features.
        public var hasCalendar = false
        /// Why the column is left out; empty for one that is not.
        public var reason = ""

        /// The reason of a column that the user left out.
        static let leftOutAsTold = "as told"
        /// Whether the user left the column out, rather than what it holds.
        package var isLeftOutAsTold: Bool { reason == Self.leftOutAsTold }

        /// Numbers that a row's value becomes.
        public var featureCount: Int {
            guard role == .input else { return 0 }
            let missing = hasMissingFeature ? 1 : 0
            switch type {
            case .number, .boolean: return 1 + missing
            case .category: return categories.count + sharedFeatures + missing
            case .date, .dateDayFirst, .dateMonthFirst:
                return 1 + (hasTimeOfDay ? 2 : 0) + (hasCalendar ? 4 : 0) + missing
            case .text: return 0
            }
        }

        /// What each number is called: the column's name, and behind it the category or the part of a date.
        public var featureNames: [String] {
            guard role == .input else { return [] }
            var names: [String]
            switch type {
            case .number, .boolean: names = [name]
            case .category:
                names = categories.map { "\(name)=\($0)" } + (0..<sharedFeatures).map { "\(name)=others \($0 + 1)" }
            case .date, .dateDayFirst, .dateMonthFirst:
                names = [name]
                if hasTimeOfDay { names += ["\(name) time sine", "\(name) time cosine"] }
                if hasCalendar {
                    names += ["weekday sine", "weekday cosine", "season sine", "season cosine"].map { "\(name) \($0)" }
                }
            case .text: names = []
            }
            return hasMissingFeature ? names + ["\(name) is missing"] : names
        }
    }

    /// Every column of the file, in its order.
    public var columns: [Column]
    /// The names of the classes in the order of their numbers; empty where a number is predicted.
    public var classNames: [String]
    /// How the file is written that the schema was made from.
    public var dialect: TableDialect
    /// What the user said stands for a missing value; nil for the usual marks.
    public var missingMarks: [String]?
    /// What becomes of rows in which an input is missing.
    public var missing: TableOptions.Missing
    /// Whether a row without a target is an error.
    public var refusesMissingTargets: Bool

    /// Numbers that a row becomes.
    public var featureCount: Int { columns.reduce(0) { $0 + $1.featureCount } }
    /// What each of these numbers is called.
    public var featureNames: [String] { columns.flatMap(\.featureNames) }
    /// The column to be predicted.
    public var target: Column? { columns.first { $0.role == .target } }
    /// Whether a number is predicted, not a class.
    public var isRegression: Bool { classNames.isEmpty }

    /// What was done to the numbers to be predicted, so that scores can be told in their own units; nil for classes.
    public var targetStandardization: Standardization? {
        guard isRegression, let target else { return nil }
        return Standardization(
            means: [], deviations: [], targetMeans: [target.mean], targetDeviations: [target.deviation])
    }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting` for what no table can have made.
    public func validate() throws {
        func check(_ isGood: Bool, _ reason: String) throws {
            if !isGood { throw GimbalError.invalidSetting(name: "schema", reason: reason) }
        }
        try check(columns.count { $0.role == .target } <= 1, "several targets")
        try check(columns.contains { $0.role == .input }, "no column to learn from")
        try check(columns.enumerated().allSatisfy { $0 == $1.place }, "columns out of their places")
        try check(Set(columns.map { Array($0.name.utf8) }).count == columns.count, "two columns of one name")
        try check(Set(classNames.map { Array($0.utf8) }).count == classNames.count, "two classes of one name")
        for column in columns {
            let name = "column '\(shown(column.name))'"
            try check(column.mean.isFinite && column.substitute.isFinite, "\(name) has a mean that is no number")
            try check(column.deviation.isFinite && column.deviation > 0, "\(name) has a deviation that is not positive")
            try check(0...1024 ~= column.sharedFeatures, "\(name) has \(column.sharedFeatures) shared features")
            try check(0...1_000_000_000 ~= column.place, "\(name) has the place \(column.place)")
            let isDate = column.type.isDate && (column.role == .input)
            try check(!isDate || DateForm(name: column.dateForm) != nil, "\(name) has a form of date that is unknown")
        }
    }
}

extension ColumnType {
    var isDate: Bool { self == .date || self == .dateDayFirst || self == .dateMonthFirst }
}

/// What is taken for a missing value.
struct MissingMarks: Sendable {
    /// Lengths of no more than this many bytes, compared without regard to case.
    private let marks: Set<[UInt8]>
    private let longest: Int

    /// What people and programs write for a number that is not there.
    static let usual = MissingMarks([
        "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "-nan", "+nan", "null", "(null)", "nil", "none", "?", "-", "--",
        ".", "\\n",
        "nat",
    ])

    init(_ marks: [String]) {
        self.marks = Set(
            marks.map { mark in
                let bytes = Array(mark.lowercased().utf8)
                return Array(bytes.prefix(bytes.withUnsafeBufferPointer { Self.significant($0.baseAddress, $0.count) }))
            })
        longest = self.marks.map(\.count).max() ?? 0
    }

    /// Bytes of a text without the zeros of its fraction: -999.0 is -999. Three zeros may be thousands.
    private static func significant(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int {
        guard let bytes, count > 2, bytes[count - 1] == 48, bytes[0] < 0x3A else { return count }
        var end = count - 1
        while end > 0, bytes[end - 1] == 48 { end -= 1 }
        let isFraction = end > 1 && count - end != 3 && bytes[end - 1] == UInt8(ascii: ".") && bytes[end - 2] &- 48 < 10
        return isFraction ? end - 1 : count
    }

    /// Whether these bytes are one of the marks.
    func contains(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        let count = Self.significant(bytes, length)
        guard count <= longest, count > 0 else { return false }
        let text = (0..<count).map { index -> UInt8 in
            let byte = bytes[index]
            return 65...90 ~= byte ? byte + 32 : byte
        }
        return marks.contains(text)
    }
}
