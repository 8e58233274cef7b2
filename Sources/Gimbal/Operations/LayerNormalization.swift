extension Tensor {
    /// Normalises each sample over its last axes by its own mean and variance (Ba, Kiros and Hinton 2016), or about 0 by
    /// the root of its mean square (Zhang and Sennrich 2019).
    /// - Parameters:
    ///   - axes: how many axes, from the last, are normalised together; together they must not be empty.
    ///   - scale: of the shape of these axes, or nil for 1.
    ///   - shift: of the shape of these axes, or nil for 0.
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
        return contiguous().layerNormalized(
            normalized, scale: scale, shift: shift, epsilon: epsilon, centers: centers
        ) { backend, x, scale, shift, out, mean, inverseDeviation in
            backend.layerNorm(
                x, scale: scale, shift: shift, epsilon: epsilon, centers: centers, out: out, mean: mean,
                inverseDeviation: inverseDeviation)
        }
    }

    /// This tensor plus `other`, and the sum normalised over its last axis as `layerNormalized` does, in one pass where the
    /// device can.
    package func addedAndNormalized(
        _ other: Tensor, scale: Tensor? = nil, shift: Tensor? = nil, epsilon: Double = 1e-5
    ) -> (sum: Tensor, normalized: Tensor) {
        let width = rank > 0 ? shape[rank - 1] : 0
        let parameters = [scale, shift].compactMap { $0 }
        guard
            shape == other.shape, width > 0, dtype == backend.realType, other.dtype == dtype, view.isContiguous,
            other.view.isContiguous, parameters.allSatisfy({ $0.shape == [width] && $0.dtype == dtype }),
            !(OperationObserver.current?.isThorough ?? false)
        else {
            let sum = self + other
            return (sum, sum.layerNormalized(scale: scale, shift: shift, epsilon: epsilon))
        }
        let rows = Shape([elementCount / width, width])
        let (x, y) = (view, other.view)
        let sum = Tensor.make(shape, dtype, device, inputs: [self, other]) { _, _ in }
            .recorded("+", [self, other], .binary(.init(.add))) { outputGradient, inputs in
                inputs.add(0, outputGradient)
                inputs.add(1, outputGradient)
            }
        let normalized = sum.layerNormalized(
            [width], scale: scale, shift: shift, epsilon: epsilon, centers: true, filling: [sum]
        ) { backend, sum, scale, shift, out, mean, inverseDeviation in
            backend.layerNorm(
                x.reshaped(rows), adding: y.reshaped(rows), sum: sum, scale: scale, shift: shift, epsilon: epsilon,
                centers: true, out: out, mean: mean, inverseDeviation: inverseDeviation)
        }
        return (sum, normalized)
    }

    /// The norm of this contiguous tensor, computed by `forward`.
    private func layerNormalized(
        _ normalized: Shape, scale: Tensor?, shift: Tensor?, epsilon: Double, centers: Bool,
        filling others: [Tensor] = [],
        forward: (
            _ backend: any Backend, _ x: TensorView, _ scale: TensorView?, _ shift: TensorView?, _ out: TensorView,
            _ mean: TensorView, _ inverseDeviation: TensorView
        ) -> Void
    ) -> Tensor {
        let source = self
        let width = normalized.elementCount
        let (x, factor) = (source.detached(), scale?.detached().contiguous())
        let offset = shift?.detached().contiguous()
        let rows = Shape([elementCount / width, width])
        let statistics = [0, 1].map { _ in
            Tensor.make([rows[0]], backend.realType, device, inputs: [source]) { _, _ in }
        }
        let (mean, inverseDeviation) = (statistics[0].view, statistics[1].view)
        let parameters = [scale, shift].compactMap { $0 }
        let result = Tensor.make(
            shape, fullType, device, inputs: [source] + [factor, offset].compactMap { $0 },
            filling: statistics + others,
            named: "layerNormalized"
        ) { backend, out in
            forward(
                backend, x.view.reshaped(rows), factor?.view.flattened, offset?.view.flattened, out.reshaped(rows),
                mean, inverseDeviation)
        }
        let (scaleIndex, shiftIndex) = (scale == nil ? nil : 1, shift == nil ? nil : parameters.count)
        return result.recorded(
            "layerNormalized", [source] + parameters,
            .layerNormalization(
                axes: normalized.rank, scale: scale, shift: shift, epsilon: epsilon, centers: centers)
        ) { outputGradient, inputs in
            let x = inputs.input(0, x)
            let factor = factor.map { inputs.input(1, $0) }
            if inputs.createsGraph {
                let offset = offset.map { inputs.input(shiftIndex!, $0) }
                return inputs.differentiate(
                    x.composedLayerNorm(rows, scale: factor, shift: offset, epsilon: epsilon, centers: centers),
                    outputGradient)
            }
            let arrived = outputGradient.contiguous()
            guard arrived.view.isComputed, statistics.allSatisfy(\.view.isComputed) else { return }
            func differentiate(
                _ forInput: TensorView?, _ forScale: InputGradients.Destination?,
                _ forShift: InputGradients.Destination?, passing: TensorView? = nil
            ) {
                let backend = arrived.backend
                let scaleGradient = forScale.map { (view: $0.view.flattened, accumulates: $0.accumulates) }
                let shiftGradient = forShift.map { (view: $0.view.flattened, accumulates: $0.accumulates) }
                guard let forInput, let passing else {
                    return backend.layerNormGradient(
                        x.view.reshaped(rows), outputGradient: arrived.view.reshaped(rows),
                        scale: factor?.view.flattened, centers: centers, mean: mean, inverseDeviation: inverseDeviation,
                        inputGradient: forInput?.reshaped(rows), scaleGradient: scaleGradient,
                        shiftGradient: shiftGradient)
                }
                backend.layerNormGradient(
                    x.view.reshaped(rows), outputGradient: arrived.view.reshaped(rows),
                    passingGradient: passing.reshaped(rows), scale: factor?.view.flattened, centers: centers,
                    mean: mean, inverseDeviation: inverseDeviation, inputGradient: forInput.reshaped(rows),
                    scaleGradient: scaleGradient, shiftGradient: shiftGradient)
            }
            inputs.open(scaleIndex) { forScale in
                inputs.open(shiftIndex) { forShift in
                    guard inputs.isNeeded(0) else { return differentiate(nil, forScale, forShift) }
                    inputs.join(0) { passing in
                        Tensor.make(x.shape, x.dtype, x.device) {
                            differentiate($1, forScale, forShift, passing: passing)
                        }
                    }
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
