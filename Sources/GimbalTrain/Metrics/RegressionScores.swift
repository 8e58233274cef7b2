/// A number to be predicted and what was predicted for it.
public struct RegressionPoint: Sendable, Equatable, Codable {
    /// The true number.
    public var target: Double
    /// The number predicted.
    public var prediction: Double
}

/// How well numbers are predicted, as scikit-learn defines it; over several outputs, the plain mean of the scores of
/// each.
///
/// All are NaN over no samples; a NaN among the values makes every score of its output NaN.
public struct RegressionScores: Sendable, Equatable {
    /// Number of samples.
    public let count: Int
    /// Mean of |error|, in the targets' units.
    public let meanAbsoluteError: Double
    /// Mean of error².
    public let meanSquaredError: Double
    /// The mean over outputs of the root of each one's mean squared error.
    public let rootMeanSquaredError: Double
    /// Median of |error|, the mean of the two in the middle where the samples are even in number.
    public let medianAbsoluteError: Double
    /// Mean of |error| / max(|target|, 2⁻⁵²): a fraction, where 0.1 is 10 %.
    public let meanAbsolutePercentageError: Double
    /// R² = 1 - Σ error² / Σ (target - mean)². For a constant target 1 where every prediction is right, else 0; NaN for
    /// fewer than two samples.
    public let determination: Double
    /// 1 - Var(error) / Var(target): R² of predictions freed of their mean error, with the same edge cases.
    public let explainedVariance: Double
    /// The largest |error|; over several outputs, the mean of each one's.
    public let maximumError: Double
    /// Whether a target is 0, so that an error is no share of it.
    let hasZeroTarget: Bool
    /// Targets with their predictions, for a plot: all, or `sampleLimit` of them in even steps.
    let sample: [RegressionPoint]
    /// The most points that are kept for a plot.
    static let sampleLimit = 1000

    /// - Parameters:
    ///   - predictions: row-major [samples, width].
    ///   - targets: the true numbers, of the same shape.
    ///   - width: numbers predicted for each sample.
    public init(predictions: [Double], targets: [Double], width: Int = 1) {
        require(
            predictions.count == targets.count && width > 0 && targets.count % width == 0, "RegressionScores",
            "\(predictions.count) predictions and \(targets.count) targets in rows of \(width)")
        let count = targets.count / width
        let columns = (0..<width).map { column in
            let places = stride(from: column, to: targets.count, by: width)
            return Column(predictions: places.map { predictions[$0] }, targets: places.map { targets[$0] })
        }
        func mean(_ score: (Column) -> Double) -> Double { columns.reduce(0) { $0 + score($1) } / Double(width) }
        self.count = count
        hasZeroTarget = targets.contains(0)
        let step = max(1, Double(targets.count) / Double(Self.sampleLimit))
        sample = (0..<min(targets.count, Self.sampleLimit)).map { index in
            let place = Int(Double(index) * step)
            return RegressionPoint(target: targets[place], prediction: predictions[place])
        }
        meanAbsoluteError = mean { average($0.absolute) * $0.unit }
        meanSquaredError = mean { $0.meanSquare * $0.unit * $0.unit }
        rootMeanSquaredError = mean { $0.meanSquare.squareRoot() * $0.unit }
        medianAbsoluteError = mean { median($0.absolute) * $0.unit }
        meanAbsolutePercentageError = mean { column in
            average(zip(column.absolute, column.targets).map { $0 / max(abs($1), Double.ulpOfOne / column.unit) })
        }
        determination = count < 2 ? .nan : mean { explained($0.errors.map { $0 * $0 }, $0.targets) }
        explainedVariance =
            count < 2 ? .nan : mean { explained(squaredDeviations($0.errors), $0.targets) }
        maximumError = mean { $0.absolute.reduce(count == 0 ? .nan : 0) { $1.isNaN || $1 > $0 ? $1 : $0 } * $0.unit }
    }

    init(
        count: Int, meanAbsoluteError: Double, meanSquaredError: Double, rootMeanSquaredError: Double,
        medianAbsoluteError: Double, meanAbsolutePercentageError: Double, determination: Double,
        explainedVariance: Double, maximumError: Double, hasZeroTarget: Bool, sample: [RegressionPoint]
    ) {
        self.count = count
        self.meanAbsoluteError = meanAbsoluteError
        self.meanSquaredError = meanSquaredError
        self.rootMeanSquaredError = rootMeanSquaredError
        self.medianAbsoluteError = medianAbsoluteError
        self.meanAbsolutePercentageError = meanAbsolutePercentageError
        self.determination = determination
        self.explainedVariance = explainedVariance
        self.maximumError = maximumError
        self.hasZeroTarget = hasZeroTarget
        self.sample = sample
    }

    /// Targets and errors in units of a power of two, which is 1 unless their squares would overflow or vanish.
    private struct Column {
        let unit: Double
        let targets: [Double]
        let errors: [Double]
        let absolute: [Double]
        var meanSquare: Double { average(errors.map { $0 * $0 }) }

        init(predictions: [Double], targets: [Double]) {
            let largest = targets.reduce(0) { abs($1).isFinite ? max($0, abs($1)) : $0 }
            let unit = largest == 0 || 0x1p-400...0x1p+400 ~= largest ? 1 : max(largest.binade, .leastNormalMagnitude)
            self.unit = unit
            self.targets = unit == 1 ? targets : targets.map { $0 / unit }
            errors = zip(self.targets, predictions).map { $0 - $1 / unit }
            absolute = errors.map(abs)
        }
    }
}

private func average(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

private func squaredDeviations(_ values: [Double]) -> [Double] {
    let mean = average(values)
    return values.map { ($0 - mean) * ($0 - mean) }
}

/// 1 - Σ residuals / Σ (target - mean)², with scikit-learn's values where a sum is 0.
private func explained(_ residuals: [Double], _ targets: [Double]) -> Double {
    if targets.isEmpty { return .nan }
    let residual = residuals.reduce(0, +)
    // Exact: the mean of equal numbers may be rounded.
    let isConstant = targets.allSatisfy { $0 == targets[0] }
    let whole = isConstant ? 0 : squaredDeviations(targets).reduce(0, +)
    if residual.isNaN { return .nan }
    if residual == 0 { return 1 }
    return whole == 0 ? 0 : 1 - residual / whole
}

/// The mean of the two in the middle where their number is even.
func median(_ values: [Double]) -> Double {
    if values.isEmpty || values.contains(where: \.isNaN) { return .nan }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2
}
