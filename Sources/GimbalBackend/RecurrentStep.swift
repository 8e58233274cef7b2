/// What a recurrent net computes in each step.
public enum RecurrentKind: String, Sendable, CaseIterable {
    /// The plain net of Elman (1990).
    case tanh
    /// The plain net with rectified units.
    case relu
    /// Long short-term memory (Hochreiter and Schmidhuber 1997), with a forget gate (Gers et al. 2000).
    case lstm
    /// Gated recurrent units (Cho et al. 2014), with the reset after the product.
    case gru

    /// How many values of `RecurrentStep.gates` belong to one hidden unit.
    public var gateCount: Int {
        switch self {
        case .tanh, .relu: 1
        case .lstm: 4
        case .gru: 4
        }
    }

    /// Whether there is a cell beside the hidden state.
    public var hasCell: Bool { self == .lstm }
}

/// One step of a recurrent cell over a batch; see `Backend.recurrentCell`.
public struct RecurrentStep: Sendable {
    /// What is computed.
    public var kind: RecurrentKind
    /// The gates, [batch, gateCount · hiddenSize]: at first the shares of input, biases and hidden state, then what
    /// `Backend.recurrentCell` leaves.
    public var gates: TensorView
    /// The hidden state before the step, [batch, hiddenSize].
    public var hidden: TensorView
    /// The cell before the step, [batch, hiddenSize]; for `lstm` only.
    public var cell: TensorView?
    /// Receives the hidden state after the step, [batch, hiddenSize].
    public var newHidden: TensorView
    /// Receives the cell after the step, [batch, hiddenSize]; for `lstm` only.
    public var newCell: TensorView?
    /// Steps of each sequence, int32 [batch] of any stride: a row takes part while `index` is less than its length. Nil
    /// where all do.
    public var lengths: TensorView?
    /// This step's place in the sequence.
    public var index: Int

    /// A step over views of these shapes, whose `gates` and state are filled in already.
    public init(
        _ kind: RecurrentKind, gates: TensorView, hidden: TensorView, cell: TensorView? = nil, newHidden: TensorView,
        newCell: TensorView? = nil, lengths: TensorView? = nil, index: Int = 0
    ) {
        self.kind = kind
        self.gates = gates
        self.hidden = hidden
        self.cell = cell
        self.newHidden = newHidden
        self.newCell = newCell
        self.lengths = lengths
        self.index = index
    }

    /// Columns of `view`, which is like `gates`, that belong to gate `index`.
    public func gate(_ index: Int, of view: TensorView) -> TensorView {
        let size = hidden.shape[1]
        return view.sliced(axis: 1, index * size..<(index + 1) * size)
    }
}
