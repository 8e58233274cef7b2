/// How a table is written: what separates its fields, how its numbers and its bytes are to be read.
public struct TableDialect: Codable, Sendable, Equatable {
    /// What separates fields: a comma, a semicolon, a tab, a bar, any other ASCII character, or a space, which stands
    /// for any number of spaces and tabs.
    public var delimiter = ","
    /// Whether the first line holds names.
    public var hasHeader = true
    /// Lines before the table that belong to nothing: a title, "sep=;" as Excel writes it, scikit-learn's line of counts and
    /// class names.
    public var preambleLines = 0
    /// What lines begin with that hold no data: "#" or "%"; nil where no line is passed over.
    public var commentMark: String?
    /// Whether the header stands behind the mark of a comment.
    public var hasCommentedHeader = false
    /// Whether each row ends with a delimiter that the header does not have.
    public var hasTrailingDelimiter = false
    /// The number of fields of a row, where lines of any other are left out; nil where such a line is an error.
    public var rowWidth: Int?
    /// What the bytes of the file mean, as iconv calls it.
    public var encoding = TableDialect.utf8
    /// What stands before the fraction of a number: "." or ",".
    public var decimalMark = "."
    /// What may stand between groups of three digits; nil for nothing.
    public var thousandsMark: String?

    /// Commas, a header, UTF-8, decimal points.
    public init() {}

    static let utf8 = "UTF-8"

    static func isUTF8(_ encoding: String) -> Bool { ["utf-8", "utf8"].contains(encoding.lowercased()) }

    /// 0 for none.
    var commentByte: UInt8 { commentMark?.utf8.first ?? 0 }

    var delimiterByte: UInt8 { delimiter.utf8.first ?? UInt8(ascii: ",") }

    /// Of numbers that stand alone, without a currency or a per cent sign.
    var bareNumberReader: NumberReader { numberReader(allowsDress: false) }

    var numberReader: NumberReader { numberReader(allowsDress: true) }

    private func numberReader(allowsDress: Bool) -> NumberReader {
        NumberReader(
            decimalMark: decimalMark.utf8.first ?? UInt8(ascii: "."), thousandsMark: Array((thousandsMark ?? "").utf8),
            allowsDress: allowsDress)
    }
}

/// How to read a table. What is not said is found out from the file; where the file does not prove it, reading stops and
/// says which option decides.
public struct TableOptions: Sendable {
    /// The column to be predicted.
    public enum Target: Sendable, Equatable {
        /// The last column.
        case last
        /// The column of this number, counted from 1 as in messages.
        case column(Int)
        /// The column of this name.
        case named(String)
        /// As a user writes it: a name, or a number counted from 1 where no column has that name.
        case written(String)
    }

    /// What the target column holds.
    public enum Task: Sendable, Equatable {
        /// Whole numbers or texts, each standing for a class. Classes are numbered in the order of the numbers or, for
        /// texts, of their bytes; `names` fixes another order and refuses any other label.
        case classification(names: [String]? = nil)
        /// Numbers to be predicted.
        case regression
        /// Numbers are predicted where the target holds fractions, or so many different numbers that they are hardly classes;
        /// classes otherwise.
        case automatic
    }

    /// What becomes of a line that has not as many fields as the others: a note below the table, a row that was cut.
    public enum RaggedRows: String, Codable, Sendable, CaseIterable {
        /// Reading stops with the line.
        case refuse
        /// It is left out, and counted.
        case skip
    }

    /// What becomes of a row in which an input is missing.
    public enum Missing: String, Codable, Sendable, CaseIterable {
        /// The median stands in for a number, and a feature of its own says that it was missing; a missing category is a
        /// category.
        case fill
        /// The row is left out, and counted.
        case drop
        /// Reading stops with the line.
        case refuse
    }

    /// The column to be predicted; unless said otherwise, the last.
    public var target: Target
    /// What the target column holds.
    public var task: Task
    /// What separates fields, one ASCII character; nil: proven from the file.
    public var delimiter: Character?
    /// Whether the first line holds names; nil: proven from the file.
    public var hasHeader: Bool?
    /// What the bytes mean, as iconv calls it, such as "windows-1252"; nil: UTF-8, or what a byte order mark says.
    public var encoding: String?
    /// "." or ","; nil: proven from the file.
    public var decimalMark: Character?
    /// What stands between groups of three digits; nil: proven from the file.
    public var thousandsMark: Character?
    /// The only inputs, by name or number from 1; nil for all that can be used.
    public var columns: [String]?
    /// Columns that are left out, by name or number from 1.
    public var excluded: [String] = []
    /// Columns that only tell rows apart: left out of the inputs, and kept for what is predicted of a row.
    public var ids: [String] = []
    /// What columns hold, by name or number from 1, where the file does not prove it or proves the wrong thing.
    public var types: [String: ColumnType] = [:]
    /// What stands for a missing value in every column, beside an empty field and, in columns of numbers, dates and truth
    /// values, the usual marks: NA, NaN, null, ? and others. Where a schema reads another file, beside those of its own.
    public var missingMarks: [String]?
    /// What becomes of rows in which an input is missing.
    public var missing = Missing.fill
    /// What becomes of lines that have not as many fields as the others.
    public var raggedRows = RaggedRows.refuse
    /// Whether a row without a target stops the reading; it is left out, and counted, otherwise.
    public var refusesMissingTargets = false
    /// The most values of a category that have a feature each; the rarer ones share eight.
    public var oneHotLimit = 32
    /// Whether columns that never change, or that repeat another, stay inputs.
    public var keepsRedundantColumns = false

    /// Bytes of a plain file above which samples of it, spread evenly, are looked at before training in place of all rows.
    /// A later row that contradicts them is refused by its line.
    public var sampledAbove = 1 << 28
    /// Bytes of these samples together.
    public var sampleBytes = 1 << 26

    /// Options for a file whose last column is a class, unless said otherwise.
    public init(
        target: Target = .last, task: Task = .classification(), delimiter: Character? = nil, hasHeader: Bool? = nil
    ) {
        self.target = target
        self.task = task
        self.delimiter = delimiter
        self.hasHeader = hasHeader
    }
}

extension TableOptions {
    /// What is told of how files are written alone, for further files of the same columns.
    var writing: TableOptions {
        var options = TableOptions(delimiter: delimiter, hasHeader: hasHeader)
        (options.encoding, options.decimalMark, options.thousandsMark) = (encoding, decimalMark, thousandsMark)
        options.raggedRows = raggedRows
        return options
    }
}

/// What a column holds.
public enum ColumnType: String, Codable, Sendable, CaseIterable {
    /// Numbers.
    case number
    /// One of two truth values: true and false, yes and no, t and f, y and n.
    case boolean
    /// One of several texts or numbers, each standing for itself.
    case category
    /// Dates, times of day, or both, year first or in the order that the values prove.
    case date
    /// Dates whose day comes before the month.
    case dateDayFirst = "date-dmy"
    /// Dates whose month comes before the day.
    case dateMonthFirst = "date-mdy"
    /// Free text, which is no input.
    case text
}
