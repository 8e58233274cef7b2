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
        let (rows, width) = (x.shape[0], x.shape[1])
        let isWide = needsWideIndex([x])
        let plan = foldPlan(outputs: rows, length: width)
        let key = KernelKey(
            .layerNorm,
            plan.settings + [
                .flag(.centers, centers), .flag(.hasScale, scale != nil), .flag(.hasShift, shift != nil),
                .flag(.wideIndex, isWide),
            ])
        let parameters = [scale, shift].compactMap { $0.map { KernelArgument.view($0) } }
        launch(
            key, groups: (plan.groups(rows), 1, 1), groupSize: plan.groupSize,
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
        let views = [
            x, outputGradient, scale, mean, inverseDeviation, inputGradient, scaleGradient?.view, shiftGradient?.view,
        ]
        guard areFloat32(views) else {
            return widening([
                .read(x), .read(outputGradient), .read(scale), .read(mean), .read(inverseDeviation),
                .write(inputGradient), .gradient(scaleGradient), .gradient(shiftGradient),
            ]) {
                layerNormGradient(
                    $0[0]!, outputGradient: $0[1]!, scale: $0[2], centers: centers, mean: $0[3]!,
                    inverseDeviation: $0[4]!, inputGradient: $0[5],
                    scaleGradient: scaleGradient.replacing($0[6]), shiftGradient: shiftGradient.replacing($0[7]))
            }
        }
        guard x.elementCount > 0 else {
            for case let destination? in [scaleGradient, shiftGradient] where !destination.accumulates {
                fill(destination.view, with: 0)
            }
            return
        }
        let (rows, width) = (x.shape[0], x.shape[1])
        let isWide = needsWideIndex([x])
        if let inputGradient {
            let plan = foldPlan(outputs: rows, length: width)
            let key = KernelKey(
                .layerNormGradient,
                plan.settings + [
                    .flag(.centers, centers), .flag(.hasScale, scale != nil), .flag(.wideIndex, isWide),
                ])
            launch(
                key, groups: (plan.groups(rows), 1, 1), groupSize: plan.groupSize,
                [.view(x), .view(outputGradient)] + (scale.map { [.view($0)] } ?? []) + [
                    .view(mean), .view(inverseDeviation), .view(inputGradient), .index(rows, isWide: isWide),
                    .index(width, isWide: isWide),
                ])
        }
        guard scaleGradient != nil || shiftGradient != nil else { return }
        reportingErrors {
            // Blocks of rows: enough to fill the device, and no more than its second dimension counts.
            let block = max(64, (rows + 65_534) / 65_535)
            let blocks = (rows + block - 1) / block
            let forScale = try scaleGradient.map { _ in try allocate([blocks, width], .float32) }
            let forShift = try shiftGradient.map { _ in try allocate([blocks, width], .float32) }
            let key = KernelKey(
                .layerNormSums,
                [
                    .flag(.scaleGradient, forScale != nil), .flag(.shiftGradient, forShift != nil),
                    .flag(.wideIndex, isWide),
                ])
            launch(
                key, groups: ((width + 63) / 64, blocks, 1), groupSize: 64,
                [.view(x), .view(outputGradient), .view(mean), .view(inverseDeviation)]
                    + [forScale, forShift].compactMap { $0.map { .buffer($0.storage) } } + [
                        .index(rows, isWide: isWide), .index(width, isWide: isWide), .index(block, isWide: isWide),
                    ])
            for (sums, destination) in [(forScale, scaleGradient), (forShift, shiftGradient)] {
                guard let sums, let destination else { continue }
                reduce(.sum, sums, out: destination.view.reshaped([1, width]), accumulates: destination.accumulates)
            }
        }
    }
}
