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
            let size = table.dtype.byteCount
            divide(out.shape[0], grain: max(4 * grain / rowBytes, 1)) { rows in
                loops.gather_rows(
                    table.pointer, table.strides[0] * size, table.shape[0], indices.integers + rows.lowerBound,
                    rows.count, rowBytes, missing.pointer,
                    result.pointer + rows.lowerBound * result.strides[0] * size, result.strides[0] * size)
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
            let rows = try IndexedRows(
                UnsafeBufferPointer(start: indices.integers, count: source.shape[0]), tableRows: table.shape[0],
                on: self)
            // Divided by columns: each thread adds to its own, in the order of the indices.
            divide(width, grain: max(grain / source.shape[0], 64), alignment: 16) { columns in
                let from = source.floats + columns.lowerBound
                let to = target.floats + columns.lowerBound
                let partialSums = UnsafeMutablePointer<Float>.allocate(capacity: rows.levels * columns.count + 1)
                defer { partialSums.deallocate() }
                /// - Parameter later: what will be added to some groups later.
                func add(
                    _ places: UnsafeBufferPointer<Int32>, to: UnsafeMutablePointer<Float>, level: Int,
                    later: UnsafePointer<Float>?
                ) {
                    guard places.count > IndexedRows.block else {
                        return addRows(
                            dtype, from, source.strides[0], places, columns.count, to: to, later: later)
                    }
                    var size = IndexedRows.block
                    while size * IndexedRows.block < places.count { size *= IndexedRows.block }
                    let part = partialSums + level * columns.count
                    for start in stride(from: 0, to: places.count, by: size) {
                        // Zero is the same in either type.
                        part.update(repeating: 0, count: columns.count)
                        let end = min(start + size, places.count)
                        add(UnsafeBufferPointer(rebasing: places[start..<end]), to: part, level: level + 1, later: nil)
                        withUnsafePointer(to: Int32(0)) { first in
                            let whole = UnsafeBufferPointer(start: first, count: 1)
                            addRows(dtype, part, 0, whole, columns.count, to: to, later: nil)
                        }
                    }
                }
                for group in 0..<rows.groupCount {
                    let ahead = min(group + 4, rows.groupCount - 1)
                    add(
                        rows.places(of: group), to: to + rows.index(of: group) * target.strides[0], level: 0,
                        later: to + rows.index(of: ahead) * target.strides[0])
                }
            }
            if !isDirect { copy(target, to: table) }
        }
    }
}

extension CPUBackend {
    /// Adds rows of float32 or int32, one after the other.
    private func addRows(
        _ dtype: DType, _ source: UnsafePointer<Float>, _ stride: Int, _ rows: UnsafeBufferPointer<Int32>,
        _ columns: Int,
        to sums: UnsafeMutablePointer<Float>, later: UnsafePointer<Float>?
    ) {
        if dtype == .float32 {
            return loops.add_rows(source, stride, rows.baseAddress, rows.count, columns, sums, later)
        }
        let sum = integerLoop(.add)!
        for row in rows {
            let operands = [sums, sums, UnsafeMutablePointer(mutating: source + Int(row) * stride)].map {
                Optional(UnsafeMutableRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            sum(operands, [1, 1, 1], columns, 0, 0)
        }
    }
}

/// Rows that are added to those of a table, in groups that go to the same one.
///
/// In one chain of thousands of additions the errors of like terms add up: rows that go to one are summed in blocks, and
/// those in blocks again.
private struct IndexedRows {
    /// The most rows that are added one after the other.
    static let block = 64

    /// [3, rows]: the row numbers, group by group and in order; for each group its index; and where its row numbers end.
    private let memory: TensorView
    private(set) var groupCount = 0
    /// How often sums are made of partial sums.
    private(set) var levels = 0

    /// - Parameter tableRows: indices outside of 0..<tableRows are left out.
    init(_ indices: UnsafeBufferPointer<Int32>, tableRows: Int, on backend: CPUBackend) throws {
        memory = try backend.allocate([3, indices.count], .int32)
        let (places, groups, ends) = (
            memory.integers, memory.integers + indices.count, memory.integers + 2 * indices.count
        )
        func isThere(_ index: Int32) -> Bool { index >= 0 && Int(index) < tableRows }
        var count = 0
        for index in indices where isThere(index) { count += 1 }
        if count <= Self.block {
            // Short chains in any case.
            for (place, index) in indices.enumerated() where isThere(index) {
                places[groupCount] = Int32(place)
                groups[groupCount] = index
                groupCount += 1
                ends[groupCount - 1] = Int32(groupCount)
            }
            return
        }
        if tableRows <= 32 * count {
            let counts = try backend.allocate([tableRows], .int32)
            let next = counts.integers
            next.update(repeating: 0, count: tableRows)
            for index in indices where isThere(index) { next[Int(index)] += 1 }
            var start: Int32 = 0
            for index in 0..<tableRows where next[index] > 0 {
                groups[groupCount] = Int32(index)
                ends[groupCount] = start + next[index]
                next[index] = start
                start = ends[groupCount]
                groupCount += 1
            }
            for (place, index) in indices.enumerated() where isThere(index) {
                places[Int(next[Int(index)])] = Int32(place)
                next[Int(index)] += 1
            }
            withExtendedLifetime(counts) {}
        } else {
            let keys = indices.indices.filter { isThere(indices[$0]) }.map { UInt64(indices[$0]) << 32 | UInt64($0) }
            for (place, key) in keys.sorted().enumerated() {
                places[place] = Int32(truncatingIfNeeded: key)
                if groupCount == 0 || groups[groupCount - 1] != Int32(key >> 32) {
                    groups[groupCount] = Int32(key >> 32)
                    groupCount += 1
                }
                ends[groupCount - 1] = Int32(place + 1)
            }
        }
        var longest = (0..<groupCount).reduce(0) { max($0, self.places(of: $1).count) }
        while longest > Self.block {
            longest = (longest + Self.block - 1) / Self.block
            levels += 1
        }
    }

    /// The row of the table that a group is added to.
    func index(of group: Int) -> Int { Int(memory.integers[memory.shape[1] + group]) }

    func places(of group: Int) -> UnsafeBufferPointer<Int32> {
        let ends = memory.integers + 2 * memory.shape[1]
        let start = group == 0 ? 0 : Int(ends[group - 1])
        return UnsafeBufferPointer(start: memory.integers + start, count: Int(ends[group]) - start)
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
