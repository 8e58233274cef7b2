import GimbalBackend

extension OpenCLBackend {
    public func segmentNorms(_ x: TensorView, segments: TensorView, p: Double, out: TensorView) {
        guard areFloat32([x, out]) else {
            return widening([.read(x), .write(out)]) { segmentNorms($0[0]!, segments: segments, p: p, out: $0[1]!) }
        }
        let count = segments.shape[0]
        guard count > 0 else { return }
        let kind = p == 1 ? 1 : p == 2 ? 2 : p == .infinity ? 3 : 0
        let plan = segmentPlan(count, x)
        launch(
            KernelKey(.segmentNorms, plan.settings + [.number(.normKind, kind)]),
            groups: (plan.groups(count), 1, 1), groupSize: plan.groupSize,
            [.view(x), .view(segments), .view(out), .float(p), .index(count, isWide: false)])
    }

    public func scaleSegments(_ x: TensorView, segments: TensorView, by factors: TensorView) {
        guard areFloat32([x, factors]) else {
            return widening([.update(x), .read(factors)]) { scaleSegments($0[0]!, segments: segments, by: $0[1]!) }
        }
        let count = segments.shape[0]
        guard count > 0 else { return }
        let plan = segmentPlan(count, x)
        launch(
            KernelKey(.scaleSegments, plan.settings), groups: (plan.groups(count), 1, 1), groupSize: plan.groupSize,
            [.view(x), .view(segments), .view(factors), .index(count, isWide: false)])
    }

    /// A group for each segment, or several short ones to a group. Where each is long, a CPU's core takes one at a time.
    private func segmentPlan(_ count: Int, _ x: TensorView) -> FoldPlan {
        var plan = foldPlan(outputs: count, length: x.elementCount / count)
        if openCLDevice.isCPU && x.elementCount / count > 4096 { plan.slots = 1 }
        return plan
    }
}
