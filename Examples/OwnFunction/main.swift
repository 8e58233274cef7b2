// A squashing activation x / (1 + x²) with a kernel and a rule for the gradient of one's own.
//
//     swift run -c release OwnFunction
import Foundation
import GimbalTrain

final class Squash: Module, Layer {
    static let kernel = CustomKernel(
        "squash", inputs: ["x"], outputs: ["y"],
        body: """
            size_t i = get_global_id(0);
            if (i < y_count) y[i] = x[i] / (1.0f + x[i] * x[i]);
            """
    ) { call in
        for (i, x) in call.inputs[0].enumerated() { call.outputs[0][i] = x / (1 + x * x) }
    }

    static let function = CustomFunction("squash") { inputs, saved in
        saved = inputs
        return [kernel(inputs[0])]
    } gradient: { outputGradients, saved in
        let square = saved[0] * saved[0]
        return [outputGradients[0] * (1 - square) / (1 + square).square()]
    }

    func forward(_ x: Tensor) -> Tensor { Squash.function(x) }
}

RandomGenerator.shared.seed(0)
let (train, test) = Dataset.digits().flattened.split(trainFraction: 0.8)
let loader = DataLoader(train, batchSize: 64)
let model = Sequential {
    Linear(64, 128)
    Squash()
    Linear(128, 128)
    Squash()
    Linear(128, 10)
}
let optimizer = Adam(model.parameters, learningRate: 1e-2)
for epoch in 0..<10 {
    var loss = Tensor(0)
    for batch in loader.batches(epoch: epoch, on: .current) {
        optimizer.zeroGradients()
        loss = crossEntropy(model(batch.inputs), batch.targets)
        try loss.backward()
        try optimizer.step()
    }
    print(String(format: "epoch %d  loss %.4f", epoch + 1, try loss.item()))
}
print(try Evaluation(of: model, on: test))
