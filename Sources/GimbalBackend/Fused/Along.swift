// Scans, sorting, and elements by number along the last axis, over the primitives: simple rather than fast.

extension Backend {
    /// One step after the other, for all rows at once.
    public func scan(factors: TensorView?, terms: TensorView, out: TensorView) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let isReal = out.dtype.isFloatingPoint || terms.dtype.isFloatingPoint
            let values = try allocate(out.shape, isReal ? realType : .int32)
            let step = try allocate(values.place(0).shape, values.dtype)
            copy(terms, to: values)
            for place in 1..<Swift.max(out.shape.last!, 1) {
                let value = values.place(place)
                var before = values.place(place - 1)
                if let factors {
                    copy(factors.place(place), to: step)
                    binary(.init(.multiply), step, before, out: step)
                    before = step
                }
                binary(.init(.add), value, before, out: value)
            }
            copy(values, to: out)
        }
    }

    /// An element's place in order is the number of elements that come before it. They are counted for a block of elements
    /// at a time, so that comparing each with all takes little memory.
    public func argSort(_ x: TensorView, isDescending: Bool, out: TensorView) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let size = out.shape.last!
            let rows = out.elementCount / size
            let values = try allocate([rows, 1, size], x.dtype.isFloatingPoint ? x.dtype : .int32)
            copy(x, to: values.reshaped(x.shape))
            let isNaN = try allocate(values.shape, .int32)
            binary(.init(.notEqual), values, values, out: isNaN)
            let numbers = try wholeNumbers(size).reshaped([1, 1, size])
            let places = try allocate([rows, size, 1], .int32)
            let block = min(size, Swift.max(1, (1 << 22) / (rows * size)))
            for start in stride(from: 0, to: size, by: block) {
                let range = start..<min(start + block, size)
                let shape: Shape = [rows, range.count, size]
                let (isBefore, term) = (try allocate(shape, .int32), try allocate(shape, .int32))
                /// Compares all elements, along the last axis, with those of the block.
                func compare(_ kind: BinaryOperation.Kind, _ x: TensorView, out: TensorView) {
                    let own = x.sliced(axis: 2, range).transposed
                    binary(.init(kind), x.broadcast(to: shape), own.broadcast(to: shape), out: out)
                }
                // Of equals (any NaN is equal to another) those with a smaller number ...
                compare(.equal, values, out: isBefore)
                compare(.multiply, isNaN, out: term)
                binary(.init(.add), isBefore, term, out: isBefore)
                compare(.less, numbers, out: term)
                binary(.init(.multiply), isBefore, term, out: isBefore)
                // ... and the smaller (or larger) ones, of which NaN is the largest.
                for key in [values, isNaN] {
                    compare(isDescending ? .greater : .less, key, out: term)
                    binary(.init(.add), isBefore, term, out: isBefore)
                }
                reduce(.sum, isBefore, out: places.sliced(axis: 1, range), accumulates: false)
            }
            // Each place is taken once: what is added to 0 there stands alone.
            let order = try allocate([rows, size], .int32)
            fill(order, with: 0)
            scatterAlong(
                numbers.reshaped([1, size]).broadcast(to: order.shape), indices: places.reshaped(order.shape),
                into: order, accumulates: true)
            copy(order.reshaped(out.shape), to: out)
        }
    }

    /// A `gather` for each row.
    public func gatherAlong(_ x: TensorView, indices: TensorView, out: TensorView) {
        guard out.elementCount > 0 else { return }
        for row in rows(of: [x, indices, out]) { gather(row[0], indices: row[1], out: row[2]) }
    }

    /// Adds by a `scatterAdd` for each row. What is put instead is put for all rows at once, one index after the other, where
    /// an element's number is the index.
    public func scatterAlong(_ source: TensorView, indices: TensorView, into table: TensorView, accumulates: Bool) {
        guard source.elementCount > 0, table.elementCount > 0 else { return }
        if accumulates {
            for row in rows(of: [source, indices, table]) { scatterAdd(row[0], indices: row[1], into: row[2]) }
            return
        }
        reportingErrors {
            let numbers = try wholeNumbers(table.shape.last!).flattened.broadcast(to: table.shape)
            let isChosen = try allocate(table.shape, .uint8)
            let values = try allocate(source.shape, table.dtype)
            copy(source, to: values)
            for place in 0..<source.shape.last! {
                binary(.init(.equal), numbers, indices.place(place).broadcast(to: table.shape), out: isChosen)
                select(isChosen, values.place(place).broadcast(to: table.shape), table, out: table)
            }
        }
    }

    /// The rows along the last axis of views that have equal axes before it: one row of each view for each place.
    private func rows(of views: [TensorView]) -> [[TensorView]] {
        let outer = views[0].shape.sizes.dropLast()
        return (0..<outer.reduce(1, *)).map { row in
            views.map { view in
                var (result, rest) = (view, row)
                for axis in outer.indices.reversed() {
                    result.offset += rest % outer[axis] * view.strides[axis]
                    rest /= outer[axis]
                }
                result.shape = [view.shape.last!]
                result.strides = [view.strides.last!]
                return result
            }
        }
    }
}

extension TensorView {
    /// One place of the last axis, which stays with size 1.
    fileprivate func place(_ place: Int) -> TensorView { sliced(axis: shape.rank - 1, place..<place + 1) }
}
