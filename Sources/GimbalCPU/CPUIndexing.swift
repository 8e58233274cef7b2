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
            let sum = dtype == .int32 ? integerLoop(.add)! : loop(.add)
            let rows = IndexedRows(
                UnsafeBufferPointer(start: indices.integers, count: source.shape[0]), tableRows: table.shape[0])
            // Divided by columns: each thread adds to its own, in the order of the indices.
            divide(width, grain: max(grain / source.shape[0], 64), alignment: 16) { columns in
                func at(_ row: Int, of view: TensorView) -> UnsafeMutablePointer<CChar> {
                    (view.pointer + (row * view.strides[0] + columns.lowerBound) * 4)
                        .assumingMemoryBound(to: CChar.self)
                }
                let rowBytes = columns.count * 4
                let partialSums = UnsafeMutablePointer<CChar>.allocate(capacity: rows.levels * rowBytes + 1)
                defer { partialSums.deallocate() }
                func add(_ places: ArraySlice<Int32>, to: UnsafeMutablePointer<CChar>, level: Int) {
                    guard places.count > IndexedRows.block else {
                        for row in places { sum([to, to, at(Int(row), of: source)], [1, 1, 1], columns.count, 0, 0) }
                        return
                    }
                    var size = IndexedRows.block
                    while size * IndexedRows.block < places.count { size *= IndexedRows.block }
                    let part = partialSums + level * rowBytes
                    for start in stride(from: places.startIndex, to: places.endIndex, by: size) {
                        part.update(repeating: 0, count: rowBytes)
                        add(places[start..<min(start + size, places.endIndex)], to: part, level: level + 1)
                        sum([to, to, part], [1, 1, 1], columns.count, 0, 0)
                    }
                }
                rows.forEachGroup { index, places in add(places, to: at(index, of: target), level: 0) }
            }
            if !isDirect { copy(target, to: table) }
        }
    }
}

/// Rows that are added to those of a table, sorted by which they are added to.
///
/// In one chain of thousands of additions the errors of like terms add up: rows that go to one are summed in blocks, and
/// those in blocks again.
private struct IndexedRows {
    /// The most rows that are added one after the other.
    static let block = 64

    /// The row numbers, those of each index together and in order.
    private var places: [Int32]
    /// The end of each index's places.
    private var ends: [(index: Int, end: Int)] = []
    /// How often sums are made of partial sums.
    private(set) var levels = 0

    /// - Parameter tableRows: indices outside of 0..<tableRows are left out.
    init(_ indices: UnsafeBufferPointer<Int32>, tableRows: Int) {
        let valid = indices.indices.filter { indices[$0] >= 0 && Int(indices[$0]) < tableRows }
        if valid.count <= Self.block {
            // Short chains in any case.
            places = valid.map(Int32.init)
            ends = valid.enumerated().map { (Int(indices[$1]), $0 + 1) }
        } else if tableRows <= 32 * valid.count {
            var next = [Int](repeating: 0, count: tableRows + 1)
            for place in valid { next[Int(indices[place]) + 1] += 1 }
            for index in 0..<tableRows {
                if next[index + 1] > 0 { ends.append((index, next[index] + next[index + 1])) }
                next[index + 1] += next[index]
            }
            places = [Int32](repeating: 0, count: valid.count)
            for place in valid {
                places[next[Int(indices[place])]] = Int32(place)
                next[Int(indices[place])] += 1
            }
        } else {
            let keys = valid.map { UInt64(indices[$0]) << 32 | UInt64($0) }.sorted()
            places = keys.map { Int32(truncatingIfNeeded: $0) }
            for (place, key) in keys.enumerated() {
                let index = Int(key >> 32)
                if ends.last?.index == index {
                    ends[ends.count - 1].end = place + 1
                } else {
                    ends.append((index, place + 1))
                }
            }
        }
        var longest = 0
        forEachGroup { longest = max(longest, $1.count) }
        while longest > Self.block {
            longest = (longest + Self.block - 1) / Self.block
            levels += 1
        }
    }

    /// Calls `body` with each index that there is, and the rows that are added to it.
    func forEachGroup(_ body: (_ index: Int, _ rows: ArraySlice<Int32>) -> Void) {
        var start = 0
        for (index, end) in ends {
            body(index, places[start..<end])
            start = end
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
