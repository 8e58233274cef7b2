// The adding problem: can a net remember two numbers over hundreds of steps? (Hochreiter and Schmidhuber 1997.)
//
//     swift run -c release AddingProblem            # 200 steps
//     swift run -c release AddingProblem 500 2000   # 500 steps, at most 2000 updates each
//     swift run -c release AddingProblem 200 3000 GRU
//
// Each step of a sequence has a number between 0 and 1 and a mark; two steps are marked, one in each half, and the net is
// to give the sum of their numbers at the end. Who always answers 1 has a mean squared error of 1/6 = 0.167. The program
// trains a plain net, the same with orthogonal and with identity weights, an LSTM and a GRU, and prints a table.

import Foundation
import GimbalTrain

let steps = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 200
let updates = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 6000
let only = CommandLine.arguments.dropFirst(3).first
let (batch, hidden) = (50, 64)

/// A batch of sequences [steps, batch, 2] and their sums [batch, 1].
func problem(_ numbers: inout some RandomNumberGenerator) -> (inputs: Tensor, sums: Tensor) {
    var values = [Float](repeating: 0, count: steps * batch * 2)
    var sums = [Float](repeating: 0, count: batch)
    for sequence in 0..<batch {
        for step in 0..<steps { values[(step * batch + sequence) * 2] = Float.random(in: 0..<1, using: &numbers) }
        for half in [0..<steps / 2, steps / 2..<steps] {
            let place = (Int.random(in: half, using: &numbers) * batch + sequence) * 2
            values[place + 1] = 1
            sums[sequence] += values[place]
        }
    }
    return (Tensor(values, [steps, batch, 2]), Tensor(sums, [batch, 1]))
}

/// A small generator (SplitMix64; Steele, Lea and Flood 2014), so that every net sees the same sequences.
struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Reads the answer off the last hidden state.
final class Adder: Module, Layer {
    let net: RecurrentNet
    let head = Linear(hidden, 1)
    init(_ net: RecurrentNet) { self.net = net }
    func forward(_ input: Tensor) -> Tensor { head(net(input, state: nil).state.hidden.selecting(0)) }
}

/// Ones on the diagonal: the state stays as it is until the input changes it (Le et al. 2015).
let identity = Initializer("identity") { shape, _, device in
    let size = shape[1]
    return Tensor((0..<shape.elementCount).map { $0 / size == $0 % size ? 1 : 0 }, shape, device: device)
}

/// Trains until the error over the last 100 updates is below 0.005; prints a row of the table.
@MainActor
func examine(_ name: String, learningRate: Double, _ make: () -> RecurrentNet) throws {
    if let only, !name.hasPrefix(only) { return }
    RandomGenerator.shared.seed(1)
    let model = Adder(make())
    let optimizer = Adam(model.parameters, learningRate: learningRate)
    var numbers = Numbers(state: 7)
    var (count, error) = (0, Double.infinity)
    let start = Date()
    while count < updates && error >= 0.005 {
        // The losses of 100 updates are read at once: the host need not wait in between.
        var losses: [Tensor] = []
        for _ in 0..<100 {
            let (inputs, sums) = problem(&numbers)
            optimizer.zeroGradients()
            let loss = meanSquaredError(model(inputs), sums)
            try loss.backward()
            try clipGradientNorm(model.parameters, maxNorm: 1)
            try optimizer.step()
            losses.append(loss.detached())
        }
        count += 100
        error = try Double(Tensor.stacked(losses).mean().item())
    }
    print(
        name.padding(toLength: 24, withPad: " ", startingAt: 0),
        String(format: "%10.4f %10d %8.0f s", error, count, Date().timeIntervalSince(start)))
    fflush(nil)  // So that the row shows at once, wherever the output goes.
}

print("The adding problem over \(steps) steps; always answering 1 gives 0.1667.")
print("net                           error    updates     time")
try examine("tanh", learningRate: 1e-3) { RNN(inputSize: 2, hiddenSize: hidden) }
try examine("tanh, orthogonal", learningRate: 1e-3) {
    RNN(
        inputSize: 2, hiddenSize: hidden,
        initialization: RecurrentInitialization(hiddenWeight: .orthogonal(), bias: .zeros))
}
try examine("ReLU, identity", learningRate: 3e-4) {
    RNN(
        inputSize: 2, hiddenSize: hidden, nonlinearity: .relu,
        initialization: RecurrentInitialization(
            inputWeight: .normal(standardDeviation: 0.1), hiddenWeight: identity, bias: .zeros))
}
// A forget gate near 1 keeps what it has for longer than the default's 1/2 (Jozefowicz et al. 2015).
try examine("LSTM", learningRate: 1e-2) {
    LSTM(inputSize: 2, hiddenSize: hidden, initialization: RecurrentInitialization(forgetGateBias: 3))
}
try examine("GRU", learningRate: 3e-3) { GRU(inputSize: 2, hiddenSize: hidden) }
