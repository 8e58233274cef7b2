import Gimbal

// Views, parts and rearrangements.

extension Translator {
    func reshape(_ step: PairedStep) throws {
        define(step, as: try reshaped(try value(step.operands[0]), step.operands[0].sizes, step.outputs[0].sizes))
    }

    /// `value`, of sizes `from`, in the sizes `to`.
    func reshaped(_ value: String, _ from: [Size], _ to: [Size]) throws -> String {
        if from == to { return value }
        return graph.add("Reshape", [value, try shape(to, infersOne: true)])
    }

    /// `value`, of sizes `from`, repeated to the sizes `to`.
    func expanded(_ value: String, _ from: [Size], _ to: [Size]) throws -> String {
        if from == to { return value }
        // A size of 1 asks for no repetition: what is there already need not be known.
        let missing = to.count - from.count
        let asked = to.indices.map { axis in
            axis >= missing && from[axis - missing] == to[axis] ? Size(1) : to[axis]
        }
        return graph.add("Expand", [value, try shape(asked)])
    }

    func part(_ step: PairedStep, _ small: [AxisPart], _ large: [AxisPart]) throws {
        let input = step.operands[0]
        var starts: [String] = []
        var ends: [String] = []
        var (axes, steps): ([Int], [Int]) = ([], [])
        for (first, second) in zip(small, large) {
            let (start, count, size) = (
                Size(first.start, second.start), Size(first.count, second.count), input.sizes[first.axis]
            )
            if start == Size(0), first.step == 1, count == size { continue }
            axes.append(first.axis)
            steps.append(try fixed(step, first.step, second.step, "a step"))
            starts.append(try place(bound(start, in: size)))
            ends.append(
                try place(
                    bound(
                        Size(first.start + first.count * first.step, second.start + second.count * second.step),
                        in: size)))
        }
        var result = try value(input)
        if !axes.isEmpty {
            func joined(_ parts: [String]) -> String {
                parts.count == 1 ? parts[0] : graph.add("Concat", parts, [.integer("axis", 0)])
            }
            result = graph.add(
                "Slice",
                [result, joined(starts), joined(ends), try graph.integers(axes), try graph.integers(steps)])
        }
        var sizes = input.sizes
        for (first, second) in zip(small, large) { sizes[first.axis] = Size(first.count, second.count) }
        define(step, as: try reshaped(result, sizes, step.outputs[0].sizes))
    }

    /// A bound of a slice. What lies before the first element or at the end of an axis has numbers of its own, which hold
    /// for axes of any size.
    private func bound(_ place: Size, in size: Size) -> Size {
        if place.small < 0 && place.large < 0 { return Size(-Int(Int32.max)) }
        if size.fixed == nil && place.small >= size.small && place.large >= size.large { return Size(Int(Int32.max)) }
        // The last element, from which a step of -1 begins.
        if size.fixed == nil && place == Size(size.small - 1, size.large - 1) { return Size(-1) }
        return place
    }

    /// The value of the second operand in place of a part of the first: moved to its place among zeros, and chosen there.
    func replace(_ step: PairedStep, _ small: [AxisPart], _ large: [AxisPart], _ partSizes: [Size]) throws {
        let (target, source) = (step.operands[0], step.operands[1])
        var sizes = target.sizes
        var (before, after) = ([Int](repeating: 0, count: target.rank), [Int](repeating: 0, count: target.rank))
        var maskSizes = [Int](repeating: 1, count: target.rank)
        var isInside: [(axis: Int, range: Range<Int>)] = []
        for (first, second) in zip(small, large) {
            let size = target.sizes[first.axis]
            let count = Size(first.count, second.count)
            if first.start == 0, second.start == 0, first.step == 1, count == size { continue }
            guard let whole = size.fixed, let count = count.fixed, first.start == second.start, first.step == 1 else {
                throw step.refused("a part that is assigned to must lie side by side, and not along the batch")
            }
            sizes[first.axis] = Size(count)
            (before[first.axis], after[first.axis]) = (first.start, whole - first.start - count)
            maskSizes[first.axis] = whole
            isInside.append((first.axis, first.start..<first.start + count))
        }
        let part = try reshaped(
            try expanded(try value(source), source.sizes, partSizes), partSizes, sizes)
        guard !isInside.isEmpty else { return define(step, as: part) }
        let zero = try graph.scalar(0, target.dtype)
        let padded = graph.add("Pad", [part, try graph.integers(before + after), zero])
        let mask = isInside.reduce(Tensor(repeating: 1, Shape(maskSizes), dtype: .uint8, device: .cpu)) {
            mask, inside in
            let places = Tensor.arange(maskSizes[inside.axis], device: .cpu)
                .reshaped(Shape(maskSizes.indices.map { $0 == inside.axis ? maskSizes[$0] : 1 }))
            return mask .& (places .>= inside.range.lowerBound) .& (places .< inside.range.upperBound)
        }
        let condition = condition(try graph.constant(mask))
        define(step, as: graph.add("Where", [condition, padded, try value(target)]))
    }
}
