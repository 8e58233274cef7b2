// The fused operations of `Backend`, each written over the primitives. They are what a faster version must equal: the
// conformance suite holds every override against them, run in Double.

extension Backend {
    public func softmax(_ x: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard x.elementCount > 0 else { return }
        reportingErrors {
            // From x - max x alone: a log Σ exp of the logits themselves would be rounded relative to the largest.
            let rowValues = try allocate(x.shape.reducing([1]))
            let exponentials = try allocate(x.shape)
            reduce(.maximum, x, out: rowValues, accumulates: false)
            binary(.init(.subtract), x, rowValues.broadcast(to: x.shape), out: out)
            unary(.init(.exponential), out, out: exponentials)
            reduce(.sum, exponentials, out: rowValues, accumulates: false)
            if isLogarithmic {
                unary(.init(.logarithm), rowValues, out: rowValues)
                binary(.init(.subtract), out, rowValues.broadcast(to: x.shape), out: out)
            } else {
                binary(.init(.divide), exponentials, rowValues.broadcast(to: x.shape), out: out)
            }
        }
    }

    public func softmaxGradient(_ y: TensorView, outputGradient: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard y.elementCount > 0 else { return }
        reportingErrors {
            // Softmax: dx = y (dy - Σ dy y). Its logarithm: dx = dy - exp(y) Σ dy.
            let product = try allocate(y.shape)
            let sums = try allocate(y.shape.reducing([1]))
            if isLogarithmic {
                reduce(.sum, outputGradient, out: sums, accumulates: false)
                unary(.init(.exponential), y, out: product)
                binary(.init(.multiply), product, sums.broadcast(to: y.shape), out: product)
                binary(.init(.subtract), outputGradient, product, out: out)
            } else {
                binary(.init(.multiply), outputGradient, y, out: product)
                reduce(.sum, product, out: sums, accumulates: false)
                binary(.init(.subtract), outputGradient, sums.broadcast(to: y.shape), out: product)
                binary(.init(.multiply), product, y, out: out)
            }
        }
    }

    public func crossEntropy(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, losses: TensorView, normalizers: TensorView
    ) {
        guard logits.elementCount > 0 else { return }
        reportingErrors {
            let (largest, logSum) = (normalizers.sliced(axis: 1, 0..<1), normalizers.sliced(axis: 1, 1..<2))
            let shifted = try allocate(logits.shape)
            let exponentials = try allocate(logits.shape)
            reduce(.maximum, logits, out: largest, accumulates: false)
            binary(.init(.subtract), logits, largest.broadcast(to: logits.shape), out: shifted)
            unary(.init(.exponential), shifted, out: exponentials)
            reduce(.sum, exponentials, out: logSum, accumulates: false)
            unary(.init(.logarithm), logSum, out: logSum)
            let isTarget = try oneHot(targets, classes: logits.shape[1])
            let zeros = try allocate([1, 1])
            fill(zeros, with: 0)
            let chosen = try allocate(logits.shape)
            let mask = try allocate(logits.shape, .uint8)
            copy(isTarget, to: mask)
            select(mask, shifted, zeros.broadcast(to: logits.shape), out: chosen)
            let target = try allocate([logits.shape[0], 1])
            let count = try allocate([logits.shape[0], 1])
            reduce(.sum, chosen, out: target, accumulates: false)
            reduce(.sum, isTarget, out: count, accumulates: false)
            binary(.init(.divide), target, count, out: target)  // 0 / 0 is NaN where no class is the target.
            binary(.init(.subtract), logSum, target, out: losses.reshaped([logits.shape[0], 1]))
            if let isKept = try isKept(targets, ignoredIndex) {
                select(isKept, losses, zeros.reshaped([1]).broadcast(to: losses.shape), out: losses)
            }
        }
    }

    public func crossEntropyGradient(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, normalizers: TensorView,
        lossGradient: TensorView, out: TensorView
    ) {
        guard logits.elementCount > 0 else { return }
        reportingErrors {
            let rows = logits.shape[0]
            let isTarget = try oneHot(targets, classes: logits.shape[1])
            for column in 0..<2 {
                let normalizer = normalizers.sliced(axis: 1, column..<column + 1)
                binary(.init(.subtract), column == 0 ? logits : out, normalizer.broadcast(to: logits.shape), out: out)
            }
            unary(.init(.exponential), out, out: out)
            binary(.init(.subtract), out, isTarget, out: out)
            var weights = lossGradient
            weights.shape = [rows, 1]
            weights.strides = [lossGradient.strides[0], 0]
            binary(.init(.multiply), out, weights.broadcast(to: logits.shape), out: out)
            if let isKept = try isKept(targets, ignoredIndex) {
                let zero = try allocate([1, 1])
                fill(zero, with: 0)
                select(
                    isKept.reshaped([rows, 1]).broadcast(to: logits.shape), out, zero.broadcast(to: logits.shape),
                    out: out)
            }
        }
    }

    public func batchNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        let channels = x.shape[1]
        let count = Double(x.shape[0] * x.shape[2])
        guard x.elementCount > 0 else { return }
        reportingErrors {
            let meanColumn = mean.reshaped([1, channels, 1])
            let deviationColumn = inverseDeviation.reshaped([1, channels, 1])
            reduce(.sum, x, out: meanColumn, accumulates: false)
            unary(.init(.affine, a: 1 / count), mean, out: mean)

            let centred = try allocate(x.shape)
            binary(.init(.subtract), x, meanColumn.broadcast(to: x.shape), out: centred)
            let squares = try allocate(x.shape)
            unary(.init(.square), centred, out: squares)
            reduce(.sum, squares, out: deviationColumn, accumulates: false)
            if let running {
                let update = try allocate([channels])
                unary(.init(.affine, a: momentum), mean, out: update)
                unary(.init(.affine, a: 1 - momentum), running.mean, out: running.mean)
                binary(.init(.add), running.mean, update, out: running.mean)
                unary(.init(.affine, a: momentum / (count - 1)), inverseDeviation, out: update)
                unary(.init(.affine, a: 1 - momentum), running.variance, out: running.variance)
                binary(.init(.add), running.variance, update, out: running.variance)
            }
            unary(.init(.affine, a: 1 / count, b: epsilon), inverseDeviation, out: inverseDeviation)
            unary(.init(.reciprocalSquareRoot), inverseDeviation, out: inverseDeviation)
            scaleAndShift(centred, deviationColumn, scale: scale, shift: shift, out: out)
        }
    }

    public func batchNormInference(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, out: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        reportingErrors {
            let column: Shape = [1, x.shape[1], 1]
            let centred = try allocate(x.shape)
            let inverseDeviation = try allocate([x.shape[1]])
            binary(.init(.subtract), x, mean.reshaped(column).broadcast(to: x.shape), out: centred)
            unary(.init(.affine, a: 1, b: epsilon), variance, out: inverseDeviation)
            unary(.init(.reciprocalSquareRoot), inverseDeviation, out: inverseDeviation)
            scaleAndShift(centred, inverseDeviation.reshaped(column), scale: scale, shift: shift, out: out)
        }
    }

    public func batchNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let column: Shape = [1, x.shape[1], 1]
        let count = Double(x.shape[0] * x.shape[2])
        reportingErrors {
            // With x̂ = (x - μ) / σ: dscale = Σ dy x̂, dshift = Σ dy, dx = scale / σ (dy - (dshift + x̂ dscale) / n).
            let normalized = try allocate(x.shape)
            binary(.init(.subtract), x, mean.reshaped(column).broadcast(to: x.shape), out: normalized)
            binary(
                .init(.multiply), normalized, inverseDeviation.reshaped(column).broadcast(to: x.shape), out: normalized)
            let product = try allocate(x.shape)
            binary(.init(.multiply), outputGradient, normalized, out: product)
            let forScale = try allocate(column)
            let forShift = try allocate(column)
            reduce(.sum, product, out: forScale, accumulates: false)
            reduce(.sum, outputGradient, out: forShift, accumulates: false)
            for (sum, destination) in [(forScale, scaleGradient), (forShift, shiftGradient)] {
                guard let destination else { continue }
                let view = destination.view.reshaped(column)
                if destination.accumulates { binary(.init(.add), view, sum, out: view) } else { copy(sum, to: view) }
            }
            guard let inputGradient, x.elementCount > 0 else { return }
            binary(.init(.multiply), normalized, forScale.broadcast(to: x.shape), out: normalized)
            binary(.init(.add), normalized, forShift.broadcast(to: x.shape), out: normalized)
            unary(.init(.affine, a: -1 / count), normalized, out: normalized)
            binary(.init(.add), outputGradient, normalized, out: normalized)
            scaleAndShift(normalized, inverseDeviation.reshaped(column), scale: scale, shift: nil, out: inputGradient)
        }
    }

    public func dropout(_ x: TensorView, probability: Double, _ state: RandomState, out: TensorView) {
        reportingErrors {
            let uniform = try allocate(x.shape)
            randomUniform(uniform, state)
            // The threshold is rounded as float32 backends round it, so that all agree on every element.
            let threshold = try allocate([])
            fill(threshold, with: Double(Float(probability)))
            let isKept = try allocate(x.shape, .uint8)
            binary(.init(.greaterOrEqual), uniform, threshold.broadcast(to: x.shape), out: isKept)
            unary(.init(.affine, a: 1 / (1 - probability)), x, out: out)
            fill(threshold, with: 0)
            select(isKept, out, threshold.broadcast(to: x.shape), out: out)
        }
    }

    public func norm(_ views: [TensorView], p: Double, out: TensorView) {
        reportingErrors {
            let total = out.reshaped([1])
            fill(total, with: 0)
            let magnitudes = try views.filter { $0.elementCount > 0 }.map { view in
                let magnitudes = try allocate([view.elementCount])
                unary(.init(.absolute), view.flattened, out: magnitudes)
                return magnitudes
            }
            if p == 1 {
                for view in magnitudes { reduce(.sum, view, out: total, accumulates: true) }
                return
            }
            let scale = try allocate([1])
            fill(scale, with: 0)
            for view in magnitudes {
                let largest = try allocate([1])
                reduce(.maximum, view, out: largest, accumulates: false)
                binary(.init(.maximum), scale, largest, out: scale)
            }
            if p == .infinity { return copy(scale, to: total) }
            // Measured in the largest element: powers of large and of small ones do not fit. A largest element of 0 or
            // infinity is no measure.
            let (least, greatest) = (Double(Float.leastNormalMagnitude), Double(Float.greatestFiniteMagnitude))
            unary(.init(.clamp, a: least, b: greatest), scale, out: scale)
            for view in magnitudes {
                binary(.init(.divide), view, scale.broadcast(to: view.shape), out: view)
                unary(p == 2 ? .init(.square) : .init(.power, a: p), view, out: view)
                reduce(.sum, view, out: total, accumulates: true)
            }
            if p == 2 {
                unary(.init(.squareRoot), total, out: total)
                return binary(.init(.multiply), scale, total, out: total)
            }
            // The root in two halves: for a small p it may not fit by itself.
            unary(.init(.power, a: 0.5 / p), total, out: total)
            binary(.init(.multiply), scale, total, out: scale)
            binary(.init(.multiply), scale, total, out: total)
        }
    }

    public func clip(_ views: [TensorView], norm: TensorView, maxNorm: Double) {
        reportingErrors {
            let factor = try allocate([1])
            unary(.init(.affine, a: 1, b: 1e-6), norm.reshaped([1]), out: factor)
            unary(.init(.reciprocal), factor, out: factor)
            unary(.init(.affine, a: maxNorm), factor, out: factor)
            unary(.init(.clamp, a: -.infinity, b: 1), factor, out: factor)
            let zero = try allocate([1])
            fill(zero, with: 0)
            for view in views.map(\.flattened) {
                let isNotZero = try allocate(view.shape, .uint8)
                binary(.init(.notEqual), view, zero.broadcast(to: view.shape), out: isNotZero)
                let scaled = try allocate(view.shape)
                binary(.init(.multiply), view, factor.broadcast(to: view.shape), out: scaled)
                select(isNotZero, scaled, view, out: view)
            }
        }
    }

    // MARK: Shared steps

    /// 1 at [i, targets[i]], 0 elsewhere, as real numbers of shape [rows, classes].
    private func oneHot(_ targets: TensorView, classes: Int) throws -> TensorView {
        let numbers = try wholeNumbers(classes)
        let shape: Shape = [targets.shape[0], classes]
        var column = targets
        column.shape = [targets.shape[0], 1]
        column.strides = [targets.strides[0], 0]
        let result = try allocate(shape)
        binary(.init(.equal), numbers.broadcast(to: shape), column.broadcast(to: shape), out: result)
        return result
    }

    /// out = x · factor · scale + shift, with one value per channel.
    private func scaleAndShift(
        _ x: TensorView, _ factor: TensorView, scale: TensorView?, shift: TensorView?, out: TensorView
    ) {
        let column: Shape = [1, x.shape[1], 1]
        binary(.init(.multiply), x, factor.broadcast(to: x.shape), out: out)
        if let scale {
            binary(.init(.multiply), out, scale.reshaped(column).broadcast(to: x.shape), out: out)
        }
        if let shift {
            binary(.init(.add), out, shift.reshaped(column).broadcast(to: x.shape), out: out)
        }
    }
}
