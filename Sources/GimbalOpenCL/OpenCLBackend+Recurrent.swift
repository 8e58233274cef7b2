import GimbalBackend

extension OpenCLBackend {
    public func recurrentCell(_ step: RecurrentStep) {
        guard areFloat32([step.gates, step.hidden, step.cell, step.newHidden, step.newCell]) else {
            return widening([
                .update(step.gates), .read(step.hidden), .read(step.cell), .write(step.newHidden),
                .write(step.newCell),
            ]) { recurrentCell(step.replacingViews($0)) }
        }
        let cell = step.cell ?? step.hidden
        let newCell = step.newCell ?? step.newHidden
        launch(.recurrentCell, step, [step.gates, step.hidden, cell, step.newHidden, newCell])
    }

    public func recurrentCellGradient(
        _ step: RecurrentStep, outputGradient: TensorView, gatesGradient: TensorView, hiddenGradient: TensorView,
        cellGradient: TensorView?
    ) {
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
        let cell = step.cell ?? step.hidden
        let newCell = step.newCell ?? step.newHidden
        launch(
            .recurrentCellGradient, step,
            [
                step.gates, step.hidden, cell, newCell, outputGradient, gatesGradient, hiddenGradient,
                cellGradient ?? hiddenGradient,
            ])
    }

    private func launch(_ kernel: KernelName, _ step: RecurrentStep, _ views: [TensorView]) {
        let isWide = needsWideIndex([step.gates])
        var arguments = views.map { KernelArgument.view($0) }
        arguments += [
            .index(step.hidden.elementCount, isWide: isWide), .index(step.hidden.shape[1], isWide: isWide),
        ]
        if let lengths = step.lengths {
            arguments += [.view(lengths), .int64(lengths.strides[0]), .int32(step.index)]
        }
        launch(
            KernelKey(
                kernel,
                [.number(.cell, step.kind.number), .flag(.hasLengths, step.lengths != nil), .flag(.wideIndex, isWide)]),
            count: step.hidden.elementCount, arguments)
    }
}

extension RecurrentKind {
    /// What the kernels call it.
    var number: Int {
        switch self {
        case .tanh: 0
        case .relu: 1
        case .lstm: 2
        case .gru: 3
        }
    }
}
