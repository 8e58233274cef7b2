// Parts of a tensor that lie in its own memory: what a change of offset, shape and strides can say.

extension Tensor {
    /// This tensor seen through `transform`, which takes a view of this tensor's shape to some of its elements, each at
    /// most once. The gradient goes back to where the elements came from, and is 0 elsewhere.
    /// - Parameter details: what `transform` does, for who watches.
    func viewed(
        _ name: StaticString, _ details: @autoclosure () -> OperationDetails = .unstated,
        _ transform: @escaping (TensorView) -> TensorView
    ) -> Tensor {
        let original = shape
        return Tensor(transform(view)).recorded(name, [self], details()) { outputGradient, inputs in
            if inputs.createsGraph {
                return inputs.add(0, outputGradient.placed(in: original, name, background: 0, .unstated, transform))
            }
            inputs.write(0) { destination, accumulates in
                let backend = outputGradient.backend
                let part = transform(destination)
                if accumulates { return backend.binary(.init(.add), part, outputGradient.view, out: part) }
                if part.elementCount < destination.elementCount { backend.fill(destination, with: 0) }
                backend.copy(outputGradient.view, to: part)
            }
        }
    }

    /// Zeros of `shape` with these elements where `transform` finds them: the gradient of `viewed`.
    func placed(
        in shape: Shape, _ name: StaticString, background: Double = 0,
        _ details: @autoclosure () -> OperationDetails = .unstated,
        _ transform: @escaping (TensorView) -> TensorView
    ) -> Tensor {
        let result = Tensor.make(shape, dtype, device, inputs: [self]) { backend, out in
            let part = transform(out)
            if part.elementCount < out.elementCount { backend.fill(out, with: background) }
            backend.copy(view, to: part)
        }
        return result.recorded(name, [self], details()) { outputGradient, inputs in
            inputs.add(0, outputGradient.viewed(name, .unstated, transform))
        }
    }

    /// Axes in reverse order of their elements: `axes`, all of them unless given. Copies nothing.
    public func flipped(_ axes: [Int]? = nil) -> Tensor {
        let axes = axes.map { $0.map { resolve($0, "flipped") } } ?? [Int](shape.indices)
        require(Set(axes).count == axes.count, "flipped", "\(axes) names an axis twice")
        return viewed(
            "flipped",
            .part(axes.map { AxisPart(axis: $0, start: shape[$0] - 1, count: shape[$0], step: -1) })
        ) { view in
            var view = view
            for axis in axes where view.shape[axis] > 1 {
                view.offset += (view.shape[axis] - 1) * view.strides[axis]
                view.strides[axis] = -view.strides[axis]
            }
            return view
        }
    }

    /// The diagonal of two axes as a new last axis. Copies nothing.
    /// - Parameters:
    ///   - offset: above 0, the diagonal that begins so many columns to the right; below 0, so many rows down.
    ///   - first: the axis of the rows; negative ones count from the last.
    ///   - second: the axis of the columns.
    public func diagonal(offset: Int = 0, axes first: Int = -2, _ second: Int = -1) -> Tensor {
        let (first, second) = (resolve(first, "diagonal"), resolve(second, "diagonal"))
        require(first != second, "diagonal", "axis \(first) has no diagonal with itself")
        require(
            offset >= -shape[first] && offset <= shape[second], "diagonal",
            "offset \(offset) lies outside axes \(first) and \(second) of \(shape)")
        return viewed("diagonal") { $0.diagonal(first, second, offset: offset) }
    }

    /// Without the axes of size 1: `axes`, which must be of that size, or all such axes.
    public func squeezed(_ axes: [Int]? = nil) -> Tensor {
        let axes = axes.map { $0.map { resolve($0, "squeezed") } } ?? shape.indices.filter { shape[$0] == 1 }
        for axis in axes {
            require(shape[axis] == 1, "squeezed", "axis \(axis) of \(shape) has \(shape[axis]) elements")
        }
        return reshaped(Shape(shape.indices.filter { !axes.contains($0) }.map { shape[$0] }))
    }

    /// Without `axis`, which must be of size 1.
    public func squeezed(_ axis: Int) -> Tensor { squeezed([axis]) }

    /// Parts of the given sizes along `axis`, which they must add up to. Copies nothing.
    public func split(sizes: [Int], axis: Int = 0) -> [Tensor] {
        let axis = resolve(axis, "split")
        require(
            sizes.reduce(0, +) == shape[axis] && sizes.allSatisfy { $0 >= 0 }, "split",
            "parts of \(sizes) do not add up to axis \(axis) of \(shape)")
        var start = 0
        return sizes.map { size in
            defer { start += size }
            return sliced(start..<start + size, axis: axis)
        }
    }

    /// Parts of `size` along `axis`, the last one smaller where it does not divide. Copies nothing.
    public func split(size: Int, axis: Int = 0) -> [Tensor] {
        require(size > 0, "split", "parts of \(size) elements cannot be made")
        let length = shape[resolve(axis, "split")]
        let starts = [Int](stride(from: 0, to: length, by: size))
        return split(sizes: starts.map { Swift.min(size, length - $0) }, axis: axis)
    }

    /// At most `count` parts of equal size along `axis`, the last one smaller where it does not divide. Copies nothing.
    public func chunked(_ count: Int, axis: Int = 0) -> [Tensor] {
        require(count > 0, "chunked", "\(count) parts cannot be made")
        let length = shape[resolve(axis, "chunked")]
        return length == 0 ? [self] : split(size: (length + count - 1) / count, axis: axis)
    }

    /// The axis `source` moved to the place `destination`, the others in their order.
    public func movingAxis(_ source: Int, to destination: Int) -> Tensor {
        let (source, destination) = (resolve(source, "movingAxis"), resolve(destination, "movingAxis"))
        if source == destination { return self }
        var axes = shape.indices.filter { $0 != source }
        axes.insert(source, at: destination)
        return permuted(axes)
    }
}

extension TensorView {
    /// The diagonal of two axes as a new last axis.
    func diagonal(_ first: Int, _ second: Int, offset: Int = 0) -> TensorView {
        let (down, right) = (Swift.max(-offset, 0), Swift.max(offset, 0))
        let count = Swift.max(Swift.min(shape[first] - down, shape[second] - right), 0)
        let kept = shape.indices.filter { $0 != first && $0 != second }
        return TensorView(
            storage: storage, offset: self.offset + down * strides[first] + right * strides[second],
            shape: Shape(kept.map { shape[$0] } + [count]),
            strides: kept.map { strides[$0] } + [strides[first] + strides[second]], dtype: dtype)
    }
}
