import Foundation
import GimbalTrain

/// A line of the table.
struct Row {
    var net: String
    /// The gradient norm of the first hidden layer's weights over that of the last one's, before training.
    var gradientRatio: Double
    /// On the test data, after training.
    var accuracy: Double
}

/// Builds a net, prints how its gradients fare, trains it, and adds what came of it to the table.
@MainActor
func examine(
    _ name: String, epochs: Int, learningRate: Double = 1e-3, warmup: Int = 0,
    @LayerBuilder layers: () -> [any TensorLayer]
) throws {
    RandomGenerator.shared.seed(1)
    let model = Sequential(layers())
    let norms = try gradientNorms(model)
    print("\(name): gradient norm by layer")
    for layer in [1, 10, 20, 30, 40, depth] { print(String(format: "  %2d  %.1e", layer, norms[layer - 1])) }

    let accuracy = try fit(model, epochs: epochs, learningRate: learningRate, warmup: warmup)
    print(String(format: "  accuracy after %d epochs: %.1f %%\n", epochs, 100 * accuracy))
    rows.append(Row(net: name, gradientRatio: norms[0] / norms[depth - 1], accuracy: accuracy))
}

/// The norm of the gradient of each hidden layer's weights, from the first to the last, over one batch.
@MainActor
func gradientNorms(_ model: Sequential) throws -> [Double] {
    let batch = train.batch(Array(0..<64)).to(.current)
    try crossEntropy(model(batch.inputs), batch.targets).backward()
    let weights = model.parameters.filter { $0.shape.rank == 2 }.dropLast()
    return try weights.map { try Double(gradientNorm([$0]).item()) }
}

/// Trains with Adam, the rate rising for `warmup` steps and then falling along a cosine. Gives the test accuracy.
@MainActor
func fit(_ model: Sequential, epochs: Int, learningRate: Double, warmup: Int) throws -> Double {
    let loader = DataLoader(train, batchSize: 64)
    let optimizer = Adam(model.parameters)
    let schedule = Schedule.cosine(steps: epochs * loader.batchCount - warmup).warmedUp(steps: warmup)
    var step = 0
    for epoch in 0..<epochs {
        for batch in loader.batches(epoch: epoch, on: .current) {
            optimizer.zeroGradients()
            try crossEntropy(model(batch.inputs), batch.targets).backward()
            try clipGradientNorm(model.parameters, maxNorm: 1)
            optimizer.learningRate = learningRate * schedule.factor(at: step)
            try optimizer.step()
            step += 1
        }
    }
    return try Evaluation(of: model, on: test).accuracy ?? .nan
}

func printTable(_ rows: [Row]) {
    let width = rows.map(\.net.count).max() ?? 0
    func line(_ net: String, _ ratio: String, _ accuracy: String) -> String {
        net.padding(toLength: width, withPad: " ", startingAt: 0) + "   " + ratio + "   " + accuracy
    }
    print(line("net", "first/last gradient", "test accuracy"))
    for row in rows {
        print(
            line(
                row.net, String(format: "%19.1e", row.gradientRatio),
                String(format: "%11.1f %%", 100 * row.accuracy)))
    }
}
