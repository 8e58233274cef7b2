import ArgumentParser
import Foundation
import GimbalTrain

/// Which data to work on, and which of it.
struct DataFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data: digits (embedded), mnist, fashion-mnist, a folder of IDX files, a folder of pictures with a folder for each class, a table in a text file, plain or gzipped, or one of pictures' paths and classes; with a --model of texts, a text, or pairs of texts with a tab between them, one in a line; that of the run unless given.",
            valueName: "digits|mnist|fashion-mnist|dir|FILE.csv|FILE.txt"),
        completion: .data)
    var data: String?

    @Option(
        help: ArgumentHelp(
            "The folder of the IDX files of mnist or fashion-mnist, plain or gzipped; data/<name> unless given.",
            valueName: "dir"), completion: .directory)
    var dataDir: String?

    @Option(
        help: ArgumentHelp(
            "What the target column of a table holds: classes, or numbers to be predicted, from the same row or, as a forecast, from the rows before. (default: numbers where it holds fractions or mostly different whole numbers)"
        ))
    var task: DataTask?

    @Option(
        help: ArgumentHelp(
            "The column of a table that is to be predicted: its name, or its number from 1; the last unless given.",
            valueName: "column"))
    var target: String?

    @Option(
        help: ArgumentHelp(
            "What the best weights, early stopping and plateau are chosen by: a share of the training data, or a table of its own. (default: \(Defaults.plan.validationFraction.text))",
            valueName: "fraction|FILE|none"),
        completion: .file(or: ["\(Defaults.plan.validationFraction.text)", "none"]))
    var validation: String?

    @Option(
        help: ArgumentHelp(
            "What is looked at once, at the end: a share of a table or of the digits, or a table of its own. (default: \(Defaults.plan.testFraction.text); images have their own)",
            valueName: "fraction|FILE"),
        completion: .file(or: ["\(Defaults.plan.testFraction.text)"]))
    var test: String?

    @Option(
        help: ArgumentHelp(
            "Write the part of each row of a table, in the order of the file, one a line.", valueName: "file",
            visibility: .hidden))
    var writeSplit: String?
}

/// Which data to work on, and how a table is to be read; `DataFlags` can be named as if they were its own.
@dynamicMemberLookup
struct DataOptions: ParsableArguments {
    @OptionGroup(title: "Data") var flags: DataFlags
    @OptionGroup(title: "Tables") var table: TableFlags
    @OptionGroup(title: "Pictures") var pictures: PictureFlags
    @OptionGroup(title: "Forecasts") var series: SeriesFlags
    @OptionGroup(title: "Texts") var texts: TextFlags

    subscript<Value>(dynamicMember flag: KeyPath<DataFlags, Value>) -> Value { flags[keyPath: flag] }

    private var data: String? { flags.data }
    private var task: ModelSettings.Task? { flags.task?.model }
    private var isForecast: Bool { flags.task == .forecast }
    private var target: String? { flags.target }

    /// Where the data is: what --data names, or what the run was trained on.
    /// - Parameters:
    ///   - record: of the run that is gone on with or judged; nil for a new one.
    ///   - model: of a new run, which tells whether a file is read as a text.
    func source(of record: DataRecord? = nil, for model: ModelSettings.Kind? = nil) throws -> DataSource {
        let source: DataSource
        if let data {
            source = try text(data, record, model) ?? named(data, record)
        } else {
            guard let record else { throw GimbalError.invalidSetting(name: "--data", reason: "is needed") }
            guard let known = DataSource(record, options: try tableOptions(record)) else {
                throw GimbalError.invalidSetting(
                    name: "--data", reason: "is needed: \(record.name) was given to the run by a program")
            }
            source = known
        }
        try check(source, record)
        return source
    }

    /// What `data` names where a model of texts reads it; nil for other models.
    private func text(_ data: String, _ record: DataRecord?, _ model: ModelSettings.Kind?) throws -> DataSource? {
        let isText = record.map { $0.kind == .text } ?? model?.isLanguageModel ?? false
        guard isText || record.map({ $0.kind == .pairs }) ?? model?.isSequenceToSequence ?? false else { return nil }
        if isFolder(data) {
            throw GimbalError.invalidSetting(
                name: "--data", reason: "\(data) is a folder, where a text is read from a file")
        }
        let isImages = data == "digits" || DataSource.ImageSet(rawValue: data).map { $0 != .other } ?? false
        guard !isImages || FileManager.default.fileExists(atPath: data) else {
            throw GimbalError.invalidSetting(
                name: "--data", reason: "\(data) are images, where the model reads the file of a text")
        }
        var options = texts.options
        options.encoding = table.encoding
        return isText ? .text(path: data, options: options) : .pairs(path: data, options: options)
    }

    private func named(_ data: String, _ record: DataRecord?) throws -> DataSource {
        if data == "digits" { return .digits }
        if let set = DataSource.ImageSet(rawValue: data), set != .other {
            let folder = flags.dataDir ?? "data/\(data)"
            guard flags.dataDir != nil || FileManager.default.fileExists(atPath: folder) else {
                throw GimbalError.invalidSetting(
                    name: "--data-dir",
                    reason: "is needed where \(data) is not in \(folder): the folder of its IDX files")
            }
            return .images(folder: folder, set: set)
        }
        // A word alone may also name a folder beside mnist.
        let isBesideMNIST =
            !data.contains(".") && !data.contains("/") && !isFolder(data) && isFolder("data/\(data)")
        let path = isBesideMNIST ? "data/\(data)" : data
        let options = try tableOptions(record)
        if isForecast || record?.series != nil {
            return .series(path: path, options: series.options, table: options)
        }
        if DataSource.isPictures(path, options: options) {
            return .pictures(path: path, options: pictures.options, table: options)
        }
        if isFolder(path) || DataSource.isImageFile(path) { return .images(folder: path) }
        guard data.contains(".") || data.contains("/") || FileManager.default.fileExists(atPath: data) else {
            throw GimbalError.invalidSetting(
                name: "--data",
                reason:
                    "'\(data)' is neither digits, mnist, fashion-mnist, a folder of pictures nor a table; there is no "
                    + "file or folder of this name, nor data/\(data)")
        }
        return .table(path: data, options: options)
    }

    /// How the data is divided: what --validation and --test say, or the run to be resumed.
    func plan(resuming record: DataRecord?) throws -> SplitPlan {
        var plan = record?.plan ?? Defaults.plan
        let isNew = record == nil
        if let validation = flags.validation {
            var part = HeldBack(plan.validationFraction, plan.validationPath)
            try take(try HeldBack(validation, "--validation", allowsNone: true), "--validation", into: &part, isNew)
            (plan.validationFraction, plan.validationPath) = (part.fraction, part.path)
        }
        if let test = flags.test {
            var part = HeldBack(plan.testFraction, plan.testPath)
            try take(try HeldBack(test, "--test", allowsNone: false), "--test", into: &part, isNew)
            (plan.testFraction, plan.testPath) = (part.fraction ?? plan.testFraction, part.path)
        }
        return plan
    }

    /// A part of the data, as an option says it: a share, a file of its own, or none.
    private struct HeldBack: Equatable, CustomStringConvertible {
        var fraction: Double?
        var path: String?

        var description: String { path ?? fraction.map { "\($0)" } ?? "none" }

        /// A file takes the place of a share.
        init(_ fraction: Double?, _ path: String?) { (self.fraction, self.path) = (path == nil ? fraction : nil, path) }

        init(_ text: String, _ option: String, allowsNone: Bool) throws {
            if text == "none", allowsNone { return }
            if let share = Double(text), share > 0, share < 1 {
                fraction = share
                return
            }
            guard Double(text) == nil, FileManager.default.fileExists(atPath: text) else {
                throw GimbalError.invalidSetting(
                    name: option,
                    reason:
                        "must lie between 0 and 1, \(allowsNone ? "or be none or" : "or be") a file that is there, not "
                        + "'\(text)'")
            }
            path = URL(fileURLWithPath: text).standardizedFileURL.path
        }
    }

    /// The target of a run that knows none; else it is the run's.
    private func tableOptions(_ record: DataRecord?) throws -> TableOptions {
        record?.table == nil ? try table.options(target: target, task: task) : try table.options()
    }

    /// What is to be predicted belongs to the run, and to tables; so does which columns it is predicted from, and how the
    /// data was divided.
    private func check(_ source: DataSource, _ record: DataRecord?) throws {
        if let record { _ = try plan(resuming: record) }
        try table.check(source)
        let isImageSet = data.map { DataSource.ImageSet(rawValue: $0) != nil } ?? true
        guard flags.dataDir == nil || source.kind == .images && isImageSet else {
            throw GimbalError.invalidSetting(name: "--data-dir", reason: "is for --data mnist and fashion-mnist")
        }
        if target != nil, source.kind == .pictures, isFolder(source.path) {
            throw GimbalError.invalidSetting(
                name: "--target", reason: "is for tables; the folders in \(source.path) are the classes of its pictures"
            )
        }
        try pictures.check(source, record)
        try series.check(source, record?.series)
        try texts.check(source, record?.text)
        if case .series = source {
            if let record, isForecast, record.series == nil {
                throw GimbalError.invalidSetting(name: "--task", reason: "the run of \(record.name) forecasts nothing")
            }
            if record?.series != nil, flags.task != nil, !isForecast { throw begunOtherwise("--task", "forecast") }
            return
        }
        if source.isOfTexts {
            guard target == nil, flags.task == nil else {
                throw GimbalError.invalidSetting(
                    name: target == nil ? "--task" : "--target",
                    reason: "is for tables; \(source.path) is read as a text")
            }
            return
        }
        guard source.kind == .table else {
            guard target == nil || source.kind == .pictures, task != .regression else {
                throw GimbalError.invalidSetting(
                    name: target == nil || source.kind == .pictures ? "--task" : "--target",
                    reason: "is for tables; \(source.path) holds images of classes")
            }
            return
        }
        guard let schema = record?.table?.schema else { return }
        let saved: ModelSettings.Task = schema.isRegression ? .regression : .classification
        if let task, task != saved {
            throw GimbalError.invalidSetting(name: "--task", reason: "the run began with \(saved.rawValue)")
        }
        if let target, let column = schema.target,
            !target.utf8.elementsEqual(column.name.utf8), Int(target) != column.place + 1
        {
            throw GimbalError.invalidSetting(name: "--target", reason: "the run began with \(column.name)")
        }
        try table.requireAgreement(with: schema, isOwnFile: data == nil)
    }
}

/// How a table is to be read, where the file does not prove it or something else is wanted.
struct TableFlags: ParsableArguments {
    @Flag(inversion: .prefixedNo, help: "Whether the first line holds names. (default: proven from the file)")
    var header: Bool?
    @Option(
        help: ArgumentHelp(
            "What separates fields. (default: proven from the file)",
            valueName: "comma|semicolon|tab|bar|space|character"),
        completion: .list(["comma", "semicolon", "tab", "bar", "space"]))
    var delimiter: String?
    @Option(
        help: ArgumentHelp("What stands before a fraction. (default: proven from the file)", valueName: "comma|point"),
        completion: .list(["comma", "point"]))
    var decimal: String?
    @Option(
        help: ArgumentHelp(
            "What stands between groups of three digits. (default: proven from the file)",
            valueName: "comma|point|space|character"),
        completion: .list(["comma", "point", "space", "apostrophe"]))
    var thousands: String?
    @Option(
        help: ArgumentHelp(
            "What the bytes mean, such as windows-1252. (default: UTF-8, or what a byte order mark says)",
            valueName: "name"))
    var encoding: String?
    @Option(
        help: ArgumentHelp(
            "What stands for a missing value, beside empty fields and, for numbers, NA, NaN, null, ? and others; separated by commas.",
            valueName: "marks"))
    var missing: [String] = []
    @Option(
        help: ArgumentHelp(
            "What becomes of rows with missing values: fill takes the median and says so by a feature. (default: \(TableOptions().missing.rawValue))"
        )
    )
    var missingRows: TableOptions.Missing?
    @Option(
        help: ArgumentHelp(
            "What becomes of lines that have not as many fields as the others. (default: \(TableOptions().raggedRows.rawValue))"
        ))
    var raggedRows: TableOptions.RaggedRows?
    @Option(help: ArgumentHelp("The only inputs, by name or number from 1, separated by commas.", valueName: "columns"))
    var columns: [String] = []
    @Option(help: ArgumentHelp("Columns to leave out, separated by commas.", valueName: "columns"))
    var exclude: [String] = []
    @Option(
        help: ArgumentHelp(
            "Columns that only tell rows apart: no inputs, but kept with predictions.", valueName: "columns"))
    var id: [String] = []
    @Option(
        help: ArgumentHelp(
            "What columns hold, where the file does not prove it: number, boolean, category, date, date-dmy, date-mdy, text.",
            valueName: "name=type,…"))
    var types: [String] = []

    /// Makes sure that what was given has a meaning for the data: pictures are listed in a table too, and texts have an
    /// encoding.
    func check(_ source: DataSource) throws {
        let isList = source.kind == .pictures && !isFolder(source.path) && !DataSource.isPicture(source.path)
        let ofWriting: [(name: String, isGiven: Bool)] = [
            ("--header", header == true), ("--no-header", header == false), ("--delimiter", delimiter != nil),
            ("--ragged-rows", raggedRows != nil), ("--missing", !missing.isEmpty), ("--exclude", !exclude.isEmpty),
            ("--id", !id.isEmpty),
        ]
        let ofColumns: [(name: String, isGiven: Bool)] = [
            ("--decimal", decimal != nil), ("--thousands", thousands != nil), ("--missing-rows", missingRows != nil),
            ("--columns", !columns.isEmpty), ("--types", !types.isEmpty),
        ]
        let meaningless: [(name: String, isGiven: Bool)] =
            source.isOfRows
            ? []
            : ofColumns + (isList ? [] : ofWriting)
                + [("--encoding", encoding != nil && !isList && !source.isOfTexts)]
        guard let first = meaningless.first(where: \.isGiven) else { return }
        let held = source.isOfTexts ? "is read as a text" : isList ? "names pictures" : "holds images"
        throw GimbalError.invalidSetting(name: first.name, reason: "is for tables; \(source.path) \(held)")
    }

    /// What a run makes of columns is its own: it may be said again, not otherwise. In another file, more may stand for a
    /// missing value.
    /// - Throws: `GimbalError.invalidSetting` for what the run did not begin with.
    func requireAgreement(with schema: TableSchema, isOwnFile: Bool) throws {
        func isNamed(_ column: TableSchema.Column, in words: [String]) -> Bool {
            words.contains { $0.utf8.elementsEqual(column.name.utf8) || Int($0) == column.place + 1 }
        }
        let options = try options()
        for column in schema.columns {
            let name = shown(column.name)
            if column.role == .input {
                if isNamed(column, in: options.excluded) { throw begunOtherwise("--exclude", "\(name) as an input") }
                if let columns = options.columns, !isNamed(column, in: columns) {
                    throw begunOtherwise("--columns", "\(name) as an input")
                }
            } else if let columns = options.columns, isNamed(column, in: columns), column.role != .target,
                column.isLeftOutAsTold
            {
                throw begunOtherwise("--columns", "\(name) left out")
            }
            if column.role != .id, isNamed(column, in: options.ids) {
                throw begunOtherwise("--id", "\(name) as \(column.role == .input ? "an input" : column.role.rawValue)")
            }
            for (word, type) in options.types where column.role != .ignored && isNamed(column, in: [word]) {
                guard column.type == type else { throw begunOtherwise("--types", "\(name) as \(column.type.rawValue)") }
            }
        }
        if missingRows != nil, options.missing != schema.missing {
            throw begunOtherwise("--missing-rows", schema.missing.rawValue)
        }
        if isOwnFile, raggedRows == .skip, schema.dialect.rowWidth == nil {
            throw begunOtherwise("--ragged-rows", TableOptions.RaggedRows.refuse.rawValue)
        }
        if isOwnFile, let marks = options.missingMarks, Set(marks) != Set(schema.missingMarks ?? []) {
            throw begunOtherwise("--missing", schema.missingMarks.map { listed($0) } ?? "the usual marks")
        }
    }

    func options(
        target: String? = nil, task: ModelSettings.Task? = nil
    ) throws -> TableOptions {
        var options = TableOptions(
            target: target.map { .written($0) } ?? .last,
            task: task.map { $0 == .regression ? .regression : .classification() } ?? .automatic, hasHeader: header)
        options.delimiter = try character(delimiter, "--delimiter")
        options.decimalMark = try character(decimal, "--decimal")
        options.thousandsMark = try character(thousands, "--thousands")
        options.encoding = encoding
        options.missingMarks = missing.isEmpty ? nil : words(missing)
        options.missing = missingRows ?? options.missing
        options.raggedRows = raggedRows ?? options.raggedRows
        options.columns = columns.isEmpty ? nil : words(columns)
        options.excluded = words(exclude)
        options.ids = words(id)
        for word in words(types) {
            guard let place = word.lastIndex(of: "="),
                let type = ColumnType(rawValue: String(word[word.index(after: place)...]))
            else {
                throw GimbalError.invalidSetting(
                    name: "--types",
                    reason:
                        "takes name=type with a type of \(ColumnType.allCases.map(\.rawValue).joined(separator: ", ")), "
                        + "not '\(word)'")
            }
            options.types[String(word[..<place])] = type
        }
        return options
    }

    private func words(_ lists: [String]) -> [String] {
        lists.flatMap { $0.split(separator: ",", omittingEmptySubsequences: true).map(String.init) }
    }

    private func character(_ word: String?, _ name: String) throws -> Character? {
        guard let word else { return nil }
        let named: [String: Character] = [
            "comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "pipe": "|", "space": " ",
            "spaces": " ",
            "point": ".", "dot": ".", "apostrophe": "'",
        ]
        if let character = named[word.lowercased()] { return character }
        guard word.count == 1 else {
            throw GimbalError.invalidSetting(name: name, reason: "takes one character or its name, not '\(word)'")
        }
        return word.first
    }
}

extension ModelSettings.Task: ExpressibleByArgument {}
extension TableOptions.Missing: ExpressibleByArgument {}
extension TableOptions.RaggedRows: ExpressibleByArgument {}
