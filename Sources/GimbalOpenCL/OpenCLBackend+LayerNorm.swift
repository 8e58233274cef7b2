import GimbalBackend

extension OpenCLBackend {
    public func layerNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double, centers: Bool, out: TensorView,
        mean: TensorView, inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([x, scale, shift, out, mean, inverseDeviation]) else {
            return widening([
                .read(x), .read(scale), .read(shift), .write(out), .write(mean), .write(inverseDeviation),
            ]) {
                layerNorm(
                    $0[0]!, scale: $0[1], shift: $0[2], epsilon: epsilon, centers: centers, out: $0[3]!, mean: $0[4]!,
                    inverseDeviation: $0[5]!)
            }
        }
        launchLayerNorm(x, nil, nil, scale, shift, epsilon, centers, out, mean, inverseDeviation)
    }

    public func layerNorm(
        _ x: TensorView, adding y: TensorView, sum: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double,
        centers: Bool, out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([x, y, sum, scale, shift, out, mean, inverseDeviation]) else {
            // What is normalised is the sum as it is stored.
            binary(.init(.add), x, y, out: sum)
            return layerNorm(
                sum, scale: scale, shift: shift, epsilon: epsilon, centers: centers, out: out, mean: mean,
                inverseDeviation: inverseDeviation)
        }
        launchLayerNorm(x, y, sum, scale, shift, epsilon, centers, out, mean, inverseDeviation)
    }

    private func launchLayerNorm(
        _ x: TensorView, _ addend: TensorView?, _ sum: TensorView?, _ scale: TensorView?, _ shift: TensorView?,
        _ epsilon: Double, _ centers: Bool, _ out: TensorView, _ mean: TensorView, _ inverseDeviation: TensorView
    ) {
        let (rows, width) = (x.shape[0], x.shape[1])
        let isWide = needsWideIndex([x])
        let plan = rowPlan(rows: rows, columns: width, [x, addend, sum, scale, shift, out])
        let key = KernelKey(
            .layerNorm,
            plan.settings + [
                .flag(.centers, centers), .flag(.hasScale, scale != nil), .flag(.hasShift, shift != nil),
                .flag(.hasAddend, addend != nil), .flag(.wideIndex, isWide),
            ])
        let parameters = [addend, sum, scale, shift].compactMap { $0.map { KernelArgument.view($0) } }
        launch(
            key, groups: (plan.fold.groups(rows), 1, 1), groupSize: plan.groupSize,
            [.view(x)] + parameters + [
                .view(out), .view(mean), .view(inverseDeviation), .float(epsilon), .index(rows, isWide: isWide),
                .index(width, isWide: isWide),
            ])
    }

    public func layerNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, centers: Bool, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        layerNormGradient(
            x, outputGradient, nil, scale, centers, mean, inverseDeviation, inputGradient, scaleGradient, shiftGradient)
    }

    public func layerNormGradient(
        _ x: TensorView, outputGradient: TensorView, passingGradient: TensorView, scale: TensorView?, centers: Bool,
        mean: TensorView, inverseDeviation: TensorView, inputGradient: TensorView,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        layerNormGradient(
            x, outputGradient, passingGradient, scale, centers, mean, inverseDeviation, inputGradient, scaleGradient,
            shiftGradient)
    }

    private func layerNormGradient(
        _ x: TensorView, _ outputGradient: TensorView, _ passing: TensorView?, _ scale: TensorView?, _ centers: Bool,
        _ mean: TensorView, _ inverseDeviation: TensorView, _ inputGradient: TensorView?,
        _ scaleGradient: (view: TensorView, accumulates: Bool)?, _ shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let views = [
            x, outputGradient, passing, scale, mean, inverseDeviation, inputGradient, scaleGradient?.view,
            shiftGradient?.view,
        ]
        guard areFloat32(views) else {
            return widening([
                .read(x), .read(outputGradient), .read(scale), .read(mean), .read(inverseDeviation),
                .write(inputGradient), .gradient(scaleGradient), .gradient(shiftGradient), .read(passing),
            ]) {
                layerNormGradient(
                    $0[0]!, $0[1]!, $0[8], $0[2], centers, $0[3]!, $0[4]!, $0[5], scaleGradient.replacing($0[6]),
                    shiftGradient.replacing($0[7]))
            }
        }
        guard x.elementCount > 0 else {
            for case let destination? in [scaleGradient, shiftGradient] where !destination.accumulates {
                fill(destination.view, with: 0)
            }
            return
        }
        guard openCLDevice.isCPU, inputGradient != nil, scaleGradient != nil || shiftGradient != nil else {
            return launchLayerNormGradient(
                x, outputGradient, passing, scale, centers, mean, inverseDeviation, inputGradient, scaleGradient,
                shiftGradient)
        }
        // A core takes rows and columns best in groups of different sizes.
        launchLayerNormGradient(
            x, outputGradient, passing, scale, centers, mean, inverseDeviation, inputGradient, nil, nil)
        launchLayerNormGradient(
            x, outputGradient, nil, scale, centers, mean, inverseDeviation, nil, scaleGradient, shiftGradient)
    }

    private func launchLayerNormGradient(
        _ x: TensorView, _ outputGradient: TensorView, _ passing: TensorView?, _ scale: TensorView?, _ centers: Bool,
        _ mean: TensorView, _ inverseDeviation: TensorView, _ inputGradient: TensorView?,
        _ scaleGradient: (view: TensorView, accumulates: Bool)?, _ shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let (rows, width) = (x.shape[0], x.shape[1])
        let isWide = needsWideIndex([x])
        var plan = rowPlan(rows: rows, columns: width, [x, outputGradient, passing, scale, inputGradient])
        if openCLDevice.isCPU && inputGradient == nil { plan.fold.slots = 64 }
        let rowGroups = inputGradient == nil ? 0 : plan.fold.groups(rows)
        func use(_ destination: (view: TensorView, accumulates: Bool)?) -> Int {
            destination.map { $0.accumulates ? 2 : 1 } ?? 0
        }
        reportingErrors {
            var arguments: [KernelArgument] =
                [.view(x), .view(outputGradient)]
                + [
                    scale, mean, inverseDeviation, passing, inputGradient, scaleGradient?.view, shiftGradient?.view,
                ].compactMap { $0.map { .view($0) } }
            var sumGroups = 0
            if scaleGradient != nil || shiftGradient != nil {
                // SUM_COLUMNS of layer_norm.cl; enough splits to fill the device, each with some rows to add.
                let columns = plan.fold.lanes > 1 ? 32 : plan.fold.slots
                let columnBlocks = (width + columns - 1) / columns
                // A CPU wants blocks that its caches hold.
                let wanted = openCLDevice.isCPU ? 65_536 : device.computeUnits * 8 / columnBlocks
                let splits = max(1, min(wanted, rows / 64), rows / 65_536)
                let block = (rows + splits - 1) / splits
                let shares = try allocate([columnBlocks, splits, columns, 2], .float32)
                arguments += [
                    .buffer(shares.storage), .counters(columnBlocks), .index(splits, isWide: isWide),
                    .index(block, isWide: isWide),
                ]
                sumGroups = columnBlocks * splits
            }
            let key = KernelKey(
                .layerNormGradient,
                plan.settings + [
                    .flag(.centers, centers), .flag(.hasScale, scale != nil),
                    .flag(.inputGradient, inputGradient != nil), .flag(.hasPassing, passing != nil),
                    .number(.scaleGradient, use(scaleGradient)), .number(.shiftGradient, use(shiftGradient)),
                    .flag(.wideIndex, isWide),
                ])
            guard rowGroups + sumGroups > 0 else { return }
            launch(
                key, groups: (rowGroups + sumGroups, 1, 1), groupSize: plan.groupSize,
                arguments + [
                    .index(rowGroups, isWide: isWide), .index(rows, isWide: isWide), .index(width, isWide: isWide),
                ])
        }
    }
}
