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

    /// Training and test data. CSV files and the digits are split 80 to 20 by `seed`; CSV files are standardised, by what
    /// the training part asks for or as `manifest` has it.
    func load(
        seed: UInt64, as manifest: CheckpointManifest? = nil
    ) throws -> (train: Dataset, test: Dataset, standardization: Standardization?) {
        switch data {
        case "digits":
            try refuseColumnOptions()
            let (train, test) = Dataset.digits().split(trainFraction: 0.8, seed: seed)
            return (train, test, nil)
        case "mnist":
            try refuseColumnOptions()
            let (train, test) = try Dataset.mnist(folder: dataDir ?? "data/mnist")
            return (train, test, nil)
        case "fashion-mnist":
            try refuseColumnOptions()
            let (train, test) = try Dataset.fashionMNIST(folder: dataDir ?? "data/fashion-mnist")
            return (train, test, nil)
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
            let (train, test) = try Dataset.csv(path: data, options: columns(as: manifest))
                .split(trainFraction: 0.8, seed: seed)
            let standardize = try fitting(manifest?.standardization, to: train) ?? Standardization(fittedTo: train)
            return (standardize(train), standardize(test), standardize)
        }
    }

    private func columns(as manifest: CheckpointManifest?) -> CSVOptions {
        var options = CSVOptions()
        if let target { options.target = Int(target).map { .column($0) } ?? .named(target) }
        let names = manifest.flatMap { $0.classNames.isEmpty ? nil : $0.classNames }
        switch task ?? manifest?.model.task ?? .classification {
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
