// Places of extremes, sorting, and what holds for any or all elements.

extension Tensor {
    // MARK: Extremes

    /// The int32 position of the largest element along `axis`, the first of equals; a NaN counts as the largest.
    public func argMax(axis: Int = -1, keepsAxis: Bool = false) -> Tensor {
        argExtreme("argMax", axis, keepsAxis) { $0 }
    }

    /// The int32 position of the smallest element along `axis`, the first of equals; a NaN counts as the smallest.
    public func argMin(axis: Int = -1, keepsAxis: Bool = false) -> Tensor {
        // -1 - x turns the order around without leaving the range of whole numbers, as -x would.
        argExtreme("argMin", axis, keepsAxis) { x in
            x.dtype.isFloatingPoint ? -x : -1 - (x.dtype == .uint8 ? x.cast(to: .int32) : x)
        }
    }

    private func argExtreme(
        _ name: String, _ axis: Int, _ keepsAxis: Bool, _ transform: (Tensor) -> Tensor
    ) -> Tensor {
        let axis = resolve(axis, name)
        require(shape[axis] > 0, name, "\(shape) has no elements along axis \(axis)")
        let moved = transform(detached()).movingAxis(axis, to: -1)
        let result = Tensor.make(Shape([Int](moved.shape.sizes.dropLast())), .int32, device, inputs: [moved]) {
            $0.argMaximum(moved.view, out: $1)
        }.noted("argMax", [moved], .placesOfLargest)
        return keepsAxis ? result.expandingAxis(axis) : result
    }

    // MARK: Sorting

    /// The int32 positions that put the elements along `axis` in order: equal elements keep theirs, and NaN counts as the
    /// largest.
    public func argSorted(axis: Int = -1, isDescending: Bool = false) -> Tensor {
        let axis = resolve(axis, "argSorted")
        return Tensor.make(shape, .int32, device, inputs: [self]) {
            $0.argSort(view.lastAxis(axis), isDescending: isDescending, out: $1.lastAxis(axis))
        }.noted("argSorted", [self], .order(axis: axis, isDescending: isDescending))
    }

    /// The elements along `axis` in order, and where each came from (int32). Equal elements keep their order, and NaN counts
    /// as the largest. The gradient goes back to where the elements came from.
    ///
    /// ```swift
    /// let (values, indices) = Tensor([3, 1, 2]).sorted()  // [1 2 3], [1 2 0]
    /// ```
    public func sorted(axis: Int = -1, isDescending: Bool = false) -> (values: Tensor, indices: Tensor) {
        let indices = argSorted(axis: axis, isDescending: isDescending)
        return (gathered(along: axis, indices), indices)
    }

    /// The `count` largest (or smallest) elements along `axis`, in order, and where each came from (int32). Of equal
    /// elements the first are taken, and NaN counts as the largest.
    public func topK(_ count: Int, axis: Int = -1, isSmallest: Bool = false) -> (values: Tensor, indices: Tensor) {
        let axis = resolve(axis, "topK")
        require((0...shape[axis]).contains(count), "topK", "axis \(axis) of \(shape) has no \(count) elements")
        let indices = argSorted(axis: axis, isDescending: !isSmallest).sliced(0..<count, axis: axis)
        return (gathered(along: axis, indices), indices)
    }

    /// The different values in ascending order, and how often each occurs; all NaN count as one value, the last. Waits for
    /// the device and counts on the host.
    public func uniqueCounts() throws -> [(value: Double, count: Int)] {
        var counts: [Double: Int] = [:]
        var nanCount = 0
        for value in try doubles() {
            if value.isNaN { nanCount += 1 } else { counts[value, default: 0] += 1 }
        }
        let sorted = counts.sorted { $0.key < $1.key }.map { (value: $0.key, count: $0.value) }
        return nanCount == 0 ? sorted : sorted + [(value: .nan, count: nanCount)]
    }

    // MARK: Any and all

    /// A mask of whether any element over `axes` (all of them unless given) is other than 0. Of no elements, none is.
    public func any(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        asMask().max(axes, keepsAxes: keepsAxes)
    }

    /// A mask of whether all elements over `axes` (all of them unless given) are other than 0. Of no elements, all are.
    public func all(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        logicalNot().max(axes, keepsAxes: keepsAxes).logicalNot()
    }
}
