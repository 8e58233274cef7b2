/// The first values of a recurrent net's parameters. What is nil is uniform in ±1/√hiddenSize, as PyTorch has it.
public struct RecurrentInitialization: Sendable {
    /// Fills the [hiddenSize, inputSize] block of each gate.
    public var inputWeight: Initializer?
    /// Fills the [hiddenSize, hiddenSize] block of each gate. With `.orthogonal()` a step keeps the length of what it
    /// carries on, so that gradients neither vanish nor explode at the start (Saxe et al. 2014).
    public var hiddenWeight: Initializer?
    /// Fills the [hiddenSize] block of each gate in both bias vectors.
    public var bias: Initializer?
    /// The bias of an LSTM's forget gate (the sum of both vectors); 1 lets it remember at the start (Jozefowicz et al.
    /// 2015). nil leaves it to `bias`.
    public var forgetGateBias: Double?

    /// First values of these kinds; what is nil is uniform in ±1/√hiddenSize.
    public init(
        inputWeight: Initializer? = nil, hiddenWeight: Initializer? = nil, bias: Initializer? = nil,
        forgetGateBias: Double? = nil
    ) {
        self.inputWeight = inputWeight
        self.hiddenWeight = hiddenWeight
        self.bias = bias
        self.forgetGateBias = forgetGateBias
    }

    /// All parameters uniform in ±1/√hiddenSize, as PyTorch has them.
    public static let standard = RecurrentInitialization()
}

/// The parameters of one direction of one layer, or of a cell.
struct RecurrentParameters {
    let weightIh: Parameter
    let weightHh: Parameter
    let biasIh: Parameter?
    let biasHh: Parameter?

    init(
        _ kind: RecurrentKind, inputSize: Int, hiddenSize: Int, hasBias: Bool,
        _ initialization: RecurrentInitialization, generator: RandomGenerator, device: Device
    ) {
        let gates = kind.blockCount
        let bound = 1 / Double(hiddenSize).squareRoot()
        let standard = Initializer.uniform(low: -bound, high: bound)
        func blocks(_ initializer: Initializer?, _ shape: Shape) -> Tensor {
            let whole = Shape([gates * shape[0]] + shape.sizes.dropFirst())
            guard let initializer else { return standard.make(whole, generator: generator, device: device) }
            return .concatenated((0..<gates).map { _ in initializer.make(shape, generator: generator, device: device) })
        }
        func bias(forget: Double?) -> Parameter? {
            guard hasBias else { return nil }
            let value = blocks(initialization.bias, [hiddenSize])
            guard let forget, kind == .lstm else { return Parameter(value) }
            return Parameter(
                .concatenated([
                    value.sliced(0..<hiddenSize), Tensor(repeating: forget, [hiddenSize], device: device),
                    value.sliced(2 * hiddenSize..<4 * hiddenSize),
                ]))
        }
        weightIh = Parameter(blocks(initialization.inputWeight, [hiddenSize, inputSize]))
        weightHh = Parameter(blocks(initialization.hiddenWeight, [hiddenSize, hiddenSize]))
        biasIh = bias(forget: initialization.forgetGateBias)
        biasHh = bias(forget: initialization.forgetGateBias.map { _ in 0 })
    }

    /// Under the beginnings of their names.
    var named: [(name: String, parameter: Parameter)] {
        [("weight_ih", weightIh), ("weight_hh", weightHh)]
            + (biasIh.map { [("bias_ih", $0)] } ?? []) + (biasHh.map { [("bias_hh", $0)] } ?? [])
    }

    var weights: RecurrentWeights {
        RecurrentWeights(
            input: weightIh.value, hidden: weightHh.value, inputBias: biasIh?.value, hiddenBias: biasHh?.value)
    }
}
