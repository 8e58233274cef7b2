extension Tensor {
    /// The sum over `axes`, all of them unless given. Negative axes count from the last. Masks and bytes are summed as
    /// int32: the sum of a mask is how often it holds. `keepsAxes` leaves size 1 where an axis was summed.
    public func sum(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        let axes = resolve(axes, "sum")
        let reduced = shape.reducing(axes)
        let original = shape
        let result = Tensor.operation(
            "sum", [self], reduced, dtype: dtype == .uint8 ? .int32 : fullType, details: .reduction(.sum, axes: axes),
            forward: { backend, out in backend.reduce(.sum, view, out: out, accumulates: false) },
            gradient: { outputGradient, inputs in
                inputs.add(0, outputGradient.broadcast(to: original))
            })
        return keepsAxes ? result : result.removing(axes)
    }

    /// The mean over `axes`, all of them unless given. Of whole numbers it is taken in the device's real type: the mean of a
    /// mask is the share in which it holds.
    public func mean(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        if !dtype.isFloatingPoint { return cast(to: backend.realType).mean(axes, keepsAxes: keepsAxes) }
        // A sum may exceed what a narrow type holds where the mean does not.
        if fullType.isNarrow { return inFloat32.mean(axes, keepsAxes: keepsAxes).cast(to: dtype) }
        let count = resolve(axes, "mean").reduce(1) { $0 * shape[$1] }
        return sum(axes, keepsAxes: keepsAxes) / Double(count)
    }

    /// The mean squared distance from the mean over `axes`, all of them unless given.
    /// - Parameters:
    ///   - axes: negative ones count from the last.
    ///   - isUnbiased: divides by one less than the number of elements.
    ///   - keepsAxes: leaves size 1 where an axis was folded.
    public func variance(_ axes: [Int]? = nil, isUnbiased: Bool = false, keepsAxes: Bool = false) -> Tensor {
        if fullType.isNarrow {
            return inFloat32.variance(axes, isUnbiased: isUnbiased, keepsAxes: keepsAxes).cast(to: dtype)
        }
        let count = resolve(axes, "variance").reduce(1) { $0 * shape[$1] }
        let squares = (self - mean(axes, keepsAxes: true)).square()
        return squares.sum(axes, keepsAxes: keepsAxes) / Double(isUnbiased ? count - 1 : count)
    }

    /// The largest element over `axes`, NaN if there is one. Equal largest elements, and elements that are NaN, share the
    /// gradient, as in PyTorch's `max()`.
    public func max(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        extremum("max", .maximum, axes, keepsAxes)
    }

    /// The smallest element over `axes`, NaN if there is one. The gradient is shared as that of `max`.
    public func min(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        extremum("min", .minimum, axes, keepsAxes)
    }

    private func extremum(_ name: StaticString, _ reduction: Reduction, _ axes: [Int]?, _ keepsAxes: Bool) -> Tensor {
        let axes = resolve(axes, "\(name)")
        let x = detached()
        let extreme = Tensor.make(shape.reducing(axes), dtype, device, inputs: [self]) { backend, out in
            backend.reduce(reduction, x.view, out: out, accumulates: false)
        }
        let result = extreme.recorded(name, [self], .reduction(reduction, axes: axes)) { outputGradient, inputs in
            let x = inputs.saved(x)
            let isNaN = Tensor.combine(.init(.notEqual), x, x)
            let isExtreme = Tensor.combine(.init(.equal), x, inputs.saved(extreme)) + isNaN
            let share = isExtreme.maskedProduct(outputGradient)
            inputs.add(0, share.maskedQuotient(isExtreme.sum(axes, keepsAxes: true)))
        }
        return keepsAxes ? result : result.removing(axes)
    }

    /// `axes` counted from the first, each named once, or all axes.
    func resolve(_ axes: [Int]?, _ operation: String) -> [Int] {
        guard let axes else { return [Int](shape.indices) }
        let resolved = axes.map { resolve($0, operation) }
        require(Set(resolved).count == axes.count, operation, "\(axes) names an axis of \(shape) twice")
        return resolved
    }

    /// `axis` counted from the first.
    func resolve(_ axis: Int, _ operation: String) -> Int {
        require(axis >= -rank && axis < rank, operation, "there is no axis \(axis) in \(shape)")
        return axis < 0 ? axis + rank : axis
    }

    /// Without `axes`, which are of size 1.
    func removing(_ axes: [Int]) -> Tensor {
        reshaped(Shape(shape.indices.filter { !axes.contains($0) }.map { shape[$0] }))
    }
}
