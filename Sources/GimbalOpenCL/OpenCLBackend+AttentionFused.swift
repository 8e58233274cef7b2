import GimbalBackend

extension OpenCLBackend {
    /// Rows of heads that fit into local memory beside the others, float4 by float4.
    private static let largestFusedSize = 128

    public func fusesAttention(queries: Int, size: Int, valueSize: Int) -> Bool {
        // A CPU's products of whole matrices beat tiles in local memory.
        !openCLDevice.isCPU && fits(size, valueSize)
    }

    private func fits(_ size: Int, _ valueSize: Int) -> Bool {
        (1...Self.largestFusedSize).contains(size) && (1...Self.largestFusedSize).contains(valueSize)
    }

    public func attention(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        guard fits(queries.shape[3], values.shape[3]), areOfOneType([queries, keys, values, out]) else {
            return composedAttention(
                queries, keys: keys, values: values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                out: out)
        }
        reportingErrors {
            let plan = try plan(
                [out, queries, keys, values], queries, keys, values, mask, lengths, isCausal: isCausal, scale: scale)
            launch(plan, .attentionForward, rows: queries.shape[2], streamed: plan.isLarge ? 32 : 64, [normalizers])
        }
    }

    public func attentionGradient(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView, outputGradient: TensorView,
        queryGradient: (view: TensorView, accumulates: Bool)?, keyGradient: (view: TensorView, accumulates: Bool)?,
        valueGradient: (view: TensorView, accumulates: Bool)?
    ) {
        let given = [queries, keys, values, out, outputGradient]
        let destinations = [queryGradient?.view, keyGradient?.view, valueGradient?.view].compactMap { $0 }
        guard fits(queries.shape[3], values.shape[3]), areOfOneType(given + destinations) else {
            return composedAttentionGradient(
                queries, keys: keys, values: values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                outputGradient: outputGradient, queryGradient: queryGradient, keyGradient: keyGradient,
                valueGradient: valueGradient)
        }
        reportingErrors {
            /// Gradients that nobody wants are made all the same: rarely is one wanted without the others.
            func destination(_ wanted: (view: TensorView, accumulates: Bool)?, _ input: TensorView) throws -> (
                view: TensorView, accumulates: Bool
            ) { try wanted ?? (try allocate(input.shape, input.dtype), false) }
            let forQueries = try destination(queryGradient, queries)
            let deltas = try allocate([queries.shape[0], queries.shape[1], queries.shape[2]], .float32)
            var plan = try plan(
                [forQueries.view, queries, keys, values, out, outputGradient], queries, keys, values, mask, lengths,
                isCausal: isCausal, scale: scale)
            let streamed = plan.isLarge ? 16 : 64
            launch(
                plan, .attentionQueryGradient, rows: queries.shape[2], streamed: streamed, [normalizers, deltas],
                accumulates: forQueries.accumulates ? 1 : 0)
            guard keyGradient != nil || valueGradient != nil else { return }
            let forKeys = try destination(keyGradient, keys)
            let forValues = try destination(valueGradient, values)
            plan.views = [forKeys.view, forValues.view, queries, keys, values, outputGradient]
            launch(
                plan, .attentionKeyGradient, rows: keys.shape[2], streamed: streamed, [normalizers, deltas],
                accumulates: (forKeys.accumulates ? 1 : 0) + (forValues.accumulates ? 2 : 0))
        }
    }

    /// Whether all views have the type of the first, a real one.
    private func areOfOneType(_ views: [TensorView]) -> Bool {
        views[0].dtype.isFloatingPoint && views[0].dtype != .float64 && views.allSatisfy { $0.dtype == views[0].dtype }
    }

    /// What the launches of one attention share.
    private struct AttentionPlan {
        /// Of four axes each.
        var views: [TensorView]
        var matrices: Int
        var heads: Int
        var queries: Int
        var keys: Int
        var size: Int
        var valueSize: Int
        var scale: Double
        var isCausal: Bool
        var mask: TensorView?
        var lengths: TensorView?

        /// Whether fewer rows fit into local memory.
        var isLarge: Bool { max(size, valueSize) > 64 }
    }

    private func plan(
        _ views: [TensorView], _ queries: TensorView, _ keys: TensorView, _ values: TensorView, _ mask: TensorView?,
        _ lengths: TensorView?, isCausal: Bool, scale: Double
    ) throws -> AttentionPlan {
        let isAdded = mask?.dtype.isFloatingPoint ?? false
        return AttentionPlan(
            views: views, matrices: queries.shape[0] * queries.shape[1], heads: queries.shape[1],
            queries: queries.shape[2], keys: keys.shape[2], size: queries.shape[3], valueSize: values.shape[3],
            scale: scale, isCausal: isCausal, mask: try mask.map { try converted($0, to: isAdded ? .float32 : .uint8) },
            lengths: lengths)
    }

    /// Launches a kernel whose groups own 32 of `rows` of each matrix.
    private func launch(
        _ plan: AttentionPlan, _ kernel: KernelName, rows: Int, streamed: Int, _ saved: [TensorView],
        accumulates: Int = 0
    ) {
        let owned = 32
        let groups = (rows + owned - 1) / owned * plan.matrices
        guard groups > 0 else { return }
        let isWide = needsWideIndex(plan.views + saved + [plan.mask].compactMap { $0 })
        let settings: [KernelKey.Setting] = [
            .number(.size, plan.size), .number(.valueSize, plan.valueSize), .number(.owned, owned),
            .number(.streamed, streamed), .type(.xType, plan.views[0].dtype),
            .flag(.aligned, plan.views.allSatisfy(isReadByFours)),
            .number(.mask, plan.mask.map { $0.dtype.isFloatingPoint ? 2 : 1 } ?? 0),
            .flag(.hasLengths, plan.lengths != nil), .flag(.isCausal, plan.isCausal),
            .number(.accumulates, accumulates), .flag(.wideIndex, isWide),
        ]
        var arguments: [KernelArgument] = []
        func add(_ view: TensorView) { arguments += [.view(view), .indices(view.strides, isWide: isWide)] }
        plan.views.forEach(add)
        arguments += saved.map { .view($0) }
        if let mask = plan.mask { add(mask) }
        if let lengths = plan.lengths { arguments.append(.view(lengths)) }
        arguments += [plan.matrices, plan.heads, plan.queries, plan.keys].map { .index($0, isWide: isWide) }
        launch(
            KernelKey(kernel, settings), groups: (groups, 1, 1), groupSize: 256, arguments + [.float(plan.scale)])
    }

    /// Whether each row of the last axis is a number of whole, aligned float4.
    private func isReadByFours(_ view: TensorView) -> Bool {
        view.dtype == .float32 && view.isAligned && view.shape[3] % 4 == 0 && view.strides[3] == 1
            && view.strides[..<3].allSatisfy { $0 % 4 == 0 }
    }
}
