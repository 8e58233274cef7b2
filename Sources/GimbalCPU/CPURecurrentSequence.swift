import CGimbalLoops
import GimbalBackend

// All steps of a recurrent layer. Sequences do not know of each other: each thread takes some of the batch from the first
// step to the last, so that the threads meet once for all steps and not twice for each. The hidden weight, the same in
// every step, is laid out for the product once.

extension CPUBackend {
    public func recurrentSequence(_ sequence: RecurrentSequence) {
        guard areFloat32(sequence.views) else {
            return widening([
                .update(sequence.gates), .update(sequence.states), .update(sequence.cells), .write(sequence.masked),
                .read(sequence.hiddenWeight), .read(sequence.hiddenMask),
            ]) { recurrentSequence(sequence.replacingViews($0)) }
        }
        guard let walk = SequenceWalk(sequence, on: self, []) else {
            return runStepByStep(sequence)
        }
        for view in [sequence.gates, sequence.states, sequence.cells, sequence.masked] { view?.storage.noteWrite() }
        reportingErrors {
            let weight = sequence.hiddenWeight
            let panels = try panels(of: weight.transposed, rows: walk.batch * walk.steps)
            divide(walk.batch, grain: walk.grain) { rows in
                var cell = walk.cell
                for index in 0..<walk.steps {
                    let step = sequence.step(at: index)
                    walk.place(&cell, step)
                    let first = rows.lowerBound * walk.size
                    var entering = UnsafePointer(cell.hidden! + first)
                    if let mask = walk.mask, let masked = walk.masked {
                        let target = masked + step * walk.stateDistance + first
                        target.update(from: entering, count: rows.count * walk.size)
                        combine(.multiply, target, mask + first, rows.count * walk.size)
                        entering = UnsafePointer(target)
                    }
                    loops.recurrent_product(
                        entering, walk.size, panels.floats, walk.size, walk.columns.count,
                        cell.gates + rows.lowerBound * walk.width + walk.columns.lowerBound, walk.width, rows.count)
                    loops.recurrent_cell(&cell, rows.lowerBound, rows.upperBound)
                }
            }
        }
    }

    public func recurrentSequenceGradient(
        _ sequence: RecurrentSequence, outputGradient: TensorView, gatesGradient: TensorView,
        hiddenGradient: TensorView, cellGradient: TensorView?
    ) {
        let gradients = [outputGradient, gatesGradient, hiddenGradient, cellGradient]
        guard areFloat32(sequence.views + gradients) else {
            return widening(
                sequence.views.map { .read($0) } + [
                    .read(outputGradient), .write(gatesGradient), .update(hiddenGradient), .update(cellGradient),
                ]
            ) {
                recurrentSequenceGradient(
                    sequence.replacingViews($0), outputGradient: $0[6]!, gatesGradient: $0[7]!, hiddenGradient: $0[8]!,
                    cellGradient: $0[9])
            }
        }
        guard
            let walk = SequenceWalk(sequence, on: self, [outputGradient, gatesGradient, hiddenGradient, cellGradient])
        else {
            return differentiateStepByStep(
                sequence, outputGradient: outputGradient, gatesGradient: gatesGradient,
                hiddenGradient: hiddenGradient, cellGradient: cellGradient)
        }
        for view in [gatesGradient, hiddenGradient, cellGradient] { view?.storage.noteWrite() }
        reportingErrors {
            let panels = try panels(of: sequence.hiddenWeight, rows: walk.batch * walk.steps)
            let share = walk.mask == nil ? nil : try allocate(hiddenGradient.shape)
            divide(walk.batch, grain: walk.grain) { rows in
                var cell = walk.cell
                let first = rows.lowerBound * walk.size, count = rows.count * walk.size
                for index in (0..<walk.steps).reversed() {
                    let step = sequence.step(at: index)
                    walk.place(&cell, step)
                    let gates = gatesGradient.floats + step * walk.gateDistance
                    loops.recurrent_cell_gradient(
                        &cell, outputGradient.floats + sequence.slotAfter(step) * walk.stateDistance, gates,
                        hiddenGradient.floats, cellGradient?.floats, rows.lowerBound, rows.upperBound)
                    let target = (share ?? hiddenGradient).floats + first
                    if share != nil { target.update(repeating: 0, count: count) }
                    loops.recurrent_product(
                        gates + rows.lowerBound * walk.width + walk.columns.lowerBound, walk.width, panels.floats,
                        walk.columns.count, walk.size, target, walk.size, rows.count)
                    if share != nil, let mask = walk.mask {
                        combine(.multiply, target, mask + first, count)
                        combine(.add, hiddenGradient.floats + first, target, count)
                    }
                }
            }
        }
    }

    /// `matrix` in panels of 16 columns.
    /// - Parameter rows: that are multiplied by it.
    private func panels(of matrix: TensorView, rows: Int) throws -> TensorView {
        let (depth, columns) = (matrix.shape[0], matrix.shape[1])
        let key = [LaidOut.recurrent, matrix.offset, depth, columns] + matrix.strides
        return try laidOut(matrix, key, rows: rows, [(columns + 15) / 16, depth, 16]) { panels in
            divide((columns + 15) / 16, grain: max(4 * grain / (16 * max(depth, 1)), 1)) { range in
                loops.recurrent_pack(
                    matrix.floats + range.lowerBound * 16 * matrix.strides[1], matrix.strides[0], matrix.strides[1],
                    depth, min(columns - range.lowerBound * 16, range.count * 16),
                    panels.floats + range.lowerBound * 16 * depth)
            }
        }
    }

    /// x ← x and y combined, element by element, on this thread.
    private func combine(
        _ kind: BinaryOperation.Kind, _ x: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        let operands = [x, x, y].map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: CChar.self) }
        loop(kind)(operands.map { Optional($0) }, [1, 1, 1], count, 0, 0)
    }
}

/// Where a thread finds what belongs to a step. All views are float32 and contiguous.
private struct SequenceWalk {
    let steps, batch, size: Int
    /// Columns of the gates, and those that take the product.
    let width: Int
    let columns: Range<Int>
    /// Elements from a step to the next.
    let stateDistance, gateDistance: Int
    let grain: Int
    /// The first step's, and what all have in common.
    let cell: gimbal_recurrent
    let mask, masked: UnsafeMutablePointer<Float>?
    private let sequence: RecurrentSequence

    /// Nil where the general way is better: few sequences for many threads, few steps, or views with gaps.
    init?(_ sequence: RecurrentSequence, on backend: CPUBackend, _ others: [TensorView?]) {
        (steps, batch, size) = (sequence.steps, sequence.batch, sequence.size)
        columns = sequence.recurrentColumns
        let perRow = columns.count * size
        let views = [sequence.gates, sequence.states, sequence.cells, sequence.hiddenMask, sequence.masked] + others
        guard steps > 2, batch * size > 0, batch >= 4 * backend.threads || batch * perRow < 300_000,
            views.allSatisfy({ $0.map(\.isContiguous) ?? true })
        else { return nil }
        width = sequence.gates.shape[2]
        (stateDistance, gateDistance) = (batch * size, batch * width)
        grain = max(150_000 / (perRow * steps), 1)
        self.sequence = sequence
        let (gates, states, cells) = (Slots(sequence.gates), Slots(sequence.states), sequence.cells.map { Slots($0) })
        let first = RecurrentStep(
            sequence.kind, gates: gates[0], hidden: states[0], cell: cells?[0], newHidden: states[0],
            newCell: cells?[0], lengths: sequence.lengths)
        cell = backend.arguments(first)
        (mask, masked) = (sequence.hiddenMask?.floats, sequence.masked?.floats)
    }

    /// Makes `cell` that of `step`.
    func place(_ cell: inout gimbal_recurrent, _ step: Int) {
        let (before, after) = (sequence.slotBefore(step) * stateDistance, sequence.slotAfter(step) * stateDistance)
        cell.gates = self.cell.gates + step * gateDistance
        cell.hidden = self.cell.hidden + before
        cell.new_hidden = self.cell.new_hidden + after
        cell.cell = self.cell.cell.map { $0 + before }
        cell.new_cell = self.cell.new_cell.map { $0 + after }
        cell.step = Int32(clamping: step)
    }
}
