import GimbalBackend

extension OpenCLBackend {
    public func unscale(_ views: [TensorView], scale: TensorView, condition: TensorView) {
        guard areFloat32(views + [scale, condition]) else {
            return widening(views.map { .update($0) } + [.read(scale), .write(condition)]) {
                unscale($0.dropLast(2).map { $0! }, scale: $0[views.count]!, condition: $0[views.count + 1]!)
            }
        }
        fill(condition, with: 1)
        for view in views where view.elementCount > 0 {
            let isWide = needsWideIndex([view])
            launch(
                KernelKey(.unscale, [.flag(.wideIndex, isWide)]), groups: ((view.elementCount + 1023) / 1024, 1, 1),
                groupSize: 256,
                [.view(view), .view(scale), .view(condition), .index(view.elementCount, isWide: isWide)])
        }
    }

    public func updateLossScale(
        _ state: TensorView, condition: TensorView, growth: Double, backoff: Double, interval: Int
    ) {
        guard areFloat32([state, condition]) else {
            return widening([.update(state), .read(condition)]) {
                updateLossScale($0[0]!, condition: $0[1]!, growth: growth, backoff: backoff, interval: interval)
            }
        }
        launch(
            KernelKey(.updateLossScale), groups: (1, 1, 1), groupSize: 1,
            [.view(state), .view(condition), .float(growth), .float(backoff), .float(Double(interval))])
    }
}
