import ArgumentParser
import Foundation
import GimbalTrain

/// Which data to work on, and which of it.
struct DataFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data: digits (embedded), mnist, fashion-mnist, a folder of IDX files, or a table in a text file, plain or gzipped.",
            valueName: "digits|mnist|fashion-mnist|dir|FILE.csv"),
        completion: .data)
    var data: String

    @Option(
        help: ArgumentHelp(
            "The folder of the IDX files of mnist or fashion-mnist, plain or gzipped; data/<name> unless given.",
            valueName: "dir"), completion: .directory)
    var dataDir: String?

    @Option(
        help: ArgumentHelp(
            "What the target column of a table holds: classes, or numbers to be predicted. (default: \(Defaults.model().task.rawValue))"
        ))
    var task: ModelSettings.Task?

    @Option(
        help: ArgumentHelp(
            "The column of a table that is to be predicted: its name, or its number from 1; the last unless given.",
            valueName: "column"))
    var target: String?

    @Option(
        help: ArgumentHelp(
            "The share of the training data that is held back, for the choice of the best weights, early stopping and plateau. (default: \(Defaults.validationFraction.text))",
            valueName: "fraction|none"), completion: .list(["\(Defaults.validationFraction.text)", "none"]))
    var validation: String?

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

    subscript<Value>(dynamicMember flag: KeyPath<DataFlags, Value>) -> Value { flags[keyPath: flag] }

    private var data: String { flags.data }
    private var task: ModelSettings.Task? { flags.task }
    private var target: String? { flags.target }

    /// The parts of the data, and what is known of them.
    struct Parts {
        var train: Dataset
        /// Nil where nothing is held back for it.
        var validation: Dataset?
        var test: Dataset
        /// What was done to the numbers to be predicted; nil for data that is taken as it is.
        var standardization: Standardization?
        /// Of a table: how its rows become numbers, and which are held back.
        var table: TableRecord?
        /// Of a table that is trained on for the first time.
        var profile: TableProfile?
        var notes: [String] = []
    }

    /// The parts of the data. Tables and the digits are split 80 to 20 by `seed`, tables by what is in their rows; a table
    /// is read as in training where `recipe` says how that was.
    /// - Parameter validationFraction: the share of what is trained on that choices are made on; nil for none.
    func load(seed: UInt64, validationFraction: Double?, as recipe: Recipe? = nil) throws -> Parts {
        func split(_ whole: (train: Dataset, test: Dataset)) throws -> Parts {
            try refuseColumnOptions()
            guard let validationFraction else { return Parts(train: whole.train, test: whole.test) }
            let (train, validation) = whole.train.split(trainFraction: 1 - validationFraction, seed: seed)
            return Parts(train: train, validation: validation, test: whole.test)
        }
        switch data {
        case "digits": return try split(Dataset.digits().split(trainFraction: 0.8, seed: seed))
        case "mnist": return try split(Dataset.mnist(folder: flags.dataDir ?? "data/mnist"))
        case "fashion-mnist": return try split(Dataset.fashionMNIST(folder: flags.dataDir ?? "data/fashion-mnist"))
        case _ where isFolder: return try split(Dataset.idx(folder: data))
        default: return try loadTable(seed: seed, validationFraction: validationFraction, as: recipe?.table)
        }
    }

    /// What --validation says, or the run to be resumed; nil for none.
    func validationFraction(resuming recipe: Recipe?) throws -> Double? {
        var fraction = recipe.map(\.validationFraction) ?? Defaults.validationFraction
        // Nil where the option is not given, or none.
        var given: Double??
        if let validation = flags.validation {
            given = .some(Double(validation))
            guard validation == "none" || Double(validation).map({ $0 > 0 && $0 < 1 }) ?? false else {
                throw GimbalError.invalidSetting(
                    name: "validationFraction", reason: "must lie between 0 and 1, or be none, not '\(validation)'")
            }
        }
        try take(given, "validationFraction", into: &fraction, recipe == nil)
        return fraction
    }

    /// What a model is judged by: the test part of the data it was trained on, or all rows of another table.
    func loadTest(
        as recipe: Recipe
    ) throws -> (test: Dataset, standardization: Standardization?, notes: [String]) {
        guard isTable else {
            let parts = try load(
                seed: recipe.training.seed, validationFraction: recipe.validationFraction, as: recipe)
            return (parts.test, parts.standardization, [])
        }
        try requireTable()
        guard let record = recipe.table else {
            // A model of images, which the number of features tells.
            let names = recipe.classNames.isEmpty ? nil : recipe.classNames
            let options = try table.options(target: target, task: task ?? recipe.model.task, names: names)
            return (try Dataset.csv(path: data, options: options), recipe.standardization, [])
        }
        try requireSame(record.schema)
        let (rows, notes) = try record.evaluationRows(path: data, options: try table.options())
        guard rows.count > 0 else {
            throw GimbalError.invalidFile(
                path: data, reason: "no row of it was held back from training, so none is tested")
        }
        return (rows, record.schema.targetStandardization, notes)
    }

    var isTable: Bool { !["digits", "mnist", "fashion-mnist"].contains(data) && !isFolder }

    private var isFolder: Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: data, isDirectory: &isFolder) && isFolder.boolValue
    }

    private func requireTable() throws {
        guard data.contains(".") || data.contains("/") else {
            throw GimbalError.invalidSetting(
                name: "--data", reason: "'\(data)' is neither digits, mnist, fashion-mnist nor a CSV file")
        }
    }

    private func loadTable(seed: UInt64, validationFraction: Double?, as record: TableRecord?) throws -> Parts {
        try requireTable()
        let parts: TableParts
        var profile: TableProfile?
        var notes: [String] = []
        if let record {
            try requireSame(record.schema)
            parts = try record.parts(path: data, options: try table.options())
            notes = parts.notes
        } else {
            let options = try table.options(target: target, task: task)
            let request = TableSplit.Request(test: 0.2, validation: validationFraction ?? 0, seed: seed)
            let found = try Table(path: data, options: options, split: request)
            try found.profile.requireLearnable()
            profile = found.profile
            parts = try found.parts()
        }
        let record = TableRecord(schema: parts.schema, split: parts.split)
        if let writeSplit = flags.writeSplit { try write(record, to: writeSplit) }
        return Parts(
            train: parts.training, validation: validationFraction == nil ? nil : parts.validation, test: parts.test,
            standardization: parts.schema.targetStandardization,
            table: record, profile: profile, notes: notes)
    }

    /// For comparisons with other programs on the same rows.
    private func write(_ record: TableRecord, to path: String) throws {
        let rows = try record.schema.rows(path: data, options: try table.options())
        var lines = ""
        while try rows.next() { lines += rows.part(of: record.split).rawValue + "\n" }
        try Data(lines.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// What is to be predicted belongs to the run.
    private func requireSame(_ schema: TableSchema) throws {
        let saved: ModelSettings.Task = schema.isRegression ? .regression : .classification
        if let task, task != saved {
            throw GimbalError.invalidSetting(name: "--task", reason: "the run began with \(saved.rawValue)")
        }
        guard let target, let column = schema.target else { return }
        guard target == column.name || Int(target) == column.place + 1 else {
            throw GimbalError.invalidSetting(name: "--target", reason: "the run began with \(column.name)")
        }
    }

    private func refuseColumnOptions() throws {
        guard target == nil, task != .regression else {
            throw GimbalError.invalidSetting(
                name: target == nil ? "--task" : "--target", reason: "is for CSV files; \(data) holds images of classes"
            )
        }
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
            "What stands for a missing value, beside an empty field, separated by commas. (default: NA, NaN, null, ? and others)",
            valueName: "marks"))
    var missing: [String] = []
    @Option(
        help: ArgumentHelp(
            "What becomes of rows with missing values: fill takes the median and says so by a feature. (default: \(TableOptions().missing.rawValue))"
        )
    )
    var missingRows: TableOptions.Missing?
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

    func options(
        target: String? = nil, task: ModelSettings.Task? = nil, names: [String]? = nil
    ) throws -> TableOptions {
        var options = TableOptions(
            target: target.map { .written($0) } ?? .last,
            task: task == .regression ? .regression : .classification(names: names), hasHeader: header)
        options.delimiter = try character(delimiter, "--delimiter")
        options.decimalMark = try character(decimal, "--decimal")
        options.thousandsMark = try character(thousands, "--thousands")
        options.encoding = encoding
        options.missingMarks = missing.isEmpty ? nil : words(missing)
        options.missing = missingRows ?? options.missing
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
