import Foundation

/// Everything that is told about predicted numbers, for JSON and for print. What is undefined is nil.
public struct RegressionReport: Sendable, Codable, Equatable {
    public var samples: Int
    public var meanAbsoluteError: Double?
    public var meanSquaredError: Double?
    public var rootMeanSquaredError: Double?
    public var medianAbsoluteError: Double?
    /// A share, not in percent.
    public var meanAbsolutePercentageError: Double?
    /// R².
    public var determination: Double?
    public var explainedVariance: Double?
    public var maximumError: Double?

    public init(_ scores: RegressionScores) {
        samples = scores.count
        meanAbsoluteError = scores.meanAbsoluteError.ifFinite
        meanSquaredError = scores.meanSquaredError.ifFinite
        rootMeanSquaredError = scores.rootMeanSquaredError.ifFinite
        medianAbsoluteError = scores.medianAbsoluteError.ifFinite
        meanAbsolutePercentageError = scores.meanAbsolutePercentageError.ifFinite
        determination = scores.determination.ifFinite
        explainedVariance = scores.explainedVariance.ifFinite
        maximumError = scores.maximumError.ifFinite
    }

    /// Runs `model` over all of `dataset` in evaluation mode, and puts it back into training mode.
    /// - Throws: `GimbalError.invalidSetting` for a data set of classes, and what the device reports.
    public init(of model: any Layer, on dataset: Dataset, batchSize: Int = 1000, device: Device = .current) throws {
        guard dataset.classCount == nil else {
            throw GimbalError.invalidSetting(
                name: "data", reason: "\(dataset.name) has classes, not numbers to predict")
        }
        let all = try Collected.rows(of: model, on: dataset, batchSize: batchSize, device: device) { $0 }
        self.init(RegressionScores(predictions: all.outputs, targets: all.targets, width: dataset.outputCount))
    }
}

extension RegressionReport: CustomStringConvertible {
    public var description: String {
        var table = TextTable(columns: 2)
        let numbers: [(String, Double?)] = [
            ("mean absolute error", meanAbsoluteError), ("mean squared error", meanSquaredError),
            ("root mean squared error", rootMeanSquaredError), ("median absolute error", medianAbsoluteError),
            ("mean absolute percentage error", meanAbsolutePercentageError), ("R²", determination),
            ("explained variance", explainedVariance), ("maximum error", maximumError),
        ]
        for (name, value) in numbers { table.add([name, value.map { String(format: "%.6g", $0) } ?? "undefined"]) }
        return "\(samples) samples\n\n\(table)"
    }
}
