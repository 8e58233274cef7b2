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
            // Enough groups to fill the device, each with enough to do, and no chain of additions so long that it loses digits.
            let total = views.reduce(0) { $0 + $1.elementCount }
            let share = total / (device.computeUnits * (openCLDevice.isCPU ? 2 : 8))
            let block = plan.lanes * 16
            let slice = min(max((share + block - 1) / block, openCLDevice.isCPU ? 128 : 1), 1024) * block
            var counts = views.map { ($0.elementCount + slice - 1) / slice }
            // Something must write the norm of nothing.
            if total == 0, !counts.isEmpty { counts[0] = 1 }
            guard let last = counts.lastIndex(where: { $0 > 0 }) else { return fill(out, with: 0) }
            // A share is a float, or several of them; see TERM_SIZE in norm.cl.
            let shares = try allocate([counts.reduce(0, +), kind == 2 ? 3 : kind == 0 ? 2 : 1], .float32)
            var first = 0
            for (index, (view, count)) in zip(views, counts).enumerated() where count > 0 {
                let isWide = needsWideIndex([view])
                let key = KernelKey(
                    .norm,
                    plan.settings + [
                        .number(.normKind, kind), .flag(.isLast, index == last), .flag(.aligned, view.isAligned),
                        .flag(.wideIndex, isWide),
                    ])
                let arguments: [KernelArgument] = [
                    .view(view), .buffer(shares.storage), .index(first, isWide: isWide), .float(p),
                    .index(view.elementCount, isWide: isWide), .index(slice, isWide: isWide),
                ]
                launch(
                    key, groups: (count, 1, 1), groupSize: plan.groupSize,
                    arguments + (index == last ? [.view(out), .counters(1)] : []))
                first += count
            }
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
