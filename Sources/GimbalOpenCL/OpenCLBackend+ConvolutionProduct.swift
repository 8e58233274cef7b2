import GimbalBackend

// Convolutions as implicit products, without columns in memory: one launch each, two for a weight's gradient in parts.

extension OpenCLBackend {
    /// - Parameter tile: nil for the one that suits the shape.
    package func convolutionProduct(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView,
        tile: ConvolutionTile? = nil
    ) {
        let plan = ConvolutionPlan(x: x.shape, out: out.shape, geometry)
        let columns = plan.images * plan.outputSize
        let tile =
            tile
            ?? plan.tile(
                rows: plan.outputs, columns: columns, batch: plan.groups, units: device.computeUnits)
        let terms = plan.channels * plan.kernelSize
        // Steps of whole channels would be mostly empty.
        let isLinear = !plan.isPointwise && plan.channels % tile.k != 0 && terms <= 240
        let isFlat = plan.isPointwise || isLinear
        let weightWidth =
            isFlat && weight.isAligned && terms % 4 == 0 && tile.readsVectors(along: tile.m) ? 4 : 1
        enqueueProduct(
            plan, tile, x, weight, out, bias,
            [
                .flag(.isLinear, isLinear), .number(.weightWidth, weightWidth), .flag(.weightKFirst, true),
                .flag(.hasBias, bias != nil),
            ],
            outSize: plan.outputSize,
            numbers: [
                plan.outputs, plan.channels, isLinear ? terms : plan.channels, plan.outputs * terms, terms,
                isLinear ? 1 : plan.kernelSize,
            ],
            groups: tile.tiles(rows: plan.outputs, columns: columns), classes: 1)
    }

    package func convolutionProductInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool, tile: ConvolutionTile? = nil
    ) {
        let plan = ConvolutionPlan(x: out.shape, out: outputGradient.shape, geometry)
        // The largest class has as many targets on each axis as strides begin within the input.
        let targets = plan.axes.reduce(1) { $0 * (($1.input + $1.stride - 1) / $1.stride) }
        let columns = plan.images * targets
        let tile =
            tile
            ?? plan.tile(
                rows: plan.channels, columns: columns, batch: plan.groups * plan.classes, units: device.computeUnits)
        let terms = plan.channels * plan.kernelSize
        let weightWidth =
            plan.isPointwise && weight.isAligned && plan.channels % 4 == 0 && tile.readsVectors(along: tile.m) ? 4 : 1
        enqueueProduct(
            plan, tile, outputGradient, weight, out, nil,
            [
                .flag(.isGradient, true), .flag(.hasClasses, plan.classes > 1), .number(.weightWidth, weightWidth),
                .flag(.weightKFirst, false), .flag(.accumulates, accumulates),
            ],
            outSize: plan.inputSize,
            numbers: [plan.channels, plan.outputs, plan.outputs, plan.outputs * terms, plan.kernelSize, terms],
            groups: tile.tiles(rows: plan.channels, columns: columns), classes: plan.classes)
    }

    private func enqueueProduct(
        _ plan: ConvolutionPlan, _ tile: ConvolutionTile, _ x: TensorView, _ weight: TensorView, _ out: TensorView,
        _ bias: TensorView?, _ settings: [KernelKey.Setting], outSize: Int, numbers: [Int],
        groups: (m: Int, n: Int), classes: Int
    ) {
        let readsVectors =
            plan.isPointwise && x.isAligned && outSize % 4 == 0 && tile.readsVectors(along: tile.n)
            && tile.groupSize % (tile.n / 4) == 0
        let writesVectors = out.dtype == .float32 && out.isAligned && outSize % 4 == 0 && classes == 1
        let axes = plan.allAxes.flatMap { axis -> [Int] in
            let common = greatestCommonDivisor(axis.stride, axis.dilation)
            let cycle = axis.stride / common
            let inverse = (0..<cycle).first { axis.dilation / common * $0 % cycle == 1 % cycle } ?? 0
            return [
                axis.input, axis.output, axis.kernel, axis.stride, axis.padding, axis.dilation, common, inverse,
            ]
        }
        var key = KernelKey(.convolutionProduct, tile.settings + settings)
        key.settings += [
            .number(.axes, plan.axes.count), .flag(.isPointwise, plan.isPointwise),
            .number(.xWidth, readsVectors ? 4 : 1), .number(.outWidth, writesVectors ? 4 : 1),
        ]
        key.settings += types(x, weight, out, bias: bias)
        var arguments: [KernelArgument] = [.view(x), .view(weight), .view(out)]
        if let bias { arguments.append(.view(bias)) }
        arguments.append(.indices(axes + [plan.images, plan.groups] + numbers, isWide: false))
        launch(
            key, groups: (groups.n, groups.m, plan.groups * classes), groupSize: tile.groupSize, arguments)
    }

    /// - Parameter part: positions of all images that a work-group sums over, a multiple of the tile's step.
    package func convolutionProductWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool, tile chosen: (tile: ConvolutionTile, part: Int)? = nil
    ) {
        let plan = ConvolutionPlan(x: x.shape, out: outputGradient.shape, geometry)
        let (tile, part) = chosen ?? plan.weightTile(units: device.computeUnits)
        let depth = plan.images * plan.outputSize
        let columns = plan.channels * plan.kernelSize
        let parts = (depth + part - 1) / part
        let gradientWidth =
            outputGradient.isAligned && plan.outputSize % 4 == 0 && tile.readsVectors(along: tile.m) ? 4 : 1
        let xWidth =
            plan.isPointwise && x.isAligned && plan.inputSize % 4 == 0 && tile.readsVectors(along: tile.n) ? 4 : 1
        let tiles = tile.tiles(rows: plan.outputs, columns: columns)
        reportingErrors {
            let target = parts == 1 ? out : try allocate([parts, out.elementCount])
            launch(
                KernelKey(
                    .convolutionWeight,
                    tile.settings + [
                        .number(.axes, plan.axes.count), .flag(.isPointwise, plan.isPointwise),
                        .number(.xWidth, xWidth), .number(.gradientWidth, gradientWidth),
                        .flag(.accumulates, accumulates && parts == 1),
                    ] + types(x, outputGradient, target)),
                groups: (tiles.n, tiles.m, plan.groups * parts), groupSize: tile.groupSize,
                [
                    .view(x), .view(outputGradient), .view(target),
                    .indices(
                        plan.axisNumbers + [plan.groups, plan.outputs, plan.channels, depth, part], isWide: false),
                ])
            if parts > 1 {
                reduce(.sum, target, out: out.reshaped([1, out.elementCount]), accumulates: accumulates)
            }
        }
    }
}

/// The types of a convolution's operands, in the order of the kernels' arguments.
func types(_ x: TensorView, _ y: TensorView, _ out: TensorView, bias: TensorView? = nil) -> [KernelKey.Setting] {
    [.type(.xType, x.dtype), .type(.yType, y.dtype), .type(.outType, out.dtype)]
        + (bias.map { [.type(.biasType, $0.dtype)] } ?? [])
}

private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }
