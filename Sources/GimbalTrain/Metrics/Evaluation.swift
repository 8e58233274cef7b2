import Gimbal

/// What a model came to on a data set.
public struct Evaluation: Sendable {
    /// How the model's answers compare with the truth.
    public enum Scores: Sendable {
        /// Of a classifier: counts of true against predicted classes.
        case classes(ConfusionMatrix)
        /// Of a model that predicts numbers: their errors.
        case values(RegressionScores)
        /// Of a model that predicts the tokens of texts.
        case tokens(TokenScores)
    }

    /// Mean over the examples, or their tokens, of the loss that was trained with; nil over none.
    public var loss: Double?
    /// How the model's answers compare with the truth.
    public var scores: Scores

    /// Counts of true against predicted classes; empty where there are none.
    public var confusion: ConfusionMatrix {
        if case .classes(let confusion) = scores { confusion } else { ConfusionMatrix(classCount: 0) }
    }
    /// Share of examples whose class was told rightly, or of tokens; nil over none, and for a regression.
    public var accuracy: Double? { text.map(\.accuracy.ifFinite) ?? confusion.accuracy }
    /// The errors of predicted numbers; nil for a classifier.
    public var regression: RegressionScores? {
        if case .values(let scores) = scores { scores } else { nil }
    }
    /// How well tokens were predicted; nil where there are none.
    public var text: TokenScores? {
        if case .tokens(let scores) = scores { scores } else { nil }
    }

    /// Runs `model` over all of `dataset` in evaluation mode, and gives every module back the mode it had.
    ///
    /// - Parameters:
    ///   - model: gives logits for classes, at each place for tokens, or the numbers to be predicted.
    ///   - dataset: in memory, or a part of a table that is read as it is measured; may be empty.
    ///   - sampleShape: the shape that the model takes an input in; nil for that of the data, as tokens are in any case.
    ///   - batchSize: examples run at once; the results do not depend on it but for rounding.
    ///   - device: that of the model.
    ///   - standardization: what was done to the targets of a regression, so that its scores come in their own units.
    ///   - classWeights: what the examples of each class count for in `loss`, whose mean over all examples is weighted by
    ///     them; nil for 1 each.
    ///   - exchange: that of ranks which take turns with the batches, so that all have the results, the same bits as one rank
    ///     alone, in a part of its time; all of them have to call this, on the same data. Nil where one measures alone.
    ///   - loss: of a batch, the mean over its examples or tokens. Unless given, a regression's is the mean squared error,
    ///     every other the cross-entropy.
    /// - Throws: what reading the data throws, what the device reports, such as `GimbalError.outOfMemory`, and
    ///   `GimbalError.exchange`.
    public init(
        of model: any TensorLayer, on dataset: any SupervisedData, sampleShape: Shape? = nil, batchSize: Int = 1000,
        device: Device = .current, standardization: Standardization? = nil, classWeights: [Double]? = nil,
        exchange: (any GradientExchange)? = nil, loss: ((_ outputs: Tensor, _ targets: Tensor) -> Tensor)? = nil
    ) throws {
        let task = dataset.task
        let meanLoss = loss ?? { TrainingSettings().loss(of: $0, $1, task: task) }
        let shape = (sampleShape ?? dataset.inputShape).sizes
        var tally = EvaluationTally(dataset)
        var turns = MeasuringTurns(exchange)
        try model.evaluating {
            try dataset.forEachBatch(of: batchSize) { host in
                try turns.take {
                    let batch = host.to(device)
                    let (loss, outputs) = withoutGradients {
                        let inputs = batch.inputs
                        let outputs = model(task == .tokens ? inputs : inputs.reshaped(Shape([host.count] + shape)))
                        return (meanLoss(outputs, batch.targets), outputs)
                    }
                    var measured = MeasuredBatch(weight: Double(host.targets.judgedCount))
                    if let classWeights, case .classes(let truths) = host.targets {
                        measured.weight = classWeights.sum(over: truths)
                    }
                    // Where nothing counts, the mean is over nothing.
                    if measured.weight > 0 { measured.loss = Double(try loss.item()) }
                    measured.numbers = try Self.numbers(outputs, batch, host, dataset, standardization)
                    return measured
                } into: {
                    tally.add($0)
                }
            }
            try turns.finish { tally.add($0) }
        }
        (self.loss, scores) = (tally.meanLoss, tally.scores)
    }

    /// What a batch adds to the scores, as `EvaluationTally` takes it.
    private static func numbers(
        _ outputs: Tensor, _ batch: Batch, _ host: HostBatch, _ dataset: any SupervisedData,
        _ standardization: Standardization?
    ) throws -> [Double] {
        switch host.targets {
        case .classes(let truths):
            // As `Prediction` has it: what is not finite predicts nothing.
            let predictions = withoutGradients { outputs.finiteArgMax() }
            return try predictions.integers().map(Double.init) + truths.map(Double.init)
        case .tokens(let truths, _):
            var text = TokenScores()
            try text.add(logits: outputs, targets: batch.targets, hostTargets: truths)
            return [text.totalLoss, Double(text.tokenCount), Double(text.correctCount)]
        case .values(let truths, _):
            let restored = { (values: [Double]) in standardization?.restoringTargets(values) ?? values }
            var (predictions, targets) = (restored(try outputs.doubles()), restored(truths.map(Double.init)))
            if let changes = (dataset as? Dataset)?.changes {
                let width = predictions.count / host.count
                for place in predictions.indices {
                    let example = host.indices[place / width]
                    predictions[place] += changes.origins[example]
                    targets[place] = changes.values[example * width + place % width]
                }
            }
            return predictions + targets
        }
    }
}

/// Adds up what the batches of an evaluation come to, in their order.
private struct EvaluationTally {
    private let task: ModelSettings.Task
    private var (total, weight) = (0.0, 0.0)
    private var text: TokenScores
    private var confusion: ConfusionMatrix
    private var values: RegressionTally

    init(_ dataset: any SupervisedData) {
        task = dataset.task
        text = TokenScores(characterCount: dataset.tokens?.characterCount)
        confusion = ConfusionMatrix(classCount: dataset.classCount ?? 0)
        values = RegressionTally(width: task == .regression ? dataset.outputCount : 1)
    }

    /// - Parameter batch: its numbers are predictions and then truths; of tokens the sum of their losses, their count, and how
    ///   many were told rightly.
    mutating func add(_ batch: MeasuredBatch) {
        if batch.weight > 0 { total += batch.loss * batch.weight }
        weight += batch.weight
        let (predictions, truths) = batch.halves
        switch task {
        case .classification:
            confusion.add(truths: truths.map { Int32($0) }, predictions: predictions.map { Int32($0) })
        case .regression: values.add(predictions: predictions, targets: truths)
        case .tokens:
            text.totalLoss += batch.numbers[0]
            text.tokenCount += Int(batch.numbers[1])
            text.correctCount += Int(batch.numbers[2])
        }
    }

    var meanLoss: Double? { weight == 0 ? nil : total / weight }

    var scores: Evaluation.Scores {
        switch task {
        case .classification: .classes(confusion)
        case .regression: .values(values.scores)
        case .tokens: .tokens(text)
        }
    }
}

extension Evaluation {
    /// The loss and the main scores by name: `accuracy` or `r2`, and those of `TokenScores`; what is undefined is absent.
    public var figures: Figures {
        var figures = text?.figures ?? [:]
        figures["loss"] = loss
        figures["accuracy"] = accuracy
        if let determination = regression?.determination, !determination.isNaN { figures["r2"] = determination }
        return figures
    }
}

extension Evaluation: CustomStringConvertible {
    /// One line, with a dash for what is undefined.
    public var description: String {
        let main = regression == nil ? "accuracy" : "r2"
        let perplexity = text.map { "  perplexity \(decimal($0.perplexity))" } ?? ""
        return "loss \(decimal(loss))  \(main) \(decimal(figures[main]))\(perplexity)"
    }
}
