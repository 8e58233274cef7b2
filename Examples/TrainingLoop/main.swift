// The training loop, written by hand.
//
//     swift run -c release TrainingLoop
//
// Trains a small net on the digits that come with Gimbal, on the best device there is: GIMBAL_DEVICE=cpu, or any that
// `gimbal devices` lists, chooses another.

import Foundation
import GimbalTrain

/// A layer of one's own: its stored properties are its parts, found and named by themselves.
final class ResidualBlock: Module, Layer {
    let branch: Residual

    init(_ width: Int) {
        branch = Residual {
            Linear(width, width, hasBias: false, weightInitializer: .heNormal())
            BatchNorm1d(width)
            ReLU()
            Linear(width, width)
        }
    }

    func forward(_ input: Tensor) -> Tensor { branch(input).relu() }
}

func makeModel() -> Sequential {
    Sequential {
        Flatten()
        Linear(64, 128)
        BatchNorm1d(128)
        ReLU()
        ResidualBlock(128)
        ResidualBlock(128)
        Dropout(0.1)
        Linear(128, 10)
    }
}

let (train, test) = Dataset.digits().split(trainFraction: 0.8, seed: 0)
let loader = DataLoader(train, batchSize: 64, seed: 0)
let epochs = 10

RandomGenerator.shared.seed(0)
let model = makeModel()
print(model)

let optimizer = SGD(model.parameters, learningRate: 0.1, momentum: 0.9)
let schedule = Schedule.cosine(steps: epochs * loader.batchCount)
var step = 0

for epoch in 0..<epochs {
    for batch in loader.batches(epoch: epoch, on: .current) {
        optimizer.learningRate = 0.1 * schedule.factor(at: step)
        optimizer.zeroGradients()
        let loss = crossEntropy(model(batch.inputs), batch.targets)
        try loss.backward()
        try clipGradientNorm(model.parameters, maxNorm: 1)
        try optimizer.step()
        step += 1
    }
    let result = try Evaluation(of: model, on: test)
    print("epoch \(epoch + 1)  \(result)")
}

// Weights go to a safetensors file under PyTorch's names, and come back from one, whoever wrote it.
let path = FileManager.default.temporaryDirectory.appendingPathComponent("digits.safetensors").path
try model.save(to: path)
let restored = makeModel()
try restored.load(from: path)
let result = try Evaluation(of: restored, on: test)
print("restored  \(result)")
