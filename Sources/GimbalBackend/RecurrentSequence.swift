/// One direction of one recurrent layer over all steps, once the gates hold the input's share; see
/// `Backend.recurrentSequence`.
///
/// All states lie in one block: the state before step t in slot t and the one after it in slot t + 1, or the other way
/// round if reversed. So the states that enter the steps are one matrix, and so are those that leave them.
///
/// A GRU's gates are ordered n, r, z and the hidden state's share d of n (see `Backend.recurrentCell`): the last three
/// are in the order of the rows of the hidden weight, so that one product with it adds to all of them.
public struct RecurrentSequence: Sendable {
    /// What is computed in each step.
    public var kind: RecurrentKind
    /// The gates of all steps, [steps, batch, gateCount · hiddenSize]: at first the input's share, then what
    /// `Backend.recurrentCell` leaves.
    public var gates: TensorView
    /// The states in their slots, [steps + 1 or more, batch, hiddenSize]; the initial one is given.
    public var states: TensorView
    /// The cells in their slots, like `states`; for `lstm` only.
    public var cells: TensorView?
    /// The hidden state's weight in PyTorch's order, [gateCount · hiddenSize, hiddenSize], for `gru`
    /// [3 · hiddenSize, hiddenSize]. Any strides.
    public var hiddenWeight: TensorView
    /// What the states that enter the gates are multiplied by, [batch, hiddenSize], for dropout; nil for nothing.
    public var hiddenMask: TensorView?
    /// Receives the states times `hiddenMask`, [steps, batch, hiddenSize]; nil without a mask.
    public var masked: TensorView?
    /// Steps of each sequence, int32 [batch] of any stride; nil where all sequences have all steps.
    public var lengths: TensorView?
    /// Whether steps are computed from the last to the first.
    public var isReversed: Bool

    /// A sequence over views of these shapes, whose `gates` and initial state are filled in already.
    public init(
        _ kind: RecurrentKind, gates: TensorView, states: TensorView, cells: TensorView? = nil,
        hiddenWeight: TensorView, hiddenMask: TensorView? = nil, masked: TensorView? = nil,
        lengths: TensorView? = nil, isReversed: Bool = false
    ) {
        self.kind = kind
        self.gates = gates
        self.states = states
        self.cells = cells
        self.hiddenWeight = hiddenWeight
        self.hiddenMask = hiddenMask
        self.masked = masked
        self.lengths = lengths
        self.isReversed = isReversed
    }

    /// Number of steps.
    public var steps: Int { gates.shape[0] }
    /// Number of sequences.
    public var batch: Int { gates.shape[1] }
    /// Units of the hidden state.
    public var size: Int { states.shape[2] }

    /// The slot of the state before the first step that is computed.
    public var initialSlot: Int { isReversed ? steps : 0 }
    /// The slot of the state after the last step that is computed.
    public var finalSlot: Int { isReversed ? 0 : steps }
    /// The slot of the state that enters a step.
    public func slotBefore(_ step: Int) -> Int { isReversed ? step + 1 : step }
    /// The slot of the state that leaves a step.
    public func slotAfter(_ step: Int) -> Int { isReversed ? step : step + 1 }
    /// The step that is computed as number `index`.
    public func step(at index: Int) -> Int { isReversed ? steps - 1 - index : index }

    /// The columns of the gates that take all rows of the hidden weight.
    public var recurrentColumns: Range<Int> { kind == .gru ? size..<4 * size : 0..<kind.gateCount * size }
}

/// The matrices of a contiguous [count, rows, columns], each made without the cost of working it out from the shape.
public struct Slots {
    private var first: TensorView
    private let distance: Int

    /// The matrices of `view`, or these `columns` of each; nil stands for all.
    public init(_ view: TensorView, columns: Range<Int>? = nil) {
        let (rows, width) = (view.shape[1], view.shape[2])
        distance = rows * width
        first = TensorView(
            storage: view.storage, offset: view.offset, shape: [rows, width], strides: [width, 1], dtype: view.dtype)
        if let columns { first = first.sliced(axis: 1, columns) }
    }

    /// The matrix of this index, [rows, columns].
    public subscript(index: Int) -> TensorView {
        var view = first
        view.offset += index * distance
        return view
    }
}
