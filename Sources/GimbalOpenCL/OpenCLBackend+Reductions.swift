import GimbalBackend

extension DType {
    /// Whether common.cl has a LOAD4 for it.
    fileprivate var hasVectorLoad: Bool {
        switch self {
        case .float32, .float16, .bfloat16, .int32: true
        default: false
        }
    }
}

/// The axes of a reduction, collapsed: those kept, with both views' strides, and those folded, with the input's.
private struct ReductionAxes {
    var kept: (sizes: [Int], x: [Int], out: [Int]) = ([], [], [])
    var reduced: (sizes: [Int], x: [Int]) = ([], [])

    init(_ x: TensorView, _ out: TensorView) {
        var target = out
        target.shape = x.shape
        for axis in 0..<x.shape.rank where out.shape[axis] == 1 && x.shape[axis] != 1 { target.strides[axis] = 0 }
        var isReduced = [Bool](repeating: false, count: x.shape.rank)
        for axis in 0..<x.shape.rank { isReduced[axis] = out.shape[axis] != x.shape[axis] }

        // Neighbours of one sort become one axis where both views step through them without a gap.
        for axis in 0..<x.shape.rank where x.shape[axis] != 1 {
            let size = x.shape[axis]
            if isReduced[axis] {
                if axis > 0, isReduced[axis - 1], let last = reduced.x.last, last == x.strides[axis] * size {
                    reduced.sizes[reduced.sizes.count - 1] *= size
                    reduced.x[reduced.x.count - 1] = x.strides[axis]
                } else {
                    reduced.sizes.append(size)
                    reduced.x.append(x.strides[axis])
                }
            } else if let lastX = kept.x.last, let lastOut = kept.out.last, lastX == x.strides[axis] * size,
                lastOut == out.strides[axis] * size
            {
                kept.sizes[kept.sizes.count - 1] *= size
                kept.x[kept.x.count - 1] = x.strides[axis]
                kept.out[kept.out.count - 1] = out.strides[axis]
            } else {
                kept.sizes.append(size)
                kept.x.append(x.strides[axis])
                kept.out.append(out.strides[axis])
            }
        }
        if kept.sizes.isEmpty { kept = ([1], [1], [1]) }
        if reduced.sizes.isEmpty { reduced = ([1], [1]) }
    }

    var outputs: Int { kept.sizes.reduce(1, *) }
    var length: Int { reduced.sizes.reduce(1, *) }
    /// Whether the elements that make an output lie side by side, and begin on a multiple of four relative to the view.
    var foldsAlignedRows: Bool {
        reduced.x == [1] && zip(kept.sizes, kept.x).allSatisfy { size, stride in size == 1 || stride % 4 == 0 }
    }
    /// In the order of the kernel's structure.
    var numbers: [Int] { kept.sizes + kept.x + kept.out + reduced.sizes + reduced.x }
}

extension OpenCLBackend {
    public func reduce(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool) {
        guard out.elementCount > 0, supports("reduce", [x, out]) else { return }
        reportingErrors {
            let axes = ReductionAxes(x, out)
            let innermostReduced = axes.reduced.x.last.map(abs) ?? Int.max
            let innermostKept = axes.kept.x.last.map(abs) ?? Int.max
            var plan = foldPlan(
                outputs: axes.outputs, length: axes.length,
                foldsContiguousAxis: axes.outputs == 1 || innermostReduced <= innermostKept, canSplit: true)
            if plan.lanesFirst, plan.lanes > 32, axes.length <= 4096, axes.outputs >= 8 * device.computeUnits {
                // Enough rows to give each to a warp, which need not wait for others.
                (plan.lanes, plan.slots, plan.splits) = (32, 8, 1)
            }
            let isWide = needsWideIndex([x, out])
            let isInteger = !x.dtype.isFloatingPoint && !out.dtype.isFloatingPoint
            let isAligned = axes.foldsAlignedRows && x.isAligned && x.dtype.hasVectorLoad
            let (splits, splitSize) = plan.division(of: axes.length)
            let number =
                switch reduction {
                case .sum: 0
                case .product: 1
                case .maximum: 2
                case .minimum: 3
                }
            let key = KernelKey(
                .reduce,
                plan.settings + [
                    .number(.reduction, number), .number(.keptRank, axes.kept.sizes.count),
                    .number(.reducedRank, axes.reduced.sizes.count), .flag(.isInteger, isInteger),
                    .flag(.accumulates, accumulates && reduction == .sum), .flag(.isSplit, splits > 1),
                    .flag(.aligned, isAligned), .type(.xType, x.dtype), .type(.outType, out.dtype),
                    .flag(.wideIndex, isWide),
                    .flag(.usesFloat64, x.dtype == .float64 || out.dtype == .float64),
                ])
            var arguments: [KernelArgument] = [
                .view(out), .view(x), .indices(axes.numbers, isWide: isWide), .index(axes.outputs, isWide: isWide),
                .index(axes.length, isWide: isWide), .index(splitSize, isWide: isWide),
            ]
            let groups = plan.groups(axes.outputs)
            if splits > 1 {
                arguments += [.buffer(try allocate([splits, axes.outputs], .float32).storage), .counters(groups)]
            }
            launch(key, groups: (groups, splits, 1), groupSize: plan.groupSize, arguments)
        }
    }

    public func argMaximum(_ x: TensorView, out: TensorView) {
        guard out.elementCount > 0, supports("argMaximum", [x]) else { return }
        let last = x.shape.rank - 1
        var rows = x
        rows.shape.sizes.removeLast()
        rows.strides.removeLast()
        let (sizes, strides) = collapseAxes([rows, out])
        let isWide = needsWideIndex([x, out])
        let plan = foldPlan(outputs: out.elementCount, length: x.shape[last])
        let key = KernelKey(
            .argmax,
            plan.settings + [
                .number(.rank, sizes.count), .type(.xType, x.dtype), .flag(.isInteger, !x.dtype.isFloatingPoint),
                .flag(.wideIndex, isWide), .flag(.usesFloat64, x.dtype == .float64),
            ])
        launch(
            key, groups: (plan.groups(out.elementCount), 1, 1), groupSize: plan.groupSize,
            [
                .view(out), .view(x), .indices(sizes + strides[0] + strides[1], isWide: isWide),
                .index(out.elementCount, isWide: isWide), .int32(x.shape[last]),
                .index(x.strides[last], isWide: isWide),
            ])
    }
}
