import CGimbalLoops
import GimbalBackend

extension CPUBackend {
    public func gather(_ table: TensorView, indices: TensorView, out: TensorView) {
        guard out.elementCount > 0 else { return }
        out.storage.noteWrite()
        reportingErrors {
            let indices = try converted(indices, to: .int32)
            let table = table.hasDenseRows ? table : try converted(table, to: table.dtype)
            let result =
                out.hasDenseRows && out.dtype == table.dtype ? out : try allocate(out.shape, table.dtype)
            let rowBytes = out.elementCount / out.shape[0] * table.dtype.byteCount
            let missing = try allocate(Shape(Array(out.shape.sizes.dropFirst())), table.dtype)
            fill(missing, with: table.dtype.isFloatingPoint ? .nan : 0)
            divide(out.shape[0], grain: max(4 * grain / rowBytes, 1)) { rows in
                for row in rows {
                    let index = Int(indices.integers[row])
                    let source =
                        index >= 0 && index < table.shape[0]
                        ? table.pointer + index * table.strides[0] * table.dtype.byteCount : missing.pointer
                    (result.pointer + row * result.strides[0] * table.dtype.byteCount)
                        .copyMemory(from: source, byteCount: rowBytes)
                }
            }
            if result.storage !== out.storage { copy(result, to: out) }
        }
    }

    public func scatterAdd(_ source: TensorView, indices: TensorView, into table: TensorView) {
        guard source.elementCount > 0, table.elementCount > 0 else { return }
        table.storage.noteWrite()
        reportingErrors {
            let indices = try converted(indices, to: .int32)
            let dtype: DType = table.dtype.isFloatingPoint ? .float32 : .int32
            let source = try source.hasDenseRows && source.dtype == dtype ? source : converted(source, to: dtype)
            let isDirect = table.hasDenseRows && table.dtype == dtype
            let target = isDirect ? table : try allocate(table.shape, dtype)
            if !isDirect { copy(table, to: target) }
            let width = source.elementCount / source.shape[0]
            let add = dtype == .int32 ? integerLoop(.add)! : loop(.add)
            // Divided by columns: each thread adds to its own, in the order of the indices.
            divide(width, grain: max(grain / source.shape[0], 64), alignment: 16) { columns in
                for row in 0..<source.shape[0] {
                    let index = Int(indices.integers[row])
                    guard index >= 0 && index < table.shape[0] else { continue }
                    let to = (target.pointer + (index * target.strides[0] + columns.lowerBound) * 4)
                        .assumingMemoryBound(to: CChar.self)
                    let from = (source.pointer + (row * source.strides[0] + columns.lowerBound) * 4)
                        .assumingMemoryBound(to: CChar.self)
                    add([to, to, from], [1, 1, 1], columns.count, 0, 0)
                }
            }
            if !isDirect { copy(target, to: table) }
        }
    }
}

extension TensorView {
    /// Whether the elements of each row (all axes but the first) lie without gaps.
    fileprivate var hasDenseRows: Bool {
        TensorView(
            storage: storage, offset: offset, shape: Shape(Array(shape.sizes.dropFirst())),
            strides: Array(strides.dropFirst()), dtype: dtype
        ).isContiguous
    }
}
