import Gimbal
import GimbalNN

/// Predicts with the model of a run, or with those of several, whose answers are averaged.
///
/// ```swift
/// let predictor = try Predictor("runs/churn")
/// let predictions = try predictor.predictions(of: .table(path: "customers.csv"))
/// while let batch = try predictions.next() {
///     for row in batch { print(row.ids, row.best?.name ?? "unknown", row.best?.probability ?? 0) }
/// }
/// ```
/// Everything that was done to the data of a run before it was trained on is done here too, by the run's own record. Runs
/// of an ensemble may have been trained on different columns, and have different models; they must tell the same classes.
public final class Predictor {
    /// One run of the ensemble.
    fileprivate struct Member {
        let path: String
        let recipe: Recipe
        let model: any TensorLayer
        /// The place of each of its classes among those of the first run.
        let places: [Int]
    }

    /// What is predicted: classes or numbers.
    public let task: ModelSettings.Task
    /// The names of the classes, in the order of the first run; empty where numbers are predicted.
    public let classNames: [String]
    /// Number of classes, or of numbers that are predicted.
    public var outputCount: Int { members[0].recipe.model.outputs }
    /// What the first run keeps of its data.
    public var data: DataRecord { members[0].recipe.data }
    private let members: [Member]
    private let device: Device
    private let precision: Precision?

    /// A predictor of one run.
    /// - Parameters:
    ///   - run: the folder of a run, whose newest checkpoint is taken, or a checkpoint.
    ///   - weights: which of the run's weights are used; nil for those that the run chose.
    ///   - device: where to compute.
    ///   - precision: what products are computed in; nil for what the run was trained in.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, also for a run that no recipe has made;
    ///   `GimbalError.invalidSetting` for weights that the run has not kept.
    public convenience init(
        _ run: String, weights: WeightChoice? = nil, device: Device = .current, precision: Precision? = nil
    ) throws {
        try self.init(ensemble: [run], weights: weights, device: device, precision: precision)
    }

    /// A predictor of several runs, whose probabilities, or predicted numbers, are averaged.
    /// - Parameters:
    ///   - runs: folders of runs, or checkpoints; at least one.
    ///   - weights: which of each run's weights are used; nil for those that it chose.
    ///   - device: where to compute.
    ///   - precision: what products are computed in; nil for what each run was trained in.
    /// - Throws: as `init(_:weights:device:precision:)`, and `GimbalError.invalidSetting` for runs that predict different things.
    public init(
        ensemble runs: [String], weights: WeightChoice? = nil, device: Device = .current, precision: Precision? = nil
    ) throws {
        require(!runs.isEmpty, "Predictor", "there is no run to predict with")
        self.device = device
        self.precision = precision
        var members: [Member] = []
        for path in runs {
            let run = try SavedRun(path, weights: weights, device: device)
            let recipe = run.record.recipe
            let first = members.first?.recipe ?? recipe
            let known = Dictionary(
                first.outputNames.enumerated().map { (ExactText($1), $0) }, uniquingKeysWith: { first, _ in first })
            let places = recipe.outputNames.map { known[ExactText($0)] ?? -1 }
            guard recipe.model.task == first.model.task, places.sorted() == Array(first.outputNames.indices) else {
                throw GimbalError.invalidSetting(
                    name: "runs",
                    reason: "\(path) predicts \(recipe.predicted), where \(runs[0]) predicts \(first.predicted)")
            }
            members.append(Member(path: path, recipe: recipe, model: run.model, places: places))
        }
        self.members = members
        task = members[0].recipe.model.task
        classNames = task == .classification ? members[0].recipe.outputNames : []
    }

    // MARK: Predicting

    /// Predicts all samples of `source`, a batch at a time: data of any size is gone through in bounded memory.
    /// - Parameters:
    ///   - source: a table, with or without the column to be predicted; the test images of a folder, or a single file of
    ///     images; the digits.
    ///   - batchSize: samples that are predicted at once; nil for as many as in evaluations.
    /// - Throws: `GimbalError.invalidFile` for data that a run cannot read, such as a table without a column that it was
    ///   trained with; `GimbalError.fileSystem`.
    public func predictions(of source: DataSource, batchSize: Int? = nil) throws -> Predictions {
        let size = batchSize ?? usualBatchSize
        require(size > 0, "Predictor", "a batch size of \(size)")
        if case .series(let path, _, let table) = source {
            guard members.count == 1 else {
                throw GimbalError.invalidSetting(name: "runs", reason: "a series is forecast by one run at a time")
            }
            let record = try data.requiredSeries(path)
            let series = try SeriesTable(path: path, options: table, known: record)
            try record.requireWindow(series, path: path, ahead: 0)
            let last = series.columns[0].values[series.count - 1]
            return Predictions(
                self, .end(record.inputs(series, before: series.count), last: last, notes: series.notes), batchSize: 1)
        }
        if case .pictures(let path, let options, let table) = source {
            let listing = try PictureListing(toPredict: path, table: table, skips: options.damaged == .skip)
            let pictures = try members.map {
                try Pictures(listing, classNames: [], record: $0.recipe.data.requiredPictures(path))
            }
            return Predictions(self, .pictures(pictures, listing, options.damaged), batchSize: size)
        }
        guard case .table(let path, let options) = source else {
            let samples = try samples(of: source)
            try requireFit(samples, source.path)
            for member in members { try member.recipe.data.requireInputRange(of: samples, path: source.path) }
            return Predictions(self, .samples(samples), batchSize: size)
        }
        let table = try TableSource(path: path)
        let rows = try members.map { member in
            guard let schema = member.recipe.data.table?.schema else {
                throw GimbalError.invalidSetting(
                    name: "data",
                    reason:
                        "\(path) is a table, and \(member.path) was trained on \(member.recipe.data.name), which is none"
                )
            }
            return try schema.rows(source: table, options: options, needsTarget: false)
        }
        return Predictions(self, .rows(rows), batchSize: size)
    }

    /// Predicts rows of a table that are given one value for each column, as text.
    /// - Parameter rows: of each, the values by the names of their columns, those of ids and of the target included or not.
    ///   An empty text is a missing value.
    /// - Throws: `GimbalError.invalidSetting` for a row without a column that the model was trained with, or with one that it
    ///   does not know; `GimbalError.invalidFile` for a value that cannot be read.
    public func predict(rows: [[String: String]]) throws -> [Prediction] {
        let found = try members.map { member in
            guard let schema = member.recipe.data.table?.schema else {
                throw GimbalError.invalidSetting(
                    name: "rows", reason: "\(member.path) was trained on \(member.recipe.data.name), which is no table")
            }
            return try schema.rows(rows)
        }
        return try all(Predictions(self, .rows(found), batchSize: usualBatchSize))
    }

    /// Predicts samples as they are: of the same shape, and in the same units, as those that the run was trained on.
    /// - Parameter dataset: its targets are not looked at.
    /// - Throws: `GimbalError.invalidSetting` for samples of another size.
    public func predict(_ dataset: Dataset) throws -> [Prediction] {
        try requireFit(dataset, dataset.name)
        return try all(Predictions(self, .samples(dataset), batchSize: usualBatchSize))
    }

    private var usualBatchSize: Int { members.map(\.recipe.model.evaluationBatchSize).min()! }

    private func all(_ predictions: Predictions) throws -> [Prediction] {
        var result: [Prediction] = []
        while let batch = try predictions.next() { result += batch }
        return result
    }

    private func samples(of source: DataSource) throws -> Dataset {
        guard case .images(let path, _) = source else { return Dataset.digits() }
        return try Dataset(idxImages: IDX.isFile(path) ? path : IDXFolder(path).testImages())
    }

    private func requireFit(_ dataset: Dataset, _ name: String) throws {
        for member in members where member.recipe.model.inputs != dataset.featureCount {
            throw GimbalError.invalidSetting(
                name: "data",
                reason:
                    "\(name) has \(dataset.featureCount) numbers in a sample, \(dataset.inputShape), and the model of "
                    + "\(member.path) takes \(member.recipe.model.inputs), \(Shape(member.recipe.model.inputShape))")
        }
    }

    /// The mean over the runs of what each predicts: of a class its probability, of a number its value.
    /// - Parameter features: of each run, its own, row-major, or one for all.
    fileprivate func outputs(_ features: [[Float]], count: Int) throws -> [Double] {
        let width = members[0].recipe.model.outputs
        var sums = [Double](repeating: 0, count: count * width)
        for (index, member) in members.enumerated() {
            let outputs = try member.outputs(features[min(index, features.count - 1)], count: count, precision, device)
            for row in 0..<count {
                for (column, place) in member.places.enumerated() {
                    sums[row * width + place] += outputs[row * width + column]
                }
            }
        }
        return members.count == 1 ? sums : sums.map { $0 / Double(members.count) }
    }
}

extension Predictor.Member {
    /// Probabilities of classes, or numbers in the data's units, row-major.
    fileprivate func outputs(
        _ features: [Float], count: Int, _ precision: Precision?, _ device: Device
    ) throws -> [Double] {
        let settings = recipe.model
        var outputs = try withPrecision(precision ?? recipe.training.precision) {
            try model.evaluating {
                try withoutGradients {
                    let inputs = Tensor(features, Shape([count, settings.inputs]), device: device)
                    let outputs = model(settings.shaped(inputs))
                    return try (settings.task == .classification ? outputs.softmax() : outputs).doubles()
                }
            }
        }
        if settings.task == .regression, let standardization = recipe.data.targetStandardization {
            outputs = standardization.restoringTargets(outputs)
        }
        return outputs
    }
}

extension Recipe {
    /// The names of the classes, or the numbers of what has no names.
    package var outputNames: [String] {
        data.classNames.isEmpty ? (0..<model.outputs).map(String.init) : data.classNames
    }

    /// What a model of the recipe predicts, in words.
    fileprivate var predicted: String {
        guard model.task == .classification else { return model.outputs == 1 ? "a number" : "\(model.outputs) numbers" }
        return "the classes \(listed(outputNames))"
    }
}

/// The predictions of all samples of some data, a batch at a time.
public final class Predictions {
    fileprivate enum Input {
        case samples(Dataset)
        /// The rows of one table as each run reads them, side by side.
        case rows([TableRows])
        /// The window that a series ends with, and its last number.
        case end([Float], last: Double, notes: [String])
        /// The same pictures as each run reads them, and what is done about those that cannot be read.
        case pictures([Pictures], PictureListing, PictureOptions.Damaged)
    }

    /// What was found on the way that is not as in training, in sentences; complete when the last batch was given.
    public var notes: [String] {
        switch input {
        case .rows(let rows): rows[0].notes
        case .end(_, _, let notes): notes
        case .samples, .pictures: unread
        }
    }

    private let predictor: Predictor
    private let input: Input
    private let batchSize: Int
    private var place = 0
    /// Why pictures could not be read.
    private var unread: [String] = []

    fileprivate init(_ predictor: Predictor, _ input: Input, batchSize: Int) {
        self.predictor = predictor
        self.input = input
        self.batchSize = batchSize
    }

    /// The names of the columns of a table that only tell rows apart.
    public var idNames: [String] {
        switch input {
        case .rows(let rows): rows[0].idNames
        case .pictures: ["file"]
        case .samples, .end: []
        }
    }

    /// The next predictions; nil after the last.
    /// - Throws: `GimbalError.invalidFile` with the line of a row that cannot be read; what the device reports.
    public func next() throws -> [Prediction]? {
        var ids: [[(name: String, text: String)]] = []
        var features: [[Float]]
        /// Whether each sample has all that the runs need.
        var isComplete: [Bool]
        switch input {
        case .samples(let dataset):
            let end = dataset.count.end(ofBatchFrom: place, of: batchSize)
            guard place < end else { return nil }
            features = [dataset.batch(Array(place..<end)).inputs]
            isComplete = [Bool](repeating: true, count: end - place)
        case .end(let inputs, _, _):
            guard place == 0 else { return nil }
            (features, isComplete) = ([inputs], [true])
        case .pictures(let pictures, let listing, let damaged):
            let end = listing.entries.count.end(ofBatchFrom: place, of: batchSize)
            guard place < end else { return nil }
            features = pictures.map { _ in [] }
            isComplete = []
            for index in place..<end {
                ids.append([("file", listing.entries[index].path)])
                do {
                    for (run, pictures) in pictures.enumerated() { features[run] += try pictures.batch([index]).inputs }
                    isComplete.append(true)
                } catch  where damaged == .skip {
                    isComplete.append(false)
                    unread.append("\(error)")
                }
            }
        case .rows(let rows):
            features = rows.map { _ in [] }
            isComplete = []
            while isComplete.count < batchSize, try Self.step(rows) {
                ids.append(rows[0].idTexts)
                // A row that one run leaves out, all leave out.
                let made = try rows.map { try $0.features() }
                isComplete.append(!made.contains(nil))
                if isComplete.last == true {
                    for (index, row) in made.enumerated() { features[index] += row! }
                }
            }
            guard !isComplete.isEmpty else { return nil }
        }
        let count = isComplete.count { $0 }
        var outputs = count > 0 ? try predictor.outputs(features, count: count) : []
        // What is predicted of a series are changes.
        if case .end(_, let last, _) = input { outputs = outputs.map { last + $0 } }
        let width = count > 0 ? outputs.count / count : 0
        var row = 0
        return isComplete.enumerated().map { index, isComplete in
            defer { place += 1 }
            var numbers: [Double] = []
            if isComplete {
                numbers = Array(outputs[row * width..<(row + 1) * width])
                row += 1
            }
            let isClassifier = predictor.task == .classification
            return Prediction(
                place: place, ids: ids.isEmpty ? [] : ids[index], classNames: predictor.classNames,
                probabilities: isClassifier ? numbers : [], values: isClassifier ? [] : numbers)
        }
    }

    /// Whether there is another row. All runs read the same file, and leave out no row of it.
    private static func step(_ rows: [TableRows]) throws -> Bool {
        var isThere = false
        for row in rows { isThere = try row.next() }
        return isThere
    }
}
