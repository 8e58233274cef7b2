/// One step of a recurrent net at a time, for loops written by hand: [batch, inputSize] and the state before to the
/// state after. Parameters are `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`, as PyTorch's.
public class RecurrentCell: Module, Layer {
    /// What the cell computes.
    public let kind: RecurrentKind
    /// Features of the input.
    public let inputSize: Int
    /// Units of the cell, features of its state.
    public let hiddenSize: Int
    private let own: RecurrentParameters

    init(
        _ kind: RecurrentKind, inputSize: Int, hiddenSize: Int, hasBias: Bool,
        initialization: RecurrentInitialization, generator: RandomGenerator, device: Device
    ) {
        require(
            inputSize > 0 && hiddenSize > 0, "\(Self.self)", "sizes must be positive, not \(inputSize), \(hiddenSize)")
        self.kind = kind
        self.inputSize = inputSize
        self.hiddenSize = hiddenSize
        own = RecurrentParameters(
            kind, inputSize: inputSize, hiddenSize: hiddenSize, hasBias: hasBias, initialization,
            generator: generator, device: device)
    }

    public override var parts: [ModulePart] { own.named.map { .parameter($0.name, $0.parameter) } }

    /// The state after one step; its `hidden` is the cell's output.
    /// - Parameters:
    ///   - input: [batch, inputSize].
    ///   - state: the state before, its tensors [batch, hiddenSize]; 0 if nil.
    public func callAsFunction(_ input: Tensor, _ state: RecurrentState? = nil) -> RecurrentState {
        self((input: input, state: state))
    }

    public func forward(_ all: (input: Tensor, state: RecurrentState?)) -> RecurrentState {
        let (input, state) = all
        require(
            input.rank == 2 && input.shape[1] == inputSize, "\(Self.self)",
            "needs [batch, \(inputSize)], not \(input.shape)")
        let result = input.expandingAxis(0).recurrent(
            kind, own.weights, hidden: state?.hidden, cell: state?.cell)
        return RecurrentState(hidden: result.hidden, cell: result.cell)
    }
}

/// One step of an `RNN`.
public final class RNNCell: RecurrentCell {
    /// A cell of `hiddenSize` units on inputs of `inputSize` features; without `hasBias`, neither product adds a bias.
    public init(
        inputSize: Int, hiddenSize: Int, nonlinearity: RNN.Nonlinearity = .tanh, hasBias: Bool = true,
        initialization: RecurrentInitialization = .standard, generator: RandomGenerator = .current,
        device: Device = .current
    ) {
        super.init(
            nonlinearity == .tanh ? .tanh : .relu, inputSize: inputSize, hiddenSize: hiddenSize, hasBias: hasBias,
            initialization: initialization, generator: generator, device: device)
    }
}

/// One step of an `LSTM`.
public final class LSTMCell: RecurrentCell {
    /// A cell of `hiddenSize` units on inputs of `inputSize` features; without `hasBias`, neither product adds a bias.
    public init(
        inputSize: Int, hiddenSize: Int, hasBias: Bool = true, initialization: RecurrentInitialization = .standard,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        super.init(
            .lstm, inputSize: inputSize, hiddenSize: hiddenSize, hasBias: hasBias, initialization: initialization,
            generator: generator, device: device)
    }
}

/// One step of a `GRU`.
public final class GRUCell: RecurrentCell {
    /// A cell of `hiddenSize` units on inputs of `inputSize` features; without `hasBias`, neither product adds a bias.
    public init(
        inputSize: Int, hiddenSize: Int, hasBias: Bool = true, initialization: RecurrentInitialization = .standard,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        super.init(
            .gru, inputSize: inputSize, hiddenSize: hiddenSize, hasBias: hasBias, initialization: initialization,
            generator: generator, device: device)
    }
}
