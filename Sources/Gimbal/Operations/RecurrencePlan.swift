/// How one direction of a recurrent layer is computed: views of its operands, and the two passes over its steps.
///
/// The states are laid out as `RecurrentSequence` has them. An LSTM's final cell follows in one slot more, to be part of
/// the result.
struct RecurrencePlan {
    var kind: RecurrentKind
    var isReversed: Bool
    /// [steps, batch, inputSize], contiguous.
    var input: TensorView
    var inputWeight, hiddenWeight: TensorView
    var inputBias, hiddenBias, initialHidden, initialCell, lengths, hiddenMask: TensorView?
    /// Where the optional operands stand among the inputs of the node; input and weights are 0, 1 and 2.
    var inputBiasIndex, hiddenBiasIndex, hiddenIndex, cellIndex: Int?

    /// What the gradient needs beside the states.
    struct Saved {
        /// [steps, batch, gateCount · hiddenSize].
        var gates: TensorView
        /// [steps + 1, batch, hiddenSize], in the slots of the states; for LSTM only.
        var cells: TensorView?
        /// [steps, batch, hiddenSize]: the states that entered the gates, where a mask was applied to them.
        var masked: TensorView?
    }

    var steps: Int { input.shape[0] }
    var batch: Int { input.shape[1] }
    var inputSize: Int { input.shape[2] }
    var size: Int { hiddenWeight.shape[1] }
    var statesShape: Shape { [steps + 1 + (kind.hasCell ? 1 : 0), batch, size] }

    var finalSlot: Int { isReversed ? 0 : steps }

    private var backend: any Backend { input.storage.backend }
    /// Of the states, the cells and the gates.
    var dtype: DType { hiddenWeight.dtype }
    /// Of the operands of products over all steps.
    private var productType: DType { inputWeight.dtype }

    // MARK: Forward

    func forward(states: TensorView) throws -> Saved {
        let backend = backend
        var saved = Saved(gates: try backend.allocate([steps, batch, kind.gateCount * size], dtype))
        if kind.hasCell { saved.cells = try backend.allocate([steps + 1, batch, size], dtype) }
        if hiddenMask != nil { saved.masked = try backend.allocate([steps, batch, size], dtype) }
        begin(states, with: initialHidden)
        if let cells = saved.cells { begin(cells, with: initialCell) }
        try projectInput(into: saved.gates.joiningRows)

        backend.recurrentSequence(sequence(states, saved))
        if let cells = saved.cells { backend.copy(Slots(cells)[finalSlot], to: Slots(states)[steps + 1]) }
        return saved
    }

    private func begin(_ states: TensorView, with initial: TensorView?) {
        let slot = Slots(states)[isReversed ? steps : 0]
        if let initial { backend.copy(initial, to: slot) } else { backend.fill(slot, with: 0) }
    }

    private func sequence(_ states: TensorView, _ saved: Saved) -> RecurrentSequence {
        RecurrentSequence(
            kind, gates: saved.gates, states: states, cells: saved.cells, hiddenWeight: hiddenWeight,
            hiddenMask: hiddenMask, masked: saved.masked, lengths: lengths, isReversed: isReversed)
    }

    /// Sets the gates of all steps to what the input and the biases give.
    private func projectInput(into gates: TensorView) throws {
        let x = input.joiningRows
        for (columns, rows) in inputColumns {
            var bias: TensorView?
            if let inputBias, let hiddenBias {
                let own = inputBias.sliced(axis: 0, rows)
                bias = own
                // The bias of d is inside the reset product; every other hidden bias is as good as one of the input.
                if kind != .gru || columns.lowerBound > 0 {
                    let sum = try backend.allocate([rows.count], dtype)
                    backend.binary(.init(.add), own, hiddenBias.sliced(axis: 0, rows), out: sum)
                    bias = sum
                }
            }
            backend.matrixMultiply(
                x, inputWeight.sliced(axis: 0, rows).transposed, out: gates.sliced(axis: 1, columns),
                Epilogue(bias: bias))
        }
        guard kind == .gru else { return }
        let reset = gates.sliced(axis: 1, 3 * size..<4 * size)
        if let hiddenBias {
            backend.copy(hiddenBias.sliced(axis: 0, 2 * size..<3 * size).broadcast(to: reset.shape), to: reset)
        } else {
            backend.fill(reset, with: 0)
        }
    }

    /// Which columns of the gates take which rows of the input weight.
    private var inputColumns: [(columns: Range<Int>, rows: Range<Int>)] {
        if kind == .gru { return [(size..<3 * size, 0..<2 * size), (0..<size, 2 * size..<3 * size)] }
        return [(0..<kind.gateCount * size, 0..<kind.gateCount * size)]
    }

    // MARK: Backward

    /// Adds to the gradients of the operands.
    /// - Parameter outputGradient: [statesShape], contiguous: for the states in their slots and the final cell.
    func backward(
        outputGradient: TensorView, states: TensorView, _ saved: Saved, _ inputs: InputGradients
    ) throws {
        let backend = backend
        let gradient = try backend.allocate(saved.gates.shape, dtype)
        let hiddenGradient = try backend.allocate([batch, size], dtype)
        let cellGradient = kind.hasCell ? try backend.allocate([batch, size], dtype) : nil
        let arriving = Slots(outputGradient), sequence = sequence(states, saved)
        backend.fill(hiddenGradient, with: 0)
        if let cellGradient { backend.copy(arriving[steps + 1], to: cellGradient) }
        backend.recurrentSequenceGradient(
            sequence, outputGradient: outputGradient, gatesGradient: gradient, hiddenGradient: hiddenGradient,
            cellGradient: cellGradient)
        if let hiddenIndex {
            // Without a step, the final state is the initial one, and so is its slot.
            if steps == 0 { backend.copy(arriving[finalSlot], to: hiddenGradient) }
            inputs.add(hiddenIndex, Tensor(hiddenGradient))
        }
        if let cellIndex, let cellGradient { inputs.add(cellIndex, Tensor(cellGradient)) }
        let entered = saved.masked ?? states.sliced(axis: 0, isReversed ? 1..<steps + 1 : 0..<steps)
        try addParameterGradients(
            gradient.joiningRows, entered: try productOperand(entered).joiningRows,
            recurrentColumns: sequence.recurrentColumns, inputs)
    }

    /// The view in the type of products; a copy where it has another.
    private func productOperand(_ view: TensorView) throws -> TensorView {
        if view.dtype == productType { return view }
        let result = try backend.allocate(view.shape, productType)
        backend.copy(view, to: result)
        return result
    }

    /// Products and sums over all steps at once.
    private func addParameterGradients(
        _ exactGradient: TensorView, entered: TensorView, recurrentColumns: Range<Int>, _ inputs: InputGradients
    ) throws {
        let x = input.joiningRows
        let gradient = try productOperand(exactGradient)
        inputs.write(0) { destination, accumulates in
            for (index, part) in inputColumns.enumerated() {
                backend.matrixMultiply(
                    gradient.sliced(axis: 1, part.columns), inputWeight.sliced(axis: 0, part.rows),
                    out: destination.joiningRows, Epilogue(accumulates: accumulates || index > 0))
            }
        }
        inputs.write(1) { destination, accumulates in
            for (columns, rows) in inputColumns {
                backend.matrixMultiply(
                    gradient.sliced(axis: 1, columns).transposed, x, out: destination.sliced(axis: 0, rows),
                    Epilogue(accumulates: accumulates))
            }
        }
        let recurrent = gradient.sliced(axis: 1, recurrentColumns)
        inputs.write(2) { destination, accumulates in
            backend.matrixMultiply(
                recurrent.transposed, entered, out: destination, Epilogue(accumulates: accumulates))
        }
        guard let inputBiasIndex, let hiddenBiasIndex,
            inputs.isNeeded(inputBiasIndex) || inputs.isNeeded(hiddenBiasIndex)
        else { return }
        let sums = try backend.allocate([1, gradient.shape[1]], dtype)
        backend.reduce(.sum, exactGradient, out: sums, accumulates: false)
        func add(_ columns: Range<Int>, to destination: TensorView, accumulates: Bool) {
            let part = sums.flattened.sliced(axis: 0, columns)
            if accumulates {
                backend.binary(.init(.add), destination, part, out: destination)
            } else {
                backend.copy(part, to: destination)
            }
        }
        inputs.write(inputBiasIndex) { destination, accumulates in
            for (columns, rows) in inputColumns {
                add(columns, to: destination.sliced(axis: 0, rows), accumulates: accumulates)
            }
        }
        inputs.write(hiddenBiasIndex) { destination, accumulates in
            add(recurrentColumns, to: destination, accumulates: accumulates)
        }
    }
}

extension TensorView {
    /// Contiguous [count, rows, columns] as one matrix.
    fileprivate var joiningRows: TensorView { reshaped([shape[0] * shape[1], shape[2]]) }
}
