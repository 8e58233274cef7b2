import CGimbalLoops
import GimbalBackend

extension CPUBackend {
    public func reduce(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool) {
        guard out.elementCount > 0 else { return }
        guard x.elementCount > 0 else {
            if !accumulates { fill(out, with: reduction.valueOverNothing) }
            return
        }
        let accumulates = accumulates && reduction == .sum
        if x.dtype.isFloatingPoint && x.dtype != .float64 {
            computing([x], out: out, keepsOutput: accumulates) { inputs, out in
                fold(reduction, inputs[0], out: out, accumulates: accumulates)
            }
        } else if x.dtype != .float64 && !out.dtype.isFloatingPoint {
            computing([x], in: .int32, out: out, keepsOutput: accumulates) { inputs, out in
                foldEach(reduction, inputs[0], out: out, accumulates: accumulates) {
                    reduction.combine($0, $1) as Int32
                }
            }
        } else {
            computing([x], in: .float64, out: out, keepsOutput: accumulates) { inputs, out in
                foldEach(reduction, inputs[0], out: out, accumulates: accumulates) {
                    reduction.combine($0, $1) as Double
                }
            }
        }
    }

    /// Elements that one partial result stands for: fixed, so that a sum does not depend on the number of threads.
    static let chunk = 65536

    private func fold(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool) {
        let (sizes, strides) = collapseAxes([x, out.broadcast(to: x.shape)])
        require(sizes.count <= Int(gimbal_maximum_rank), "reduce", "more than \(gimbal_maximum_rank) axes")
        // An axis of the output has a stride, a folded one has none. Where nothing remains to fold or keep, the one
        // axis of size 1 counts as folded.
        let isKept = sizes.indices.map { sizes[$0] > 1 && strides[1][$0] != 0 }
        let order = sizes.indices.sorted { abs(strides[0][$0]) > abs(strides[0][$1]) }
        let kept = order.filter { isKept[$0] }
        let folded = order.filter { !isKept[$0] }
        let keptCount = kept.reduce(1) { $0 * sizes[$1] }
        let foldedCount = folded.reduce(1) { $0 * sizes[$1] }

        func plan(_ axis: Int?, _ length: Int) -> gimbal_fold {
            var plan = gimbal_fold()
            plan.kept_rank = Int32(kept.count)
            plan.folded_rank = Int32(folded.count)
            func write<Tuple>(_ tuple: inout Tuple, _ axes: [Int], _ value: (Int) -> Int) {
                withUnsafeMutableBytes(of: &tuple) { bytes in
                    for (position, axis) in axes.enumerated() { bytes.bindMemory(to: Int.self)[position] = value(axis) }
                }
            }
            write(&plan.kept_sizes, kept) { $0 == axis ? length : sizes[$0] }
            write(&plan.kept_strides, kept) { strides[0][$0] }
            write(&plan.out_strides, kept) { strides[1][$0] }
            write(&plan.folded_sizes, folded) { $0 == axis ? length : sizes[$0] }
            write(&plan.folded_strides, folded) { strides[0][$0] }
            return plan
        }

        let longestFolded = folded.max { sizes[$0] < sizes[$1] }
        if let axis = longestFolded, keptCount < 256, foldedCount * keptCount >= 2 * Self.chunk {
            // Few results over many elements: partial results over pieces of the longest folded axis.
            let perIndex = foldedCount / sizes[axis] * keptCount
            let length = max(Self.chunk / perIndex, 1)
            let pieces = (sizes[axis] + length - 1) / length
            var partials = [Double](repeating: 0, count: pieces * keptCount)
            partials.withUnsafeMutableBufferPointer { partials in
                nonisolated(unsafe) let partials = partials
                run(parts: pieces) { piece in
                    let start = piece * length
                    var plan = plan(axis, min(length, sizes[axis] - start))
                    loops.fold(
                        reduction.loop, &plan, x.floats + start * strides[0][axis], nil, false,
                        partials.baseAddress! + piece * keptCount)
                }
            }
            var index = [Int](repeating: 0, count: kept.count)
            for result in 0..<keptCount {
                var total = partials[result]
                for piece in 1..<max(pieces, 1) {
                    total = reduction.combine(partials[piece * keptCount + result], total)
                }
                let target = out.floats + zip(index, kept).reduce(0) { $0 + $1.0 * strides[1][$1.1] }
                target.pointee = accumulates ? target.pointee + Float(total) : Float(total)
                for position in kept.indices.reversed() {
                    index[position] += 1
                    if index[position] < sizes[kept[position]] { break }
                    index[position] = 0
                }
            }
        } else if let axis = kept.max(by: { sizes[$0] < sizes[$1] }) {
            let perIndex = max(foldedCount * keptCount / sizes[axis], 1)
            divide(sizes[axis], grain: max(grain / perIndex, 1), alignment: sizes[axis] >= 128 ? 64 : 1) { range in
                var plan = plan(axis, range.count)
                loops.fold(
                    reduction.loop, &plan, x.floats + range.lowerBound * strides[0][axis],
                    out.floats + range.lowerBound * strides[1][axis], accumulates, nil)
            }
        } else {
            var plan = plan(nil, 0)
            loops.fold(reduction.loop, &plan, x.floats, out.floats, accumulates, nil)
        }
    }

    /// The same over whole numbers or doubles; rare enough to need no vectors.
    private func foldEach<Element>(
        _ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool,
        _ combine: (_ new: Element, _ held: Element) -> Element
    ) {
        if !accumulates { fill(out, with: reduction.valueOverNothing) }
        let repeated = out.broadcast(to: x.shape)
        let source = x.pointer.assumingMemoryBound(to: Element.self)
        let target = out.pointer.assumingMemoryBound(to: Element.self)
        var index = [Int](repeating: 0, count: x.shape.rank)
        for _ in 0..<x.elementCount {
            var from = 0
            var to = 0
            for axis in index.indices {
                from += index[axis] * x.strides[axis]
                to += index[axis] * repeated.strides[axis]
            }
            target[to] = combine(source[from], target[to])
            for axis in index.indices.reversed() {
                index[axis] += 1
                if index[axis] < x.shape[axis] { break }
                index[axis] = 0
            }
        }
    }

    public func argMaximum(_ x: TensorView, out: TensorView) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            // One row stride has to do; views with more axes than that, or of another type, are copied.
            let dtype: DType = x.dtype.isFloatingPoint ? .float32 : .int32
            let isPlain = x.dtype == dtype && (x.shape.rank <= 2 || x.isContiguous)
            let x = isPlain ? x : try converted(x, to: dtype)
            let result =
                out.dtype == .int32 && out.isContiguous ? out : try allocate(out.shape, .int32)
            let columns = x.shape[x.shape.rank - 1]
            let rowStride = x.shape.rank == 2 ? x.strides[0] : columns
            let columnStride = x.shape.rank <= 2 ? x.strides[x.shape.rank - 1] : 1
            divide(out.elementCount, grain: max(grain / columns, 1)) { rows in
                if dtype == .int32 {
                    // Not every whole number is a float32.
                    for row in rows {
                        var (best, largest) = (0, x.integers[row * rowStride])
                        for column in 1..<max(columns, 1) {
                            let value = x.integers[row * rowStride + column * columnStride]
                            if value > largest { (best, largest) = (column, value) }
                        }
                        result.integers[row] = Int32(best)
                    }
                    return
                }
                loops.argmax(
                    x.floats + rows.lowerBound * rowStride, rows.count, rowStride, columns, columnStride,
                    result.integers + rows.lowerBound)
            }
            if result.storage !== out.storage { copy(result, to: out) }
        }
    }
}

extension Reduction {
    var loop: gimbal_reduction {
        switch self {
        case .sum: gimbal_sum
        case .product: gimbal_product
        case .maximum: gimbal_maximum
        case .minimum: gimbal_minimum
        }
    }

    var valueOverNothing: Double {
        switch self {
        case .sum: 0
        case .product: 1
        case .maximum: -.infinity
        case .minimum: .infinity
        }
    }

    /// Folds one more value in; NaN stays, from either side.
    func combine(_ x: Double, _ y: Double) -> Double {
        switch self {
        case .sum: x + y
        case .product: x * y
        case .maximum: x > y || x.isNaN ? x : y
        case .minimum: x < y || x.isNaN ? x : y
        }
    }

    /// Folds one more whole number in; sums and products wrap around.
    func combine(_ x: Int32, _ y: Int32) -> Int32 {
        switch self {
        case .sum: x &+ y
        case .product: x &* y
        case .maximum: max(x, y)
        case .minimum: min(x, y)
        }
    }
}
