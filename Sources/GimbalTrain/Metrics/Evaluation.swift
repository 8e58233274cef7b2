/// What a classifier came to on a data set.
public struct Evaluation: Sendable {
    /// Mean cross-entropy.
    public var loss: Double
    public var confusion: ConfusionMatrix
    public var accuracy: Double { confusion.accuracy }

    /// Runs `model` over all of `dataset` in evaluation mode, and puts it back into training mode.
    /// - Throws: what the device reports, such as `GimbalError.outOfMemory`.
    public init(of model: any Layer, on dataset: Dataset, batchSize: Int = 1000, device: Device = .current) throws {
        confusion = ConfusionMatrix(classCount: dataset.classCount ?? 0)
        var lossSum = 0.0
        model.evaluate()
        defer { model.train() }
        for host in DataLoader(dataset, batchSize: batchSize, shuffles: false).batches(epoch: 0) {
            guard case .classes(let truths) = host.targets else {
                throw GimbalError.invalidSetting(name: "data", reason: "\(dataset.name) has no classes to tell apart")
            }
            let batch = host.to(device)
            let (losses, predictions) = withoutGradients {
                let logits = model(batch.inputs)
                return (crossEntropy(logits, batch.targets, reduction: .sum), logits.argMax())
            }
            lossSum += Double(try losses.item())
            confusion.add(truths: truths, predictions: try predictions.integers())
        }
        loss = dataset.count == 0 ? 0 : lossSum / Double(dataset.count)
    }
}
