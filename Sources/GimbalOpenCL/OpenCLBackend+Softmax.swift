import GimbalBackend

extension OpenCLBackend {
    public func softmax(_ x: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([x, out]) else {
            return widening([.read(x), .write(out)]) { softmax($0[0]!, out: $0[1]!, isLogarithmic: isLogarithmic) }
        }
        foldRows(.softmax, x, [x, out], [.flag(.isLogarithmic, isLogarithmic)], [.view(out), .view(x)])
    }

    public func softmaxGradient(_ y: TensorView, outputGradient: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard y.elementCount > 0 else { return }
        guard areFloat32([y, outputGradient, out]) else {
            return widening([.read(y), .read(outputGradient), .write(out)]) {
                softmaxGradient($0[0]!, outputGradient: $0[1]!, out: $0[2]!, isLogarithmic: isLogarithmic)
            }
        }
        foldRows(
            .softmaxGradient, y, [y, outputGradient, out], [.flag(.isLogarithmic, isLogarithmic)],
            [.view(out), .view(y), .view(outputGradient)])
    }

    // MARK: Cross-entropy

    public func crossEntropy(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, losses: TensorView, normalizers: TensorView
    ) {
        guard logits.elementCount > 0 else { return }
        guard areFloat32([logits, losses, normalizers]) else {
            return widening([.read(logits), .write(losses), .write(normalizers)]) {
                crossEntropy(
                    $0[0]!, targets: targets, ignoredIndex: ignoredIndex, losses: $0[1]!, normalizers: $0[2]!)
            }
        }
        foldRows(
            .crossEntropy, logits, [logits], [],
            [.view(logits), .view(targets), .view(losses), .view(normalizers), .int64(targets.strides[0])]
                + ignored(ignoredIndex))
    }

    public func crossEntropyGradient(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, normalizers: TensorView,
        lossGradient: TensorView, out: TensorView
    ) {
        guard areFloat32([logits, normalizers, lossGradient, out]) else {
            return widening([.read(logits), .read(normalizers), .read(lossGradient), .write(out)]) {
                crossEntropyGradient(
                    $0[0]!, targets: targets, ignoredIndex: ignoredIndex, normalizers: $0[1]!, lossGradient: $0[2]!,
                    out: $0[3]!)
            }
        }
        launchCrossEntropyGradient(
            logits, targets, normalizers, lossGradient, lossGradientStride: lossGradient.strides[0], [],
            ignored(ignoredIndex), out)
    }

    public func crossEntropyMean(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, mean: TensorView, keptRows: TensorView,
        normalizers: TensorView
    ) {
        guard logits.elementCount > 0 else {
            fill(mean, with: .nan)
            return fill(keptRows, with: 0)
        }
        guard areFloat32([logits, mean, keptRows, normalizers]) else {
            return widening([.read(logits), .write(mean), .write(keptRows), .write(normalizers)]) {
                crossEntropyMean(
                    $0[0]!, targets: targets, ignoredIndex: ignoredIndex, mean: $0[1]!, keptRows: $0[2]!,
                    normalizers: $0[3]!)
            }
        }
        reportingErrors {
            let groups = rowPlan(rows: logits.shape[0], columns: logits.shape[1], [logits]).fold.groups(logits.shape[0])
            let shares = try allocate([groups, 2], .float32)
            foldRows(
                .crossEntropy, logits, [logits], [.flag(.isMean, true)],
                [
                    .view(logits), .view(targets), .view(mean), .view(keptRows), .view(normalizers),
                    .int64(targets.strides[0]),
                ] + ignored(ignoredIndex) + [.buffer(shares.storage), .counters(1)])
        }
    }

    public func crossEntropyMeanGradient(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, keptRows: TensorView, normalizers: TensorView,
        meanGradient: TensorView, out: TensorView
    ) {
        guard areFloat32([logits, keptRows, normalizers, meanGradient, out]) else {
            return widening([
                .read(logits), .read(keptRows), .read(normalizers), .read(meanGradient), .write(out),
            ]) {
                crossEntropyMeanGradient(
                    $0[0]!, targets: targets, ignoredIndex: ignoredIndex, keptRows: $0[1]!, normalizers: $0[2]!,
                    meanGradient: $0[3]!, out: $0[4]!)
            }
        }
        launchCrossEntropyGradient(
            logits, targets, normalizers, meanGradient, lossGradientStride: 0, [.flag(.isMean, true)],
            [.view(keptRows)] + ignored(ignoredIndex), out)
    }

    /// Whether there is an ignored class, and its number; one that int32 cannot hold is no target's.
    private func ignored(_ index: Int?) -> [KernelArgument] {
        let number = index.flatMap(Int32.init(exactly:))
        return [.int32(number == nil ? 0 : 1), .int32(Int(number ?? 0))]
    }

    private func launchCrossEntropyGradient(
        _ logits: TensorView, _ targets: TensorView, _ normalizers: TensorView, _ lossGradient: TensorView,
        lossGradientStride: Int, _ settings: [KernelKey.Setting], _ arguments: [KernelArgument], _ out: TensorView
    ) {
        guard logits.elementCount > 0 else { return }
        let isWide = needsWideIndex([logits])
        let isCPU = openCLDevice.isCPU
        let width = !isCPU && logits.shape[1] % 4 == 0 && logits.isAligned && out.isAligned ? 4 : 1
        let count = logits.elementCount / width
        // Several loads under way at a time, where there is enough to fill the device.
        let values = !isCPU && count >= device.computeUnits * 256 * 16 ? 4 : 1
        launch(
            KernelKey(
                .crossEntropyGradient,
                settings + [.number(.width, width), .number(.values, values), .flag(.wideIndex, isWide)]),
            groups: ((count + 256 * values - 1) / (256 * values), 1, 1), groupSize: 256,
            [.view(logits), .view(targets), .view(normalizers), .view(lossGradient)] + arguments + [
                .view(out), .int64(targets.strides[0]), .int64(lossGradientStride), .index(count, isWide: isWide),
                .index(logits.shape[1] / width, isWide: isWide),
            ])
    }

    /// Launches a kernel that folds each row of contiguous [rows, columns] and ends its arguments with these two sizes.
    /// - Parameter views: what it reads and writes along rows.
    private func foldRows(
        _ kernel: KernelName, _ x: TensorView, _ views: [TensorView], _ settings: [KernelKey.Setting],
        _ arguments: [KernelArgument]
    ) {
        let (rows, columns) = (x.shape[0], x.shape[1])
        let isWide = needsWideIndex([x])
        let plan = rowPlan(rows: rows, columns: columns, views)
        launch(
            KernelKey(kernel, settings + plan.settings + [.flag(.wideIndex, isWide)]),
            groups: (plan.fold.groups(rows), 1, 1), groupSize: plan.groupSize,
            arguments + [.index(rows, isWide: isWide), .index(columns, isWide: isWide)])
    }
}
