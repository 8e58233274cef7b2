import GimbalBackend

extension OpenCLBackend {
    public func batchNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        normalizeByBatch(
            x, scale, shift, running, momentum, epsilon, ending: nil, out, mean, inverseDeviation)
    }

    public func batchNormReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double, residual: TensorView?,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        normalizeByBatch(
            x, scale, shift, running, momentum, epsilon, ending: Rectification(residual: residual), out, mean,
            inverseDeviation)
    }

    private func normalizeByBatch(
        _ x: TensorView, _ scale: TensorView?, _ shift: TensorView?,
        _ running: (mean: TensorView, variance: TensorView)?,
        _ momentum: Double, _ epsilon: Double, ending: Rectification?, _ out: TensorView, _ mean: TensorView,
        _ inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        let residual = ending?.residual
        guard areFloat32([x, scale, shift, running?.mean, running?.variance, residual, out, mean, inverseDeviation])
        else {
            return widening([
                .read(x), .read(scale), .read(shift), .update(running?.mean), .update(running?.variance),
                .read(residual), .write(out), .write(mean), .write(inverseDeviation),
            ]) { views in
                normalizeByBatch(
                    views[0]!, views[1], views[2], running == nil ? nil : (views[3]!, views[4]!), momentum, epsilon,
                    ending: ending.map { _ in Rectification(residual: views[5]) }, views[6]!, views[7]!, views[8]!)
            }
        }
        reportingErrors {
            let isWide = needsWideIndex([x])
            var statistics: [KernelArgument] = [.view(mean), .view(inverseDeviation)]
            if let running { statistics += [.view(running.mean), .view(running.variance), .float(momentum)] }
            statistics.append(.float(epsilon))
            let common: [KernelKey.Setting] = [.flag(.hasRunning, running != nil), .flag(.wideIndex, isWide)]

            if let group = channelGroup(x, [x, residual, out]) {
                launch(
                    KernelKey(.batchNorm, group.settings + common + settings(scale, shift, ending)),
                    groups: (group.fold.groups(x.shape[1]), 1, 1), groupSize: group.fold.groupSize,
                    [.view(x)] + statistics + views([scale, shift, residual, out]) + group.sizes(x, isWide))
                return
            }
            let splits = channelSplits(x, [x], joinsMoments: true)
            let shares = try allocate([splits.count, x.shape[1], 3], .float32)
            let groups = splits.fold.groups(x.shape[1])
            launch(
                KernelKey(.moments, splits.settings + common), groups: (groups, splits.count, 1),
                groupSize: splits.fold.groupSize,
                [.view(x)] + statistics + splits.sizes(x, isWide) + [
                    .index(splits.splitSize, isWide: isWide), .buffer(shares.storage), .counters(groups),
                ])
            normalize(
                x, mean: mean, deviation: inverseDeviation, isVariance: false, scale: scale, shift: shift,
                epsilon: epsilon, ending: ending, out: out)
        }
    }

    private func settings(_ scale: TensorView?, _ shift: TensorView?, _ ending: Rectification?) -> [KernelKey.Setting] {
        [
            .flag(.hasScale, scale != nil), .flag(.hasShift, shift != nil),
            .flag(.hasResidual, ending?.residual != nil), .flag(.isRectified, ending != nil),
        ]
    }

    public func batchNormInference(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, out: TensorView
    ) {
        normalizeByVariance(x, scale, shift, mean, variance, epsilon, ending: nil, out)
    }

    public func batchNormInferenceReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, residual: TensorView?, out: TensorView
    ) {
        normalizeByVariance(
            x, scale, shift, mean, variance, epsilon, ending: Rectification(residual: residual), out)
    }

    private func normalizeByVariance(
        _ x: TensorView, _ scale: TensorView?, _ shift: TensorView?, _ mean: TensorView, _ variance: TensorView,
        _ epsilon: Double, ending: Rectification?, _ out: TensorView
    ) {
        guard areFloat32([x, scale, shift, mean, variance, ending?.residual, out]) else {
            return widening([
                .read(x), .read(scale), .read(shift), .read(mean), .read(variance), .read(ending?.residual),
                .write(out),
            ]) { views in
                normalizeByVariance(
                    views[0]!, views[1], views[2], views[3]!, views[4]!, epsilon,
                    ending: ending.map { _ in Rectification(residual: views[5]) }, views[6]!)
            }
        }
        normalize(
            x, mean: mean, deviation: variance, isVariance: true, scale: scale, shift: shift, epsilon: epsilon,
            ending: ending, out: out)
    }

    private func normalize(
        _ x: TensorView, mean: TensorView, deviation: TensorView, isVariance: Bool, scale: TensorView?,
        shift: TensorView?, epsilon: Double, ending: Rectification?, out: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        let packs = ElementPacks(
            x, [x, ending?.residual, out], parameters: [mean, deviation, scale, shift],
            computeUnits: device.computeUnits)
        let isWide = needsWideIndex([x])
        let key = KernelKey(
            .normalizeChannels,
            packs.settings + settings(scale, shift, ending) + [
                .flag(.fromVariance, isVariance), .flag(.wideIndex, isWide),
            ])
        launch(
            key, groups: (packs.groups, 1, 1), groupSize: 256,
            views([x, mean, deviation, scale, shift, ending?.residual, out]) + packs.sizes(isWide) + [.float(epsilon)])
    }

    public func batchNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        gradientByBatch(
            x, outputGradient, y: nil, scale, mean, inverseDeviation, inputGradient, nil, scaleGradient, shiftGradient)
    }

    public func batchNormReLUGradient(
        _ x: TensorView, y: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?, residualGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        gradientByBatch(
            x, outputGradient, y: y, scale, mean, inverseDeviation, inputGradient, residualGradient, scaleGradient,
            shiftGradient)
    }

    private func gradientByBatch(
        _ x: TensorView, _ outputGradient: TensorView, y: TensorView?, _ scale: TensorView?, _ mean: TensorView,
        _ inverseDeviation: TensorView, _ inputGradient: TensorView?, _ residualGradient: TensorView?,
        _ scaleGradient: (view: TensorView, accumulates: Bool)?,
        _ shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let channels = x.shape[1]
        guard channels > 0 else { return }
        let operands = [
            x, outputGradient, y, scale, mean, inverseDeviation, inputGradient, residualGradient, scaleGradient?.view,
            shiftGradient?.view,
        ]
        guard areFloat32(operands) else {
            return widening([
                .read(x), .read(outputGradient), .read(y), .read(scale), .read(mean), .read(inverseDeviation),
                .write(inputGradient), .write(residualGradient), .gradient(scaleGradient), .gradient(shiftGradient),
            ]) {
                gradientByBatch(
                    $0[0]!, $0[1]!, y: $0[2], $0[3], $0[4]!, $0[5]!, $0[6], $0[7], scaleGradient.replacing($0[8]),
                    shiftGradient.replacing($0[9]))
            }
        }
        reportingErrors {
            let isWide = needsWideIndex([x])
            func use(_ destination: (view: TensorView, accumulates: Bool)?) -> Int {
                destination.map { $0.accumulates ? 2 : 1 } ?? 0
            }
            let common: [KernelKey.Setting] = [
                .number(.scaleGradient, use(scaleGradient)), .number(.shiftGradient, use(shiftGradient)),
                .flag(.isRectified, y != nil), .flag(.residualGradient, residualGradient != nil),
                .flag(.wideIndex, isWide),
            ]
            let arriving = views([x, outputGradient, y, mean, inverseDeviation])
            let destinations = views([scaleGradient?.view, shiftGradient?.view, residualGradient])
            let inverseCount = KernelArgument.float(1 / Double(x.shape[0] * x.shape[2]))
            let arrays = [x, outputGradient, y, residualGradient, inputGradient]

            if let inputGradient, let group = channelGroup(x, arrays) {
                launch(
                    KernelKey(.batchNormGradient, group.settings + common + [.flag(.hasScale, scale != nil)]),
                    groups: (group.fold.groups(channels), 1, 1), groupSize: group.fold.groupSize,
                    arriving + views([scale]) + destinations + [.view(inputGradient)] + group.sizes(x, isWide)
                        + [inverseCount])
                return
            }
            let splits = channelSplits(x, arrays, joinsMoments: false)
            let shares = try allocate([splits.count, channels, 2], .float32)
            let sums = try allocate([2, channels], .float32)
            let groups = splits.fold.groups(channels)
            launch(
                KernelKey(.gradientSums, splits.settings + common), groups: (groups, splits.count, 1),
                groupSize: splits.fold.groupSize,
                arriving + destinations + [.buffer(sums.storage)] + splits.sizes(x, isWide) + [
                    .index(splits.splitSize, isWide: isWide), .buffer(shares.storage), .counters(groups),
                ])

            guard let inputGradient, x.elementCount > 0 else { return }
            // What has passed the ReLU need not be made out again.
            let passed = residualGradient ?? outputGradient, mask = residualGradient == nil ? y : nil
            let packs = ElementPacks(
                x, arrays, parameters: [mean, inverseDeviation, scale], computeUnits: device.computeUnits)
            launch(
                KernelKey(
                    .inputGradient,
                    packs.settings + [
                        .flag(.hasScale, scale != nil), .flag(.isRectified, mask != nil), .flag(.wideIndex, isWide),
                    ]),
                groups: (packs.groups, 1, 1), groupSize: 256,
                views([x, passed, mask, mean, inverseDeviation, scale]) + [
                    .buffer(sums.storage), .view(inputGradient),
                ] + packs.sizes(isWide) + [inverseCount])
        }
    }

    private func views(_ views: [TensorView?]) -> [KernelArgument] { views.compactMap { $0.map { .view($0) } } }

    /// A plan with all values of a channel in the registers of one group; nil where they are too many, and on a CPU, which
    /// has no such registers.
    private func channelGroup(_ x: TensorView, _ arrays: [TensorView?]) -> ChannelPlan? {
        guard !openCLDevice.isCPU else { return nil }
        let width = packWidth(x, arrays)
        let packs = x.shape[0] * x.shape[2] / width
        // Eight neighbouring channels make the shortest piece of a row that memory transfers.
        let slots = x.shape[2] == 1 ? 8 : 1
        // In groups of 1,024 a work-item has 64 registers, too few for 16 values that lie apart.
        let largest = min(width == 1 ? 512 : 1024, openCLDevice.largestWorkGroup) / slots
        var lanes = slots == 1 ? 64 : 32
        while lanes < largest, lanes * 8 < packs * width { lanes *= 2 }
        var values = 1
        while lanes * values < packs { values *= 2 }
        guard values * width <= 16 else { return nil }
        return ChannelPlan(
            fold: FoldPlan(lanes: lanes, slots: slots, lanesFirst: slots == 1, splits: 1), width: width,
            values: values, count: 1, splitSize: packs)
    }

    /// A plan by which several groups share a channel's values.
    /// - Parameter joinsMoments: whether each pass over the values held ends in a division.
    private func channelSplits(_ x: TensorView, _ arrays: [TensorView?], joinsMoments: Bool) -> ChannelPlan {
        let width = packWidth(x, arrays)
        let packs = x.shape[0] * x.shape[2] / width
        let fold = foldPlan(
            outputs: x.shape[1], length: packs * width, foldsContiguousAxis: x.shape[2] > 1, canSplit: true)
        let (count, splitSize) = fold.division(of: packs)
        let values =
            if !openCLDevice.isCPU {
                width == 1 ? 8 : 4
            } else if width == 1 {
                // A CPU's compiler makes vectors of the work-items of a plain loop, not of one that holds values.
                joinsMoments ? 8 : 1
            } else {
                16
            }
        return ChannelPlan(fold: fold, width: width, values: values, count: count, splitSize: splitSize)
    }
}

/// How a normalisation ends: with the addition of a residual, where there is one, and the ReLU.
private struct Rectification {
    var residual: TensorView?
}

/// Floats that a work-item can take together: 4 where all of them belong to one channel and lie aligned.
private func packWidth(_ x: TensorView, _ arrays: [TensorView?]) -> Int {
    x.shape[2] % 4 == 0 && arrays.allSatisfy { $0?.isAligned ?? true } ? 4 : 1
}

/// How the values of each channel are folded.
private struct ChannelPlan {
    var fold: FoldPlan
    /// Floats in a pack, and packs that a work-item holds.
    var width: Int
    var values: Int
    /// Splits of a channel, and packs in each.
    var count: Int
    var splitSize: Int

    var settings: [KernelKey.Setting] { fold.settings + [.number(.width, width), .number(.values, values)] }

    /// Channels, positions, and elements of each channel, the latter in packs.
    func sizes(_ x: TensorView, _ isWide: Bool) -> [KernelArgument] {
        [x.shape[1], x.shape[2] / width, x.shape[0] * x.shape[2] / width].map { .index($0, isWide: isWide) }
    }
}

/// How a launch over all elements takes them.
private struct ElementPacks {
    var width: Int
    /// Whether the floats of a pack belong to as many channels.
    var packsChannels: Bool
    /// Packs for each work-item.
    var values: Int
    var groups: Int
    private var channels: Int
    private var positions: Int
    private var count: Int

    init(_ x: TensorView, _ arrays: [TensorView?], parameters: [TensorView?], computeUnits: Int) {
        packsChannels =
            x.shape[2] == 1 && x.shape[1] % 4 == 0
            && (arrays + parameters).allSatisfy { $0?.isAligned ?? true }
        width = packsChannels ? 4 : packWidth(x, arrays)
        channels = packsChannels ? x.shape[1] / 4 : x.shape[1]
        positions = packsChannels ? 1 : x.shape[2] / width
        count = x.elementCount / width
        // Several loads under way at a time, where there is enough to fill the device.
        values = count >= computeUnits * 256 * 16 ? 4 : 1
        groups = (count + 256 * values - 1) / (256 * values)
    }

    var settings: [KernelKey.Setting] {
        [.number(.width, width), .number(.values, values), .flag(.packsChannels, packsChannels)]
    }

    func sizes(_ isWide: Bool) -> [KernelArgument] {
        [channels, positions, count].map { .index($0, isWide: isWide) }
    }
}
