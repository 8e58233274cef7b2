import GimbalBackend

extension OpenCLBackend {
    public func recurrentCell(_ step: RecurrentStep) {
        let cell = step.cell ?? step.hidden
        let newCell = step.newCell ?? step.newHidden
        launch(.recurrentCell, step, [step.gates, step.hidden, cell, step.newHidden, newCell])
    }

    public func recurrentCellGradient(
        _ step: RecurrentStep, outputGradient: TensorView, gatesGradient: TensorView, hiddenGradient: TensorView,
        cellGradient: TensorView?
    ) {
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
        guard areFloat32(kernel.rawValue, views) else { return }
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
