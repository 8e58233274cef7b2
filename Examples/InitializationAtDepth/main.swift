// Thirty layers of ReLU: one factor of two decides whether they learn.
//
//     swift run -c release InitializationAtDepth [folder of Fashion-MNIST]
//
// He et al. 2015 trained a net of thirty layers of which the one initialised by their rule converged, while that by
// Xavier's stalled (their figure 3). The two differ by √2 in the weights' deviation: Xavier's rule is made for units that
// are linear around 0, and ReLU cuts half of the variance off in each layer. Through thirty layers that is 2⁻¹⁵ for the
// length of what passes, forward and back.

import Foundation
import GimbalTrain

let depth = 30
let width = 128
let epochs = 15

/// Digits of 8 × 8 pixels that come with Gimbal, or the images in the folder that is named.
let (train, test) = try loadImages()

func loadImages() throws -> (train: Dataset, test: Dataset) {
    guard CommandLine.arguments.count > 1 else { return Dataset.digits().flattened.split(trainFraction: 0.8, seed: 0) }
    let images = try Dataset.fashionMNIST(folder: CommandLine.arguments[1])
    return (images.train.flattened, images.test.flattened)
}

/// Builds the net, prints how signals and gradients fare in it, trains it, and prints what came of it.
@MainActor
func examine(_ name: String, _ weights: Initializer) throws {
    RandomGenerator.shared.seed(1)
    let model = Sequential {
        for layer in 0..<depth - 1 {
            Linear(layer == 0 ? train.featureCount : width, width)
            ReLU()
        }
        Linear(width, train.outputCount)
    }
    model.initialize([("*.weight", weights), ("*.bias", .zeros)])

    let batch = train.batch(Array(0..<64)).to(.current)
    var signals: [Double] = []
    var value = batch.inputs
    for layer in model.layers {
        value = layer(value)
        if layer is ReLU { signals.append(try Double(value.square().mean().item()).squareRoot()) }
    }
    try crossEntropy(value, batch.targets).backward()
    let gradients = try model.parameters.filter { $0.name.hasSuffix("weight") }.map {
        try Double(gradientNorm([$0]).item())
    }
    print("\(name)")
    print(String(format: "  activations, last layer / first   %8.1e", signals.last! / signals[0]))
    print(String(format: "  gradients, first layer / last      %8.1e", gradients[0] / gradients[depth - 1]))
    print(String(format: "  norm of the first layer's gradient %8.1e", gradients[0]))

    let loader = DataLoader(train, batchSize: 64)
    let optimizer = SGD(model.parameters, learningRate: 0.003, momentum: 0.9)
    for epoch in 0..<epochs {
        var total = 0.0
        for batch in loader.batches(epoch: epoch, on: .current) {
            optimizer.zeroGradients()
            let loss = crossEntropy(model(batch.inputs), batch.targets, ignoredIndex: nil)
            try loss.backward()
            try optimizer.step()
            total += try Double(loss.item())
        }
        print(String(format: "  epoch %2d  loss %.4f", epoch + 1, total / Double(loader.batchCount)))
    }
    let evaluation = try Evaluation(of: model, on: test)
    print(String(format: "  accuracy on the test data %.1f %%\n", 100 * (evaluation.accuracy ?? .nan)))
}

try examine("He: variance 2 / inputs", .heNormal())
try examine("Xavier: variance 2 / (inputs + outputs)", .xavierNormal())
