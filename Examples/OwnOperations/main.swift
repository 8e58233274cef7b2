// Operations of one's own, each in a few lines and on every device: an activation from a formula, an operation with an OpenCL
// kernel and a closure for the CPU, and an optimizer.

import Gimbal
import GimbalNN
import GimbalOptim

// An activation: its gradient, and the gradient of that, are worked out.
let logisticSquare = ElementFunction { x in x * x.sigmoid().square() }

final class LogisticSquare: Module, Layer {
    func forward(_ input: Tensor) -> Tensor { logisticSquare(input) }
}

// A kernel: the largest of every two neighbours.
let largerOfTwo = CustomKernel(
    "larger_of_two", inputs: ["x"], outputs: ["out"],
    body: """
        size_t i = get_global_id(0);
        if (i < out_count) out[i] = fmax(x[2 * i], x[2 * i + 1]);
        """
) { call in
    for i in call.outputs[0].indices { call.outputs[0][i] = max(call.inputs[0][2 * i], call.inputs[0][2 * i + 1]) }
}

// An optimizer: steps in the direction of a momentum's sign (Bernstein et al. 2018).
let signum = OptimizerFormula(states: ["momentum"], settings: 1) { step in
    let momentum = step.settings[0] * step.states[0] + (1 - step.settings[0]) * step.gradient
    return (step.weight - step.learningRate * momentum.sign(), [momentum])
}

print("on \(Device.current.id)")
let numbers = Tensor([3, 1, 4, 1, 5, 9, 2, 6] as [Float])
print(try largerOfTwo(numbers, shape: [4]).floats())

let model = Sequential {
    Linear(2, 16)
    LogisticSquare()
    Linear(16, 2)
}
let inputs = Tensor([0, 0, 0, 1, 1, 0, 1, 1] as [Float], [4, 2])
let targets = Tensor([0, 1, 1, 0] as [Int32])
let optimizer = FormulaOptimizer(model.parameters, signum, learningRate: 0.02) { _ in [0.9] }
for step in 1...200 {
    optimizer.zeroGradients()
    let loss = crossEntropy(model(inputs), targets)
    try loss.backward()
    try optimizer.step()
    if step % 50 == 0 { print("step \(step): loss \(try loss.item())") }
}
