import GimbalBackend

extension OpenCLBackend {
    public func statistics(_ x: TensorView, segments: TensorView, out: TensorView) {
        let count = segments.shape[0]
        guard count > 0 else { return }
        guard areFloat32([x, out]) else {
            return widening([.read(x), .write(out)]) { statistics($0[0]!, segments: segments, out: $0[1]!) }
        }
        reportingErrors {
            // Five floats and four counts; see `Share` in statistics.cl.
            let shareSize = 9
            let plan = foldPlan(outputs: count, length: x.elementCount / count, canSplit: true)
            let lanes = openCLDevice.isCPU ? 1 : 256
            let isWide = needsWideIndex([x])
            // A launch counts at most 65,535 groups in its second dimension.
            for start in stride(from: 0, to: count, by: 65_535) {
                let part = min(65_535, count - start)
                let shares = try allocate([part, plan.splits, shareSize], .float32)
                let bounds = KernelArgument.view(segments.storage, segments.offset + 2 * start)
                launch(
                    KernelKey(.statistics, [.number(.lanes, lanes), .number(.slots, 1), .flag(.wideIndex, isWide)]),
                    groups: (plan.splits, part, 1), groupSize: lanes,
                    [
                        .view(x), bounds, .view(out.storage, out.offset + start * Statistic.allCases.count),
                        .buffer(shares.storage), .counters(part),
                    ])
            }
        }
    }
}
