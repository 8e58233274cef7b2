extension Tensor {
    /// Normalises each channel by the statistics of this batch (Ioffe and Szegedy 2015, algorithm 1).
    ///
    /// This tensor is [batch, channels, ...] with more than one value per channel.
    /// - Parameters:
    ///   - scale, shift: [channels], or nil for 1 and 0.
    ///   - running: mean and variance, [channels], moved in place by `momentum` towards the batch's mean and unbiased
    ///     variance.
    public func batchNormalized(
        scale: Tensor?, shift: Tensor?, running: (mean: Tensor, variance: Tensor)?, momentum: Double, epsilon: Double
    ) -> Tensor {
        let layout = channelLayout("batchNormalized")
        let channels: Shape = [layout[1]]
        require(
            layout[0] * layout[2] > 1, "batchNormalized",
            "\(shape) has one value per channel, so its variance is not defined; use a larger batch")
        let source = contiguous()
        let x = source.detached()
        let (factor, offset) = (scale?.detached(), shift?.detached())
        let statistics = Tensor.make([2, layout[1]], backend.realType, device, inputs: [source]) { _, _ in }
        let mean = statistics.view.isAllocated ? statistics.view.row(0) : statistics.view
        let inverseDeviation = statistics.view.isAllocated ? statistics.view.row(1) : statistics.view
        let result = Tensor.make(shape, dtype, device, inputs: [source, statistics]) { backend, out in
            backend.batchNorm(
                x.view.reshaped(layout), scale: scale?.view, shift: shift?.view,
                running: running.map { ($0.mean.view, $0.variance.view) }, momentum: momentum, epsilon: epsilon,
                out: out.reshaped(layout), mean: mean, inverseDeviation: inverseDeviation)
        }
        let parameters = [scale, shift].compactMap { $0 }
        for parameter in parameters {
            require(parameter.shape == channels, "batchNormalized", "\(parameter.shape) for \(layout[1]) channels")
        }
        let (scaleIndex, shiftIndex) = (scale == nil ? nil : 1, shift == nil ? nil : parameters.count)
        running?.mean.view.noteChange(by: "batchNormalized")
        running?.variance.view.noteChange(by: "batchNormalized")
        return result.recorded("batchNormalized", [source] + parameters) { outputGradient, inputs in
            let x = inputs.input(0, x)
            let factor = factor.map { inputs.input(1, $0) }
            if inputs.createsGraph {
                let offset = offset.map { inputs.input(shiftIndex!, $0) }
                return inputs.differentiate(
                    x.composedBatchNorm(layout, scale: factor, shift: offset, epsilon: epsilon), outputGradient)
            }
            let arrived = outputGradient.contiguous()
            guard arrived.view.isAllocated, statistics.view.isAllocated else { return }
            inputs.write(0, scaleIndex, shiftIndex, arrived.backend) { forInput, forScale, forShift in
                // The gradient of the input is not accumulated by the operation itself.
                let backend = arrived.backend
                let direct = forInput.map { $0.accumulates ? nil : $0.view } ?? nil
                let aside = forInput.flatMap { $0.accumulates ? backend.allocateOrReport(layout, x.dtype) : nil }
                backend.batchNormGradient(
                    x.view.reshaped(layout), outputGradient: arrived.view.reshaped(layout), scale: factor?.view,
                    mean: mean, inverseDeviation: inverseDeviation,
                    inputGradient: (direct ?? aside)?.reshaped(layout), scaleGradient: forScale, shiftGradient: forShift
                )
                if let aside, let forInput {
                    let sum = forInput.view
                    backend.binary(.init(.add), sum, aside.reshaped(sum.shape), out: sum)
                }
            }
        }
    }

    /// Normalises each channel by given statistics, as at inference.
    public func batchNormalized(
        scale: Tensor?, shift: Tensor?, mean: Tensor, variance: Tensor, epsilon: Double
    ) -> Tensor {
        let layout = channelLayout("batchNormalized")
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
        return result.recorded("batchNormalized", inputs) { outputGradient, inputs in
            let x = inputs.input(0, x)
            let (factor, center, spread) = (
                factor.map { inputs.input(1, $0) }, inputs.saved(center), inputs.saved(spread)
            )
            // The statistics are constants here: dx = dy · scale / σ, dscale = Σ dy x̂, dshift = Σ dy.
            let inverseDeviation = (spread + epsilon).reciprocalSquareRoot().reshaped(column)
            inputs.add(
                0, outputGradient * (factor.map { inverseDeviation * $0.reshaped(column) } ?? inverseDeviation))
            let axes = x.shape.indices.filter { $0 != 1 }
            if hasScale {
                inputs.add(1, ((x - center.reshaped(column)) * inverseDeviation * outputGradient).sum(axes))
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

    /// `write` for three inputs at once; an index of nil is an input that is not there.
    fileprivate func write(
        _ first: Int, _ second: Int?, _ third: Int?, _ backend: any Backend,
        _ body: (Destination?, Destination?, Destination?) -> Void
    ) {
        func open(_ index: Int?, _ then: (Destination?) -> Void) {
            guard let index, isNeeded(index) else { return then(nil) }
            write(index) { then(($0, $1)) }
        }
        open(first) { a in open(second) { b in open(third) { c in body(a, b, c) } } }
    }
}
