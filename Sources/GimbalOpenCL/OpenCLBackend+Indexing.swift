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
        if let type = typeOfSums(source, into: table, chain: source.shape[0] / 64) {
            return adding(in: type, to: table) { scatterAdd(source, indices: indices, into: $0) }
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
                .flag(.isInteger, !table.dtype.isFloatingPoint), .flag(.wideIndex, isWide),
                .flag(.usesFloat64, table.dtype == .float64 || source.dtype == .float64),
            ])
        launch(
            key, groups: (columnGroups, (table.shape[0] + rangeSize - 1) / rangeSize, 1), groupSize: 64,
            [
                .view(source), .view(indices), .view(table), .indices(axes, isWide: isWide),
                .indices(rows, isWide: isWide), .index(rangeSize, isWide: isWide),
            ])
    }

    /// The type in which `source` is to be added to `table`, if not in its own: the kernels add in the table's memory, where
    /// each sum is rounded. Halves are summed in float32; and where more is added than the table holds, of which `chain`
    /// sums may go to one element, float32 is summed in float64: the errors of like terms add up.
    func typeOfSums(_ source: TensorView, into table: TensorView, chain: Int) -> DType? {
        guard table.dtype.isFloatingPoint, table.dtype != .float64 else { return nil }
        if openCLDevice.supportsFloat64, chain > 128, source.elementCount >= table.elementCount { return .float64 }
        return table.dtype == .float32 ? nil : .float32
    }

    /// Calls `body` with a copy of `table` in another type, which then becomes the table.
    func adding(in type: DType, to table: TensorView, _ body: (TensorView) -> Void) {
        reportingErrors {
            let sums = try allocate(table.shape, type)
            copy(table, to: sums)
            body(sums)
            copy(sums, to: table)
        }
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
