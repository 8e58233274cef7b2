import GimbalBackend

extension OpenCLBackend {
    public func attentionSoftmax(_ scores: TensorView, mask: TensorView?, isCausal: Bool, out: TensorView) {
        guard scores.elementCount > 0 else { return }
        guard areFloat32([scores, out]) else {
            return widening([.read(scores), .write(out)]) {
                attentionSoftmax($0[0]!, mask: mask, isCausal: isCausal, out: $0[1]!)
            }
        }
        reportingErrors {
            let isAdded = mask?.dtype.isFloatingPoint ?? false
            let mask = try mask.map { try converted($0, to: isAdded ? .float32 : .uint8) }
            let isWide = needsWideIndex([scores] + [mask].compactMap { $0 })
            let kind = mask == nil ? 0 : isAdded ? 2 : 1
            let arguments: [KernelArgument] =
                mask.map { [.view($0), .indices($0.strides, isWide: isWide)] } ?? []
            foldQueries(
                .attentionSoftmax, scores.shape, isCausal: isCausal, isWide: isWide, [.number(.mask, kind)],
                [.view(out), .view(scores)] + arguments + [.index(scores.shape[1], isWide: isWide)])
        }
    }

    public func attentionSoftmaxGradient(
        _ y: TensorView, outputGradient: TensorView, isCausal: Bool, out: TensorView
    ) {
        guard y.elementCount > 0 else { return }
        guard areFloat32([y, outputGradient, out]) else {
            return widening([.read(y), .read(outputGradient), .write(out)]) {
                attentionSoftmaxGradient($0[0]!, outputGradient: $0[1]!, isCausal: isCausal, out: $0[2]!)
            }
        }
        foldQueries(
            .attentionSoftmaxGradient, y.shape, isCausal: isCausal, isWide: needsWideIndex([y]), [],
            [.view(out), .view(y), .view(outputGradient)])
    }

    /// The mask itself where it has the type, else a copy.
    func converted(_ mask: TensorView, to dtype: DType) throws -> TensorView {
        if mask.dtype == dtype { return mask }
        let result = try allocate(mask.shape, dtype)
        copy(mask, to: result)
        return result
    }

    /// Launches a kernel that folds each row of [batch, heads, queries, keys] and ends its arguments with the number of
    /// queries of a head, of all rows, and of keys.
    private func foldQueries(
        _ kernel: KernelName, _ shape: Shape, isCausal: Bool, isWide: Bool, _ settings: [KernelKey.Setting],
        _ arguments: [KernelArgument]
    ) {
        let rows = shape[0] * shape[1] * shape[2]
        let plan = foldPlan(outputs: rows, length: shape[3])
        launch(
            KernelKey(kernel, settings + plan.settings + [.flag(.isCausal, isCausal), .flag(.wideIndex, isWide)]),
            groups: (plan.groups(rows), 1, 1), groupSize: plan.groupSize,
            arguments + [
                .index(shape[2], isWide: isWide), .index(rows, isWide: isWide), .index(shape[3], isWide: isWide),
            ])
    }
}
