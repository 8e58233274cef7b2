import GimbalBackend

extension OpenCLBackend {
    public func gather(_ table: TensorView, indices: TensorView, out: TensorView) {
        guard out.elementCount > 0, supports("gather", [table, out]) else { return }
        let (axes, rows) = layout(table, indices, out)
        let isWide = needsWideIndex([table, indices, out])
        let key = KernelKey(
            .gather,
            [
                .number(.rank, axes.count / 3), .type(.tableType, table.dtype), .type(.valueType, out.dtype),
                .flag(.isInteger, !out.dtype.isFloatingPoint), .flag(.wideIndex, isWide),
                .flag(.usesFloat64, table.dtype == .float64 || out.dtype == .float64),
            ])
        launch(
            key, count: out.elementCount,
            [
                .view(table), .view(indices), .view(out), .indices(axes, isWide: isWide),
                .indices(rows, isWide: isWide),
            ])
    }

    public func scatterAdd(_ source: TensorView, indices: TensorView, into table: TensorView) {
        guard source.elementCount > 0, table.elementCount > 0, supports("scatterAdd", [source, table]) else { return }
        if table.dtype == .float16 || table.dtype == .bfloat16 {
            // The kernel adds in the table's memory, where each sum would be rounded.
            return widening([.update(table)]) { scatterAdd(source, indices: indices, into: $0[0]!) }
        }
        let (axes, rows) = layout(table, indices, source)
        let isWide = needsWideIndex([table, indices, source])
        let columnGroups = (rows[2] + 63) / 64
        // Every range of table rows reads all indices: as many ranges as fill the device, no more.
        let ranges = max(1, min(table.shape[0], device.computeUnits * (openCLDevice.isCPU ? 1 : 8) / columnGroups))
        let rangeSize = (table.shape[0] + ranges - 1) / ranges
        let key = KernelKey(
            .scatterAdd,
            [
                .number(.rank, axes.count / 3), .type(.tableType, table.dtype), .type(.valueType, source.dtype),
                .flag(.wideIndex, isWide),
                .flag(.usesFloat64, table.dtype == .float64 || source.dtype == .float64),
            ])
        launch(
            key, groups: (columnGroups, (table.shape[0] + rangeSize - 1) / rangeSize, 1), groupSize: 64,
            [
                .view(source), .view(indices), .view(table), .indices(axes, isWide: isWide),
                .indices(rows, isWide: isWide), .index(rangeSize, isWide: isWide),
            ])
    }

    /// The axes of a row, and the strides between rows, in the order of the kernels' structures `Axes` and `Rows`.
    private func layout(_ table: TensorView, _ indices: TensorView, _ value: TensorView) -> (axes: [Int], rows: [Int]) {
        func row(_ view: TensorView) -> TensorView {
            TensorView(
                storage: view.storage, shape: Shape(Array(value.shape.dropFirst())),
                strides: Array(view.strides.dropFirst()), dtype: view.dtype)
        }
        let (sizes, strides) = collapseAxes([row(table), row(value)])
        return (
            sizes + strides[0] + strides[1],
            [
                table.shape[0], value.shape[0], sizes.reduce(1, *), table.strides[0], indices.strides[0],
                value.strides[0],
            ]
        )
    }
}
