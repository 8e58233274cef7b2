import GimbalBackend

extension OpenCLBackend {
    public func batchNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([x, scale, shift, running?.mean, running?.variance, out, mean, inverseDeviation]) else {
            return widening([
                .read(x), .read(scale), .read(shift), .update(running?.mean), .update(running?.variance), .write(out),
                .write(mean), .write(inverseDeviation),
            ]) {
                batchNorm(
                    $0[0]!, scale: $0[1], shift: $0[2], running: running == nil ? nil : ($0[3]!, $0[4]!),
                    momentum: momentum, epsilon: epsilon, out: $0[5]!, mean: $0[6]!, inverseDeviation: $0[7]!)
            }
        }
        reportingErrors {
            let isWide = needsWideIndex([x])
            let wide = KernelKey.Setting.flag(.wideIndex, isWide)
            let (plan, splitSize) = channelPlan(x)
            let channels = x.shape[1]
            let shares = try allocate([plan.splits, channels, 3], .float32)
            launch(
                KernelKey(.moments, plan.settings + [wide]), groups: (plan.groups(channels), plan.splits, 1),
                groupSize: plan.groupSize,
                [.view(x), .buffer(shares.storage)] + sizes(x, isWide) + [.index(splitSize, isWide: isWide)])

            var arguments: [KernelArgument] = [
                .view(x), .buffer(shares.storage), .view(mean), .view(inverseDeviation),
            ]
            if let running { arguments += [.view(running.mean), .view(running.variance), .float(momentum)] }
            arguments += [
                .index(channels, isWide: isWide), .index(x.shape[2], isWide: isWide),
                .index(plan.splits, isWide: isWide), .float(epsilon),
            ]
            launch(
                KernelKey(.finishMoments, [.flag(.hasRunning, running != nil), wide]), count: channels, groupSize: 64,
                arguments)
            normalize(
                x, mean: mean, deviation: inverseDeviation, isVariance: false, scale: scale, shift: shift,
                epsilon: epsilon, out: out)
        }
    }

    public func batchNormInference(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, out: TensorView
    ) {
        guard areFloat32([x, scale, shift, mean, variance, out]) else {
            return widening([.read(x), .read(scale), .read(shift), .read(mean), .read(variance), .write(out)]) {
                batchNormInference(
                    $0[0]!, scale: $0[1], shift: $0[2], mean: $0[3]!, variance: $0[4]!, epsilon: epsilon, out: $0[5]!)
            }
        }
        normalize(
            x, mean: mean, deviation: variance, isVariance: true, scale: scale, shift: shift, epsilon: epsilon,
            out: out)
    }

    private func normalize(
        _ x: TensorView, mean: TensorView, deviation: TensorView, isVariance: Bool, scale: TensorView?,
        shift: TensorView?, epsilon: Double, out: TensorView
    ) {
        let isWide = needsWideIndex([x])
        let key = KernelKey(
            .normalizeChannels,
            [
                .flag(.hasScale, scale != nil), .flag(.hasShift, shift != nil), .flag(.fromVariance, isVariance),
                .flag(.wideIndex, isWide),
            ])
        var arguments: [KernelArgument] = [.view(x), .view(mean), .view(deviation)]
        if let scale { arguments.append(.view(scale)) }
        if let shift { arguments.append(.view(shift)) }
        arguments += [
            .view(out), .index(x.shape[1], isWide: isWide), .index(x.shape[2], isWide: isWide),
            .index(x.elementCount, isWide: isWide), .float(epsilon),
        ]
        launch(key, count: x.elementCount, arguments)
    }

    public func batchNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let channels = x.shape[1]
        guard channels > 0 else { return }
        let views = [
            x, outputGradient, scale, mean, inverseDeviation, inputGradient, scaleGradient?.view, shiftGradient?.view,
        ]
        guard areFloat32(views) else {
            return widening([
                .read(x), .read(outputGradient), .read(scale), .read(mean), .read(inverseDeviation),
                .write(inputGradient), .gradient(scaleGradient), .gradient(shiftGradient),
            ]) {
                batchNormGradient(
                    $0[0]!, outputGradient: $0[1]!, scale: $0[2], mean: $0[3]!, inverseDeviation: $0[4]!,
                    inputGradient: $0[5], scaleGradient: scaleGradient.replacing($0[6]),
                    shiftGradient: shiftGradient.replacing($0[7]))
            }
        }
        reportingErrors {
            let isWide = needsWideIndex([x])
            let wide = KernelKey.Setting.flag(.wideIndex, isWide)
            let (plan, splitSize) = channelPlan(x)
            let shares = try allocate([plan.splits, channels, 2], .float32)
            let sums = try allocate([channels, 2], .float32)
            launch(
                KernelKey(.gradientSums, plan.settings + [wide]), groups: (plan.groups(channels), plan.splits, 1),
                groupSize: plan.groupSize,
                [
                    .view(x), .view(outputGradient), .view(mean), .view(inverseDeviation), .buffer(shares.storage),
                ] + sizes(x, isWide) + [.index(splitSize, isWide: isWide)])

            func use(_ destination: (view: TensorView, accumulates: Bool)?) -> Int {
                destination.map { $0.accumulates ? 2 : 1 } ?? 0
            }
            var arguments: [KernelArgument] = [.buffer(shares.storage), .buffer(sums.storage)]
            if let scaleGradient { arguments.append(.view(scaleGradient.view)) }
            if let shiftGradient { arguments.append(.view(shiftGradient.view)) }
            arguments += [.index(channels, isWide: isWide), .index(plan.splits, isWide: isWide)]
            launch(
                KernelKey(
                    .finishGradients,
                    [
                        .number(.scaleGradient, use(scaleGradient)), .number(.shiftGradient, use(shiftGradient)), wide,
                    ]),
                count: channels, groupSize: 64, arguments)

            guard let inputGradient else { return }
            arguments = [.view(x), .view(outputGradient), .view(mean), .view(inverseDeviation)]
            if let scale { arguments.append(.view(scale)) }
            arguments += [
                .buffer(sums.storage), .view(inputGradient), .index(channels, isWide: isWide),
                .index(x.shape[2], isWide: isWide), .index(x.elementCount, isWide: isWide),
                .float(1 / Double(x.shape[0] * x.shape[2])),
            ]
            launch(
                KernelKey(.inputGradient, [.flag(.hasScale, scale != nil), wide]), count: x.elementCount, arguments)
        }
    }

    /// How each channel's elements are folded, and how many of them a split takes.
    private func channelPlan(_ x: TensorView) -> (plan: FoldPlan, splitSize: Int) {
        let count = x.shape[0] * x.shape[2]
        var plan = foldPlan(
            outputs: x.shape[1], length: count, foldsContiguousAxis: x.shape[2] > 1, canSplit: true)
        let splitSize = max(1, (count + plan.splits - 1) / plan.splits)
        plan.splits = max(1, (count + splitSize - 1) / splitSize)
        return (plan, splitSize)
    }

    /// Channels, positions, and elements for each channel.
    private func sizes(_ x: TensorView, _ isWide: Bool) -> [KernelArgument] {
        [x.shape[1], x.shape[2], x.shape[0] * x.shape[2]].map { .index($0, isWide: isWide) }
    }
}
