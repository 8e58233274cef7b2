extension RecurrencePlan {
    /// What the plan computes, in operations of tensors: for gradients that are to be differentiated again.
    ///
    /// - Parameter inputs: gives the operands their nodes.
    /// - Returns: [statesShape].
    func composed(_ inputs: InputGradients) -> Tensor {
        func operand(_ index: Int?, _ view: TensorView?) -> Tensor? {
            guard let index, let view else { return nil }
            return inputs.input(index, Tensor(view))
        }
        func zeros() -> Tensor {
            Tensor(repeating: 0, [batch, size], dtype: dtype, device: Device(backend: input.storage.backend))
        }
        let weights = inputs.input(2, Tensor(hiddenWeight))
        let recurrentBias = operand(hiddenBiasIndex, hiddenBias)
        let projected = inputs.input(0, Tensor(input))
            .linear(weight: inputs.input(1, Tensor(inputWeight)), bias: operand(inputBiasIndex, inputBias))
        var hidden = operand(hiddenIndex, initialHidden) ?? zeros()
        var cell = kind.hasCell ? operand(cellIndex, initialCell) ?? zeros() : nil
        let lengths = lengths.map { Tensor($0) }
        let mask = hiddenMask.map { Tensor($0) }

        var states = [hidden]
        for index in 0..<steps {
            let step = isReversed ? steps - 1 - index : index
            let entering = mask.map { hidden * $0 } ?? hidden
            let recurrent = entering.linear(weight: weights, bias: recurrentBias)
            var (newHidden, newCell) = stepped(projected.selecting(step), recurrent, hidden, cell)
            if let lengths {
                let isValid = lengths.isGreater(than: lengths.scalar(Double(step))).expandingAxis(1)
                newHidden = Tensor.select(isValid, newHidden, hidden)
                newCell = newCell.map { Tensor.select(isValid, $0, cell!) }
            }
            (hidden, cell) = (newHidden, newCell)
            states.append(hidden)
        }
        if isReversed { states.reverse() }
        if let cell { states.append(cell) }
        return Tensor.stacked(states)
    }

    /// The state after a step, from what its input and the state before give to its gates.
    private func stepped(
        _ x: Tensor, _ recurrent: Tensor, _ hidden: Tensor, _ cell: Tensor?
    ) -> (hidden: Tensor, cell: Tensor?) {
        func gate(_ index: Int, of rows: Tensor) -> Tensor { rows.sliced(index * size..<(index + 1) * size, axis: 1) }
        switch kind {
        case .tanh: return ((x + recurrent).tanh(), nil)
        case .relu: return ((x + recurrent).relu(), nil)
        case .lstm:
            let sum = x + recurrent
            let newCell =
                gate(1, of: sum).sigmoid() * cell! + gate(0, of: sum).sigmoid() * gate(2, of: sum).tanh()
            return (gate(3, of: sum).sigmoid() * newCell.tanh(), newCell)
        case .gru:
            let reset = (gate(0, of: x) + gate(0, of: recurrent)).sigmoid()
            let update = (gate(1, of: x) + gate(1, of: recurrent)).sigmoid()
            let new = (gate(2, of: x) + reset * gate(2, of: recurrent)).tanh()
            return (new + update * (hidden - new), nil)
        }
    }
}
