import GimbalBackend

extension OpenCLBackend {
    // MARK: Gradient clipping

    public func norm(_ views: [TensorView], p: Double, out: TensorView) {
        guard areFloat32(views + [out]) else {
            return widening(views.map { .read($0) } + [.write(out)]) {
                norm($0.dropLast().map { $0! }, p: p, out: $0[views.count]!)
            }
        }
        reportingErrors {
            let kind = p == 1 ? 1 : p == 2 ? 2 : p == .infinity ? 3 : 0
            var plan = foldPlan(outputs: 1, length: 1 << 20)
            plan.slots = 1
            let slice = plan.lanes * 64 * (openCLDevice.isCPU ? 32 : 1)
            let counts = views.map { ($0.elementCount + slice - 1) / slice }
            // A share is a float, or four of them for p = 2; see TERM in norm.cl.
            let shares = try allocate([counts.reduce(0, +), kind == 2 ? 4 : 1], .float32)
            let isWide = needsWideIndex(views)
            let settings = plan.settings + [.number(.normKind, kind), .flag(.wideIndex, isWide)]
            var first = 0
            for (view, count) in zip(views, counts) where count > 0 {
                launch(
                    KernelKey(.normShares, settings), groups: (count, 1, 1), groupSize: plan.groupSize,
                    [
                        .view(view), .view(shares.storage, first), .float(p),
                        .index(view.elementCount, isWide: isWide), .index(slice, isWide: isWide),
                    ])
                first += count
            }
            launch(
                KernelKey(.finishNorm, settings), groups: (1, 1, 1), groupSize: plan.groupSize,
                [.buffer(shares.storage), .view(out), .float(p), .index(first, isWide: isWide)])
        }
    }

    public func clip(_ views: [TensorView], norm: TensorView, maxNorm: Double) {
        guard areFloat32(views + [norm]) else {
            return widening(views.map { .update($0) } + [.read(norm)]) {
                clip($0.dropLast().map { $0! }, norm: $0[views.count]!, maxNorm: maxNorm)
            }
        }
        for view in views {
            let isWide = needsWideIndex([view])
            launch(
                KernelKey(.clip, [.flag(.aligned, view.isAligned), .flag(.wideIndex, isWide)]),
                count: (view.elementCount + 3) / 4,
                [.view(view), .view(norm), .float(maxNorm), .index(view.elementCount, isWide: isWide)])
        }
    }

    // MARK: Steps

    public func optimizerStep(
        _ step: OptimizerStep, weights: TensorView, gradient: TensorView, states: [TensorView], condition: TensorView?
    ) {
        let arenas = [weights, gradient] + states
        guard areFloat32(arenas + [condition]) else {
            return widening([.update(weights), .read(gradient), .read(condition)] + states.map { .update($0) }) {
                optimizerStep(
                    step, weights: $0[0]!, gradient: $0[1]!, states: $0.dropFirst(3).map { $0! }, condition: $0[2])
            }
        }
        let isWide = needsWideIndex(arenas)
        let key = KernelKey(
            .optimizerStep,
            [
                .rule(.rule, step.rule), .number(.states, states.count), .flag(.conditional, condition != nil),
                .flag(.aligned, arenas.allSatisfy(\.isAligned)), .flag(.wideIndex, isWide),
            ])
        launch(
            key, count: (weights.elementCount + 3) / 4,
            (arenas + [condition].compactMap { $0 }).map { .view($0) } + [
                .floats(step.settings), .index(weights.elementCount, isWide: isWide),
            ])
    }
}
