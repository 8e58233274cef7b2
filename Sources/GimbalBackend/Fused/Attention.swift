// Attention, and its weights, over the primitives.

extension Backend {
    public func attentionSoftmax(_ scores: TensorView, mask: TensorView?, isCausal: Bool, out: TensorView) {
        guard scores.elementCount > 0 else { return }
        let shape = scores.shape
        reportingErrors {
            let never = try allocate([])
            fill(never, with: -.infinity)
            let masked = try allocate(shape)
            copy(scores, to: masked)
            if let mask {
                if mask.dtype.isFloatingPoint {
                    binary(.init(.add), masked, mask, out: masked)
                } else {
                    select(mask, masked, never.broadcast(to: shape), out: masked)
                }
            }
            // After the mask, so that what that adds to such keys is not read either.
            let isSeen = isCausal ? try causalMask(shape) : nil
            if let isSeen { select(isSeen, masked, never.broadcast(to: shape), out: masked) }
            // A row of -infinity alone is taken for one of largest 0 and sum 1: its exponentials are 0.
            let row = shape.reducing([3])
            let largest = try allocate(row)
            let isEmpty = try allocate(row, .uint8)
            let constant = try allocate([])
            reduce(.maximum, masked, out: largest, accumulates: false)
            binary(.init(.equal), largest, never.broadcast(to: row), out: isEmpty)
            fill(constant, with: 0)
            select(isEmpty, constant.broadcast(to: row), largest, out: largest)
            binary(.init(.subtract), masked, largest.broadcast(to: shape), out: masked)
            unary(.init(.exponential), masked, out: masked)
            reduce(.sum, masked, out: largest, accumulates: false)
            fill(constant, with: 1)
            select(isEmpty, constant.broadcast(to: row), largest, out: largest)
            binary(.init(.divide), masked, largest.broadcast(to: shape), out: out)
            if let isSeen {
                // In a row with NaN, all have become NaN.
                fill(constant, with: 0)
                select(isSeen, out, constant.broadcast(to: shape), out: out)
            }
        }
    }

    public func attentionSoftmaxGradient(
        _ y: TensorView, outputGradient: TensorView, isCausal: Bool, out: TensorView
    ) {
        guard y.elementCount > 0 else { return }
        let shape = y.shape
        reportingErrors {
            // dx = y (dy - Σ dy y)
            var arrived = outputGradient
            let zero = try allocate([])
            let isSeen = isCausal ? try causalMask(shape) : nil
            if let isSeen {
                fill(zero, with: 0)
                arrived = try allocate(shape)
                select(isSeen, outputGradient, zero.broadcast(to: shape), out: arrived)
            }
            let product = try allocate(shape)
            let sum = try allocate(shape.reducing([3]))
            binary(.init(.multiply), arrived, y, out: product)
            reduce(.sum, product, out: sum, accumulates: false)
            binary(.init(.subtract), arrived, sum.broadcast(to: shape), out: product)
            binary(.init(.multiply), product, y, out: out)
            // In a row with NaN, all have become NaN.
            if let isSeen { select(isSeen, out, zero.broadcast(to: shape), out: out) }
        }
    }

    public func fusesAttention(queries: Int, size: Int, valueSize: Int) -> Bool { false }

    public func attention(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView
    ) {
        composedAttention(
            queries, keys: keys, values: values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
            out: out)
    }

    public func attentionGradient(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView, outputGradient: TensorView,
        queryGradient: (view: TensorView, accumulates: Bool)?, keyGradient: (view: TensorView, accumulates: Bool)?,
        valueGradient: (view: TensorView, accumulates: Bool)?
    ) {
        composedAttentionGradient(
            queries, keys: keys, values: values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
            outputGradient: outputGradient, queryGradient: queryGradient, keyGradient: keyGradient,
            valueGradient: valueGradient)
    }

    /// `attention` by products and `attentionSoftmax`, for backends that fuse some sizes only.
    public func composedAttention(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView
    ) {
        reportingErrors {
            let weights = try attentionWeights(
                queries, keys: keys, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale)
            matrixMultiply(weights, values, out: out, .plain)
        }
    }

    /// `attentionGradient` likewise; the weights are computed anew.
    public func composedAttentionGradient(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, outputGradient: TensorView,
        queryGradient: (view: TensorView, accumulates: Bool)?, keyGradient: (view: TensorView, accumulates: Bool)?,
        valueGradient: (view: TensorView, accumulates: Bool)?
    ) {
        reportingErrors {
            let weights = try attentionWeights(
                queries, keys: keys, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale)
            if let (view, accumulates) = valueGradient {
                matrixMultiply(weights.transposed, outputGradient, out: view, Epilogue(accumulates: accumulates))
            }
            guard queryGradient != nil || keyGradient != nil else { return }
            let scores = try allocate(weights.shape, weights.dtype)
            matrixMultiply(outputGradient, values.transposed, out: scores, .plain)
            attentionSoftmaxGradient(weights, outputGradient: scores, isCausal: isCausal, out: scores)
            if let (view, accumulates) = queryGradient {
                matrixMultiply(scores, keys, out: view, Epilogue(scale: scale, accumulates: accumulates))
            }
            if let (view, accumulates) = keyGradient {
                matrixMultiply(
                    scores.transposed, queries, out: view, Epilogue(scale: scale, accumulates: accumulates))
            }
        }
    }

    private func attentionWeights(
        _ queries: TensorView, keys: TensorView, mask: TensorView?, lengths: TensorView?, isCausal: Bool, scale: Double
    ) throws -> TensorView {
        let shape: Shape = [queries.shape[0], queries.shape[1], queries.shape[2], keys.shape[2]]
        let weights = try allocate(shape, queries.dtype)
        matrixMultiply(queries, keys.transposed, out: weights, Epilogue(scale: scale))
        if let lengths {
            let never = try allocate([], weights.dtype)
            fill(never, with: -.infinity)
            select(
                try keysThere(lengths, keys: shape[3]).broadcast(to: shape), weights, never.broadcast(to: shape),
                out: weights)
        }
        attentionSoftmax(weights, mask: mask, isCausal: isCausal, out: weights)
        return weights
    }

    /// uint8 [batch, 1, 1, keys]: 1 for keys before the sequence's length, which is int32 [batch].
    public func keysThere(_ lengths: TensorView, keys: Int) throws -> TensorView {
        let shape: Shape = [lengths.shape[0], 1, 1, keys]
        let mask = try allocate(shape, .uint8)
        let ends = lengths.reshaped([lengths.shape[0], 1, 1, 1])
        binary(.init(.less), try positions(keys).broadcast(to: shape), ends.broadcast(to: shape), out: mask)
        return mask
    }

    /// 1 where key j ≤ query i, repeated over the leading axes of `shape`.
    private func causalMask(_ shape: Shape) throws -> TensorView {
        let (queries, keys) = (shape[2], shape[3])
        let positions = try positions(Swift.max(queries, keys))
        let mask = try allocate([queries, keys], .uint8)
        binary(
            .init(.lessOrEqual), positions.sliced(axis: 0, 0..<keys).broadcast(to: mask.shape),
            positions.sliced(axis: 0, 0..<queries).reshaped([queries, 1]).broadcast(to: mask.shape), out: mask)
        return mask.broadcast(to: shape)
    }

    /// int32 0, 1, 2, ...
    private func positions(_ count: Int) throws -> TensorView {
        let positions = try allocate([count], .int32)
        let numbers = (0..<count).map { Int32($0) }
        numbers.withUnsafeBytes { upload($0, to: positions.storage, byteOffset: 0) }
        return positions
    }
}
