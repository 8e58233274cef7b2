// Trains a small net on a backend of one's own, which is registered by a name.

import Gimbal
import GimbalNN
import GimbalOptim

Device.register("plain") { PlainBackend() }
let device = try Device.named("plain")

/// Exclusive or: no single layer can tell it.
func train(on device: Device) throws -> (first: Float, last: Float) {
    try withDevice(device) {
        let inputs = Tensor([0, 0, 0, 1, 1, 0, 1, 1] as [Float], [4, 2])
        let targets = Tensor([0, 1, 1, 0] as [Int32])
        let model = Sequential {
            Linear(2, 16)
            Tanh()
            Linear(16, 2)
        }
        let optimizer = Adam(model.parameters, learningRate: 0.05)
        var losses: [Float] = []
        for _ in 0..<200 {
            optimizer.zeroGradients()
            let loss = crossEntropy(model(inputs), targets)
            try loss.backward()
            try optimizer.step()
            losses.append(try loss.item())
        }
        return (losses.first!, losses.last!)
    }
}

let losses = try train(on: device)
print("on \(device.description.name): loss \(losses.first) → \(losses.last)")
require(losses.last < 0.05, "OwnBackend", "did not learn exclusive or")
