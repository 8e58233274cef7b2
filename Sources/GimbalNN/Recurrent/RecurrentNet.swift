/// What `RNN`, `LSTM` and `GRU` have in common: layers of recurrent units, each fed with the outputs of the one before,
/// in one direction or in both.
///
/// Input and output are [steps, batch, features], or [batch, steps, features] with `isBatchFirst`; outputs have
/// `hiddenSize` features, twice as many in both directions, the forward ones first.
///
/// ```swift
/// let net = LSTM(inputSize: 128, hiddenSize: 256, layers: 2, isBatchFirst: true)
/// let y = net(x)                                    // [32, 100, 128] to [32, 100, 256]
/// let (outputs, state) = net(x, lengths: lengths)   // sequences of different length, padded to 100 steps
/// ```
/// Training on a stream in pieces (truncated back-propagation through time) carries the state over, cut off from what
/// it was computed by:
/// ```swift
/// var state: RecurrentState?
/// for piece in pieces {
///     let (outputs, next) = net(piece, state: state)
///     try meanSquaredError(outputs, piece).backward()
///     state = next.detached()
/// }
/// ```
/// Parameters are named, ordered and laid out as PyTorch's: `weight_ih_l0` [G · hiddenSize, inputSize], `weight_hh_l0`
/// [G · hiddenSize, hiddenSize], `bias_ih_l0`, `bias_hh_l0` [G · hiddenSize], those of the reverse direction with
/// `_reverse` behind, and so on for `l1`, …
public class RecurrentNet: Module, Layer {
    /// What the units compute.
    public let kind: RecurrentKind
    /// Features of the input.
    public let inputSize: Int
    /// Units of each layer and direction.
    public let hiddenSize: Int
    /// How many layers lie on top of each other.
    public let layers: Int
    /// Whether both products of a step add biases.
    public let hasBias: Bool
    /// Whether input and output are [batch, steps, features] instead of [steps, batch, features].
    public let isBatchFirst: Bool
    /// Whether every layer also reads the sequence from its end; outputs then have 2 · hiddenSize features.
    public let isBidirectional: Bool
    /// The probability of dropping an element of the outputs of every layer but the last, in training.
    public let dropout: Double
    /// Dropout with one mask for all steps, in training.
    public let variationalDropout: VariationalDropout

    /// By layer, and by direction within each.
    private let directions: [[Direction]]
    private let generator: RandomGenerator?

    /// One direction of one layer, and what its parameters' names end in.
    fileprivate struct Direction {
        var suffix: String
        var parameters: RecurrentParameters
    }

    init(
        _ kind: RecurrentKind, inputSize: Int, hiddenSize: Int, layers: Int, hasBias: Bool, isBatchFirst: Bool,
        dropout: Double, isBidirectional: Bool, variationalDropout: VariationalDropout,
        initialization: RecurrentInitialization, generator: RandomGenerator?, device: Device
    ) {
        let name = "\(Self.self)"
        require(
            inputSize > 0 && hiddenSize > 0 && layers > 0, name,
            "sizes must be positive, not \(inputSize), \(hiddenSize) and \(layers) layers")
        require((0..<1).contains(dropout), name, "a probability in [0, 1), not \(dropout)")
        self.kind = kind
        self.inputSize = inputSize
        self.hiddenSize = hiddenSize
        self.layers = layers
        self.hasBias = hasBias
        self.isBatchFirst = isBatchFirst
        self.isBidirectional = isBidirectional
        self.dropout = dropout
        self.variationalDropout = variationalDropout
        self.generator = generator
        directions = (0..<layers).map { layer in
            ["", "_reverse"].prefix(isBidirectional ? 2 : 1).map { direction in
                Direction(
                    suffix: "l\(layer)\(direction)",
                    parameters: RecurrentParameters(
                        kind, inputSize: layer == 0 ? inputSize : hiddenSize * (isBidirectional ? 2 : 1),
                        hiddenSize: hiddenSize, hasBias: hasBias, initialization,
                        generator: generator ?? .current, device: device))
            }
        }
    }

    public override var parts: [ModulePart] {
        directions.joined().flatMap { direction in
            direction.parameters.named.map { .parameter("\($0.name)_\(direction.suffix)", $0.parameter) }
        }
    }

    /// The outputs of the last layer, beginning with a state of 0.
    public func forward(_ input: Tensor) -> Tensor { run(input, nil, nil).outputs }

    /// The outputs of the last layer and the final states of all.
    /// - Parameters:
    ///   - input: [steps, batch, inputSize], or with the batch first.
    ///   - state: the state to begin with; 0 if nil.
    ///   - lengths: int32 [batch], how many steps of each sequence are valid, 0 to all; nil where all are. Outputs
    ///     beyond are 0, the final state is that of the last valid step, where the reverse direction begins. The result
    ///     equals that of PyTorch's packed sequences: what the input holds beyond has no influence on anything. A length
    ///     out of range is an error that the next call throws that waits for the device.
    public func callAsFunction(
        _ input: Tensor, state: RecurrentState?, lengths: Tensor? = nil
    ) -> (outputs: Tensor, state: RecurrentState) {
        entering((input: input, state: state, lengths: lengths)) { all in
            let (outputs, hidden, cells) = run(all.input, all.state, all.lengths)
            return (
                outputs, RecurrentState(hidden: .stacked(hidden), cell: cells.isEmpty ? nil : .stacked(cells))
            )
        }
    }

    /// The outputs of the last layer and the final states of all, beginning with a state of 0.
    ///
    /// `lengths`, int32 [batch], tells how many steps of each sequence are valid, 0 to all; outputs beyond are 0.
    public func callAsFunction(_ input: Tensor, lengths: Tensor) -> (outputs: Tensor, state: RecurrentState) {
        callAsFunction(input, state: nil, lengths: lengths)
    }

    private func run(
        _ input: Tensor, _ state: RecurrentState?, _ lengths: Tensor?
    ) -> (outputs: Tensor, hidden: [Tensor], cells: [Tensor]) {
        require(
            input.rank == 3 && input.shape[2] == inputSize, "\(Self.self)",
            "needs \(isBatchFirst ? "[batch, steps" : "[steps, batch"), \(inputSize)], not \(input.shape)")
        var outputs = isBatchFirst ? input.transposed(0, 1) : input
        let batch = outputs.shape[1]
        let stateShape: Shape = [directions.count * directions[0].count, batch, hiddenSize]
        require(
            state.map { $0.hidden.shape == stateShape && $0.cell?.shape ?? stateShape == stateShape } ?? true,
            "\(Self.self)", "the state is \(state?.hidden.shape ?? []) where \(stateShape) is needed")
        // Once: what a layer gives is 0 there.
        if let lengths { outputs = outputs.endingSequences(at: lengths) }
        var (hidden, cells): ([Tensor], [Tensor]) = ([], [])
        for layer in directions {
            if isTraining && !hidden.isEmpty && dropout > 0 {
                outputs = outputs.droppedOut(
                    probability: dropout, batchAxis: 1, generator: generator ?? .current)
            }
            if isTraining && variationalDropout.input > 0 {
                outputs = outputs * mask([batch, outputs.shape[2]], variationalDropout.input, like: outputs)
            }
            let results = layer.enumerated().map { index, direction in
                let place = hidden.count + index
                return outputs.recurrence(
                    kind, direction.parameters.weights, hidden: state?.hidden.selecting(place),
                    cell: state?.cell?.selecting(place), lengths: lengths,
                    hiddenMask: isTraining && variationalDropout.hidden > 0
                        ? mask([batch, hiddenSize], variationalDropout.hidden, like: outputs) : nil,
                    isReversed: index == 1)
            }
            outputs = results.count == 1 ? results[0].outputs : .concatenated(results.map(\.outputs), axis: 2)
            hidden += results.map(\.hidden)
            cells += results.compactMap(\.cell)
        }
        return (isBatchFirst ? outputs.transposed(0, 1) : outputs, hidden, cells)
    }

    /// [batch, features]: 0 with `probability`, else 1 / (1 - probability).
    private func mask(_ shape: Shape, _ probability: Double, like other: Tensor) -> Tensor {
        Tensor(repeating: 1, shape, dtype: other.dtype, device: other.device)
            .droppedOut(probability: probability, generator: generator ?? .current)
    }

    public override var signature: String {
        "\(type(of: self))(\(inputSize), \(hiddenSize)\(layers == 1 ? "" : ", layers: \(layers)")"
            + "\(isBidirectional ? ", isBidirectional: true" : ""))"
    }
}

/// What a recurrent net remembers: [layers · directions, batch, hiddenSize], the directions of a layer side by side.
///
/// For a cell (`LSTMCell` and its like), [batch, hiddenSize].
public struct RecurrentState {
    /// What the units gave out at the last step; all that an `RNN` or a `GRU` remembers.
    public var hidden: Tensor
    /// The memory cells of an LSTM, of the shape of `hidden`; nil for others.
    public var cell: Tensor?

    /// A state of these tensors; an LSTM's has a `cell`.
    public init(hidden: Tensor, cell: Tensor? = nil) {
        self.hidden = hidden
        self.cell = cell
    }

    /// The same values, cut off from what they were computed by: gradients end here.
    public func detached() -> RecurrentState { RecurrentState(hidden: hidden.detached(), cell: cell?.detached()) }

    /// The same for other sequences: for each, the row of the present ones, along the batch, that it goes on from.
    func selecting(_ rows: [Int]) -> RecurrentState {
        let places = Tensor(rows.map { Int32($0) }, device: hidden.device)
        func selected(_ tensor: Tensor) -> Tensor {
            tensor.transposed(0, 1).gathered(places).transposed(0, 1).contiguous()
        }
        return RecurrentState(hidden: selected(hidden), cell: cell.map(selected))
    }
}

/// Dropout with one mask for all steps of a sequence, drawn anew for each batch (Gal and Ghahramani 2016, "A
/// theoretically grounded application of dropout in recurrent neural networks").
///
/// A mask drawn anew in each step would erase what the net remembers; one that stays drops the same units throughout.
public struct VariationalDropout: Sendable, Hashable {
    /// The probability, in [0, 1), of dropping a feature of each layer's input.
    public var input: Double
    /// The probability, in [0, 1), of dropping a unit of the hidden state on its way to the gates of the next step.
    public var hidden: Double

    /// Dropout with these probabilities, each in [0, 1).
    public init(input: Double = 0, hidden: Double = 0) {
        require(
            (0..<1).contains(input) && (0..<1).contains(hidden), "VariationalDropout",
            "probabilities in [0, 1), not \(input) and \(hidden)")
        self.input = input
        self.hidden = hidden
    }

    /// Nothing is dropped.
    public static let none = VariationalDropout()
}
