// Layer normalisation over the primitives.

extension Backend {
    public func layerNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double, centers: Bool, out: TensorView,
        mean: TensorView, inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        let column: Shape = [x.shape[0], 1]
        let width = Double(x.shape[1])
        reportingErrors {
            let centred = try allocate(x.shape)
            let squares = try allocate(x.shape)
            if centers {
                reduce(.sum, x, out: mean.reshaped(column), accumulates: false)
                unary(.init(.affine, a: 1 / width), mean, out: mean)
                binary(.init(.subtract), x, mean.reshaped(column).broadcast(to: x.shape), out: centred)
            } else {
                fill(mean, with: 0)
                copy(x, to: centred)
            }
            unary(.init(.square), centred, out: squares)
            reduce(.sum, squares, out: inverseDeviation.reshaped(column), accumulates: false)
            unary(.init(.affine, a: 1 / width, b: epsilon), inverseDeviation, out: inverseDeviation)
            unary(.init(.reciprocalSquareRoot), inverseDeviation, out: inverseDeviation)
            binary(.init(.multiply), centred, inverseDeviation.reshaped(column).broadcast(to: x.shape), out: out)
            if let scale { binary(.init(.multiply), out, scale.broadcast(to: x.shape), out: out) }
            if let shift { binary(.init(.add), out, shift.broadcast(to: x.shape), out: out) }
        }
    }

    public func layerNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, centers: Bool, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let column: Shape = [x.shape[0], 1]
        let width = Double(x.shape[1])
        reportingErrors {
            // With x̂ = (x - μ) / σ and g = dy · scale: dscale = Σ dy x̂, dshift = Σ dy over the rows,
            // dx = (g - ḡ - x̂ · mean(g x̂)) / σ, where ḡ is the mean of g, or 0 without centring.
            let deviations = inverseDeviation.reshaped(column).broadcast(to: x.shape)
            let normalized = try allocate(x.shape)
            binary(.init(.subtract), x, mean.reshaped(column).broadcast(to: x.shape), out: normalized)
            binary(.init(.multiply), normalized, deviations, out: normalized)
            let product = try allocate(x.shape)
            binary(.init(.multiply), outputGradient, normalized, out: product)
            for (terms, destination) in [(product, scaleGradient), (outputGradient, shiftGradient)] {
                guard let destination else { continue }
                reduce(
                    .sum, terms, out: destination.view.reshaped([1, x.shape[1]]), accumulates: destination.accumulates)
            }
            guard let inputGradient, x.elementCount > 0 else { return }
            let scaled = try allocate(x.shape)
            let sum = try allocate(column)
            if let scale {
                binary(.init(.multiply), outputGradient, scale.broadcast(to: x.shape), out: scaled)
                binary(.init(.multiply), scaled, normalized, out: product)
            } else {
                copy(outputGradient, to: scaled)
            }
            reduce(.sum, product, out: sum, accumulates: false)
            binary(.init(.multiply), normalized, sum.broadcast(to: x.shape), out: normalized)
            if centers {
                reduce(.sum, scaled, out: sum, accumulates: false)
                binary(.init(.add), normalized, sum.broadcast(to: x.shape), out: normalized)
            }
            unary(.init(.affine, a: -1 / width), normalized, out: normalized)
            binary(.init(.add), scaled, normalized, out: normalized)
            binary(.init(.multiply), normalized, deviations, out: inputGradient)
        }
    }

    public func layerNorm(
        _ x: TensorView, adding y: TensorView, sum: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double,
        centers: Bool, out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        binary(.init(.add), x, y, out: sum)
        layerNorm(
            sum, scale: scale, shift: shift, epsilon: epsilon, centers: centers, out: out, mean: mean,
            inverseDeviation: inverseDeviation)
    }

    public func layerNormGradient(
        _ x: TensorView, outputGradient: TensorView, passingGradient: TensorView, scale: TensorView?, centers: Bool,
        mean: TensorView, inverseDeviation: TensorView, inputGradient: TensorView,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        layerNormGradient(
            x, outputGradient: outputGradient, scale: scale, centers: centers, mean: mean,
            inverseDeviation: inverseDeviation, inputGradient: inputGradient, scaleGradient: scaleGradient,
            shiftGradient: shiftGradient)
        binary(.init(.add), inputGradient, passingGradient, out: inputGradient)
    }
}
