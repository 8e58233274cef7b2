/// What a model came to on a data set.
public struct Evaluation: Sendable {
    /// How the model's answers compare with the truth.
    public enum Scores: Sendable {
        case classes(ConfusionMatrix)
        case values(RegressionScores)
    }

    /// Mean of the loss that was trained with, over the examples.
    public var loss: Double
    public var scores: Scores

    /// Of a classifier; empty for a regression.
    public var confusion: ConfusionMatrix {
        if case .classes(let confusion) = scores { confusion } else { ConfusionMatrix(classCount: 0) }
    }
    /// Of a classifier; 0 for a regression.
    public var accuracy: Double { confusion.accuracy }
    /// Of a regression; nil for a classifier.
    public var regression: RegressionScores? {
        if case .values(let scores) = scores { scores } else { nil }
    }

    /// Runs `model` over all of `dataset` in evaluation mode, and puts it back into training mode.
    ///
    /// - Parameters:
    ///   - standardization: what was done to the targets of a regression, so that its scores come in their own units.
    ///   - loss: of a batch, the mean over its examples. Unless given, a classifier's is cross-entropy, a regression's
    ///     the mean squared error.
    /// - Throws: what the device reports, such as `GimbalError.outOfMemory`.
    public init(
        of model: any Layer, on dataset: Dataset, batchSize: Int = 1000, device: Device = .current,
        standardization: Standardization? = nil, loss: ((_ outputs: Tensor, _ targets: Tensor) -> Tensor)? = nil
    ) throws {
        let isClassifier = dataset.classCount != nil
        let meanLoss = loss ?? { isClassifier ? crossEntropy($0, $1) : meanSquaredError($0, $1) }
        var total = 0.0
        var confusion = ConfusionMatrix(classCount: dataset.classCount ?? 0)
        var regression = RegressionScores.Sums(width: isClassifier ? 0 : dataset.outputCount)
        model.evaluate()
        defer { model.train() }
        for host in DataLoader(dataset, batchSize: batchSize, shuffles: false).batches(epoch: 0) {
            let batch = host.to(device)
            let (loss, outputs) = withoutGradients {
                let outputs = model(batch.inputs)
                return (meanLoss(outputs, batch.targets), outputs)
            }
            total += Double(try loss.item()) * Double(host.count)
            switch host.targets {
            case .classes(let truths):
                confusion.add(truths: truths, predictions: try withoutGradients { try outputs.argMax().integers() })
            case .values(let truths, _):
                let predictions = try outputs.doubles()
                let restore = { (values: [Double]) in standardization?.restoringTargets(values) ?? values }
                regression.add(truths: restore(truths.map(Double.init)), predictions: restore(predictions))
            }
        }
        self.loss = dataset.count == 0 ? 0 : total / Double(dataset.count)
        scores = isClassifier ? .classes(confusion) : .values(regression.scores)
    }
}

/// How far predicted numbers lie from the true ones, averaged over the columns where there are several.
public struct RegressionScores: Sendable, Equatable, Codable {
    public var meanAbsoluteError: Double
    public var rootMeanSquaredError: Double
    /// 1 - Σ(y - ŷ)² / Σ(y - ȳ)²; for constant targets 1 where all are met and else 0, as scikit-learn has it.
    public var r2: Double
    public var count: Int

    /// What the scores are made from, collected batch by batch.
    struct Sums {
        private let width: Int
        private var count = 0
        private var absolute: [Double]
        private var squared: [Double]
        // By Welford's recurrence, so that a large mean costs no digits.
        private var mean: [Double]
        private var deviation: [Double]

        init(width: Int) {
            self.width = width
            absolute = [Double](repeating: 0, count: width)
            (squared, mean, deviation) = (absolute, absolute, absolute)
        }

        mutating func add(truths: [Double], predictions: [Double]) {
            for start in stride(from: 0, to: truths.count, by: width) {
                count += 1
                for column in 0..<width {
                    let truth = truths[start + column]
                    let error = truth - predictions[start + column]
                    absolute[column] += abs(error)
                    squared[column] += error * error
                    let distance = truth - mean[column]
                    mean[column] += distance / Double(count)
                    deviation[column] += distance * (truth - mean[column])
                }
            }
        }

        var scores: RegressionScores {
            let cases = Double(max(count, 1))
            let columns = Double(max(width, 1))
            let r2 = zip(squared, deviation).map { $1 == 0 ? ($0 == 0 ? 1 : 0) : 1 - $0 / $1 }
            return RegressionScores(
                meanAbsoluteError: absolute.reduce(0) { $0 + $1 / cases } / columns,
                rootMeanSquaredError: squared.reduce(0) { $0 + ($1 / cases).squareRoot() } / columns,
                r2: r2.reduce(0, +) / columns, count: count)
        }
    }
}
