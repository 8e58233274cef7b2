// Fused operations in operations of tensors, for gradients that are to be differentiated again: what is fused has a rule for
// the first gradient only.

extension Tensor {
    /// What arrives at the input of softmax, or of its logarithm, when this arrives at its output `y`.
    func throughSoftmax(_ y: Tensor, isLogarithmic: Bool) -> Tensor {
        isLogarithmic
            ? self - y.exp() * sum([-1], keepsAxes: true) : y * (self - (self * y).sum([-1], keepsAxes: true))
    }

    /// `crossEntropies` of these logits, [rows, classes].
    func composedCrossEntropies(_ targets: Tensor, ignoredIndex: Int?) -> Tensor {
        let logarithms = logSoftmax()
        let zero = logarithms.scalar(0)
        let losses = -Tensor.select(targets.isClass(of: shape[1]), logarithms, zero).sum([1])
        return ignoredIndex.map { .select(targets.equals(targets.scalar(Double($0))), zero, losses) } ?? losses
    }

    /// `layerNormalized` over the last axis of `rows`, [rows, width].
    func composedLayerNorm(
        _ rows: Shape, scale: Tensor?, shift: Tensor?, epsilon: Double, centers: Bool
    ) -> Tensor {
        var x = reshaped(rows)
        if centers { x = x - x.mean([1], keepsAxes: true) }
        let inverseDeviation = (x.square().mean([1], keepsAxes: true) + epsilon).reciprocalSquareRoot()
        return (x * inverseDeviation).scaled(scale, shift, [1, rows[1]]).reshaped(shape)
    }

    /// `batchNormalized` by the statistics of `layout`, [batch, channels, positions].
    func composedBatchNorm(_ layout: Shape, scale: Tensor?, shift: Tensor?, epsilon: Double) -> Tensor {
        let x = reshaped(layout)
        let centered = x - x.mean([0, 2], keepsAxes: true)
        let inverseDeviation = (centered.square().mean([0, 2], keepsAxes: true) + epsilon).reciprocalSquareRoot()
        return (centered * inverseDeviation).scaled(scale, shift, [1, layout[1], 1]).reshaped(shape)
    }

    func scaled(_ scale: Tensor?, _ shift: Tensor?, _ shape: Shape) -> Tensor {
        var result = self
        if let scale { result = result * scale.reshaped(shape) }
        if let shift { result = result + shift.reshaped(shape) }
        return result
    }

    /// Attention of [batch, heads, length, size] each; see `attention`.
    static func composedAttention(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, mask: Tensor?, isCausal: Bool, scale: Double, dropout: Double,
        _ part: RandomPart?
    ) -> Tensor {
        var scores = query.matrixMultiplied(by: key.transposed()) * scale
        let nothing = scores.scalar(-.infinity)
        if let mask { scores = mask.dtype == .uint8 ? select(mask, scores, nothing) : scores + mask }
        if isCausal {
            let isSeen = triangleMask(
                rows: query.shape[2], columns: key.shape[2], isLower: true, device: query.device)
            scores = select(isSeen, scores, nothing)
        }
        // A causal query sees the first key at least: only another mask may leave it nothing.
        if mask == nil && part == nil { return scores.softmax().matrixMultiplied(by: value) }
        // Where a query sees nothing, 0 stands for the largest of no scores and 1 for the sum of no weights.
        let zero = scores.scalar(0)
        let largest = scores.detached().max([-1], keepsAxes: true)
        let weights = (scores - select(largest.equals(nothing), zero, largest)).exp()
        let sum = weights.sum([-1], keepsAxes: true)
        let shares = weights / select(sum.equals(zero), zero.scalar(1), sum)
        let dropped = part.map { shares.droppedOut(probability: dropout, $0) } ?? shares
        return dropped.matrixMultiplied(by: value)
    }

    // MARK: Convolution, whose gradients are convolutions

    /// The gradient of a convolution of `inputShape` by `weight` for its input, where this arrives at its output.
    func transposedConvolved(weight: Tensor, _ geometry: ConvolutionGeometry, inputSizes inputShape: Shape) -> Tensor {
        let padding = geometry.kernel.indices.map { axis in
            let extent = geometry.dilation[axis] * (geometry.kernel[axis] - 1) + 1
            let least = (shape[axis + 2] - 1) * geometry.stride[axis] - 2 * geometry.padding[axis] + extent
            return inputShape[axis + 2] - least
        }
        return transposedConvolved(weight: weight, geometry, outputPadding: padding)
    }

    /// The gradient of a transposed convolution to `outputShape` for its input, where this arrives at its output.
    func convolved(weight: Tensor, _ geometry: ConvolutionGeometry, outputSizes outputShape: Shape) -> Tensor {
        // An output padding as large as the stride makes room for places that were not there.
        (2..<outputShape.rank).reduce(convolved(weight: weight, geometry)) { result, axis in
            result.shape[axis] == outputShape[axis] ? result : result.sliced(0..<outputShape[axis], axis: axis)
        }
    }

    /// The gradient of a convolution of this tensor for its weight, where `arrived` arrives at its output. It is linear in
    /// both, and each of its gradients is a convolution.
    func convolutionWeightGradient(_ arrived: Tensor, _ geometry: ConvolutionGeometry) -> Tensor {
        let (x, y) = (contiguous(), arrived.contiguous())
        let (a, b) = (x.detached(), y.detached())
        let weight = Shape([arrived.shape[1], shape[1] / geometry.groups] + geometry.kernel)
        return Tensor.operation(
            "convolutionWeightGradient", [x, y], weight, dtype: .wider(dtype, arrived.dtype),
            forward: { backend, out in
                backend.convolutionWeightGradient(
                    a.view, outputGradient: b.view, geometry, out: out, accumulates: false)
            },
            gradient: { weightGradient, inputs in
                inputs.add(
                    0,
                    inputs.input(1, b).transposedConvolved(weight: weightGradient, geometry, inputSizes: a.shape))
                inputs.add(1, inputs.input(0, a).convolved(weight: weightGradient, geometry, outputSizes: b.shape))
            })
    }
}

extension Tensor {
    /// For int32 class numbers [rows]: uint8 [rows, classes], 1 where a column is the row's class.
    package func isClass(of classes: Int) -> Tensor {
        reshaped([elementCount, 1]).equals(.arange(classes, device: device))
    }
}
