// Fine-tunes a ResNet-18: trained on the digits 0 to 4, then, trunk frozen and with two rates, taught all ten.
//
//     swift run -c release FineTuning
import Foundation
import GimbalTrain

RandomGenerator.shared.seed(0)
let (train, test) = Dataset.digits().split(trainFraction: 0.8)

/// Images of 8 x 8 pixels as the three channels of 32 x 32 that the net expects.
func images(_ batch: Batch) -> Tensor {
    batch.inputs.reshaped([-1, 1, 8, 8]).repeated(4, axis: 2).repeated(4, axis: 3).repeated(3, axis: 1)
}

func fit(_ model: ResNet, _ optimizer: Optimizer, _ rows: Dataset, epochs: Int) throws {
    let loader = DataLoader(rows, batchSize: 64)
    for epoch in 0..<epochs {
        var loss = Tensor(0)
        for batch in loader.batches(epoch: epoch, on: .current) {
            optimizer.zeroGradients()
            loss = crossEntropy(model(images(batch)), batch.targets)
            try loss.backward()
            try optimizer.step()
        }
        print(String(format: "epoch %d  loss %.4f", epoch + 1, try loss.item()))
    }
}

let old = ResNet.resNet18(classes: 5)
try fit(old, SGD(old.parameters, learningRate: 0.05, momentum: 0.9), train.subset { $0 < 5 }, epochs: 2)
let weights = FileManager.default.temporaryDirectory.appendingPathComponent("old.safetensors").path
try old.save(to: weights)

let model = ResNet.resNet18(classes: 10)
print(try model.load(from: weights, forgiving: ["fc.*"]))
model.freeze()
model.unfreeze("layer4.*")
model.unfreeze("fc.*")
let optimizer = SGD(
    [
        ParameterGroup(model.layer4.parameters, learningRate: 0.005),
        ParameterGroup(model.fc.parameters, learningRate: 0.05),
    ], learningRate: 0.05, momentum: 0.9)
try fit(model, optimizer, train, epochs: 2)

let accuracy = try model.evaluating {
    try withoutGradients {
        let batch = test.batch(on: .current)
        return try (model(images(batch)).argMax() .== batch.targets).mean().item()
    }
}
print(String(format: "accuracy on ten digits %.4f", accuracy))
