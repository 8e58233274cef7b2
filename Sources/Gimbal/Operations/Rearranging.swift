// New tensors from a tensor's elements: repeated, bordered, shifted, masked by place.

/// What `padded` puts around a tensor.
public enum PaddingMode: Sendable, Hashable {
    /// One value everywhere.
    case constant(Double)
    /// The elements inside the border, mirrored at it; the element on the border is not repeated.
    case reflect
    /// The element on the border.
    case replicate
}

extension Tensor {
    // MARK: Repeating

    /// The whole tensor laid `counts` times along its axes, as NumPy's and PyTorch's `tile` do: counts belong to the last
    /// axes, and more counts than axes make new leading axes.
    ///
    /// ```swift
    /// Tensor([1, 2]).tiled([2, 2])  // [[1 2 1 2], [1 2 1 2]]
    /// ```
    public func tiled(_ counts: [Int]) -> Tensor {
        require(counts.allSatisfy { $0 >= 0 }, "tiled", "\(counts) has a negative count")
        let rank = Swift.max(self.rank, counts.count)
        let sizes = [Int](repeating: 1, count: rank - self.rank) + shape.sizes
        let counts = [Int](repeating: 1, count: rank - counts.count) + counts
        if counts.allSatisfy({ $0 == 1 }) { return reshaped(Shape(sizes)) }
        let apart = reshaped(Shape(sizes.flatMap { [1, $0] }))
        return apart.broadcast(to: Shape(zip(counts, sizes).flatMap { [$0, $1] }))
            .reshaped(Shape(zip(counts, sizes).map { $0 * $1 }))
    }

    /// Each element `count` times in a row along `axis`: [a, b] becomes [a, a, b, b].
    public func repeated(_ count: Int, axis: Int = 0) -> Tensor {
        let axis = resolve(axis, "repeated")
        require(count >= 0, "repeated", "\(count) times is not possible")
        var (repeats, sizes) = (shape.sizes, shape.sizes)
        repeats.insert(count, at: axis + 1)
        sizes[axis] *= count
        return expandingAxis(axis + 1).broadcast(to: Shape(repeats)).reshaped(Shape(sizes))
    }

    // MARK: Borders

    /// This tensor within a border.
    ///
    /// ```swift
    /// Tensor([[1, 2], [3, 4]]).padded([(1, 1)], .replicate)  // [[1 1 2 2], [3 3 4 4]]
    /// ```
    /// - Parameters:
    ///   - widths: elements before and after, for as many of the last axes, in their order.
    ///   - mode: what the border holds. `reflect` takes widths below the axis's size, `replicate` needs an element to
    ///     repeat.
    public func padded(_ widths: [(before: Int, after: Int)], _ mode: PaddingMode = .constant(0)) -> Tensor {
        require(
            widths.count <= rank && widths.allSatisfy { $0.before >= 0 && $0.after >= 0 }, "padded",
            "\(widths) does not fit the axes of \(shape)")
        let first = rank - widths.count
        if case .constant(let value) = mode {
            requireFitting(value)
            var sizes = shape
            for (index, width) in widths.enumerated() { sizes[first + index] += width.before + width.after }
            if sizes == shape { return self }
            let inner = shape
            let untouched = [Int](repeating: 0, count: first)
            return placed(
                in: sizes, "padded", background: value,
                .padding(
                    before: untouched + widths.map(\.before), after: untouched + widths.map(\.after), value: value)
            ) { view in
                widths.enumerated().reduce(view) { part, width in
                    let axis = first + width.offset
                    return part.sliced(axis: axis, width.element.before..<width.element.before + inner[axis])
                }
            }
        }
        return widths.enumerated().reduce(self) { result, width in
            result.bordered(width.element.before, width.element.after, axis: first + width.offset, mode)
        }
    }

    /// This tensor between mirror images or repetitions of its ends.
    private func bordered(_ before: Int, _ after: Int, axis: Int, _ mode: PaddingMode) -> Tensor {
        if before == 0 && after == 0 { return self }
        let size = shape[axis]
        let isReflecting = mode == .reflect
        require(
            isReflecting ? before < size && after < size : size > 0, "padded",
            "axis \(axis) of \(shape) is too short for a border of \(before) and \(after) by \(mode)")
        func border(_ width: Int, isFirst: Bool) -> [Tensor] {
            if width == 0 { return [] }
            if isReflecting {
                return [sliced(isFirst ? 1..<width + 1 : size - 1 - width..<size - 1, axis: axis).flipped([axis])]
            }
            var repeated = shape
            repeated[axis] = width
            return [sliced(isFirst ? 0..<1 : size - 1..<size, axis: axis).broadcast(to: repeated)]
        }
        return Tensor.concatenated(
            border(before, isFirst: true) + [self] + border(after, isFirst: false), axis: axis)
    }

    // MARK: Shifting

    /// Elements moved by `shift` places along `axis`; those pushed out at one end come in at the other.
    public func rolled(by shift: Int, axis: Int = 0) -> Tensor {
        let axis = resolve(axis, "rolled")
        let size = shape[axis]
        let start = size == 0 ? 0 : ((shift % size) + size) % size
        if start == 0 { return self }
        return Tensor.concatenated(
            [sliced(size - start..<size, axis: axis), sliced(0..<size - start, axis: axis)], axis: axis)
    }

    // MARK: Triangles

    /// The elements on and below the diagonal of the last two axes, zeros above.
    /// - Parameter offset: moves the diagonal so many columns to the right.
    public func lowerTriangle(offset: Int = 0) -> Tensor {
        Tensor.select(triangle("lowerTriangle", offset: offset, isLower: true), self, scalar(0))
    }

    /// The elements on and above the diagonal of the last two axes, zeros below.
    /// - Parameter offset: moves the diagonal so many columns to the right.
    public func upperTriangle(offset: Int = 0) -> Tensor {
        Tensor.select(triangle("upperTriangle", offset: offset, isLower: false), self, scalar(0))
    }

    /// The mask of a triangle of the last two axes.
    private func triangle(_ name: String, offset: Int, isLower: Bool) -> Tensor {
        require(rank >= 2, name, "a tensor of \(shape) has no last two axes")
        return Tensor.triangleMask(
            rows: shape[rank - 2], columns: shape[rank - 1], offset: offset, isLower: isLower, device: device)
    }

    /// 1 in column j of row i where j ≤ i + offset, or ≥ for the upper triangle: uint8 [rows, columns].
    static func triangleMask(rows: Int, columns: Int, offset: Int = 0, isLower: Bool, device: Device) -> Tensor {
        let ends = arange(offset, offset + rows, device: device).expandingAxis(1)
        let columns = arange(columns, device: device)
        return isLower ? columns .<= ends : columns .>= ends
    }
}
