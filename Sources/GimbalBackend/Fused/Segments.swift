// Norms, scaling and statistics of stretches of an arena, over the primitives. Where a stretch lies is known to the device
// alone, and the host does not wait to learn it: each stretch is a mask over the whole.

extension Backend {
    public func segmentNorms(_ x: TensorView, segments: TensorView, p: Double, out: TensorView) {
        reportingErrors {
            let x = x.flattened
            let zero = try constant(0)
            let inside = try allocate(x.shape)
            for (segment, isInside) in try masks(of: segments, over: x).enumerated() {
                select(try isInside(), x, zero.broadcast(to: x.shape), out: inside)
                norm([inside], p: p, out: out.sliced(axis: 0, segment..<segment + 1))
            }
        }
    }

    public func scaleSegments(_ x: TensorView, segments: TensorView, by factors: TensorView) {
        reportingErrors {
            let x = x.flattened
            let scaled = try allocate(x.shape)
            for (segment, isInside) in try masks(of: segments, over: x).enumerated() {
                let factor = factors.sliced(axis: 0, segment..<segment + 1).broadcast(to: x.shape)
                binary(.init(.multiply), x, factor, out: scaled)
                select(try isInside(), scaled, x, out: x)
            }
        }
    }

    public func statistics(_ x: TensorView, segments: TensorView, out: TensorView) {
        reportingErrors {
            let x = x.flattened
            for (segment, isInside) in try masks(of: segments, over: x).enumerated() {
                try statistics(x, isInside(), out: out.sliced(axis: 0, segment..<segment + 1).flattened)
            }
        }
    }

    // MARK: Shared steps

    /// For each of `segments`, what makes its mask: uint8 of the shape of `x`, 1 for the elements of the segment.
    private func masks(of segments: TensorView, over x: TensorView) throws -> [() throws -> TensorView] {
        let positions = try wholeNumbers(x.elementCount).flattened
        return (0..<segments.shape[0]).map { segment in
            {
                func number(_ column: Int) -> TensorView {
                    segments.sliced(axis: 0, segment..<segment + 1).sliced(axis: 1, column..<column + 1).flattened
                        .broadcast(to: x.shape)
                }
                // Whether 0 ≤ position - start < length.
                let place = try self.allocate(x.shape, .int32)
                let isFar = try self.allocate(x.shape, .int32)
                let mask = try self.allocate(x.shape, .uint8)
                self.binary(.init(.subtract), positions, number(0), out: place)
                self.binary(.init(.less), place, number(1), out: isFar)
                self.binary(.init(.greaterOrEqual), positions, number(0), out: place)
                self.binary(.init(.multiply), place, isFar, out: place)
                self.copy(place, to: mask)
                return mask
            }
        }
    }

    /// One row of statistics, shape [count], over the elements of `x` where `isInside` is not 0.
    private func statistics(_ x: TensorView, _ isInside: TensorView, out: TensorView) throws {
        func column(_ statistic: Statistic) -> TensorView {
            out.sliced(axis: 0, statistic.rawValue..<statistic.rawValue + 1)
        }
        guard x.elementCount > 0 else {
            fill(out, with: 0)
            fill(column(.minimum), with: .infinity)
            fill(column(.maximum), with: -.infinity)
            return
        }
        let inside = try allocate(x.shape)
        let isFinite = try allocate(x.shape)
        let isFiniteMask = try allocate(x.shape, .uint8)
        let finiteCount = try allocate([1])
        let values = try allocate(x.shape)
        let other = try allocate(x.shape)

        func finiteValues(elsewhere replacement: Double) throws {
            select(isFiniteMask, x, try constant(replacement).broadcast(to: x.shape), out: values)
        }
        func count(_ condition: TensorView, _ statistic: Statistic) {
            binary(.init(.multiply), condition, inside, out: condition)
            reduce(.sum, condition, out: column(statistic), accumulates: false)
        }

        copy(isInside, to: inside)
        unary(.init(.isFinite), x, out: isFinite)
        binary(.init(.multiply), isFinite, inside, out: isFinite)
        copy(isFinite, to: isFiniteMask)
        reduce(.sum, isFinite, out: finiteCount, accumulates: false)
        unary(.init(.clamp, a: 1, b: .infinity), finiteCount, out: finiteCount)

        try finiteValues(elsewhere: .infinity)
        reduce(.minimum, values, out: column(.minimum), accumulates: false)
        try finiteValues(elsewhere: -.infinity)
        reduce(.maximum, values, out: column(.maximum), accumulates: false)
        try finiteValues(elsewhere: 0)
        reduce(.sum, values, out: column(.mean), accumulates: false)
        binary(.init(.divide), column(.mean), finiteCount, out: column(.mean))
        norm([values], p: .infinity, out: column(.absoluteMaximum))
        norm([values], p: 2, out: column(.norm))
        binary(.init(.subtract), values, column(.mean).broadcast(to: x.shape), out: values)
        select(isFiniteMask, values, try constant(0).broadcast(to: x.shape), out: values)
        unary(.init(.square), values, out: values)
        reduce(.sum, values, out: column(.standardDeviation), accumulates: false)
        binary(.init(.divide), column(.standardDeviation), finiteCount, out: column(.standardDeviation))
        unary(.init(.squareRoot), column(.standardDeviation), out: column(.standardDeviation))

        binary(.init(.equal), x, try constant(0).broadcast(to: x.shape), out: other)
        count(other, .zeroCount)
        binary(.init(.notEqual), x, x, out: other)
        count(other, .nanCount)
        unary(.init(.absolute), x, out: values)
        binary(.init(.equal), values, try constant(.infinity).broadcast(to: x.shape), out: other)
        count(other, .infinityCount)
    }

    /// One real number, shape [1].
    private func constant(_ value: Double) throws -> TensorView {
        let view = try allocate([1])
        fill(view, with: value)
        return view
    }

    /// The int32 numbers 0..<count, shape [1, count].
    func wholeNumbers(_ count: Int) throws -> TensorView {
        let numbers = try allocate([1, count], .int32)
        (0..<count).map(Int32.init).withUnsafeBytes { upload($0, to: numbers.storage, byteOffset: 0) }
        return numbers
    }
}
