// Running sums and products, and the product over axes.

extension Tensor {
    /// Running sums along `axis`: each element with all before it. Masks and bytes are summed as int32.
    ///
    /// ```swift
    /// Tensor([1, 2, 3]).cumulativeSum()  // [1 3 6]
    /// ```
    public func cumulativeSum(axis: Int = -1) -> Tensor {
        let x = dtype == .uint8 ? cast(to: .int32) : self
        return Tensor.linearRecurrence(terms: x, axis: axis)
    }

    /// Running products along `axis`: each element with all before it. The gradient is right at zeros too.
    public func cumulativeProduct(axis: Int = -1) -> Tensor {
        let axis = resolve(axis, "cumulativeProduct")
        let size = shape[axis]
        if size == 0 { return self }
        var widths = [(before: Int, after: Int)](repeating: (0, 0), count: rank - axis)
        widths[0].after = size - 1
        // The first element, and then each product from the one before.
        return Tensor.linearRecurrence(factors: self, terms: sliced(0..<1, axis: axis).padded(widths), axis: axis)
    }

    /// The product over `axes`, all of them unless given. The gradient is right at zeros too.
    public func product(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        let axes = resolve(axes, "product")
        let result = Tensor.operation(
            "product", [self], shape.reducing(axes), dtype: dtype == .uint8 ? .int32 : fullType,
            details: .reduction(.product, axes: axes),
            forward: { backend, out in backend.reduce(.product, view, out: out, accumulates: false) },
            gradient: { [x = detached()] outputGradient, inputs in
                inputs.add(0, outputGradient.maskedProduct(inputs.input(0, x).productOfOthers(axes)))
            })
        return keepsAxes ? result : result.removing(axes)
    }

    /// For each element the product of all others over `axes`: of those before it with those after it.
    private func productOfOthers(_ axes: [Int]) -> Tensor {
        let order = shape.indices.filter { !axes.contains($0) } + axes
        let inverse = order.indices.map { order.firstIndex(of: $0)! }
        let arranged = permuted(order)
        let count = axes.reduce(1) { $0 * shape[$1] }
        if count <= 1 { return Tensor.ones(like: self) }
        let rows = arranged.reshaped([elementCount / count, count])
        func productsBefore(_ x: Tensor) -> Tensor {
            let products = x.sliced(0..<count - 1, axis: 1).cumulativeProduct(axis: 1)
            return products.placedBehindOne()
        }
        let others = productsBefore(rows) * productsBefore(rows.flipped([1])).flipped([1])
        return others.reshaped(arranged.shape).permuted(inverse)
    }

    /// These rows behind a column of ones.
    private func placedBehindOne() -> Tensor {
        Tensor.concatenated(
            [Tensor.ones([shape[0], 1], dtype: dtype, device: device), self], axis: 1)
    }

    /// y[i] = factors[i] · y[i - 1] + terms[i] along `axis`, with y[0] = terms[0]: the state of a linear recurrence, step by
    /// step.
    /// - Parameters:
    ///   - factors: of the shape of `terms`; 1 unless given. The first along the axis is not used.
    ///   - terms: what is added in each step; the first is the state to begin with.
    ///   - axis: the last unless given; negative ones count from there.
    public static func linearRecurrence(factors: Tensor? = nil, terms: Tensor, axis: Int = -1) -> Tensor {
        let axis = terms.resolve(axis, "linearRecurrence")
        if let factors {
            require(
                factors.shape == terms.shape && factors.dtype.isFloatingPoint == terms.dtype.isFloatingPoint,
                "linearRecurrence",
                "factors of \(factors.dtype) \(factors.shape) do not fit terms of \(terms.dtype) \(terms.shape)")
        }
        let a = factors?.detached()
        let dtype = factors.map { DType.wider($0.fullType, terms.fullType) } ?? terms.fullType
        let y = Tensor.make(terms.shape, dtype, terms.device, inputs: [terms] + (factors.map { [$0] } ?? [])) {
            $0.scan(factors: a?.view.lastAxis(axis), terms: terms.view.lastAxis(axis), out: $1.lastAxis(axis))
        }
        return y.recorded(
            "linearRecurrence", [terms] + (factors.map { [$0] } ?? []),
            factors == nil ? .runningSum(axis: axis) : .unstated
        ) { outputGradient, inputs in
            let (a, y) = (a.map { inputs.input(1, $0) }, inputs.output(y))
            // The gradient runs backwards: G[i] = g[i] + factors[i + 1] · G[i + 1].
            let arrived = linearRecurrence(
                factors: a?.flipped([axis]).rolled(by: 1, axis: axis), terms: outputGradient.flipped([axis]), axis: axis
            ).flipped([axis])
            inputs.add(0, arrived)
            guard a != nil, inputs.isNeeded(1) else { return }
            let size = y.shape[axis]
            if size == 0 { return inputs.add(1, arrived) }
            var widths = [(before: Int, after: Int)](repeating: (0, 0), count: y.rank - axis)
            widths[0].before = 1
            inputs.add(1, arrived.maskedProduct(y.sliced(0..<size - 1, axis: axis).padded(widths)))
        }
    }
}
