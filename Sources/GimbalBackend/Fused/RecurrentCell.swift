// The cells of recurrent nets over the primitives.

extension Backend {
    public func recurrentCell(_ step: RecurrentStep) {
        guard step.hidden.elementCount > 0 else { return }
        reportingErrors {
            func gate(_ index: Int) -> TensorView { step.gate(index, of: step.gates) }
            let hidden = try allocate(step.hidden.shape)
            var cell: TensorView?
            switch step.kind {
            case .tanh, .relu:
                unary(.init(step.kind == .tanh ? .tanh : .relu), gate(0), out: gate(0))
                copy(gate(0), to: hidden)
            case .lstm:
                for index in [0, 1, 3] { unary(.init(.sigmoid), gate(index), out: gate(index)) }
                unary(.init(.tanh), gate(2), out: gate(2))
                let value = try allocate(step.hidden.shape)
                binary(.init(.multiply), gate(0), gate(2), out: hidden)
                binary(.init(.multiply), gate(1), step.cell!, out: value)
                binary(.init(.add), value, hidden, out: value)
                unary(.init(.tanh), value, out: hidden)
                binary(.init(.multiply), gate(3), hidden, out: hidden)
                cell = value
            case .gru:
                unary(.init(.sigmoid), gate(1), out: gate(1))
                unary(.init(.sigmoid), gate(2), out: gate(2))
                binary(.init(.multiply), gate(1), gate(3), out: hidden)
                binary(.init(.add), gate(0), hidden, out: gate(0))
                unary(.init(.tanh), gate(0), out: gate(0))
                binary(.init(.subtract), step.hidden, gate(0), out: hidden)
                binary(.init(.multiply), gate(2), hidden, out: hidden)
                binary(.init(.add), gate(0), hidden, out: hidden)
            }
            let takesPart = try takesPart(step)
            put(hidden, else: step.hidden, where: takesPart, to: step.newHidden)
            if let cell { put(cell, else: step.cell!, where: takesPart, to: step.newCell!) }
        }
    }

    public func recurrentCellGradient(
        _ step: RecurrentStep, outputGradient: TensorView, gatesGradient: TensorView, hiddenGradient: TensorView,
        cellGradient: TensorView?
    ) {
        let shape = step.hidden.shape
        guard shape.elementCount > 0 else { return }
        reportingErrors {
            func gate(_ index: Int) -> TensorView { step.gate(index, of: step.gates) }
            func gradient(_ index: Int) -> TensorView { step.gate(index, of: gatesGradient) }
            func multiply(_ x: TensorView, _ y: TensorView, out: TensorView) {
                binary(.init(.multiply), x, y, out: out)
            }
            let arrived = try allocate(shape)
            binary(.init(.add), hiddenGradient, outputGradient, out: arrived)
            let passed = try allocate(shape)
            var passedCell: TensorView?
            switch step.kind {
            case .tanh, .relu:
                binary(.init(step.kind == .tanh ? .tanhGradient : .reluGradient), gate(0), arrived, out: gradient(0))
                fill(passed, with: 0)
            case .lstm:
                let squashed = try allocate(shape)
                let forCell = try allocate(shape)
                unary(.init(.tanh), step.newCell!, out: squashed)
                multiply(arrived, squashed, out: forCell)
                binary(.init(.sigmoidGradient), gate(3), forCell, out: gradient(3))
                multiply(arrived, gate(3), out: forCell)
                binary(.init(.tanhGradient), squashed, forCell, out: forCell)
                binary(.init(.add), forCell, cellGradient!, out: forCell)
                multiply(forCell, gate(2), out: squashed)
                binary(.init(.sigmoidGradient), gate(0), squashed, out: gradient(0))
                multiply(forCell, step.cell!, out: squashed)
                binary(.init(.sigmoidGradient), gate(1), squashed, out: gradient(1))
                multiply(forCell, gate(0), out: squashed)
                binary(.init(.tanhGradient), gate(2), squashed, out: gradient(2))
                multiply(forCell, gate(1), out: forCell)
                passedCell = forCell
                fill(passed, with: 0)
            case .gru:
                let part = try allocate(shape)
                unary(.init(.affine, a: -1, b: 1), gate(2), out: part)
                multiply(arrived, part, out: part)
                binary(.init(.tanhGradient), gate(0), part, out: gradient(0))
                multiply(gradient(0), gate(3), out: part)
                binary(.init(.sigmoidGradient), gate(1), part, out: gradient(1))
                binary(.init(.subtract), step.hidden, gate(0), out: part)
                multiply(arrived, part, out: part)
                binary(.init(.sigmoidGradient), gate(2), part, out: gradient(2))
                multiply(gradient(0), gate(1), out: gradient(3))
                multiply(arrived, gate(2), out: passed)
            }
            let takesPart = try takesPart(step)
            if takesPart != nil {
                let zero = try allocate([1, 1])
                fill(zero, with: 0)
                for index in 0..<step.kind.gateCount {
                    put(gradient(index), else: zero.broadcast(to: shape), where: takesPart, to: gradient(index))
                }
            }
            put(passed, else: arrived, where: takesPart, to: hiddenGradient)
            if let passedCell { put(passedCell, else: cellGradient!, where: takesPart, to: cellGradient!) }
        }
    }

    /// uint8 [batch, hiddenSize]: 1 in rows whose sequence has not ended; nil where none ends.
    private func takesPart(_ step: RecurrentStep) throws -> TensorView? {
        guard var lengths = step.lengths else { return nil }
        lengths.shape = [lengths.shape[0], 1]
        lengths.strides.append(0)
        let index = try allocate([1, 1], .int32)
        fill(index, with: Double(step.index))
        let mask = try allocate([lengths.shape[0], 1], .uint8)
        binary(.init(.greater), lengths, index.broadcast(to: lengths.shape), out: mask)
        return mask.broadcast(to: step.hidden.shape)
    }

    private func put(_ x: TensorView, else y: TensorView, where condition: TensorView?, to out: TensorView) {
        if let condition { select(condition, x, y, out: out) } else { copy(x, to: out) }
    }
}
