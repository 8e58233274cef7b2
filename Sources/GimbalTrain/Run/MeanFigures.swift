/// Means over data in its order: the loss as `loss`, and others by name. All is read at the end, in one go.
func meanFigures<Batch>(
    over data: any TrainingData<Batch>, on device: Device,
    _ measure: (Batch) throws -> (loss: any TrainingLoss, metrics: [String: Tensor])
) throws -> Figures {
    var parts: [String: [(value: Tensor, count: Double)]] = [:]
    let batches = try data.iterator(epoch: 0, from: 0, on: device)
    while let batch = try batches.next() {
        let (loss, metrics) = try measure(batch.batch)
        parts["loss", default: []].append((loss.meanLoss, loss.lossWeight ?? Double(batch.samples)))
        for (name, value) in metrics { parts[name, default: []].append((value, Double(batch.samples))) }
    }
    return try parts.compactMapValues { parts in
        let parts = parts.filter { $0.count > 0 }
        guard !parts.isEmpty else { return nil }
        let values = try Tensor.stacked(parts.map(\.value)).doubles()
        let count = parts.reduce(0) { $0 + $1.count }
        return zip(values, parts).reduce(0) { $0 + $1.0 * $1.1.count } / count
    }
}
