// Shows by hooks how the gradient changes from layer to layer, in a deep net of sigmoids and in one of ReLUs.
//
//     swift run -c release GradientNorms
import Foundation
import GimbalTrain

func gradientNorms(_ activation: () -> any TensorLayer, _ initializer: Initializer) throws -> [String: Float] {
    RandomGenerator.shared.seed(0)
    let model = Sequential {
        for _ in 0..<10 {
            Linear(64, 64, weightInitializer: initializer)
            activation()
        }
        Linear(64, 10)
    }

    var norms: [String: Tensor] = [:]
    for case let linear as Linear in model.modules {
        linear.onGradient { path, gradient in norms[path] = gradient.norm() }
    }
    let batch = Dataset.digits().flattened.prefix(256).batch(on: .current)
    try crossEntropy(model(batch.inputs), batch.targets).backward()
    return try norms.mapValues { try $0.item() }
}

let sigmoids = try gradientNorms({ Sigmoid() }, .xavierUniform())
let rectifiers = try gradientNorms({ ReLU() }, .heNormal())
print("layer  sigmoid, Xavier  ReLU, He")
for layer in sigmoids.keys.sorted(by: { Int($0)! < Int($1)! }) {
    print(String(format: "%5d  %15.2e  %8.2e", Int(layer)!, sigmoids[layer]!, rectifiers[layer]!))
}
