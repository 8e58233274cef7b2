import Foundation
import Gimbal

/// Means over data in its order: the loss as `loss`, and others by name. All is read at the end, in one go.
///
/// Of several ranks, which go through the same data together, each measures some of the batches; all have the same means, to the
/// bit those of one rank alone where what is measured draws no random numbers.
package func meanFigures<Batch>(
    over data: any TrainingData<Batch>, on device: Device, exchange: (any GradientExchange)? = nil,
    _ measure: (Batch) throws -> (loss: any TrainingLoss, metrics: [String: Tensor])
) throws -> Figures {
    var parts: [String: [(value: Tensor, count: Double, number: Int)]] = [:]
    let batches = try data.iterator(epoch: 0, from: 0, on: device)
    var number = 0
    while let batch = try batches.next() {
        defer { number += 1 }
        if let exchange, number % exchange.size != exchange.rank { continue }
        let (loss, metrics) = try measure(batch.batch)
        parts["loss", default: []].append((loss.meanLoss, loss.lossWeight ?? Double(batch.samples), number))
        for (name, value) in metrics { parts[name, default: []].append((value, Double(batch.samples), number)) }
    }
    var means: [String: [BatchMean]] = try parts.compactMapValues { parts in
        let parts = parts.filter { $0.count > 0 }
        guard !parts.isEmpty else { return nil }
        let values = try Tensor.stacked(parts.map(\.value)).doubles()
        return zip(values, parts).map { BatchMean(number: $1.number, value: $0, count: $1.count) }
    }
    if let exchange, exchange.size > 1 { means = try BatchMean.shared(means, exchange) }
    return means.mapValues { means in
        means.reduce(0) { $0 + $1.value * $1.count } / means.reduce(0) { $0 + $1.count }
    }
}

/// A mean over a batch.
private struct BatchMean: Codable {
    /// The batch's place in its epoch.
    let number: Int
    let value: Double
    /// Over how much it is the mean.
    let count: Double

    /// Those of all ranks, in the order of batches.
    static func shared(
        _ own: [String: [BatchMean]], _ exchange: any GradientExchange
    ) throws -> [String: [BatchMean]] {
        var all: [String: [BatchMean]] = [:]
        for bytes in try exchange.gathered([UInt8](CheckpointManifest.encoder.encode(own))) {
            all.merge(try CheckpointManifest.decoder.decode([String: [BatchMean]].self, from: Data(bytes))) { $0 + $1 }
        }
        return all.mapValues { $0.sorted { $0.number < $1.number } }
    }
}
