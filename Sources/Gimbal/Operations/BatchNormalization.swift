extension Tensor {
    /// Normalises each channel by the statistics of this batch (Ioffe and Szegedy 2015, algorithm 1).
    ///
    /// This tensor is [batch, channels, ...] with more than one value per channel. An empty one has no statistics: the
    /// result is empty, `running` stays as it is, and gradients are 0, as in PyTorch.
    /// - Parameters:
    ///   - scale: [channels], or nil for 1.
    ///   - shift: [channels], or nil for 0.
    ///   - running: mean and variance, [channels], moved in place by `momentum` towards the batch's mean and unbiased
    ///     variance; nil where none are kept.
    ///   - momentum: in 0...1; 1 keeps the last batch's statistics alone.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - isRectified: whether a ReLU ends the operation, in the same pass over memory.
    ///   - residual: of this tensor's shape; added before the ReLU, with which alone it may come.
    public func batchNormalized(
        scale: Tensor?, shift: Tensor?, running: (mean: Tensor, variance: Tensor)?, momentum: Double, epsilon: Double,
        isRectified: Bool = false, residual: Tensor? = nil
    ) -> Tensor {
        require(
            residual == nil || isRectified && residual?.shape == shape && residual?.dtype == dtype, "batchNormalized",
            "a residual of \(residual?.shape ?? []) does not fit \(shape), or comes without a ReLU")
        let layout = channelLayout("batchNormalized")
        let channels: Shape = [layout[1]]
        let parameters = [scale, shift].compactMap { $0 }
        for parameter in parameters {
            require(parameter.shape == channels, "batchNormalized", "\(parameter.shape) for \(layout[1]) channels")
        }
        if elementCount == 0 {
            let result = reshaped(layout).scaled(scale, shift, [1, layout[1], 1]).reshaped(shape)
            return isRectified ? (residual.map { result + $0 } ?? result).relu() : result
        }
        require(
            layout[0] * layout[2] > 1, "batchNormalized",
            "\(shape) has one value per channel, so its variance is not defined; use a larger batch")
        let source = contiguous()
        let x = source.detached()
        let (factor, offset) = (scale?.detached(), shift?.detached())
        let added = residual?.contiguous()
        if let added, let node = added.node, node === source.node {
            // The two gradients would go to one place.
            let result = batchNormalized(
                scale: scale, shift: shift, running: running, momentum: momentum, epsilon: epsilon)
            return (result + added).relu()
        }
        let statistics = Tensor.make([2, layout[1]], backend.realType, device, inputs: [source]) { _, _ in }
        let mean = statistics.view.row(0)
        let inverseDeviation = statistics.view.row(1)
        let operands = [source] + parameters + [added, running?.mean, running?.variance].compactMap { $0 }
        let result = Tensor.make(
            shape, dtype, device, inputs: operands, filling: [statistics], named: "batchNormalized"
        ) { backend, out in
            let running = running.map { (mean: $0.mean.view, variance: $0.variance.view) }
            if isRectified {
                backend.batchNormReLU(
                    x.view.reshaped(layout), scale: scale?.view, shift: shift?.view, running: running,
                    momentum: momentum, epsilon: epsilon, residual: added?.view.reshaped(layout),
                    out: out.reshaped(layout), mean: mean, inverseDeviation: inverseDeviation)
            } else {
                backend.batchNorm(
                    x.view.reshaped(layout), scale: scale?.view, shift: shift?.view, running: running,
                    momentum: momentum, epsilon: epsilon, out: out.reshaped(layout), mean: mean,
                    inverseDeviation: inverseDeviation)
            }
        }
        let (scaleIndex, shiftIndex) = (scale == nil ? nil : 1, shift == nil ? nil : parameters.count)
        let residualIndex = added == nil ? nil : parameters.count + 1
        // Nothing else needs it: kept alive, it would cost the memory of one activation.
        let rectified = isRectified ? result.detached() : nil
        let keptResidual = added?.detached()
        running?.mean.view.noteChange(by: "batchNormalized")
        running?.variance.view.noteChange(by: "batchNormalized")
        return result.recorded("batchNormalized", [source] + parameters + [added].compactMap { $0 }) {
            outputGradient, inputs in
            let x = inputs.input(0, x)
            let factor = factor.map { inputs.input(1, $0) }
            if inputs.createsGraph {
                let offset = offset.map { inputs.input(shiftIndex!, $0) }
                var composed = x.composedBatchNorm(layout, scale: factor, shift: offset, epsilon: epsilon)
                if let keptResidual { composed = composed + inputs.input(residualIndex!, keptResidual) }
                return inputs.differentiate(isRectified ? composed.relu() : composed, outputGradient)
            }
            let arrived = outputGradient.contiguous()
            guard arrived.view.isComputed, statistics.view.isComputed else { return }
            inputs.write([0, scaleIndex, shiftIndex, residualIndex]) { destinations in
                let backend = arrived.backend
                // The gradients of input and residual are not accumulated by the operation itself.
                let wholes = [destinations[0], destinations[3]].map { destination in
                    destination.flatMap {
                        $0.accumulates ? backend.allocateOrReport(layout, x.dtype) : $0.view.reshaped(layout)
                    }
                }
                if let rectified {
                    backend.batchNormReLUGradient(
                        x.view.reshaped(layout), y: rectified.view.reshaped(layout),
                        outputGradient: arrived.view.reshaped(layout), scale: factor?.view, mean: mean,
                        inverseDeviation: inverseDeviation, inputGradient: wholes[0], residualGradient: wholes[1],
                        scaleGradient: destinations[1], shiftGradient: destinations[2])
                } else {
                    backend.batchNormGradient(
                        x.view.reshaped(layout), outputGradient: arrived.view.reshaped(layout), scale: factor?.view,
                        mean: mean, inverseDeviation: inverseDeviation, inputGradient: wholes[0],
                        scaleGradient: destinations[1], shiftGradient: destinations[2])
                }
                for (whole, destination) in zip(wholes, [destinations[0], destinations[3]]) {
                    guard let whole, let destination, destination.accumulates else { continue }
                    let sum = destination.view
                    backend.binary(.init(.add), sum, whole.reshaped(sum.shape), out: sum)
                }
            }
        }
    }

    /// Normalises each channel by given statistics, as at inference.
    /// - Parameters:
    ///   - scale: [channels], or nil for 1.
    ///   - shift: [channels], or nil for 0.
    ///   - mean: [channels], which is taken away.
    ///   - variance: [channels], by whose root is divided.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - isRectified: whether a ReLU ends the operation, in the same pass over memory where no gradient is to be computed.
    ///   - residual: of this tensor's shape; added before the ReLU, with which alone it may come.
    public func batchNormalized(
        scale: Tensor?, shift: Tensor?, mean: Tensor, variance: Tensor, epsilon: Double, isRectified: Bool = false,
        residual: Tensor? = nil
    ) -> Tensor {
        let layout = channelLayout("batchNormalized")
        guard !isRectified else {
            require(
                residual.map { $0.shape == shape && $0.dtype == dtype } ?? true, "batchNormalized",
                "a residual of \(residual?.shape ?? []) does not fit \(shape)")
            let operands = [self, mean, variance] + [scale, shift, residual].compactMap { $0 }
            let isRecorded = GradientMode.isRecording && operands.contains { $0.node != nil }
            // Who observes operations is told of each by itself.
            guard !isRecorded, OperationObserver.current == nil else {
                let result = batchNormalized(
                    scale: scale, shift: shift, mean: mean, variance: variance, epsilon: epsilon)
                return (residual.map { result + $0 } ?? result).relu()
            }
            let (x, added) = (contiguous(), residual?.contiguous())
            return Tensor.make(shape, dtype, device, inputs: operands, named: "batchNormalized") { backend, out in
                backend.batchNormInferenceReLU(
                    x.view.reshaped(layout), scale: scale?.view, shift: shift?.view, mean: mean.view,
                    variance: variance.view, epsilon: epsilon, residual: added?.view.reshaped(layout),
                    out: out.reshaped(layout))
            }
        }
        let source = contiguous()
        let x = source.detached()
        let (factor, center, spread) = (scale?.detached(), mean.detached(), variance.detached())
        let inputs = [source] + [scale, shift].compactMap { $0 }
        let result = Tensor.make(shape, dtype, device, inputs: inputs + [center, spread]) { backend, out in
            backend.batchNormInference(
                x.view.reshaped(layout), scale: scale?.view, shift: shift?.view, mean: center.view,
                variance: spread.view, epsilon: epsilon, out: out.reshaped(layout))
        }
        let column = Shape([layout[1]] + [Int](repeating: 1, count: rank - 2))
        let hasScale = scale != nil
        return result.recorded(
            "batchNormalized", inputs,
            .batchNormalization(scale: scale, shift: shift, mean: mean, variance: variance, epsilon: epsilon)
        ) { outputGradient, inputs in
            let x = inputs.input(0, x)
            let (factor, center, spread) = (
                factor.map { inputs.input(1, $0) }, inputs.saved(center), inputs.saved(spread)
            )
            // The statistics are constants here: dx = dy · scale / σ, dscale = Σ dy x̂, dshift = Σ dy.
            let inverseDeviation = (spread + epsilon).reciprocalSquareRoot().reshaped(column)
            let slope = factor.map { inverseDeviation * $0.reshaped(column) } ?? inverseDeviation
            inputs.add(0, outputGradient.maskedProduct(slope))
            let axes = x.shape.indices.filter { $0 != 1 }
            if hasScale {
                let normalized = (x - center.reshaped(column)) * inverseDeviation
                inputs.add(1, outputGradient.maskedProduct(normalized).sum(axes))
            }
            if inputs.nodes.count > (hasScale ? 2 : 1) { inputs.add(hasScale ? 2 : 1, outputGradient.sum(axes)) }
        }
    }

    /// [batch, channels, positions].
    private func channelLayout(_ operation: String) -> Shape {
        require(rank >= 2, operation, "needs [batch, channels, ...], not \(shape)")
        return [shape[0], shape[1], shape.sizes.dropFirst(2).reduce(1, *)]
    }
}

extension TensorView {
    /// Row `index` of a matrix.
    fileprivate func row(_ index: Int) -> TensorView {
        sliced(axis: 0, index..<index + 1).reshaped([shape[1]])
    }
}

extension InputGradients {
    /// A destination for the gradient of an input, absent where none is needed.
    fileprivate typealias Destination = (view: TensorView, accumulates: Bool)

    /// `write` for several different inputs at once; an index of nil is an input that is not there.
    fileprivate func write(_ indices: [Int?], _ body: ([Destination?]) -> Void) {
        func open(_ opened: [Destination?]) {
            guard opened.count < indices.count else { return body(opened) }
            guard let index = indices[opened.count], isNeeded(index) else { return open(opened + [nil]) }
            write(index) { open(opened + [($0, $1)]) }
        }
        open([])
    }
}
