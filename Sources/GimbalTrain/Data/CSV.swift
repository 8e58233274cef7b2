import Gimbal
import Glibc

/// How to read a CSV file. What is not said is found out from the file.
public struct CSVOptions: Sendable {
    /// The column to be predicted; all others are inputs.
    public enum Target: Sendable {
        /// The last column.
        case last
        /// The column of this number, counted from 0.
        case column(Int)
        /// The column of this name, which the first line must give.
        case named(String)
    }

    /// What the target column holds.
    public enum Task: Sendable {
        /// Whole numbers or texts, each standing for a class. Classes are numbered in the order of the numbers or, for
        /// texts, of their Unicode; `names` fixes another order and refuses any other label.
        case classification(names: [String]? = nil)
        /// Numbers to be predicted.
        case regression
    }

    /// The column to be predicted.
    public var target: Target
    /// What the target column holds.
    public var task: Task
    /// What separates fields, one ASCII character; nil for whichever of comma, semicolon and tab is most frequent in
    /// the first line.
    public var delimiter: Character?
    /// Whether the first line holds names; nil: it does unless its fields, the target aside, are numbers.
    public var hasHeader: Bool?

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

extension Dataset {
    /// A table of numbers from a CSV file, plain or gzip: one example in each line, one column of them the target.
    ///
    /// Every input must be a finite number; a missing one (an empty field, `NA`, `NaN`, `?`) is an error, because
    /// training on it would end in NaN.
    /// - Throws: `GimbalError.invalidFile` with the line and column of the first mistake, `GimbalError.invalidSetting`
    ///   for options that do not fit the file, `GimbalError.fileSystem`.
    public static func csv(path: String, options: CSVOptions = CSVOptions(), name: String? = nil) throws -> Dataset {
        var table = try CSVTable(path: path, options: options)
        try table.readAll()
        let fileName = path.split(separator: "/").last.map(String.init) ?? path
        return Dataset(
            name: name ?? fileName, inputShape: [table.width - 1], inputs: .floats(table.inputs),
            targets: try table.targets())
    }
}

/// A CSV file on its way to becoming a data set.
private struct CSVTable {
    private let options: CSVOptions
    private var reader: CSVReader
    private var record = CSVRecord()
    /// Number of columns, the target among them.
    private(set) var width = 0
    private var target = 0
    private var columnNames: [String] = []
    private(set) var inputs: [Float] = []
    private var values: [Float] = []
    /// Labels in the order they were met, the line of the first of each, and each example's.
    private var labels: [String: Int32] = [:]
    private var labelLines: [Int] = []
    private var labelOfExample: [Int32] = []

    init(path: String, options: CSVOptions) throws {
        self.options = options
        var delimiter: UInt8?
        if let character = options.delimiter {
            guard let ascii = character.asciiValue, character != "\"", !character.isNewline else {
                throw GimbalError.invalidSetting(name: "delimiter", reason: "'\(character)' cannot separate fields")
            }
            delimiter = ascii
        }
        reader = try CSVReader(path: path, delimiter: delimiter)
    }

    mutating func readAll() throws {
        guard try reader.next(&record) else { throw GimbalError.invalidFile(path: reader.path, reason: "empty") }
        width = record.count
        guard width > 1 else {
            throw invalid(
                "only one column, where inputs and a target are expected; fields are separated by \(delimiter)")
        }
        target = try targetColumn()
        if try firstRecordIsHeader() {
            columnNames = (0..<width).map(record.text)
        } else {
            try take()
        }
        while try reader.next(&record) {
            guard record.count == width else {
                throw invalid("\(record.count) fields, where the first line has \(width)")
            }
            try take()
        }
        if labelOfExample.isEmpty, values.isEmpty {
            throw GimbalError.invalidFile(path: reader.path, reason: "a header and no data")
        }
    }

    // MARK: The first line

    private func targetColumn() throws -> Int {
        switch options.target {
        case .last: return width - 1
        case .column(let column):
            guard (0..<width).contains(column) else {
                throw GimbalError.invalidSetting(
                    name: "target column", reason: "\(column), where \(reader.path) has columns 0 to \(width - 1)")
            }
            return column
        case .named(let name):
            let names = (0..<width).map(record.text)
            guard options.hasHeader != false, let column = names.firstIndex(of: name) else {
                throw GimbalError.invalidSetting(
                    name: "target column",
                    reason: "no column '\(name)' in \(reader.path); its first line is \(names.joined(separator: ", "))")
            }
            guard names.lastIndex(of: name) == column else {
                throw GimbalError.invalidSetting(
                    name: "target column", reason: "\(reader.path) has two columns '\(name)'")
            }
            return column
        }
    }

    private func firstRecordIsHeader() throws -> Bool {
        if let hasHeader = options.hasHeader { return hasHeader }
        if case .named = options.target { return true }
        let isData = (0..<width).filter { $0 != target }.map { column in
            switch number(column) {
            case .success, .failure(.missing), .failure(.infinite): true
            case .failure(.notANumber): false
            }
        }
        if !isData.contains(true) { return true }
        if let column = isData.firstIndex(of: false) {
            throw invalid(
                "'\(record.text(column < target ? column : column + 1))' is not a number, but other fields are: "
                    + "the line is neither a header nor data. Remove it, or say whether it is a header")
        }
        return false
    }

    // MARK: Data

    private mutating func take() throws {
        for column in 0..<width where column != target { inputs.append(try requireNumber(column)) }
        if case .regression = options.task {
            values.append(try requireNumber(target))
        } else {
            let label = record.text(target)
            guard !Self.missingMarks.contains(label.lowercased()) else {
                throw invalid("missing label", column: target)
            }
            let next = Int32(labels.count)
            let index = labels[label, default: next]
            if index == next {
                labels[label] = next
                labelLines.append(record.line)
            }
            labelOfExample.append(index)
        }
    }

    func targets() throws -> Dataset.Targets {
        guard case .classification(let names) = options.task else { return .values(values, width: 1) }

        // What each label is called: whole numbers are alike however they are written, 1 or 1.0.
        let written = labels.sorted { $0.value < $1.value }.map(\.key)
        let numbers = written.map { Double($0) }
        var called = written
        var known = names ?? []
        if numbers.allSatisfy({ $0 != nil }) {
            for (label, number) in numbers.enumerated() {
                guard let whole = Int64(exactly: number!) else {
                    throw GimbalError.invalidFile(
                        path: reader.path,
                        reason: "line \(labelLines[label])\(place(target)): '\(written[label])' is not a class, "
                            + "which is a whole number or a text; numbers are predicted by regression")
                }
                called[label] = String(whole)
            }
            if names == nil { known = Set(called).sorted { Int64($0)! < Int64($1)! } }
        } else if names == nil {
            known = called.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
        }

        let classes = Dictionary(known.enumerated().map { ($1, Int32($0)) }) { first, _ in first }
        let classOfLabel = try called.enumerated().map { label, name in
            guard let found = classes[name] else {
                throw GimbalError.invalidFile(
                    path: reader.path,
                    reason: "line \(labelLines[label])\(place(target)): '\(name)' is none of the classes "
                        + known.joined(separator: ", "))
            }
            return found
        }
        return .classes(labelOfExample.map { classOfLabel[Int($0)] }, names: known)
    }

    // MARK: Numbers

    private enum Mistake: Error { case missing, infinite, notANumber }

    private static let missingMarks: Set = ["", "na", "n/a", "nan", "null", "none", "?"]

    private func number(_ column: Int) -> Result<Float, Mistake> {
        record.bytes.withUnsafeBytes { bytes in
            let field = bytes.baseAddress! + record.starts[column]
            let text = field.assumingMemoryBound(to: CChar.self)
            // strtof alone would also take hexadecimal numbers and the words for infinity and NaN.
            var isPlain = true
            var cursor = text
            while cursor.pointee != 0 {
                switch UInt8(bitPattern: cursor.pointee) {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
                    UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: " "), UInt8(ascii: "\t"):
                    break
                default: isPlain = false
                }
                cursor += 1
            }
            if isPlain {
                var rest: UnsafeMutablePointer<CChar>?
                let value = strtof(text, &rest)
                if let rest, rest > UnsafeMutablePointer(mutating: text) {
                    var tail = UnsafePointer(rest)
                    while tail.pointee == CChar(32) || tail.pointee == CChar(9) { tail += 1 }
                    if tail.pointee == 0 { return value.isFinite ? .success(value) : .failure(.infinite) }
                }
            }
            let word = record.text(column).lowercased()
            if Self.missingMarks.contains(word) { return .failure(.missing) }
            let unsigned = word.first == "+" || word.first == "-" ? String(word.dropFirst()) : word
            if unsigned == "nan" { return .failure(.missing) }
            return .failure(unsigned == "inf" || unsigned == "infinity" ? .infinite : .notANumber)
        }
    }

    private func requireNumber(_ column: Int) throws -> Float {
        switch number(column) {
        case .success(let value): return value
        case .failure(.missing): throw invalid("missing value '\(record.text(column))'", column: column)
        case .failure(.infinite):
            throw invalid("'\(record.text(column))' is infinite, or too large for a float", column: column)
        case .failure(.notANumber): throw invalid("'\(record.text(column))' is not a number", column: column)
        }
    }

    // MARK: Messages

    private var delimiter: String {
        reader.delimiter == 9 ? "tabs" : "'\(Character(Unicode.Scalar(reader.delimiter)))'"
    }

    /// Columns are counted from 1 in messages, as lines are.
    private func place(_ column: Int?) -> String {
        guard let column else { return "" }
        return ", column \(column + 1)" + (columnNames.isEmpty ? "" : " (\(columnNames[column]))")
    }

    private func invalid(_ reason: String, column: Int? = nil) -> GimbalError {
        .invalidFile(path: reader.path, reason: "line \(record.line)\(place(column)): \(reason)")
    }
}
