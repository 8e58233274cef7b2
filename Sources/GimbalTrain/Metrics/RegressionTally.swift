/// Predicted and true numbers taken in batch by batch: all of them while they are few, else their sums, so that memory does
/// not grow with them.
struct RegressionTally {
    private let width: Int
    private var predictions: [Double] = []
    private var targets: [Double] = []
    private var sums: [ColumnSums]
    private var count = 0
    /// Numbers of which all are kept.
    private static let keptLimit = 1 << 20

    init(width: Int) {
        self.width = width
        sums = [ColumnSums](repeating: ColumnSums(), count: width)
    }

    /// Takes in rows of `width` numbers.
    mutating func add(predictions: [Double], targets: [Double]) {
        for (index, target) in targets.enumerated() { sums[index % width].add(target, predictions[index]) }
        count += targets.count / width
        if count * width <= Self.keptLimit {
            self.predictions += predictions
            self.targets += targets
        } else {
            (self.predictions, self.targets) = ([], [])
        }
    }

    var scores: RegressionScores {
        count * width <= Self.keptLimit
            ? RegressionScores(predictions: predictions, targets: targets, width: width)
            : RegressionScores(count: count, sums)
    }

    /// What the scores of one number to be predicted follow from.
    fileprivate struct ColumnSums {
        var count = 0
        var size = Spread()
        var share = 0.0
        var maximum = 0.0
        var target = Spread()
        var error = Spread()
        var hasZeroTarget = false
        /// Some of the numbers: every one at first, then every second, fourth and so on.
        var sample: [RegressionPoint] = []
        private var step = 1
        private static let sampleLimit = 1 << 18

        mutating func add(_ value: Double, _ prediction: Double) {
            let difference = value - prediction
            let size = abs(difference)
            if count % step == 0 { sample.append(RegressionPoint(target: value, prediction: prediction)) }
            if value == 0 { hasZeroTarget = true }
            if sample.count > Self.sampleLimit {
                sample = stride(from: 0, to: sample.count, by: 2).map { sample[$0] }
                step *= 2
            }
            count += 1
            self.size.add(size)
            share += size / max(abs(value), Double.ulpOfOne)
            maximum = size.isNaN || size > maximum ? size : maximum
            target.add(value)
            error.add(difference)
        }

        /// The share of the targets' variance that is explained, as `RegressionScores` has it.
        /// - Parameter residual: the root of the mean of what is not.
        func explained(_ residual: Double) -> Double {
            if residual.isNaN { return .nan }
            if residual == 0 { return 1 }
            let share = residual / target.deviation
            return target.deviation == 0 ? 0 : 1 - share * share
        }
    }
}

extension RegressionScores {
    /// Scores over more samples than are kept. The median is that of up to 262,144 errors in even steps.
    fileprivate init(count: Int, _ columns: [RegressionTally.ColumnSums]) {
        func mean(_ score: (RegressionTally.ColumnSums) -> Double) -> Double {
            columns.reduce(0) { $0 + score($1) } / Double(columns.count)
        }
        self.init(
            count: count, meanAbsoluteError: mean(\.size.mean),
            meanSquaredError: mean { $0.error.rootMeanSquare * $0.error.rootMeanSquare },
            rootMeanSquaredError: mean(\.error.rootMeanSquare),
            medianAbsoluteError: mean { median($0.sample.map { abs($0.target - $0.prediction) }) },
            meanAbsolutePercentageError: mean { $0.share / Double($0.count) },
            determination: mean { $0.explained($0.error.rootMeanSquare) },
            explainedVariance: mean { $0.explained($0.error.deviation) }, maximumError: mean(\.maximum),
            hasZeroTarget: columns.contains(where: \.hasZeroTarget), sample: Self.points(columns.flatMap(\.sample)))
    }

    /// At most `sampleLimit` of these, in even steps.
    private static func points(_ all: [RegressionPoint]) -> [RegressionPoint] {
        let step = max(1, Double(all.count) / Double(sampleLimit))
        return (0..<min(all.count, sampleLimit)).map { all[Int(Double($0) * step)] }
    }
}
