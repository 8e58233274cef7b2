// Exploding gradients in a recurrent net, and clipping as the cure.
//
//     swift run -c release ExplodingGradients
//
// A plain net whose recurrent weights stretch what passes through them multiplies its gradient in every step. The same
// net is trained twice by plain gradient descent on a task of 60 steps, to give the mean of its inputs: without clipping,
// the first large gradient throws the weights far away; with the norm clipped (Pascanu et al. 2013) it learns.

import Foundation
import GimbalTrain

let (steps, batch, hidden) = (60, 32, 32)

final class Averager: Module, Layer {
    let net: RNN
    let head = Linear(hidden, 1)

    override init() {
        // An orthogonal matrix keeps lengths, and ReLU cuts off about half of the square: a step stretches what passes by
        // 1.7 / √2 = 1.2, and 60 steps by 1.2⁶⁰ = 60,000.
        net = RNN(
            inputSize: 1, hiddenSize: hidden, nonlinearity: .relu,
            initialization: RecurrentInitialization(hiddenWeight: .orthogonal(gain: 1.7), bias: .zeros))
    }

    func forward(_ input: Tensor) -> Tensor { head(net(input, state: nil).state.hidden.selecting(0)) }
}

/// Trains, and prints loss and gradient norm on the way, until the loss is lost.
@MainActor
func train(clipping maxNorm: Double?) throws {
    RandomGenerator.shared.seed(1)
    let model = Averager()
    let optimizer = SGD(model.parameters, learningRate: 0.01)
    print(maxNorm.map { "Gradient norm clipped to \($0)" } ?? "Without clipping")
    for update in 0...2000 {
        let inputs = Tensor.uniform([steps, batch, 1])
        optimizer.zeroGradients()
        let loss = meanSquaredError(model(inputs), inputs.mean([0]))
        try loss.backward()
        let norm =
            try maxNorm.map { try clipGradientNorm(model.parameters, maxNorm: $0) }
            ?? gradientNorm(model.parameters)
        if [0, 1, 2, 3, 5, 10, 100, 500, 1000, 2000].contains(update) {
            let (value, length) = (try loss.item(), try norm.item())
            print(String(format: "  update %4d   loss %9.2e   gradient norm %9.2e", update, value, length))
            if !value.isFinite { break }
        }
        try optimizer.step()
    }
}

try train(clipping: nil)
try train(clipping: 1)
