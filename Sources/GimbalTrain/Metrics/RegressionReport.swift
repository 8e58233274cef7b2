import Foundation

/// Everything that is told about predicted numbers, for JSON and for print. What is undefined is nil.
public struct RegressionReport: Sendable, Codable, Equatable {
    /// Samples in the data set.
    public var samples: Int
    /// Mean of |error|, in the targets' units.
    public var meanAbsoluteError: Double?
    /// Mean of error².
    public var meanSquaredError: Double?
    /// Root of the mean of error², in the targets' units; over several outputs, the mean of each one's.
    public var rootMeanSquaredError: Double?
    /// Median of |error|, in the targets' units.
    public var medianAbsoluteError: Double?
    /// Mean of |error| / |target|, a fraction: 0.1 is 10 %. Nil where a target is 0.
    public var meanAbsolutePercentageErrorFraction: Double?
    /// R², the share of the targets' variance that is explained: see `RegressionScores.determination`.
    public var determination: Double?
    /// R² of predictions freed of their mean error: see `RegressionScores.explainedVariance`.
    public var explainedVariance: Double?
    /// The largest |error|, in the targets' units.
    public var maximumError: Double?
    /// Targets with their predictions, for plots: all, or 1,000 of them in even steps. Left out of JSON.
    public var points: [RegressionPoint] = []

    private enum CodingKeys: String, CodingKey {
        case samples, meanAbsoluteError, meanSquaredError, rootMeanSquaredError, medianAbsoluteError
        case meanAbsolutePercentageErrorFraction, determination, explainedVariance, maximumError
    }

    /// The scores with nil in place of NaN and infinity, which JSON has no numbers for.
    public init(_ scores: RegressionScores) {
        samples = scores.count
        meanAbsoluteError = scores.meanAbsoluteError.ifFinite
        meanSquaredError = scores.meanSquaredError.ifFinite
        rootMeanSquaredError = scores.rootMeanSquaredError.ifFinite
        medianAbsoluteError = scores.medianAbsoluteError.ifFinite
        meanAbsolutePercentageErrorFraction =
            scores.hasZeroTarget ? nil : scores.meanAbsolutePercentageError.ifFinite
        determination = scores.determination.ifFinite
        explainedVariance = scores.explainedVariance.ifFinite
        maximumError = scores.maximumError.ifFinite
        points = scores.sample
    }

    /// Runs `model` over all of `dataset` in evaluation mode, and puts it back into training mode.
    /// - Parameters:
    ///   - model: gives the numbers to be predicted.
    ///   - dataset: has numbers to predict, not classes.
    ///   - sampleShape: the shape that the model takes an input in; nil for that of the data.
    ///   - batchSize: samples run at once.
    ///   - device: that of the model.
    ///   - standardization: what was done to the targets, so that the scores come in their own units.
    /// - Throws: `GimbalError.invalidSetting` for a data set of classes, and what the device reports.
    public init(
        of model: any TensorLayer, on dataset: any SupervisedData, sampleShape: Shape? = nil, batchSize: Int = 1000,
        device: Device = .current, standardization: Standardization? = nil
    ) throws {
        guard dataset.classCount == nil else {
            throw GimbalError.invalidSetting(
                name: "data", reason: "\(dataset.name) has classes, not numbers to predict")
        }
        let evaluation = try Evaluation(
            of: model, on: dataset, sampleShape: sampleShape, batchSize: batchSize, device: device,
            standardization: standardization)
        guard let scores = evaluation.regression else { preconditionFailure("data without classes has numbers") }
        self.init(scores)
    }
}

extension RegressionReport: CustomStringConvertible {
    public var description: String {
        var table = TextTable(columns: 2)
        for (name, value) in numbers { table.add([name, value.map { String(format: "%.6g", $0) } ?? "undefined"]) }
        return "\(samples) samples\n\n\(table)"
    }

    /// The scores by name.
    var numbers: [(name: String, value: Double?)] {
        [
            ("mean absolute error", meanAbsoluteError), ("mean squared error", meanSquaredError),
            ("root mean squared error", rootMeanSquaredError), ("median absolute error", medianAbsoluteError),
            ("mean absolute percentage error, in percent", meanAbsolutePercentageErrorFraction.map { 100 * $0 }),
            ("R² (0 is what always predicting the mean gives)", determination),
            ("explained variance", explainedVariance), ("maximum error", maximumError),
        ]
    }
}
