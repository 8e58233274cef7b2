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
    ///   - dataset: in memory, or a part of a table that is read as it is measured; may be empty.
    ///   - sampleShape: the shape that the model takes an input in; nil for that of the data.
    ///   - batchSize: examples run at once; the results do not depend on it but for rounding.
    ///   - device: that of the model.
    ///   - standardization: what was done to the targets of a regression, so that its scores come in their own units.
    ///   - classWeights: what the examples of each class count for in `loss`, whose mean over all examples is weighted by
    ///     them; nil for 1 each.
    ///   - loss: of a batch, the mean over its examples. Unless given, a classifier's is cross-entropy, a regression's
    ///     the mean squared error.
    /// - Throws: what reading the data throws, and what the device reports, such as `GimbalError.outOfMemory`.
    public init(
        of model: any TensorLayer, on dataset: any SupervisedData, sampleShape: Shape? = nil, batchSize: Int = 1000,
        device: Device = .current, standardization: Standardization? = nil, classWeights: [Double]? = nil,
        loss: ((_ outputs: Tensor, _ targets: Tensor) -> Tensor)? = nil
    ) throws {
        let isClassifier = dataset.classCount != nil
        let meanLoss = loss ?? { isClassifier ? crossEntropy($0, $1) : meanSquaredError($0, $1) }
        let shape = (sampleShape ?? dataset.inputShape).sizes
        var (total, weight) = (0.0, 0.0)
        var confusion = ConfusionMatrix(classCount: dataset.classCount ?? 0)
        var numbers = RegressionTally(width: isClassifier ? 1 : dataset.outputCount)
        let restored = { (values: [Double]) in standardization?.restoringTargets(values) ?? values }
        try model.evaluating {
            try dataset.forEachBatch(of: batchSize) { host in
                let batch = host.to(device)
                let (loss, outputs) = withoutGradients {
                    let outputs = model(batch.inputs.reshaped(Shape([host.count] + shape)))
                    return (meanLoss(outputs, batch.targets), outputs)
                }
                var hostWeight = Double(host.count)
                if let classWeights, case .classes(let truths) = host.targets {
                    hostWeight = classWeights.sum(over: truths)
                }
                // Where nothing counts, the mean is over nothing.
                if hostWeight > 0 { total += Double(try loss.item()) * hostWeight }
                weight += hostWeight
                switch host.targets {
                case .classes(let truths):
                    // As `Prediction` has it: what is not finite predicts nothing.
                    let predictions = withoutGradients {
                        let (classes, largest) = (outputs.argMax(), outputs.max([1]))
                        return Tensor.select((largest - largest).isNaN(), classes.scalar(-1), classes)
                    }
                    confusion.add(truths: truths, predictions: try predictions.integers())
                case .values(let truths, _):
                    numbers.add(
                        predictions: restored(try outputs.doubles()), targets: restored(truths.map(Double.init)))
                }
            }
        }
        self.loss = weight == 0 ? nil : total / weight
        scores = isClassifier ? .classes(confusion) : .values(numbers.scores)
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
