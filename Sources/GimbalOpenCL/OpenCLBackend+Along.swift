import GimbalBackend

extension OpenCLBackend {
    public func scan(factors: TensorView?, terms: TensorView, out: TensorView) {
        let views = [terms, out] + (factors.map { [$0] } ?? [])
        guard out.elementCount > 0, supports("scan", views) else { return }
        let rows = RowLayout([terms, out, factors ?? terms])
        let size = out.shape[out.shape.rank - 1]
        let isWide = needsWideIndex(views)
        // A group for each row, where there are too few of them to take one by one and each is long.
        let isGrouped = factors == nil && !openCLDevice.isCPU && size > 64 && rows.count < 64 * device.computeUnits
        var settings: [KernelKey.Setting] = [
            .number(.rank, rows.rank), .type(.xType, terms.dtype), .type(.outType, out.dtype),
            .flag(.hasFactors, factors != nil), .flag(.isInteger, !out.dtype.isFloatingPoint),
            .flag(.wideIndex, isWide), .flag(.usesFloat64, views.contains { $0.dtype == .float64 }),
        ]
        if let factors { settings.append(.type(.yType, factors.dtype)) }
        let arguments: [KernelArgument] =
            [.view(terms), .view(out)] + (factors.map { [.view($0)] } ?? [])
            + [
                .indices(rows.numbers, isWide: isWide), .indices([size] + rows.last, isWide: isWide),
                .index(rows.count, isWide: isWide),
            ]
        if isGrouped {
            launch(KernelKey(.scanSums, settings), groups: (rows.count, 1, 1), groupSize: 256, arguments)
        } else {
            launch(KernelKey(.scanRows, settings), count: rows.count, groupSize: 64, arguments)
        }
    }

    public func argSort(_ x: TensorView, isDescending: Bool, out: TensorView) {
        guard out.elementCount > 0, supports("argSort", [x]) else { return }
        reportingErrors {
            let rows = RowLayout([x, out])
            let size = out.shape[out.shape.rank - 1]
            let isWide = needsWideIndex([x, out])
            let blocks = (size + 255) / 256
            var runs: [TensorView] = []
            if blocks > 1 {
                // Entries of 64 bits, which no DType is: pairs of int32.
                runs = [
                    try allocate([2 * out.elementCount], .int32),
                    try allocate([blocks > 2 ? 2 * out.elementCount : 2], .int32),
                ]
            } else {
                runs = [try allocate([2], .int32)]
            }
            func settings(isLast: Bool) -> [KernelKey.Setting] {
                [
                    .number(.rank, rows.rank), .type(.xType, x.dtype), .flag(.isInteger, !x.dtype.isFloatingPoint),
                    .flag(.isDescending, isDescending), .flag(.isLast, isLast), .flag(.wideIndex, isWide),
                    .flag(.usesFloat64, x.dtype == .float64),
                ]
            }
            let layout: [KernelArgument] = [
                .indices(rows.numbers, isWide: isWide), .indices([size] + rows.last, isWide: isWide),
            ]
            launch(
                KernelKey(.sortBlocks, settings(isLast: blocks == 1)), groups: (rows.count * blocks, 1, 1),
                groupSize: 256,
                [.view(x), .view(out), .buffer(runs[0].storage)] + layout + [.index(blocks, isWide: isWide)])
            var width = 256
            while width < size {
                let isLast = 2 * width >= size
                launch(
                    KernelKey(.mergeRuns, settings(isLast: isLast)), count: out.elementCount,
                    [.buffer(runs[0].storage), .buffer(runs[1].storage), .view(out)] + layout
                        + [.index(width, isWide: isWide), .index(out.elementCount, isWide: isWide)])
                runs.swapAt(0, 1)
                width *= 2
            }
        }
    }

    public func gatherAlong(_ x: TensorView, indices: TensorView, out: TensorView) {
        guard out.elementCount > 0, supports("gatherAlong", [x, out]) else { return }
        let rows = RowLayout([x, out, indices])
        let isWide = needsWideIndex([x, out, indices])
        let key = KernelKey(
            .gatherAlong,
            [
                .number(.rank, rows.rank), .type(.tableType, x.dtype), .type(.valueType, out.dtype),
                .flag(.isInteger, !out.dtype.isFloatingPoint), .flag(.wideIndex, isWide),
                .flag(.usesFloat64, x.dtype == .float64 || out.dtype == .float64),
            ])
        let sizes = [x.shape[x.shape.rank - 1], out.shape[out.shape.rank - 1]]
        launch(
            key, count: out.elementCount,
            [
                .view(x), .view(indices), .view(out), .indices(rows.numbers, isWide: isWide),
                .indices(sizes + rows.last, isWide: isWide), .index(out.elementCount, isWide: isWide),
            ])
    }

    public func scatterAlong(_ source: TensorView, indices: TensorView, into table: TensorView, accumulates: Bool) {
        guard source.elementCount > 0, table.elementCount > 0, supports("scatterAlong", [source, table]) else { return }
        if accumulates, let type = typeOfSums(source, into: table, chain: source.shape[source.shape.rank - 1]) {
            return adding(in: type, to: table) {
                scatterAlong(source, indices: indices, into: $0, accumulates: true)
            }
        }
        let rows = RowLayout([table, source, indices])
        let isWide = needsWideIndex([table, source, indices])
        let size = table.shape[table.shape.rank - 1]
        // Every range of places reads all indices: as many ranges as fill the device, no more.
        let rowGroups = (rows.count + 63) / 64
        let ranges = max(1, min(size, device.computeUnits * (openCLDevice.isCPU ? 1 : 8) / rowGroups))
        let rangeSize = (size + ranges - 1) / ranges
        let key = KernelKey(
            .scatterAlong,
            [
                .number(.rank, rows.rank), .type(.tableType, table.dtype), .type(.valueType, source.dtype),
                .flag(.accumulates, accumulates), .flag(.wideIndex, isWide),
                .flag(.usesFloat64, table.dtype == .float64 || source.dtype == .float64),
            ])
        let sizes = [size, source.shape[source.shape.rank - 1]]
        launch(
            key, groups: (rowGroups, (size + rangeSize - 1) / rangeSize, 1), groupSize: 64,
            [
                .view(source), .view(indices), .view(table), .indices(rows.numbers, isWide: isWide),
                .indices(sizes + rows.last, isWide: isWide), .index(rows.count, isWide: isWide),
                .index(rangeSize, isWide: isWide),
            ])
    }
}

/// The axes before the last one of views that agree in them, collapsed, and the views' strides.
private struct RowLayout {
    var sizes: [Int]
    var strides: [[Int]]
    /// The strides of the last axis, in the order of the views.
    var last: [Int]

    init(_ views: [TensorView]) {
        last = views.map { $0.strides[$0.shape.rank - 1] }
        (sizes, strides) = collapseAxes(
            views.map { view in
                var rows = view
                rows.shape.sizes.removeLast()
                rows.strides.removeLast()
                return rows
            })
    }

    var rank: Int { sizes.count }
    var count: Int { sizes.reduce(1, *) }
    /// In the order of the kernels' structure `Axes`.
    var numbers: [Int] { sizes + strides.flatMap { $0 } }
}
