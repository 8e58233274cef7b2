// Views and rearrangements. None but `contiguous`, `cast`, `concatenated` and `to` copies elements.

extension Tensor {
    /// The same elements in row-major order under another shape. One size may be -1: it is worked out from the others.
    /// Copies only where the elements do not lie in order.
    public func reshaped(_ sizes: [Int]) -> Tensor {
        var sizes = sizes
        if let open = sizes.firstIndex(of: -1) {
            let known = sizes.enumerated().reduce(1) { $1.offset == open ? $0 : $0 * $1.element }
            require(
                known > 0 && elementCount % known == 0, "reshaped", "\(shape) cannot be divided over \(sizes)")
            sizes[open] = elementCount / known
        }
        return reshaped(Shape(sizes))
    }

    /// The same elements in row-major order under another shape, of as many elements. Copies only where they do not lie
    /// in order.
    public func reshaped(_ shape: Shape) -> Tensor {
        require(
            shape.elementCount == elementCount, "reshaped",
            "\(self.shape) has \(elementCount) elements, \(shape) \(shape.elementCount)")
        if shape == self.shape { return self }
        let source = contiguous()
        let original = self.shape
        let result =
            source.view.isComputed
            ? Tensor(source.view.reshaped(shape)) : Tensor.make(shape, dtype, device, inputs: [source]) { _, _ in }
        return result.recorded("reshaped", [source], .reshaping) { outputGradient, inputs in
            inputs.add(0, outputGradient.reshaped(original))
        }
    }

    /// The axes from `start` to `end` as one, both included; negative ones count from the last.
    public func flattened(from start: Int = 0, to end: Int = -1) -> Tensor {
        guard rank > 0 else { return reshaped([1]) }
        let (start, end) = (resolve(start, "flattened"), resolve(end, "flattened"))
        require(start <= end, "flattened", "axis \(start) comes after axis \(end) of \(shape)")
        let joined = shape.sizes[start...end].reduce(1, *)
        return reshaped(Shape(shape.sizes[..<start] + [joined] + shape.sizes[(end + 1)...]))
    }

    /// Axes in the order `axes`, each named once.
    public func permuted(_ axes: [Int]) -> Tensor {
        let axes = axes.map { resolve($0, "permuted") }
        require(axes.sorted() == [Int](shape.indices), "permuted", "\(axes) does not name each axis of \(shape) once")
        var result = view
        result.shape = Shape(axes.map { shape[$0] })
        result.strides = axes.map { view.strides[$0] }
        let inverse = axes.indices.map { axes.firstIndex(of: $0)! }
        return Tensor(result).recorded("permuted", [self], .permutation(axes)) { outputGradient, inputs in
            inputs.add(0, outputGradient.permuted(inverse))
        }
    }

    /// Two axes exchanged, the last two unless given.
    public func transposed(_ first: Int = -2, _ second: Int = -1) -> Tensor {
        var axes = [Int](shape.indices)
        axes.swapAt(resolve(first, "transposed"), resolve(second, "transposed"))
        return permuted(axes)
    }

    /// A new axis of size 1 before `axis`.
    public func expandingAxis(_ axis: Int) -> Tensor {
        let axis = axis < 0 ? axis + rank + 1 : axis
        require((0...rank).contains(axis), "expandingAxis", "there is no place \(axis) in \(shape)")
        var result = view
        result.shape = Shape([Int](shape.sizes[..<axis]) + [1] + shape.sizes[axis...])
        result.strides.insert(1, at: axis)
        let original = shape
        return Tensor(result).recorded("expandingAxis", [self], .reshaping) { outputGradient, inputs in
            inputs.add(0, outputGradient.reshaped(original))
        }
    }

    /// Repeated along axes of size 1, and along new leading axes, to fill `shape`.
    public func broadcast(to shape: Shape) -> Tensor {
        require(self.shape.broadcast(with: shape) == shape, "broadcast", "\(self.shape) cannot be repeated to \(shape)")
        return Tensor(view.broadcast(to: shape)).recorded("broadcast", [self], .broadcasting) {
            outputGradient, inputs in
            inputs.add(0, outputGradient)
        }
    }

    /// Elements `range` of `axis`.
    public func sliced(_ range: Range<Int>, axis: Int = 0) -> Tensor {
        let axis = resolve(axis, "sliced")
        require(
            range.lowerBound >= 0 && range.upperBound <= shape[axis], "sliced",
            "\(range) exceeds axis \(axis) of \(shape)")
        let original = shape
        return Tensor(view.sliced(axis: axis, range)).recorded(
            "sliced", [self], .part([AxisPart(axis: axis, start: range.lowerBound, count: range.count)])
        ) { outputGradient, inputs in
            if inputs.createsGraph {
                return inputs.add(0, outputGradient.embedded(in: original, range, axis: axis))
            }
            inputs.write(0) { destination, accumulates in
                let backend = outputGradient.backend
                let part = destination.sliced(axis: axis, range)
                if accumulates { return backend.binary(.init(.add), part, outputGradient.view, out: part) }
                backend.embed(outputGradient.view, in: destination, range, axis: axis)
            }
        }
    }

    /// The tensor of `shape` that is 0 but for `range` of `axis`, which this one fills: the gradient of `sliced`.
    private func embedded(in shape: Shape, _ range: Range<Int>, axis: Int) -> Tensor {
        Tensor.operation(
            "embedded", [self], shape, forward: { $0.embed(view, in: $1, range, axis: axis) },
            gradient: { outputGradient, inputs in inputs.add(0, outputGradient.sliced(range, axis: axis)) })
    }

    /// Element `index` of `axis`, without that axis.
    public func selecting(_ index: Int, axis: Int = 0) -> Tensor {
        let axis = resolve(axis, "selecting")
        let index = index < 0 ? index + shape[axis] : index
        var sizes = shape.sizes
        sizes.remove(at: axis)
        return sliced(index..<index + 1, axis: axis).reshaped(Shape(sizes))
    }

    /// `tensors` one after the other along `axis`; their other sizes are equal. The widest type is the result's.
    public static func concatenated(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
        require(!tensors.isEmpty, "concatenated", "there is nothing to join")
        let first = tensors[0]
        let axis = first.resolve(axis, "concatenated")
        for other in tensors {
            require(
                other.rank == first.rank && other.shape.reducing([axis]) == first.shape.reducing([axis])
                    && (other.dtype == first.dtype || other.dtype.isFloatingPoint && first.dtype.isFloatingPoint),
                "concatenated",
                "\(other.dtype) \(other.shape) does not continue \(first.dtype) \(first.shape) along axis \(axis)")
        }
        var shape = first.shape
        shape[axis] = tensors.reduce(0) { $0 + $1.shape[axis] }
        let ends = tensors.reduce(into: [0]) { $0.append($0.last! + $1.shape[axis]) }
        return operation(
            "concatenated", tensors, shape, dtype: tensors.reduce(first.dtype) { .wider($0, $1.dtype) },
            details: .concatenation(axis: axis),
            forward: { backend, out in
                for (index, tensor) in tensors.enumerated() {
                    backend.copy(tensor.view, to: out.sliced(axis: axis, ends[index]..<ends[index + 1]))
                }
            },
            gradient: { outputGradient, inputs in
                for index in inputs.nodes.indices {
                    inputs.add(index, outputGradient.sliced(ends[index]..<ends[index + 1], axis: axis))
                }
            })
    }

    /// `tensors` of one shape along a new axis.
    public static func stacked(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
        concatenated(tensors.map { $0.expandingAxis(axis) }, axis: axis)
    }

    /// The same elements, copied into row-major order unless they lie so.
    public func contiguous() -> Tensor {
        if view.isContiguous { return self }
        return Tensor.operation(
            "contiguous", [self], shape, details: .identity, forward: { backend, out in backend.copy(view, to: out) },
            gradient: { outputGradient, inputs in inputs.add(0, outputGradient) })
    }

    /// The elements as another dtype. A gradient flows through where both are real.
    public func cast(to dtype: DType) -> Tensor {
        if dtype == self.dtype { return self }
        let original = self.dtype
        let result = Tensor.make(shape, dtype, device, inputs: [self]) { backend, out in backend.copy(view, to: out) }
        guard dtype.isFloatingPoint && original.isFloatingPoint else {
            return result.noted("cast", [self], .conversion)
        }
        return result.recorded("cast", [self], .conversion) { outputGradient, inputs in
            inputs.add(0, outputGradient.cast(to: original))
        }
    }

    /// A copy on `device`, by way of the host: the same bits in the same dtype, except that float64 becomes float32 on
    /// devices that compute in float32. Waits for this tensor's device. A gradient flows back to where this tensor lies.
    public func to(_ device: Device) throws -> Tensor {
        if device.backend === backend { return self }
        if dtype == .float64 && device.backend.realType != .float64 { return try cast(to: .float32).to(device) }
        let original = self.device
        let moved = try bytes().withUnsafeBytes { Tensor(copying: $0, shape, dtype, device) }
        return moved.recorded("to", [self], .identity) { outputGradient, inputs in
            // What cannot be moved back is thrown where the host next waits.
            original.backend.reportingErrors {
                let arrived = try outputGradient.to(original)
                inputs.add(0, arrived)
            }
        }
    }
}

extension Backend {
    /// Fills `range` of an axis of `out` with `x`, and the rest with 0.
    fileprivate func embed(_ x: TensorView, in out: TensorView, _ range: Range<Int>, axis: Int) {
        copy(x, to: out.sliced(axis: axis, range))
        for rest in [0..<range.lowerBound, range.upperBound..<out.shape[axis]] where !rest.isEmpty {
            fill(out.sliced(axis: axis, rest), with: 0)
        }
    }
}
