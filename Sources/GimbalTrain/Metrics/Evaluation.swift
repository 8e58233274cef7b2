/// What a model came to on a data set.
public struct Evaluation: Sendable {
    /// How the model's answers compare with the truth.
    public enum Scores: Sendable {
        /// Of a classifier: counts of true against predicted classes.
        case classes(ConfusionMatrix)
        /// Of a model that predicts numbers: their errors.
        case values(RegressionScores)
    }

    /// Mean over the examples of the loss that was trained with; nil over none.
    public var loss: Double?
    /// How the model's answers compare with the truth.
    public var scores: Scores

    /// Counts of true against predicted classes; empty for a regression.
    public var confusion: ConfusionMatrix {
        if case .classes(let confusion) = scores { confusion } else { ConfusionMatrix(classCount: 0) }
    }
    /// Share of examples whose class was told rightly; nil over none, and for a regression.
    public var accuracy: Double? { confusion.accuracy }
    /// The errors of predicted numbers; nil for a classifier.
    public var regression: RegressionScores? {
        if case .values(let scores) = scores { scores } else { nil }
    }

    /// Runs `model` over all of `dataset` in evaluation mode, and gives every module back the mode it had.
    ///
    /// - Parameters:
    ///   - model: gives logits for classes, or the numbers to be predicted.
    ///   - dataset: may be empty.
    ///   - batchSize: examples run at once; the results do not depend on it but for rounding.
    ///   - device: that of the model.
    ///   - standardization: what was done to the targets of a regression, so that its scores come in their own units.
    ///   - loss: of a batch, the mean over its examples. Unless given, a classifier's is cross-entropy, a regression's
    ///     the mean squared error.
    /// - Throws: what the device reports, such as `GimbalError.outOfMemory`.
    public init(
        of model: any TensorLayer, on dataset: Dataset, batchSize: Int = 1000, device: Device = .current,
        standardization: Standardization? = nil, loss: ((_ outputs: Tensor, _ targets: Tensor) -> Tensor)? = nil
    ) throws {
        let isClassifier = dataset.classCount != nil
        let meanLoss = loss ?? { isClassifier ? crossEntropy($0, $1) : meanSquaredError($0, $1) }
        var total = 0.0
        var confusion = ConfusionMatrix(classCount: dataset.classCount ?? 0)
        var numbers: (predictions: [Double], truths: [Double]) = ([], [])
        try model.evaluating {
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
                    numbers.predictions += try outputs.doubles()
                    numbers.truths += truths.map(Double.init)
                }
            }
        }
        self.loss = dataset.count == 0 ? nil : total / Double(dataset.count)
        let restored = { (values: [Double]) in standardization?.restoringTargets(values) ?? values }
        scores =
            isClassifier
            ? .classes(confusion)
            : .values(
                RegressionScores(
                    predictions: restored(numbers.predictions), targets: restored(numbers.truths),
                    width: dataset.outputCount))
    }
}

extension Evaluation {
    /// The loss and the main score by name, `accuracy` or `r2`; what is undefined is absent.
    public var figures: Figures {
        var figures: Figures = [:]
        figures["loss"] = loss
        figures["accuracy"] = accuracy
        if let determination = regression?.determination, !determination.isNaN { figures["r2"] = determination }
        return figures
    }
}

extension Evaluation: CustomStringConvertible {
    /// One line, with a dash for what is undefined.
    public var description: String {
        let score = regression == nil ? "accuracy \(decimal(accuracy))" : "r2 \(decimal(figures["r2"]))"
        return "loss \(decimal(loss))  \(score)"
    }
}
