/// The parameters of one direction of one recurrent layer, laid out as PyTorch has them.
///
/// G is 1 for a plain net, 4 for an LSTM (input, forget, cell, output gate) and 3 for a GRU (reset, update, new).
public struct RecurrentWeights {
    /// [G · hiddenSize, inputSize].
    public var input: Tensor
    /// [G · hiddenSize, hiddenSize].
    public var hidden: Tensor
    /// [G · hiddenSize], added to what the input gives; there where `hiddenBias` is, else nil.
    public var inputBias: Tensor?
    /// [G · hiddenSize], added to what the hidden state gives; there where `inputBias` is, else nil.
    public var hiddenBias: Tensor?

    /// The biases are both given or both left out.
    public init(input: Tensor, hidden: Tensor, inputBias: Tensor? = nil, hiddenBias: Tensor? = nil) {
        self.input = input
        self.hidden = hidden
        self.inputBias = inputBias
        self.hiddenBias = hiddenBias
    }
}

extension Tensor {
    /// One direction of one recurrent layer over whole sequences: this tensor is [steps, batch, inputSize].
    ///
    /// The layer is one node of the graph. Its input's share of all steps is one matrix product, and so is each gradient of
    /// a weight; a step is one product with the hidden state and one fused cell (see `Backend.recurrentCell`).
    ///
    /// Where a precision is in force, these products over all steps are in it. States, cells and gates, over which rounding
    /// errors would add up, are of the hidden weight's type, and so is the result.
    /// - Parameters:
    ///   - kind: what a unit computes.
    ///   - weights: of this direction, for units of `kind`.
    ///   - hidden: [batch, hiddenSize], the state to begin with; nil for 0.
    ///   - cell: the same for the memory of an LSTM.
    ///   - lengths: int32 [batch], the number of valid steps of each sequence; nil where all are. Outputs beyond are 0, the
    ///     final state is that of the last valid step, and a reversed layer begins there. What the input holds beyond has
    ///     no influence, not even if it is NaN. A number out of 0...steps is reported as `requireLengths` does.
    ///   - hiddenMask: [batch, hiddenSize], multiplies the state that enters the gates in every step, for dropout with one
    ///     mask per sequence (Gal and Ghahramani 2016).
    ///   - isReversed: runs from the last step to the first.
    /// - Returns: the hidden states of all steps, [steps, batch, hiddenSize], and the final state.
    public func recurrent(
        _ kind: RecurrentKind, _ weights: RecurrentWeights, hidden: Tensor? = nil, cell: Tensor? = nil,
        lengths: Tensor? = nil, hiddenMask: Tensor? = nil, isReversed: Bool = false
    ) -> (outputs: Tensor, hidden: Tensor, cell: Tensor?) {
        (lengths.map(endingSequences) ?? self).recurrence(
            kind, weights, hidden: hidden, cell: cell, lengths: lengths, hiddenMask: hiddenMask, isReversed: isReversed)
    }

    /// These sequences, [steps, batch, size], with 0 beyond the length of each: there a gradient of 0 would meet NaN in
    /// the products that give the weights' gradients.
    package func endingSequences(at lengths: Tensor) -> Tensor {
        require(
            rank == 3 && lengths.shape == [shape[1]] && lengths.dtype == .int32, "recurrent",
            "\(shape) needs int32 lengths of its batch, not \(lengths.dtype) \(lengths.shape)")
        lengths.requireLengths(within: 0...shape[0], "recurrent")
        return .select(lengths.isLonger(thanStepsOf: shape[0]), self, scalar(0))
    }

    /// `recurrent` of sequences that are 0 beyond their lengths.
    package func recurrence(
        _ kind: RecurrentKind, _ weights: RecurrentWeights, hidden: Tensor? = nil, cell: Tensor? = nil,
        lengths: Tensor? = nil, hiddenMask: Tensor? = nil, isReversed: Bool = false
    ) -> (outputs: Tensor, hidden: Tensor, cell: Tensor?) {
        let recurrence = Recurrence(
            kind, contiguous(), weights, hidden: hidden?.contiguous(), cell: cell?.contiguous(),
            lengths: lengths?.detached(), hiddenMask: hiddenMask?.contiguous().detached(), isReversed: isReversed)
        let operands = recurrence.operands
        let (steps, plan) = (shape[0], recurrence.plan)
        var saved: RecurrencePlan.Saved?
        let states = Tensor.make(plan.statesShape, plan.dtype, device, inputs: recurrence.read, named: "recurrent") {
            backend, out in
            backend.reportingErrors { saved = try plan.forward(states: out) }
        }
        let result = states.recorded("recurrent", operands) { [saved] outputGradient, inputs in
            if inputs.createsGraph { return inputs.differentiate(plan.composed(inputs), outputGradient) }
            inputs.requireUnchanged(
                plan.input, plan.inputWeight, plan.hiddenWeight, plan.hiddenBias, plan.lengths, plan.hiddenMask,
                states.view)
            let arrived = outputGradient.contiguous()
            guard arrived.view.isComputed, let saved else { return }
            arrived.backend.reportingErrors {
                try plan.backward(outputGradient: arrived.view, states: states.view, saved, inputs)
            }
        }
        let slots = isReversed ? 0..<steps : 1..<steps + 1
        var outputs: Tensor
        let finalHidden: Tensor
        let finalCell: Tensor?
        if let observer = OperationObserver.current, observer.isComplete, result.node == nil, result.view.isComputed {
            // Each by itself: nobody else has them as parts of one tensor.
            func slot(_ index: Int) -> Tensor {
                Tensor(result.view.sliced(axis: 0, index..<index + 1).reshaped(Shape([Int](result.shape.dropFirst()))))
            }
            outputs = Tensor(result.view.sliced(axis: 0, slots))
            (finalHidden, finalCell) = (slot(plan.finalSlot), kind.hasCell ? slot(steps + 1) : nil)
            observer.note(
                ComputedOperation(
                    name: "recurrent", inputs: operands,
                    outputs: [outputs, finalHidden] + (finalCell.map { [$0] } ?? []),
                    details: .recurrence(recurrence.details(kind, weights))))
        } else {
            outputs = result.sliced(slots)
            (finalHidden, finalCell) = (
                result.selecting(plan.finalSlot), kind.hasCell ? result.selecting(steps + 1) : nil
            )
        }
        if let lengths {
            outputs = Tensor.select(
                lengths.isLonger(thanStepsOf: steps), outputs, outputs.scalar(0))
        }
        return (outputs, finalHidden, finalCell)
    }

    /// uint8 [steps, batch, 1]: whether a step lies within its sequence; this tensor is int32 [batch].
    private func isLonger(thanStepsOf steps: Int) -> Tensor {
        Tensor((0..<Int32(steps)).map { $0 }, [steps, 1], device: device)
            .isLess(than: expandingAxis(0)).expandingAxis(2)
    }
}

/// The operands of `Tensor.recurrent`, checked, and what is computed with them.
private struct Recurrence {
    /// What gradients flow to, in the order that the plan's indices name.
    var operands: [Tensor]
    /// What the plan reads.
    let read: [Tensor]
    let plan: RecurrencePlan
    private let optional: (hidden: Tensor?, cell: Tensor?, lengths: Tensor?, hiddenMask: Tensor?)

    /// What is told to who watches.
    func details(_ kind: RecurrentKind, _ weights: RecurrentWeights) -> RecurrenceDetails {
        RecurrenceDetails(
            kind: kind, input: operands[0], weights: weights, hidden: optional.hidden, cell: optional.cell,
            lengths: optional.lengths, hiddenMask: optional.hiddenMask, isReversed: plan.isReversed)
    }

    init(
        _ kind: RecurrentKind, _ input: Tensor, _ weights: RecurrentWeights, hidden: Tensor?, cell: Tensor?,
        lengths: Tensor?, hiddenMask: Tensor?, isReversed: Bool
    ) {
        require(input.rank == 3, "recurrent", "needs [steps, batch, inputSize], not \(input.shape)")
        let size = weights.hidden.rank == 2 ? weights.hidden.shape[1] : 0
        let rows = kind.blockCount * size
        let (batch, inputSize) = (input.shape[1], input.shape[2])
        func check(_ tensor: Tensor?, _ shape: Shape, _ what: String, _ dtype: DType? = nil) {
            guard let tensor else { return }
            require(
                tensor.shape == shape && (dtype.map { $0 == tensor.dtype } ?? tensor.dtype.isFloatingPoint),
                "recurrent",
                "\(what) is \(tensor.dtype) \(tensor.shape) where \(dtype ?? input.dtype) \(shape) is needed")
        }
        check(weights.hidden, [rows, size], "the hidden weight")
        check(weights.input, [rows, inputSize], "the input weight")
        check(weights.inputBias, [rows], "the input bias")
        check(weights.hiddenBias, [rows], "the hidden bias")
        check(hidden, [batch, size], "the hidden state")
        check(cell, [batch, size], "the cell")
        check(hiddenMask, [batch, size], "the mask")
        check(lengths, [batch], "lengths", .int32)
        require((weights.inputBias == nil) == (weights.hiddenBias == nil), "recurrent", "one bias without the other")
        require(cell == nil || kind.hasCell, "recurrent", "\(kind) has no cell")

        var operands = [input, weights.input, weights.hidden]
        func index(of tensor: Tensor?) -> Int? {
            guard let tensor else { return nil }
            operands.append(tensor)
            return operands.count - 1
        }
        let (bias, hiddenBias) = (index(of: weights.inputBias), index(of: weights.hiddenBias))
        let (x, inputWeight) = (input.productOperand(), weights.input.productOperand())
        plan = RecurrencePlan(
            kind: kind, isReversed: isReversed, input: x.view, inputWeight: inputWeight.view,
            hiddenWeight: weights.hidden.view, inputBias: weights.inputBias?.view, hiddenBias: weights.hiddenBias?.view,
            initialHidden: hidden?.view, initialCell: cell?.view, lengths: lengths?.view, hiddenMask: hiddenMask?.view,
            inputBiasIndex: bias, hiddenBiasIndex: hiddenBias, hiddenIndex: index(of: hidden),
            cellIndex: index(of: cell))
        self.operands = operands
        read = operands + [x, inputWeight]
        optional = (hidden, cell, lengths, hiddenMask)
    }
}
