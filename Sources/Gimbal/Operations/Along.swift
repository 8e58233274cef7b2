// Elements chosen along one axis by int32 indices, each for its own place on the other axes.
//
// As in PyTorch, these words take indices from 0 on, whereas in a subscript negative ones count from the end.

extension Tensor {
    /// Rows of this tensor along `axis` by number: element `indices[i...]` of the axis for each index, so that the shape of
    /// `indices` takes the place of the axis. An index out of range, as any
    /// negative one is, gives NaN (0 for whole numbers).
    public func gathered(_ indices: Tensor, axis: Int) -> Tensor {
        let axis = resolve(axis, "gathered")
        if axis == 0 { return gathered(indices) }
        let rows = movingAxis(axis, to: 0).gathered(indices)
        let own = [Int](0..<indices.rank)
        let others = [Int](indices.rank..<rows.rank)
        return rows.permuted(others[..<axis] + own + others[axis...])
    }

    /// Elements along `axis` by number, as NumPy's `take_along_axis` and PyTorch's `gather` do: for axis 1,
    /// result[i, j] = self[i, indices[i, j]]. An index out of range, as any
    /// negative one is, gives NaN (0 for whole numbers).
    ///
    /// ```swift
    /// let order = x.argSorted(axis: 1)
    /// let sorted = x.gathered(along: 1, order)
    /// ```
    /// - Parameters:
    ///   - axis: negative ones count from the last.
    ///   - indices: int32, of any size along `axis`; the other axes broadcast to this tensor's.
    public func gathered(along axis: Int, _ indices: Tensor) -> Tensor {
        let (axis, indices) = choosing("gathered", axis, indices)
        let positions = indices.view.lastAxis(axis)
        return Tensor.operation(
            "gathered", [self], indices.shape, operands: [indices], details: .elements(axis: axis, indices: indices),
            forward: { backend, out in
                backend.gatherAlong(view.lastAxis(axis), indices: positions, out: out.lastAxis(axis))
            },
            gradient: { [shape] outputGradient, inputs in
                if inputs.createsGraph {
                    let zeros = Tensor.zeros(shape, dtype: outputGradient.dtype, device: outputGradient.device)
                    return inputs.add(0, zeros.scatterAdded(outputGradient, along: axis, at: indices))
                }
                inputs.write(0) { destination, accumulates in
                    let backend = outputGradient.backend
                    if !accumulates { backend.fill(destination, with: 0) }
                    backend.scatterAlong(
                        outputGradient.view.lastAxis(axis), indices: positions, into: destination.lastAxis(axis),
                        accumulates: true)
                }
            })
    }

    /// A copy with elements of `source` in the places that `indices` name along `axis`: for axis 1,
    /// result[i, indices[i, j]] = source[i, j], for j in order, so that the last of equal indices counts. Indices out of range,
    /// as any negative one is, are passed over.
    /// - Parameters:
    ///   - source: of this tensor's shape, but of any size along `axis`.
    ///   - axis: negative ones count from the last.
    ///   - indices: int32, of the shape of `source`, or broadcasting to it.
    public func scattered(_ source: Tensor, along axis: Int, at indices: Tensor) -> Tensor {
        let (axis, indices) = choosing("scattered", axis, indices, source)
        let source = source.cast(to: dtype)
        let size = source.shape[axis]
        return scattered(source, axis, indices, accumulates: false) { outputGradient, inputs in
            let nothing = outputGradient.scalar(0)
            if inputs.isNeeded(0) {
                let none = nothing.broadcast(to: indices.shape)
                inputs.add(0, outputGradient.scattered(none, along: axis, at: indices))
            }
            guard inputs.isNeeded(1) else { return }
            // Of elements that were put in one place, only the last one is still there. Numbers begin at 1: what is
            // gathered from out of range is 0.
            var numbers = Tensor.arange(1, size + 1, device: outputGradient.device)
            numbers = numbers.reshaped([size] + [Int](repeating: 1, count: indices.rank - 1 - axis))
                .broadcast(to: indices.shape)
            let last = Tensor.zeros(outputGradient.shape, dtype: .int32, device: outputGradient.device)
                .scattered(numbers, along: axis, at: indices).gathered(along: axis, indices)
            inputs.add(1, Tensor.select(last .== numbers, outputGradient.gathered(along: axis, indices), nothing))
        }
    }

    /// A copy with elements of `source` added in the places that `indices` name along `axis`: for axis 1,
    /// result[i, indices[i, j]] += source[i, j], for j in order, so that it is the same in every run. Indices out of range are
    /// passed over.
    /// - Parameters:
    ///   - source: of this tensor's shape, but of any size along `axis`.
    ///   - axis: negative ones count from the last.
    ///   - indices: int32, of the shape of `source`, or broadcasting to it.
    public func scatterAdded(_ source: Tensor, along axis: Int, at indices: Tensor) -> Tensor {
        let (axis, indices) = choosing("scatterAdded", axis, indices, source)
        let size = shape[axis]
        return scattered(source.cast(to: dtype), axis, indices, accumulates: true) { outputGradient, inputs in
            inputs.add(0, outputGradient)
            guard inputs.isNeeded(1) else { return }
            inputs.add(
                1,
                Tensor.select(
                    indices.isInside(size), outputGradient.gathered(along: axis, indices), outputGradient.scalar(0)))
        }
    }

    private func scattered(
        _ source: Tensor, _ axis: Int, _ indices: Tensor, accumulates: Bool, gradient: @escaping GradientRule
    ) -> Tensor {
        Tensor.operation(
            accumulates ? "scatterAdded" : "scattered", [self, source], shape, operands: [self, source, indices],
            details: .scattering(axis: axis, indices: indices, accumulates: accumulates),
            forward: { backend, out in
                backend.copy(view, to: out)
                backend.scatterAlong(
                    source.view.lastAxis(axis), indices: indices.view.lastAxis(axis), into: out.lastAxis(axis),
                    accumulates: accumulates)
            }, gradient: gradient)
    }

    /// Where an index lies in 0..<size.
    func isInside(_ size: Int) -> Tensor { (self .>= 0) .& (self .< size) }

    /// The axis counted from the first, and the indices repeated along the other axes.
    private func choosing(
        _ name: String, _ axis: Int, _ indices: Tensor, _ source: Tensor? = nil
    ) -> (axis: Int, indices: Tensor) {
        let axis = resolve(axis, name)
        require(
            indices.rank == rank && (source == nil || source!.rank == rank), name,
            "indices of \(indices.shape)" + (source.map { " and a source of \($0.shape)" } ?? "")
                + " have not the axes of \(shape)")
        var target = shape
        target[axis] = source?.shape.indices.contains(axis) ?? false ? source!.shape[axis] : indices.shape[axis]
        require(
            indices.dtype == .int32 && indices.rank == rank && (source == nil || source!.shape == target)
                && indices.shape.broadcast(with: target) == target, name,
            "\(indices.dtype) indices of \(indices.shape)" + (source.map { " and a source of \($0.shape)" } ?? "")
                + " do not fit axis \(axis) of \(shape)")
        let repeated = Tensor(indices.view.broadcast(to: target))
        return (axis, repeated.noted("broadcast", [indices], .broadcasting))
    }
}

extension TensorView {
    /// The view with `axis` exchanged with the last one.
    func lastAxis(_ axis: Int) -> TensorView {
        var view = self
        view.shape.swapAt(axis, shape.rank - 1)
        view.strides.swapAt(axis, shape.rank - 1)
        return view
    }
}
