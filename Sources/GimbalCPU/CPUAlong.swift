import GimbalBackend

// Operations along the last axis. Their loops depend on one another's results or jump in memory: vectors would gain nothing.

extension CPUBackend {
    public func scan(factors: TensorView?, terms: TensorView, out: TensorView) {
        guard out.elementCount > 0 else { return }
        let size = out.shape[out.shape.rank - 1]
        let inputs = [terms] + (factors.map { [$0] } ?? [])
        func run<Element: Numeric>(
            _ type: Element.Type, _ step: @escaping (_ factor: Element, _ before: Element, _ term: Element) -> Element,
            _ inputs: [TensorView], _ out: TensorView
        ) {
            let terms = inputs[0].elements(type)
            let factors = inputs.count > 1 ? inputs[1].elements(type) : nil
            let result = out.elements(type)
            divide(out.elementCount / size, grain: max(grain / size, 1)) { rows in
                for row in rows {
                    let start = row * size
                    var value = terms[start]
                    result[start] = value
                    for place in start + 1..<start + size {
                        value = step(factors?[place] ?? 1, value, terms[place])
                        result[place] = value
                    }
                }
            }
        }
        if out.dtype.isFloatingPoint || terms.dtype.isFloatingPoint {
            computing(inputs, out: out, contiguous: true) { run(Float.self, { $0 * $1 + $2 }, $0, $1) }
        } else {
            computing(inputs, in: .int32, out: out, contiguous: true) { run(Int32.self, { $0 &* $1 &+ $2 }, $0, $1) }
        }
    }

    public func argSort(_ x: TensorView, isDescending: Bool, out: TensorView) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let isInteger = !x.dtype.isFloatingPoint
            let x = try converted(x, to: isInteger ? .int32 : .float32)
            let result = out.dtype == .int32 && out.isContiguous ? out : try allocate(out.shape, .int32)
            let size = out.shape[out.shape.rank - 1]
            let flip: UInt32 = isDescending ? .max : 0
            divide(out.elementCount / size, grain: max(grain / (8 * size), 1)) { rows in
                withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * size) { memory in
                    let entries = memory.baseAddress!
                    for row in rows {
                        let start = row * size
                        for place in 0..<size {
                            let key = isInteger ? x.integers[start + place].sortKey : x.floats[start + place].sortKey
                            entries[place] = UInt64(key ^ flip) << 32 | UInt64(place)
                        }
                        let sorted = sortByUpperHalf(entries, entries + size, size)
                        for place in 0..<size {
                            result.integers[start + place] = Int32(truncatingIfNeeded: sorted[place])
                        }
                    }
                }
            }
            if result.storage !== out.storage { copy(result, to: out) }
        }
    }

    public func gatherAlong(_ x: TensorView, indices: TensorView, out: TensorView) {
        guard out.elementCount > 0 else { return }
        out.storage.noteWrite()
        reportingErrors {
            let indices = try converted(indices, to: .int32)
            let x = try converted(x, to: x.dtype)
            let result = out.isContiguous && out.dtype == x.dtype ? out : try allocate(out.shape, x.dtype)
            let missing = try allocate([], x.dtype)
            fill(missing, with: x.dtype.isFloatingPoint ? .nan : 0)
            let (size, count) = (x.shape[x.shape.rank - 1], out.shape[out.shape.rank - 1])
            func run<Element>(_ type: Element.Type) {
                let (from, to) = (x.elements(type), result.elements(type))
                let missing = missing.elements(type).pointee
                divide(out.elementCount, grain: grain) { places in
                    for place in places {
                        let index = Int(indices.integers[place])
                        to[place] = index >= 0 && index < size ? from[place / count * size + index] : missing
                    }
                }
            }
            switch x.dtype.byteCount {
            case 1: run(UInt8.self)
            case 2: run(UInt16.self)
            case 4: run(UInt32.self)
            default: run(UInt64.self)
            }
            if result.storage !== out.storage { copy(result, to: out) }
        }
    }

    public func scatterAlong(_ source: TensorView, indices: TensorView, into table: TensorView, accumulates: Bool) {
        guard source.elementCount > 0, table.elementCount > 0 else { return }
        table.storage.noteWrite()
        reportingErrors {
            let indices = try converted(indices, to: .int32)
            let dtype = accumulates ? (table.dtype.isFloatingPoint ? .float32 : .int32) : table.dtype
            let source = try converted(source, to: dtype)
            let isDirect = table.isContiguous && table.dtype == dtype
            let target = isDirect ? table : try allocate(table.shape, dtype)
            if !isDirect { copy(table, to: target) }
            let (size, count) = (table.shape[table.shape.rank - 1], source.shape[source.shape.rank - 1])
            func run<Element>(_ type: Element.Type, _ put: @escaping (_ held: inout Element, _ new: Element) -> Void) {
                let (from, to) = (source.elements(type), target.elements(type))
                divide(source.elementCount / count, grain: max(grain / count, 1)) { rows in
                    for row in rows {
                        for place in row * count..<(row + 1) * count {
                            let index = Int(indices.integers[place])
                            if index >= 0 && index < size { put(&to[row * size + index], from[place]) }
                        }
                    }
                }
            }
            switch (accumulates, dtype.byteCount) {
            case (true, _) where dtype == .int32: run(Int32.self) { $0 &+= $1 }
            case (true, _) where count > 64: addInDouble(source, indices, to: target)
            case (true, _): run(Float.self) { $0 += $1 }
            case (_, 1): run(UInt8.self) { $0 = $1 }
            case (_, 2): run(UInt16.self) { $0 = $1 }
            case (_, 4): run(UInt32.self) { $0 = $1 }
            default: run(UInt64.self) { $0 = $1 }
            }
            if !isDirect { copy(target, to: table) }
        }
    }

    /// Adds along rows of many terms, of which all may go to one element: in float32 the errors of like terms would add up.
    private func addInDouble(_ source: TensorView, _ indices: TensorView, to target: TensorView) {
        let (size, count) = (target.shape[target.shape.rank - 1], source.shape[source.shape.rank - 1])
        let (from, to) = (source.elements(Float.self), target.elements(Float.self))
        divide(source.elementCount / count, grain: max(grain / count, 1)) { rows in
            var sums = [Double](repeating: 0, count: size)
            for row in rows {
                // Of what may be a long row, only what is added to is touched.
                func forEach(_ body: (_ index: Int, _ place: Int) -> Void) {
                    for place in row * count..<(row + 1) * count {
                        let index = Int(indices.integers[place])
                        if index >= 0 && index < size { body(index, place) }
                    }
                }
                forEach { index, _ in sums[index] = Double(to[row * size + index]) }
                forEach { index, place in sums[index] += Double(from[place]) }
                forEach { index, _ in to[row * size + index] = Float(sums[index]) }
            }
        }
    }
}

extension TensorView {
    fileprivate func elements<Element>(_ type: Element.Type) -> UnsafeMutablePointer<Element> {
        pointer.assumingMemoryBound(to: type)
    }
}

// MARK: - Sorting

extension Float {
    /// A number whose order is that of floats, with both zeros equal and NaN the largest.
    fileprivate var sortKey: UInt32 {
        if isNaN { return .max }
        let bits = (self == 0 ? 0 : self).bitPattern
        return bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits
    }
}

extension Int32 {
    fileprivate var sortKey: UInt32 { UInt32(bitPattern: self) ^ 0x8000_0000 }
}

/// Sorts `entries` by their upper 32 bits, and leaves equals in their order: by insertion where they are few, else by one
/// byte after the other (least significant digit radix sort).
/// - Parameter spare: as much memory again.
/// - Returns: where the result lies.
private func sortByUpperHalf(
    _ entries: UnsafeMutablePointer<UInt64>, _ spare: UnsafeMutablePointer<UInt64>, _ count: Int
) -> UnsafeMutablePointer<UInt64> {
    if count <= 64 {
        for place in 1..<max(count, 1) {
            let entry = entries[place]
            var hole = place
            // The lower half holds the place: no two entries are equal.
            while hole > 0 && entries[hole - 1] > entry {
                entries[hole] = entries[hole - 1]
                hole -= 1
            }
            entries[hole] = entry
        }
        return entries
    }
    var (from, to) = (entries, spare)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { starts in
        for shift in stride(from: UInt64(32), to: 64, by: 8) {
            starts.initialize(repeating: 0)
            for place in 0..<count { starts[Int(from[place] >> shift & 0xFF)] += 1 }
            // A byte that is the same in all leaves the order as it is.
            if starts[Int(from[0] >> shift & 0xFF)] == count { continue }
            var start = 0
            for digit in 0..<256 { (starts[digit], start) = (start, start + starts[digit]) }
            for place in 0..<count {
                let digit = Int(from[place] >> shift & 0xFF)
                to[starts[digit]] = from[place]
                starts[digit] += 1
            }
            swap(&from, &to)
        }
    }
    return from
}
