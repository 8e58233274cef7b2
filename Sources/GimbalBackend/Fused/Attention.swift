// Attention weights over the primitives.

extension Backend {
    public func attentionSoftmax(_ scores: TensorView, mask: TensorView?, isCausal: Bool, out: TensorView) {
        guard scores.elementCount > 0 else { return }
        let shape = scores.shape
        reportingErrors {
            let never = try allocate([])
            fill(never, with: -.infinity)
            let masked = try allocate(shape)
            copy(scores, to: masked)
            if isCausal { select(try causalMask(shape), masked, never.broadcast(to: shape), out: masked) }
            if let mask {
                if mask.dtype.isFloatingPoint {
                    binary(.init(.add), masked, mask, out: masked)
                } else {
                    select(mask, masked, never.broadcast(to: shape), out: masked)
                }
            }
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
            if isCausal {
                let zero = try allocate([])
                fill(zero, with: 0)
                arrived = try allocate(shape)
                select(try causalMask(shape), outputGradient, zero.broadcast(to: shape), out: arrived)
            }
            let product = try allocate(shape)
            let sum = try allocate(shape.reducing([3]))
            binary(.init(.multiply), arrived, y, out: product)
            reduce(.sum, product, out: sum, accumulates: false)
            binary(.init(.subtract), arrived, sum.broadcast(to: shape), out: product)
            binary(.init(.multiply), product, y, out: out)
        }
    }

    /// 1 where key j ≤ query i, repeated over the leading axes of `shape`.
    private func causalMask(_ shape: Shape) throws -> TensorView {
        let (queries, keys) = (shape[2], shape[3])
        let positions = try allocate([Swift.max(queries, keys)], .int32)
        let numbers = (0..<positions.elementCount).map { Int32($0) }
        numbers.withUnsafeBytes { upload($0, to: positions.storage, byteOffset: 0) }
        let mask = try allocate([queries, keys], .uint8)
        binary(
            .init(.lessOrEqual), positions.sliced(axis: 0, 0..<keys).broadcast(to: mask.shape),
            positions.sliced(axis: 0, 0..<queries).reshaped([queries, 1]).broadcast(to: mask.shape), out: mask)
        return mask.broadcast(to: shape)
    }
}
