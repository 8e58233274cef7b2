// Reading and changing parts of a tensor by its subscripts.

extension Tensor {
    /// The part of this tensor that `indices` name.
    ///
    /// ```swift
    /// x[0]                        // the first row; x[-1] is the last
    /// x[1..<3, 2...]              // rows 1 and 2, columns from 2 on
    /// x[..., -1]                  // the last element of the last axis, of each
    /// x[.every(2)]                // every second row
    /// x[.newAxis, 0]              // the first row as a matrix
    /// x[Tensor([2, 0] as [Int])]  // rows 2 and 0
    /// x[x .> 0]                   // the positive elements
    ///
    /// var z = x
    /// z[0, 1..<2] = 5
    /// z[z .> 2] *= 2
    /// ```
    /// Integers, ranges and strides copy nothing, and negative places count from the end, in index tensors too. Places
    /// outside an axis are a mistake, but the host does not look at index tensors: there they give NaN (0 for whole
    /// numbers), and are passed over when assigned to. Index tensors are int32 and broadcast to one shape, which takes the
    /// place of their axes if those are neighbours, else comes first. A mask, uint8, takes as many axes as it has and gives
    /// one; reading by a mask waits for the device to count its elements.
    ///
    /// Assigning changes the elements where they lie, unless another tensor shares them: that keeps its own, as Swift's
    /// arrays do. The value broadcasts to the shape of the part and takes on the tensor's dtype; of equal indices in an
    /// index tensor, the last one counts. Where a gradient flows through tensor or value, the changed tensor is a new one
    /// through which both gradients flow; inside `withoutGradients`, a leaf is changed and stays one.
    public subscript(_ indices: any TensorIndex...) -> Tensor {
        get { part(indices) }
        set { setPart(indices, newValue) }
    }

    // `...` is no value of a type that a protocol could be written for: it is spelled out for the first four places.

    /// The part that the indices name, with `...` for as many whole axes as they leave.
    public subscript(_ all: UnboundedRange, _ indices: any TensorIndex...) -> Tensor {
        get { part([TensorIndexStep.otherAxes] + indices) }
        set { setPart([TensorIndexStep.otherAxes] + indices, newValue) }
    }
    /// The part that the indices name, with `...` for as many whole axes as they leave.
    public subscript(_ first: any TensorIndex, _ all: UnboundedRange, _ indices: any TensorIndex...) -> Tensor {
        get { part([first, TensorIndexStep.otherAxes] + indices) }
        set { setPart([first, TensorIndexStep.otherAxes] + indices, newValue) }
    }
    /// The part that the indices name, with `...` for as many whole axes as they leave.
    public subscript(
        _ first: any TensorIndex, _ second: any TensorIndex, _ all: UnboundedRange, _ indices: any TensorIndex...
    ) -> Tensor {
        get { part([first, second, TensorIndexStep.otherAxes] + indices) }
        set { setPart([first, second, TensorIndexStep.otherAxes] + indices, newValue) }
    }
    /// The part that the indices name, with `...` for as many whole axes as they leave.
    public subscript(
        _ first: any TensorIndex, _ second: any TensorIndex, _ third: any TensorIndex, _ all: UnboundedRange,
        _ indices: any TensorIndex...
    ) -> Tensor {
        get { part([first, second, third, TensorIndexStep.otherAxes] + indices) }
        set { setPart([first, second, third, TensorIndexStep.otherAxes] + indices, newValue) }
    }

    /// The only way in which elements of a tensor are changed where they lie.
    ///
    /// What another tensor shares, a view or a value saved for a gradient, is copied first, so that nothing but this
    /// tensor changes.
    /// - Parameter read: what `body` reads besides.
    mutating func changeInPlace(reading read: [TensorView] = [], _ body: (any Backend, TensorView) -> Void) {
        let repeatsElements = zip(view.shape, view.strides).contains { $0 > 1 && $1 == 0 }
        if repeatsElements || !isKnownUniquelyReferenced(&view.storage) {
            let original = view
            view = Tensor.make(shape, dtype, device, inputs: [self]) { $0.copy(original, to: $1) }.view
        }
        let view = view
        view.written(anew: false, of: [view] + read) { body(backend, view) }
    }

    /// Sets every element of the part that `indices` name to `value`: a mask, say.
    ///
    /// ```swift
    /// var z = x
    /// z.fill(0, at: z .< 2)
    /// ```
    public mutating func fill(_ value: Double, at indices: any TensorIndex...) {
        setPart(indices, scalar(value))
    }

    // MARK: Numbers
    //
    // Overloads for assignment alone: what is read is a tensor.

    /// Sets every element of the part that `indices` name to a number: `x[0] = 5`. Whole numbers must fit a tensor of whole
    /// numbers. The element is read by `try x[0, 1].item()`.
    @_disfavoredOverload
    public subscript<Number: TensorElement>(_ indices: any TensorIndex...) -> Number {
        @available(*, unavailable, message: "a number is read by `try x[...].item()`")
        get { unreadable() }
        set { setPart(indices, scalar(newValue.real)) }
    }

    /// Sets every element of the part that the indices name to a number, with `...` for as many whole axes as they leave.
    @_disfavoredOverload
    public subscript<Number: TensorElement>(_ all: UnboundedRange, _ indices: any TensorIndex...) -> Number {
        @available(*, unavailable, message: "a number is read by `try x[...].item()`")
        get { unreadable() }
        set { setPart([TensorIndexStep.otherAxes] + indices, scalar(newValue.real)) }
    }

    /// Sets every element of the part that the indices name to a number, with `...` for as many whole axes as they leave.
    @_disfavoredOverload
    public subscript<Number: TensorElement>(
        _ first: any TensorIndex, _ all: UnboundedRange, _ indices: any TensorIndex...
    ) -> Number {
        @available(*, unavailable, message: "a number is read by `try x[...].item()`")
        get { unreadable() }
        set { setPart([first, TensorIndexStep.otherAxes] + indices, scalar(newValue.real)) }
    }

    private func unreadable() -> Never { stop("subscript", "a number is read by `try x[...].item()`") }

    // MARK: Reading

    private func part(_ indices: [any TensorIndex]) -> Tensor {
        let resolved = ResolvedIndices(indices, for: shape)
        let part = resolved.isWhole ? self : viewed("subscript", .part(resolved.parts)) { resolved($0) }
        if resolved.choices.isEmpty { return part }
        let chosen = Choices(resolved.choices, of: part)
        return chosen.arranged(part.reshapedForChoices(chosen).gathered(chosen.places), for: part)
    }

    // MARK: Changing

    private mutating func setPart(_ indices: [any TensorIndex], _ value: Tensor) {
        let resolved = ResolvedIndices(indices, for: shape)
        if let mask = resolved.choices.first?.tensor, mask.dtype == .uint8 {
            return setMasked(resolved, mask, at: resolved.choices[0].axis, value)
        }
        if resolved.choices.isEmpty { return setElements(resolved, value) }
        let part = resolved.isWhole ? self : viewed("subscript", .part(resolved.parts)) { resolved($0) }
        let chosen = Choices(resolved.choices, of: part)
        let target = part.reshapedForChoices(chosen)
        let rows = chosen.rows(value, for: part, target)
        let changed = target.scattered(rows, along: 0, at: chosen.places.alongRows(of: rows))
        setElements(resolved, part.restored(changed, from: chosen))
    }

    /// Puts `value` where a change of view finds the elements.
    private mutating func setElements(_ resolved: ResolvedIndices, _ value: Tensor) {
        // The shape of the part is found on a view without memory of its own.
        let partShape = resolved(view).shape
        let value = value.fitting(self).withoutLeadingOnes(beyond: partShape.rank)
        require(
            value.shape.broadcast(with: partShape) == partShape, "subscript",
            "a value of \(value.shape) does not fit the part of \(partShape)")
        let isRecorded =
            GradientMode.isRecording && (node != nil || value.node != nil)
            || OperationObserver.current?.isComplete ?? false
        if isRecorded {
            self = replacing(resolved, by: value)
            return
        }
        if resolved.isWhole, value.shape == shape, node == nil {
            self = value.detached()
            return
        }
        if let node, !node.isLeaf { self.node = nil }
        let source = value.view.broadcast(to: partShape)
        changeInPlace(reading: [source]) { backend, view in backend.copy(source, to: resolved(view)) }
    }

    /// A tensor with `value` in place of a part, through which both gradients flow.
    private func replacing(_ resolved: ResolvedIndices, by value: Tensor) -> Tensor {
        let original = view
        return Tensor.operation(
            "subscript", [self, value], shape, dtype: dtype,
            details: .replacement(resolved.parts, shape: resolved(original).shape),
            forward: { backend, out in
                backend.copy(original, to: out)
                let part = resolved(out)
                backend.copy(value.view.broadcast(to: part.shape), to: part)
            },
            gradient: { outputGradient, inputs in
                inputs.add(0, outputGradient.cleared(resolved))
                inputs.add(1, outputGradient.viewed("subscript") { resolved($0) })
            })
    }

    /// A copy with zeros in place of a part.
    private func cleared(_ resolved: ResolvedIndices) -> Tensor {
        Tensor.operation(
            "subscript", [self], shape,
            forward: { backend, out in
                backend.copy(view, to: out)
                backend.fill(resolved(out), with: 0)
            },
            gradient: { outputGradient, inputs in inputs.add(0, outputGradient.cleared(resolved)) })
    }

    private mutating func setMasked(
        _ resolved: ResolvedIndices, _ mask: Tensor, at axis: Int, _ value: Tensor
    ) {
        let value = value.fitting(self)
        let part = resolved.isWhole ? self : viewed("subscript", .part(resolved.parts)) { resolved($0) }
        let rest = part.rank - axis - mask.rank
        if axis == 0 && value.rank > rest {
            // A value for each element that the mask chooses.
            let chosen = Choices(resolved.choices, of: part)
            let target = part.reshapedForChoices(chosen)
            let rows = chosen.rows(value, for: part, target)
            let changed = target.scattered(rows, along: 0, at: chosen.places.alongRows(of: rows))
            return setElements(resolved, part.restored(changed, from: chosen))
        }
        let sizes = [Int](repeating: 1, count: axis) + mask.shape.sizes + [Int](repeating: 1, count: rest)
        require(
            value.rank <= rest && value.shape.broadcast(with: part.shape) == part.shape, "subscript",
            "a value of \(value.shape) does not fit what a mask of \(mask.shape) chooses from \(part.shape)")
        setElements(resolved, Tensor.select(mask.reshaped(Shape(sizes)), value, part))
    }

    /// This value without axes of size 1 in front that the part does not have: NumPy and PyTorch pass over them.
    private func withoutLeadingOnes(beyond rank: Int) -> Tensor {
        let surplus = self.rank - rank
        guard surplus > 0, shape.prefix(surplus).allSatisfy({ $0 == 1 }) else { return self }
        return reshaped(Shape([Int](shape.dropFirst(surplus))))
    }

    /// This value as one to be put into `tensor`.
    private func fitting(_ tensor: Tensor) -> Tensor {
        require(
            device.backend === tensor.device.backend, "subscript",
            "a value on \(device.id) for a tensor on \(tensor.device.id); move one with to(_:)")
        return cast(to: tensor.dtype)
    }
}

// MARK: - Index tensors

/// What index tensors choose: numbers of rows, once their axes have been brought to the front and joined into one.
private struct Choices {
    /// The axes they choose from, and where the axes of the result go.
    var axes: [Int]
    var resultAxis: Int
    /// The shape of the result's own axes.
    var shape: Shape
    /// int32 numbers of rows, one axis.
    var places: Tensor

    init(_ choices: [(axis: Int, tensor: Tensor)], of part: Tensor) {
        let first = choices[0]
        if first.tensor.dtype == .uint8 {
            axes = [Int](first.axis..<first.axis + first.tensor.rank)
            places = first.tensor.placesOfMask()
            shape = places.shape
            resultAxis = first.axis
            return
        }
        axes = choices.map(\.axis)
        let areNeighbours = zip(axes, axes.dropFirst()).allSatisfy { $1 == $0 + 1 }
        resultAxis = areNeighbours ? axes[0] : 0
        if choices.count == 1 {
            shape = first.tensor.shape
            places = first.tensor.countedFromStart(part.shape[axes[0]]).reshaped([-1])
            return
        }
        guard
            let common = choices.dropFirst().reduce(
                first.tensor.shape as Shape?, { $0?.broadcast(with: $1.tensor.shape) })
        else {
            stop("subscript", "index tensors of \(choices.map(\.tensor.shape)) do not broadcast")
        }
        shape = common
        var sum = Tensor(repeating: 0, common, dtype: .int32, device: part.device)
        var areInside = Tensor(repeating: 1, common, dtype: .uint8, device: part.device)
        for (axis, tensor) in choices {
            let size = part.shape[axis]
            let indices = tensor.countedFromStart(size)
            areInside = areInside .& indices.isInside(size)
            sum = sum * size + indices
        }
        // One index out of range must not find another row.
        places = Tensor.select(areInside, sum, sum.scalar(-1)).reshaped([-1])
    }

    /// Rows that were gathered from `part`, in the shape of the result.
    func arranged(_ rows: Tensor, for part: Tensor) -> Tensor {
        let rest = part.shape.indices.filter { !axes.contains($0) }
        let result = rows.reshaped(Shape(shape.sizes + rest.map { part.shape[$0] }))
        if resultAxis == 0 { return result }
        let own = [Int](0..<shape.rank)
        let others = [Int](shape.rank..<result.rank)
        return result.permuted(others[..<resultAxis] + own + others[resultAxis...])
    }

    /// `value` as rows to be scattered to `target`, which was made from `part`.
    func rows(_ value: Tensor, for part: Tensor, _ target: Tensor) -> Tensor {
        let rest = part.shape.indices.filter { !axes.contains($0) }
        var sizes = rest.map { part.shape[$0] }
        sizes.insert(contentsOf: shape.sizes, at: resultAxis)
        let whole = Shape(sizes)
        require(
            value.shape.broadcast(with: whole) == whole, "subscript",
            "a value of \(value.shape) does not fit the part of \(whole)")
        let own = [Int](resultAxis..<resultAxis + shape.rank)
        let others = whole.indices.filter { !own.contains($0) }
        return value.broadcast(to: whole).permuted(own + others)
            .reshaped(Shape([places.elementCount] + target.shape.sizes.dropFirst()))
    }
}

extension Tensor {
    /// These int32 places of an axis of `size`, negative ones counted from its end.
    fileprivate func countedFromStart(_ size: Int) -> Tensor {
        let indices = detached()
        return Tensor.select(indices .< 0, indices + size, indices)
    }

    /// This part with the axes that are chosen from in front, as one.
    fileprivate func reshapedForChoices(_ chosen: Choices) -> Tensor {
        let rest = shape.indices.filter { !chosen.axes.contains($0) }
        let count = chosen.axes.reduce(1) { $0 * shape[$1] }
        return permuted(chosen.axes + rest).reshaped(Shape([count] + rest.map { shape[$0] }))
    }

    /// What was made of `reshapedForChoices`, in the shape of this part again.
    fileprivate func restored(_ rows: Tensor, from chosen: Choices) -> Tensor {
        let order = chosen.axes + shape.indices.filter { !chosen.axes.contains($0) }
        let inverse = order.indices.map { order.firstIndex(of: $0)! }
        return rows.reshaped(Shape(order.map { shape[$0] })).permuted(inverse)
    }

    /// These numbers of rows for each element of `rows`.
    fileprivate func alongRows(of rows: Tensor) -> Tensor {
        reshaped(Shape([elementCount] + [Int](repeating: 1, count: rows.rank - 1))).broadcast(to: rows.shape)
    }

    /// The int32 places of this mask's elements other than 0, in row-major order. Waits for the device; what fails there is
    /// reported for the next wait to throw.
    fileprivate func placesOfMask() -> Tensor {
        var places: [Int32] = []
        backend.reportingErrors {
            places = try bytes().enumerated().compactMap { $0.element == 0 ? nil : Int32($0.offset) }
        }
        return Tensor(places, device: device)
    }
}
