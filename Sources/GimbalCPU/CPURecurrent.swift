import CGimbalLoops
import GimbalBackend

// The cells of recurrent nets: a row of the batch is one sequence, and the rows are divided among the threads.

extension CPUBackend {
    public func recurrentCell(_ step: RecurrentStep) {
        guard step.hidden.elementCount > 0 else { return }
        guard areFloat32([step.gates, step.hidden, step.cell, step.newHidden, step.newCell]) else {
            return widening([
                .update(step.gates), .read(step.hidden), .read(step.cell), .write(step.newHidden),
                .write(step.newCell),
            ]) { recurrentCell(step.replacingViews($0)) }
        }
        for view in [step.gates, step.newHidden, step.newCell] { view?.storage.noteWrite() }
        divideRows(step, arguments(step)) { loops.recurrent_cell(&$0, $1.lowerBound, $1.upperBound) }
    }

    public func recurrentCellGradient(
        _ step: RecurrentStep, outputGradient: TensorView, gatesGradient: TensorView, hiddenGradient: TensorView,
        cellGradient: TensorView?
    ) {
        guard step.hidden.elementCount > 0 else { return }
        let gradients = [outputGradient, gatesGradient, hiddenGradient, cellGradient]
        guard areFloat32([step.gates, step.hidden, step.cell, step.newHidden, step.newCell] + gradients) else {
            return widening([
                .read(step.gates), .read(step.hidden), .read(step.cell), .read(step.newHidden), .read(step.newCell),
                .read(outputGradient), .write(gatesGradient), .update(hiddenGradient), .update(cellGradient),
            ]) {
                recurrentCellGradient(
                    step.replacingViews($0), outputGradient: $0[5]!, gatesGradient: $0[6]!, hiddenGradient: $0[7]!,
                    cellGradient: $0[8])
            }
        }
        for view in [gatesGradient, hiddenGradient, cellGradient] { view?.storage.noteWrite() }
        divideRows(step, arguments(step)) { cell, rows in
            loops.recurrent_cell_gradient(
                &cell, outputGradient.floats, gatesGradient.floats, hiddenGradient.floats, cellGradient?.floats,
                rows.lowerBound, rows.upperBound)
        }
    }

    private func divideRows(
        _ step: RecurrentStep, _ cell: gimbal_recurrent, _ body: (inout gimbal_recurrent, Range<Int>) -> Void
    ) {
        let perRow = 4 * step.gates.shape[1]
        divide(step.hidden.shape[0], grain: max(grain / perRow, 1)) { rows in
            var cell = cell
            body(&cell, rows)
        }
    }

    /// The step as the loops take it. All views are float32.
    func arguments(_ step: RecurrentStep) -> gimbal_recurrent {
        var cell = gimbal_recurrent()
        cell.kind =
            switch step.kind {
            case .tanh: gimbal_recurrent_tanh
            case .relu: gimbal_recurrent_relu
            case .lstm: gimbal_recurrent_lstm
            case .gru: gimbal_recurrent_gru
            }
        cell.size = step.hidden.shape[1]
        cell.gate_count = step.kind.gateCount
        cell.gates = step.gates.floats
        cell.hidden = UnsafePointer(step.hidden.floats)
        cell.cell = step.cell.map { UnsafePointer($0.floats) }
        cell.new_hidden = step.newHidden.floats
        cell.new_cell = step.newCell?.floats
        cell.lengths = step.lengths.map { UnsafePointer($0.integers) }
        cell.length_stride = step.lengths?.strides[0] ?? 0
        cell.step = Int32(clamping: step.index)
        return cell
    }
}
