import ArgumentParser
import Foundation
import GimbalTrain

/// Which data to work on.
struct DataOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data: digits (embedded), mnist, fashion-mnist, or a CSV file whose last column is the class.",
            valueName: "digits|mnist|fashion-mnist|FILE.csv"))
    var data: String

    @Option(
        help: ArgumentHelp(
            "The folder of the IDX files of mnist or fashion-mnist, plain or gzipped; data/<name> unless given.",
            valueName: "dir"))
    var dataDir: String?

    /// Training and test data as plain vectors. CSV files and the digits are split 80 to 20 by `seed`.
    func load(seed: UInt64) throws -> (train: Dataset, test: Dataset) {
        let (train, test) = try read(seed: seed)
        return (train.flattened, test.flattened)
    }

    private func read(seed: UInt64) throws -> (train: Dataset, test: Dataset) {
        switch data {
        case "digits":
            return Dataset.digits().split(trainFraction: 0.8, seed: seed)
        case "mnist":
            return try Dataset.mnist(folder: dataDir ?? "data/mnist")
        case "fashion-mnist":
            return try Dataset.fashionMNIST(folder: dataDir ?? "data/fashion-mnist")
        default:
            guard data.contains(".") || data.contains("/") else {
                throw GimbalError.invalidSetting(
                    name: "--data", reason: "'\(data)' is neither digits, mnist, fashion-mnist nor a CSV file")
            }
            let (train, test) = try Dataset.csv(path: data).split(trainFraction: 0.8, seed: seed)
            let standardize = Standardization(fittedTo: train)
            return (standardize(train), standardize(test))
        }
    }
}
