// The loss scale of float16, by the rules of PyTorch's `GradScaler`.

extension Backend {
    public func unscale(_ views: [TensorView], scale: TensorView, condition: TensorView) {
        reportingErrors {
            let largest = try allocate([1])
            norm(views, p: .infinity, out: largest)
            unary(.init(.isFinite), largest, out: condition.reshaped([1]))
            let inverse = try allocate([1])
            unary(.init(.reciprocal), scale.reshaped([1]), out: inverse)
            for view in views.map(\.flattened) {
                binary(.init(.multiply), view, inverse.broadcast(to: view.shape), out: view)
            }
        }
    }

    public func updateLossScale(
        _ state: TensorView, condition: TensorView, growth: Double, backoff: Double, interval: Int
    ) {
        reportingErrors {
            let parts = (0..<3).map { state.sliced(axis: 0, $0..<$0 + 1) }
            let (scale, streak, skipped, good) = (parts[0], parts[1], parts[2], condition.reshaped([1]))
            func number(_ value: Double) throws -> TensorView {
                let view = try allocate([1])
                fill(view, with: value)
                return view
            }
            let (mask, grows) = (try allocate([1], .uint8), try allocate([1]))
            copy(good, to: mask)
            unary(.init(.affine, a: 1, b: 1), streak, out: streak)
            binary(.init(.multiply), streak, good, out: streak)
            binary(.init(.equal), streak, try number(Double(interval)), out: grows)

            // scale ← scale · growth, · backoff, or · 1.
            let (grown, factor, bad) = (try allocate([1]), try allocate([1]), try allocate([1]))
            unary(.init(.affine, a: growth), scale, out: grown)
            unary(.init(.isFinite), grown, out: grown)
            binary(.init(.multiply), grown, grows, out: grown)
            unary(.init(.affine, a: growth - 1, b: 1), grown, out: grown)
            select(mask, grown, try number(backoff), out: factor)
            binary(.init(.multiply), scale, factor, out: scale)

            unary(.init(.affine, a: -1, b: 1), grows, out: grows)
            binary(.init(.multiply), streak, grows, out: streak)
            unary(.init(.affine, a: -1, b: 1), good, out: bad)
            binary(.init(.add), skipped, bad, out: skipped)
        }
    }
}
