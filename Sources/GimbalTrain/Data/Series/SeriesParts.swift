import Gimbal

/// The examples of a series in their parts, which follow each other in time.
struct SeriesParts {
    var train: Dataset
    var validation: Dataset?
    var test: Dataset
    var record: SeriesRecord
    /// What costs nothing to predict, tried on the test part.
    var baselines: [ForecastBaseline]
    var notes: [String]

    /// - Parameters:
    ///   - path: of a table.
    ///   - options: how it is cut into examples.
    ///   - table: how it is written.
    ///   - plan: which shares of its rows are held back, the last for the test, those before for validation.
    ///   - known: what the run that goes on keeps of its data; nil for a new one.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, `GimbalError.invalidSetting`.
    init(path: String, options: SeriesOptions, table: TableOptions, plan: SplitPlan, continuing known: SeriesRecord?)
        throws
    {
        try options.validate()
        guard plan.fold == nil, plan.validationPath == nil, plan.testPath == nil else {
            let name = plan.fold != nil ? "folds" : plan.testPath != nil ? "testPath" : "validationPath"
            throw GimbalError.invalidSetting(
                name: name, reason: "is not for a forecast, whose test part is the end of its series")
        }
        let series = try SeriesTable(path: path, options: table, known: known)
        notes = series.notes
        var record = try known ?? SeriesRecord(series, options, plan, path: path)
        let trained = record.rows[.training] ?? 0, held = record.rows[.validation] ?? 0
        let hash = series.fingerprint(trained)
        if let known, known.fingerprint != hash {
            throw GimbalError.invalidSetting(
                name: "data", reason: "the run was trained on other numbers than the first \(trained) rows of \(path)")
        }
        record.fingerprint = hash
        let parts = [
            0..<trained, trained..<trained + held, trained + held..<max(series.count, trained + held),
        ]
        if known == nil {
            notes += try series.doubts(trained, path: path)
            try record.fit(series, parts[0])
        }
        self.record = record
        let sets = parts.enumerated().map { index, rows in
            record.examples(series, predicting: rows, isJudged: index > 0, name: series.name)
        }
        (train, validation, test) = (sets[0], held > 0 ? sets[1] : nil, sets[2])
        for (set, name) in zip(sets, ["train", "validate", "test"])
        where set.count == 0 && (name != "validate" || held > 0) {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "\(series.count) rows are too few: none is left to \(name) on, with windows of \(record.window) and "
                    + "\(record.horizon) ahead" + (series.isWhole ? "" : " and values missing between"))
        }
        baselines = ForecastBaseline.all(record, series, predicting: parts[2])
        if known == nil, options.season == nil, let season = record.season {
            notes.append(
                "\(shown(series.columns[0].name)) resembles itself after \(season) rows; --season says otherwise")
        }
    }
}

extension SeriesRecord {
    /// What suits a series.
    fileprivate init(_ series: SeriesTable, _ options: SeriesOptions, _ plan: SplitPlan, path: String) throws {
        let count = series.count
        let tested = Int((Double(count) * plan.testFraction).rounded())
        let validated = Int((Double(count - tested) * (plan.validationFraction ?? 0)).rounded())
        let trained = count - tested - validated
        rows = [.training: trained, .validation: validated, .test: tested]
        // What is held back is not looked at.
        season = options.season ?? GimbalTrain.season(of: Array(series.columns[0].values.prefix(trained)))
        window = options.window ?? max(1, min(season.map(Self.window) ?? 24, count / 5))
        horizon = options.horizon
        columns = series.columns.map(\.name)
        scales = columns.map { _ in 1 }
        guard trained > window + horizon else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "\(count) rows, of which \(trained) are to train on, are too few for windows of \(window) and \(horizon) "
                    + "ahead")
        }
    }

    /// Three seasons, or fewer where that would be very many rows.
    private static func window(ofSeason season: Int) -> Int { min(season * max(1, min(3, 200 / season)), 400) }

    /// Sets the scales by the windows of the part to train on.
    fileprivate mutating func fit(_ series: SeriesTable, _ rows: Range<Int>) throws {
        let ends = ends(rows, of: series, isJudged: false)
        scales = series.columns.map { column in
            var sum = 0.0
            for end in ends {
                for place in end - window..<end {
                    let change = column.values[place] - column.values[end - 1]
                    sum += change * change
                }
            }
            let scale = (sum / Double(max(ends.count * window, 1))).squareRoot()
            return scale > 0 && scale.isFinite ? scale : 1
        }
    }
}

extension SeriesTable {
    /// Whether nothing is missing.
    fileprivate var isWhole: Bool { columns.allSatisfy { !$0.isMeasured.contains(false) } }

    /// What is doubtful in the first rows, those to train on.
    /// - Throws: `GimbalError.invalidFile` where there is nothing to learn.
    func doubts(_ trained: Int, path: String) throws -> [String] {
        try columns.enumerated().flatMap { index, column in
            let first = column.values[0]
            guard column.values.prefix(trained).contains(where: { $0 != first }) else {
                let always = "\(shown(column.name)) is \(TableProfile.short(first)) in all rows to train on"
                guard index > 0 else {
                    throw GimbalError.invalidFile(
                        path: path, reason: always + ": there is nothing to learn; --target names another column")
                }
                return [always]
            }
            var extremes = Extremes()
            for value in column.values { extremes.add(value) }
            // A single one stretches the scale of all others.
            return extremes.doubts(of: column.name, among: count, isOneEnough: true)
        }
    }

    /// A hash of the first rows of all columns.
    fileprivate func fingerprint(_ count: Int) -> String {
        var hash: UInt64 = 0
        for column in columns {
            for value in column.values.prefix(count) { hash = folded(hash ^ contentHash(value), 0xA076_1D64_78BD_642F) }
        }
        return hexadecimal(hash, digits: 16)
    }
}
