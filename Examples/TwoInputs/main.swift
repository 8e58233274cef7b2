// Classifies by two inputs, the two halves of an image, with skip connections and a focal loss (Lin et al. 2017).
//
//     swift run -c release TwoInputs
import Foundation
import GimbalTrain

final class Branch: Module, Layer {
    let inner: Linear
    let outer: Linear

    init(_ width: Int) {
        inner = Linear(32, width)
        outer = Linear(width, width)
    }

    func forward(_ x: Tensor) -> Tensor {
        let hidden = inner(x).relu()
        return hidden + outer(hidden).relu()
    }
}

final class TwoInputs: Module, Layer {
    let upper: Branch
    let lower: Branch
    let head: Linear

    init(width: Int = 64) {
        upper = Branch(width)
        lower = Branch(width)
        head = Linear(2 * width + 64, 10)
    }

    func forward(_ input: (upper: Tensor, lower: Tensor)) -> Tensor {
        head(.concatenated([upper(input.upper), lower(input.lower), input.upper, input.lower], axis: 1))
    }
}

func focalLoss(_ logits: Tensor, _ targets: Tensor, gamma: Double = 2) -> Tensor {
    let logProbability = logits.logSoftmax().gathered(along: 1, targets.reshaped([-1, 1]))
    return (-(1 - logProbability.exp()).power(gamma) * logProbability).mean()
}

/// The upper and the lower half of each image.
func halves(_ batch: Batch) -> (upper: Tensor, lower: Tensor) { (batch.inputs[..., 0..<32], batch.inputs[..., 32...]) }

RandomGenerator.shared.seed(0)
let (train, test) = Dataset.digits().flattened.split(trainFraction: 0.8)
let loader = DataLoader(train, batchSize: 64)
let model = TwoInputs()
let optimizer = Adam(model.parameters, learningRate: 1e-3)
for epoch in 0..<10 {
    var loss = Tensor(0)
    for batch in loader.batches(epoch: epoch, on: .current) {
        optimizer.zeroGradients()
        loss = focalLoss(model(halves(batch)), batch.targets)
        try loss.backward()
        try optimizer.step()
    }
    print(String(format: "epoch %d  loss %.4f", epoch + 1, try loss.item()))
}

let batch = test.batch(on: .current)
let accuracy = try withoutGradients { try (model(halves(batch)).argMax() .== batch.targets).mean().item() }
print(String(format: "accuracy %.4f", accuracy))
