// Plain against residual nets of 20 and 56 layers on Fashion-MNIST, after He et al. 2016, figures 1 and 6: the deeper plain
// net fits even the training data worse, and the deeper residual net does not.
//
//   swift run -c release PlainAndResidual FOLDER [samples] [epochs] [width]
//
// FOLDER holds Fashion-MNIST's IDX files.

import Foundation
import GimbalTrain

let arguments = CommandLine.arguments.dropFirst()
guard let folder = arguments.first else {
    print("usage: PlainAndResidual FOLDER [samples] [epochs] [width]")
    exit(64)
}
let numbers = arguments.dropFirst().map { Int($0) ?? 0 }
let sampleCount = numbers.first ?? 10_000
let epochs = numbers.dropFirst().first ?? 6
let width = numbers.dropFirst(2).first ?? 8

let train = try Dataset.fashionMNIST(folder: folder).train.prefix(sampleCount)
let loader = DataLoader(train, batchSize: 64, dropsLast: true, seed: 1)
print("\(train.count) images, \(epochs) epochs, \(width) channels at first, SGD 0.05 with momentum 0.9, clipping to 1")

/// Trains a net and tells the error on the data it was trained with.
func trainingError(depth: Int, isResidual: Bool) throws -> Double {
    let model = withGenerator(RandomGenerator(seed: 1)) {
        SmallResNet(depth: depth, channels: 1, width: width, shortcut: .identity, isResidual: isResidual)
    }
    let optimizer = SGD(model.parameters, learningRate: 0.05, momentum: 0.9, weightDecay: 1e-4)
    let schedule = Schedule.cosine(steps: epochs * loader.batchCount).warmedUp(steps: 50, from: 0.1)
    var step = 0
    for epoch in 0..<epochs {
        var losses = 0.0
        for batch in loader.batches(epoch: epoch, on: .current) {
            optimizer.zeroGradients()
            let loss = crossEntropy(model(batch.inputs), batch.targets)
            try loss.backward()
            try clipGradientNorm(model.parameters, maxNorm: 1)
            optimizer.learningRate = 0.05 * schedule.factor(at: step)
            try optimizer.step()
            losses += Double(try loss.item())
            step += 1
        }
        print("  epoch \(epoch + 1): loss \(String(format: "%.4f", losses / Double(loader.batchCount)))")
    }
    return 1 - (try Evaluation(of: model, on: train, batchSize: 256).accuracy ?? .nan)
}

var errors: [String: Double] = [:]
for (name, isResidual) in [("plain", false), ("residual", true)] {
    for depth in [20, 56] {
        print("\(name), \(depth) layers")
        let error = try trainingError(depth: depth, isResidual: isResidual)
        errors["\(name) \(depth)"] = error
        print("  training error \(String(format: "%.2f", error * 100)) %")
    }
}
for name in ["plain", "residual"] {
    guard let shallow = errors["\(name) 20"], let deep = errors["\(name) 56"] else { continue }
    let change = String(format: "%.2f %% at 20 layers, %.2f %% at 56", shallow * 100, deep * 100)
    print("\(name): training error \(change): \(deep > shallow ? "worse" : "no worse") with depth")
}
