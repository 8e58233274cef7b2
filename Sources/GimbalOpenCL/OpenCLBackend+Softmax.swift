import GimbalBackend

extension OpenCLBackend {
    public func softmax(_ x: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([x, out]) else {
            return widening([.read(x), .write(out)]) { softmax($0[0]!, out: $0[1]!, isLogarithmic: isLogarithmic) }
        }
        foldRows(.softmax, x, [.flag(.isLogarithmic, isLogarithmic)], [.view(out), .view(x)])
    }

    public func softmaxGradient(_ y: TensorView, outputGradient: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard y.elementCount > 0 else { return }
        guard areFloat32([y, outputGradient, out]) else {
            return widening([.read(y), .read(outputGradient), .write(out)]) {
                softmaxGradient($0[0]!, outputGradient: $0[1]!, out: $0[2]!, isLogarithmic: isLogarithmic)
            }
        }
        foldRows(
            .softmaxGradient, y, [.flag(.isLogarithmic, isLogarithmic)],
            [.view(out), .view(y), .view(outputGradient)])
    }

    public func crossEntropy(
        _ logits: TensorView, targets: TensorView, losses: TensorView, normalizers: TensorView
    ) {
        guard logits.elementCount > 0 else { return }
        guard areFloat32([logits, losses, normalizers]) else {
            return widening([.read(logits), .write(losses), .write(normalizers)]) {
                crossEntropy($0[0]!, targets: targets, losses: $0[1]!, normalizers: $0[2]!)
            }
        }
        foldRows(
            .crossEntropy, logits, [],
            [.view(logits), .view(targets), .view(losses), .view(normalizers), .int64(targets.strides[0])])
    }

    public func crossEntropyGradient(
        _ logits: TensorView, targets: TensorView, normalizers: TensorView, lossGradient: TensorView, out: TensorView
    ) {
        guard areFloat32([logits, normalizers, lossGradient, out]) else {
            return widening([.read(logits), .read(normalizers), .read(lossGradient), .write(out)]) {
                crossEntropyGradient(
                    $0[0]!, targets: targets, normalizers: $0[1]!, lossGradient: $0[2]!, out: $0[3]!)
            }
        }
        let isWide = needsWideIndex([logits])
        launch(
            KernelKey(.crossEntropyGradient, [.flag(.wideIndex, isWide)]), count: logits.elementCount,
            [
                .view(logits), .view(targets), .view(normalizers), .view(lossGradient), .view(out),
                .int64(targets.strides[0]), .int64(lossGradient.strides[0]),
                .index(logits.elementCount, isWide: isWide), .index(logits.shape[1], isWide: isWide),
            ])
    }

    /// Launches a kernel that folds each row of contiguous [rows, columns] and ends its arguments with these two sizes.
    private func foldRows(
        _ kernel: KernelName, _ x: TensorView, _ settings: [KernelKey.Setting], _ arguments: [KernelArgument]
    ) {
        let (rows, columns) = (x.shape[0], x.shape[1])
        let isWide = needsWideIndex([x])
        let plan = foldPlan(outputs: rows, length: columns)
        launch(
            KernelKey(kernel, settings + plan.settings + [.flag(.wideIndex, isWide)]),
            groups: (plan.groups(rows), 1, 1), groupSize: plan.groupSize,
            arguments + [.index(rows, isWide: isWide), .index(columns, isWide: isWide)])
    }
}
