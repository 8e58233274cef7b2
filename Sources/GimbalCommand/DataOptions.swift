import ArgumentParser
import Foundation
import GimbalTrain

/// Which data to work on.
struct DataOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data: digits (embedded), mnist, fashion-mnist, a folder of IDX files, or a CSV file, plain or gzipped.",
            valueName: "digits|mnist|fashion-mnist|dir|FILE.csv"))
    var data: String

    @Option(
        help: ArgumentHelp(
            "The folder of the IDX files of mnist or fashion-mnist, plain or gzipped; data/<name> unless given.",
            valueName: "dir"))
    var dataDir: String?

    @Option(
        help: ArgumentHelp(
            "What the target column of a CSV file holds: classes, or numbers to be predicted. (default: classification)"
        ))
    var task: ModelSettings.Task?

    @Option(
        help: ArgumentHelp(
            "The column of a CSV file that is to be predicted: its name, or its number from 0; the last unless given.",
            valueName: "column"))
    var target: String?

    @Option(
        help: ArgumentHelp(
            "The share of the training data that is held back, for the choice of the best weights, early stopping and plateau. (default: \(Defaults.validationFraction.text))",
            valueName: "fraction|none"))
    var validation: String?

    /// The parts of the data; validation is nil where nothing is held back.
    struct Parts {
        var train: Dataset
        var validation: Dataset?
        var test: Dataset
        /// What was done to all of them; nil for data that is taken as it is.
        var standardization: Standardization?
    }

    /// Training, validation and test data. CSV files and the digits are split 80 to 20 by `seed`, and of the 80 the
    /// validation part is held back; CSV files are standardised, by what the training part asks for or as `recipe` has it.
    func load(seed: UInt64, validationFraction: Double?, as recipe: Recipe? = nil) throws -> Parts {
        func split(_ whole: (train: Dataset, test: Dataset)) -> Parts {
            guard let validationFraction else { return Parts(train: whole.train, test: whole.test) }
            let (train, validation) = whole.train.split(trainFraction: 1 - validationFraction, seed: seed)
            return Parts(train: train, validation: validation, test: whole.test)
        }
        switch data {
        case "digits":
            try refuseColumnOptions()
            return split(Dataset.digits().split(trainFraction: 0.8, seed: seed))
        case "mnist":
            try refuseColumnOptions()
            return split(try Dataset.mnist(folder: dataDir ?? "data/mnist"))
        case "fashion-mnist":
            try refuseColumnOptions()
            return split(try Dataset.fashionMNIST(folder: dataDir ?? "data/fashion-mnist"))
        default:
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: data, isDirectory: &isFolder), isFolder.boolValue {
                try refuseColumnOptions()
                let (train, test) = try Dataset.idx(folder: data)
                return (train, test, nil)
            }
            guard data.contains(".") || data.contains("/") else {
                throw GimbalError.invalidSetting(
                    name: "--data", reason: "'\(data)' is neither digits, mnist, fashion-mnist nor a CSV file")
            }
            var parts = split(
                try Dataset.csv(path: data, options: columns(as: recipe)).split(trainFraction: 0.8, seed: seed))
            let standardize =
                try fitting(recipe?.standardization, to: parts.train) ?? Standardization(fittedTo: parts.train)
            parts.train = standardize(parts.train)
            parts.validation = parts.validation.map { standardize($0) }
            parts.test = standardize(parts.test)
            parts.standardization = standardize
            return parts
        }
    }

    /// What --validation says, or the run to be resumed; nil for none.
    func validationFraction(resuming recipe: Recipe?) throws -> Double? {
        var fraction = recipe.map(\.validationFraction) ?? Defaults.validationFraction
        // Nil where the option is not given, or none.
        var given: Double??
        if let validation {
            given = .some(Double(validation))
            guard validation == "none" || Double(validation).map({ $0 > 0 && $0 < 1 }) ?? false else {
                throw GimbalError.invalidSetting(
                    name: "validationFraction", reason: "must lie between 0 and 1, or be none, not '\(validation)'")
            }
        }
        try take(given, "validationFraction", into: &fraction, recipe == nil)
        return fraction
    }

    private func columns(as recipe: Recipe?) -> CSVOptions {
        var options = CSVOptions()
        if let target { options.target = Int(target).map { .column($0) } ?? .named(target) }
        let names = recipe.flatMap { $0.classNames.isEmpty ? nil : $0.classNames }
        switch task ?? recipe?.model.task ?? .classification {
        case .classification: options.task = .classification(names: names)
        case .regression: options.task = .regression
        }
        return options
    }

    /// The saved standardisation, which must be of as many columns as the data has.
    private func fitting(_ saved: Standardization?, to dataset: Dataset) throws -> Standardization? {
        guard let saved else { return nil }
        let targets = dataset.classCount == nil ? dataset.outputCount : 0
        guard saved.means.count == dataset.featureCount, saved.targetMeans.count == targets else {
            throw GimbalError.invalidSetting(
                name: "--data",
                reason: "the model was trained on \(saved.means.count) features, \(dataset.name) has "
                    + "\(dataset.featureCount)\(saved.targetMeans.count == targets ? "" : " and another kind of target")"
            )
        }
        return saved
    }

    private func refuseColumnOptions() throws {
        guard target == nil, task != .regression else {
            throw GimbalError.invalidSetting(
                name: target == nil ? "--task" : "--target", reason: "is for CSV files; \(data) holds images of classes"
            )
        }
    }
}

extension ModelSettings.Task: ExpressibleByArgument {}
