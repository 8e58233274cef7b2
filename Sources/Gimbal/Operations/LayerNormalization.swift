extension Tensor {
    /// Normalises each sample over its last axes by its own mean and variance (Ba, Kiros and Hinton 2016), or about 0 by
    /// the root of its mean square (Zhang and Sennrich 2019).
    /// - Parameters:
    ///   - axes: how many axes, from the last, are normalised together; together they must not be empty.
    ///   - scale, shift: of the shape of these axes, or nil for 1 and 0.
    ///   - epsilon: added to the variance before its root is taken.
    ///   - centers: whether the mean is subtracted.
    public func layerNormalized(
        axes: Int = 1, scale: Tensor? = nil, shift: Tensor? = nil, epsilon: Double = 1e-5, centers: Bool = true
    ) -> Tensor {
        require(
            axes >= 1 && axes <= rank && dtype.isFloatingPoint, "layerNormalized",
            "\(dtype) \(shape) has no last \(axes) axes of real numbers")
        let normalized = Shape([Int](shape.sizes.suffix(axes)))
        let width = normalized.elementCount
        require(width > 0, "layerNormalized", "\(shape) has no elements along its last \(axes) axes")
        for parameter in [scale, shift].compactMap({ $0 }) {
            require(
                parameter.shape == normalized && parameter.dtype.isFloatingPoint, "layerNormalized",
                "\(parameter.dtype) \(parameter.shape) to scale or shift \(dtype) \(normalized)")
        }
        let source = contiguous()
        let (x, factor) = (source.detached(), scale?.detached().contiguous())
        let offset = shift?.detached().contiguous()
        let rows = Shape([elementCount / width, width])
        let statistics = [0, 1].map { _ in
            Tensor.make([rows[0]], backend.realType, device, inputs: [source]) { _, _ in }
        }
        let (mean, inverseDeviation) = (statistics[0].view, statistics[1].view)
        let parameters = [scale, shift].compactMap { $0 }
        let result = Tensor.make(shape, fullType, device, inputs: [source] + statistics + parameters) { backend, out in
            backend.layerNorm(
                x.view.reshaped(rows), scale: factor?.view.flattened, shift: offset?.view.flattened, epsilon: epsilon,
                centers: centers, out: out.reshaped(rows), mean: mean, inverseDeviation: inverseDeviation)
        }
        let (scaleIndex, shiftIndex) = (scale == nil ? nil : 1, shift == nil ? nil : parameters.count)
        return result.recorded("layerNormalized", [source] + parameters) { outputGradient, inputs in
            let x = inputs.input(0, x)
            let factor = factor.map { inputs.input(1, $0) }
            if inputs.createsGraph {
                let offset = offset.map { inputs.input(shiftIndex!, $0) }
                return inputs.differentiate(
                    x.composedLayerNorm(rows, scale: factor, shift: offset, epsilon: epsilon, centers: centers),
                    outputGradient)
            }
            let arrived = outputGradient.contiguous()
            guard arrived.view.isAllocated, statistics.allSatisfy(\.view.isAllocated) else { return }
            func differentiate(
                _ forInput: TensorView?, _ forScale: InputGradients.Destination?,
                _ forShift: InputGradients.Destination?
            ) {
                arrived.backend.layerNormGradient(
                    x.view.reshaped(rows), outputGradient: arrived.view.reshaped(rows), scale: factor?.view.flattened,
                    centers: centers, mean: mean, inverseDeviation: inverseDeviation,
                    inputGradient: forInput?.reshaped(rows),
                    scaleGradient: forScale.map { ($0.view.flattened, $0.accumulates) },
                    shiftGradient: forShift.map { ($0.view.flattened, $0.accumulates) })
            }
            inputs.open(scaleIndex) { forScale in
                inputs.open(shiftIndex) { forShift in
                    guard inputs.isNeeded(0) else { return differentiate(nil, forScale, forShift) }
                    inputs.add(
                        0,
                        Tensor.make(x.shape, x.dtype, x.device) { differentiate($1, forScale, forShift) })
                }
            }
        }
    }
}

extension InputGradients {
    /// A destination for the gradient of an input, absent where none is needed.
    fileprivate typealias Destination = (view: TensorView, accumulates: Bool)

    /// `write` for an input that may be absent or need no gradient.
    fileprivate func open(_ index: Int?, _ body: (Destination?) -> Void) {
        guard let index, isNeeded(index) else { return body(nil) }
        write(index) { body(($0, $1)) }
    }
}
