// A recurrent layer step by step: one matrix product and one cell each.

extension Backend {
    public func recurrentSequence(_ sequence: RecurrentSequence) { runStepByStep(sequence) }

    public func recurrentSequenceGradient(
        _ sequence: RecurrentSequence, outputGradient: TensorView, gatesGradient: TensorView,
        hiddenGradient: TensorView, cellGradient: TensorView?
    ) {
        differentiateStepByStep(
            sequence, outputGradient: outputGradient, gatesGradient: gatesGradient, hiddenGradient: hiddenGradient,
            cellGradient: cellGradient)
    }

    /// `recurrentSequence` by products and cells, for a backend whose own way does not suit every case.
    package func runStepByStep(_ sequence: RecurrentSequence) {
        let steps = SequenceSteps(sequence), weight = sequence.hiddenWeight.transposed
        let recurrent = Slots(sequence.gates, columns: sequence.recurrentColumns)
        for index in 0..<sequence.steps {
            let step = sequence.step(at: index), views = steps[step]
            var entering = views.hidden
            if let mask = sequence.hiddenMask, let masked = sequence.masked {
                entering = Slots(masked)[step]
                binary(.init(.multiply), views.hidden, mask, out: entering)
            }
            matrixMultiply(entering, weight, out: recurrent[step], Epilogue(accumulates: true))
            recurrentCell(views)
        }
    }

    /// The same for `recurrentSequenceGradient`.
    package func differentiateStepByStep(
        _ sequence: RecurrentSequence, outputGradient: TensorView, gatesGradient: TensorView,
        hiddenGradient: TensorView, cellGradient: TensorView?
    ) {
        reportingErrors {
            let steps = SequenceSteps(sequence), arriving = Slots(outputGradient), gradients = Slots(gatesGradient)
            let recurrent = Slots(gatesGradient, columns: sequence.recurrentColumns)
            let share = sequence.hiddenMask == nil ? nil : try allocate(hiddenGradient.shape)
            for index in (0..<sequence.steps).reversed() {
                let step = sequence.step(at: index)
                recurrentCellGradient(
                    steps[step], outputGradient: arriving[sequence.slotAfter(step)], gatesGradient: gradients[step],
                    hiddenGradient: hiddenGradient, cellGradient: cellGradient)
                if let share, let mask = sequence.hiddenMask {
                    matrixMultiply(recurrent[step], sequence.hiddenWeight, out: share, .plain)
                    binary(.init(.multiply), share, mask, out: share)
                    binary(.init(.add), hiddenGradient, share, out: hiddenGradient)
                } else {
                    matrixMultiply(
                        recurrent[step], sequence.hiddenWeight, out: hiddenGradient, Epilogue(accumulates: true))
                }
            }
        }
    }
}

/// The single steps of a sequence.
private struct SequenceSteps {
    let sequence: RecurrentSequence
    let gates, states: Slots
    let cells: Slots?

    init(_ sequence: RecurrentSequence) {
        self.sequence = sequence
        gates = Slots(sequence.gates)
        states = Slots(sequence.states)
        cells = sequence.cells.map { Slots($0) }
    }

    subscript(step: Int) -> RecurrentStep {
        let (before, after) = (sequence.slotBefore(step), sequence.slotAfter(step))
        return RecurrentStep(
            sequence.kind, gates: gates[step], hidden: states[before], cell: cells?[before], newHidden: states[after],
            newCell: cells?[after], lengths: sequence.lengths, index: step)
    }
}
