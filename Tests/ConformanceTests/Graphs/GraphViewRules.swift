import Gimbal

extension GraphRules {
    static let viewRules: [GraphRule] = [
        GraphRule("reshaped", 1, weight: 4) { planner in
            let sizes = rearranged(planner.shape(0), &planner)
            return GraphPlan("$0.reshaped(\(sizes))") { $0[0].reshaped(Shape(sizes)) }
        },
        GraphRule("permuted", 1, weight: 4) { planner in
            var order = Array(0..<planner.rank(0))
            for place in order.indices.dropLast() { order.swapAt(place, place + planner.below(order.count - place)) }
            return GraphPlan("$0.permuted(\(order))") { [order] in $0[0].permuted(order) }
        },
        GraphRule("sliced", 1, weight: 4) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            let (start, end) = range(planner.shape(0)[axis], &planner)
            return GraphPlan("$0.sliced(\(start)..<\(end), axis: \(axis))") { $0[0].sliced(start..<end, axis: axis) }
        },
        GraphRule("every", 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let step = 1 + planner.below(3)
            return GraphPlan("$0[.every(\(step))]") { $0[0][.every(step)] }
        },
        GraphRule("selecting", 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            guard planner.shape(0)[axis] > 0 else { return nil }
            let index = planner.below(planner.shape(0)[axis])
            return GraphPlan("$0.selecting(\(index), axis: \(axis))") { $0[0].selecting(index, axis: axis) }
        },
        GraphRule("broadcast", 1) { planner in
            var shape = planner.shape(0)
            for axis in shape.indices where shape[axis] == 1 { shape[axis] = planner.among([1, 3, 0]) }
            if planner.flag() { shape.insert(2, at: 0) }
            return GraphPlan("$0.broadcast(to: \(shape))") { [shape] in $0[0].broadcast(to: Shape(shape)) }
        },
        GraphRule("flipped", 1) { planner in
            let axes = planner.axes()
            return GraphPlan("$0.flipped(\(written(axes)))") { $0[0].flipped(axes) }
        },
        GraphRule("expandingAxis", 1) { planner in
            let axis = planner.below(planner.rank(0) + 1)
            return planner.rank(0) > 4 ? nil : GraphPlan("$0.expandingAxis(\(axis))") { $0[0].expandingAxis(axis) }
        },
        GraphRule("diagonal", 1, weight: 1) { planner in
            planner.rank(0) < 2 ? nil : GraphPlan("$0.diagonal()") { $0[0].diagonal() }
        },
        GraphRule("rolled", 1, weight: 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let (axis, shift) = (planner.axis(), planner.below(4) - 1)
            return GraphPlan("$0.rolled(by: \(shift), axis: \(axis))") { $0[0].rolled(by: shift, axis: axis) }
        },
        GraphRule("padded", 1) { planner in
            let widths = planner.shape(0).map { _ in (before: planner.below(3), after: planner.below(3)) }
            let source = widths.map { "(\($0.before), \($0.after))" }.joined(separator: ", ")
            return GraphPlan("$0.padded([\(source)])") { $0[0].padded(widths) }
        },
        GraphRule("repeated", 1, weight: 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            return GraphPlan("$0.repeated(2, axis: \(axis))") { $0[0].repeated(2, axis: axis) }
        },
        GraphRule("lowerTriangle", 1, weight: 1) { planner in
            guard planner.rank(0) >= 2 else { return nil }
            let offset = planner.below(3) - 1
            return GraphPlan("$0.lowerTriangle(offset: \(offset))") { $0[0].lowerTriangle(offset: offset) }
        },
        GraphRule("concatenated", 2, weight: 4) { planner in
            let (x, y) = (planner.shape(0), planner.shape(1))
            guard x.count == y.count, !x.isEmpty, planner.operands[0].dtype == planner.operands[1].dtype else {
                return nil
            }
            let axis = planner.axis()
            guard x.indices.allSatisfy({ $0 == axis || x[$0] == y[$0] }) else { return nil }
            return GraphPlan("Tensor.concatenated([$0, $1], axis: \(axis))") {
                Tensor.concatenated([$0[0], $0[1]], axis: axis)
            }
        },
        GraphRule("concatenated twice", 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            return GraphPlan("Tensor.concatenated([$0, $0], axis: \(axis))") {
                Tensor.concatenated([$0[0], $0[0]], axis: axis)
            }
        },
        GraphRule("stacked", 2) { planner in
            guard planner.shape(0) == planner.shape(1), planner.operands[0].dtype == planner.operands[1].dtype else {
                return nil
            }
            let axis = planner.below(planner.rank(0) + 1)
            return planner.rank(0) > 4
                ? nil
                : GraphPlan("Tensor.stacked([$0, $1], axis: \(axis))") {
                    Tensor.stacked([$0[0], $0[1]], axis: axis)
                }
        },
        GraphRule("split", 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            let size = planner.shape(0)[axis]
            let first = planner.below(size + 1)
            return GraphPlan(
                "{ let p = $0.split(sizes: [\(first), \(size - first)], axis: \(axis)); return p[1].sum() + p[0] }()"
            ) { tensors in
                let parts = tensors[0].split(sizes: [first, size - first], axis: axis)
                return parts[1].sum() + parts[0]
            }
        },
    ]

    /// A part of 0..<size.
    private static func range(_ size: Int, _ planner: inout GraphPlanner) -> (Int, Int) {
        let start = planner.below(size + 1)
        return (start, size - planner.below(size - start + 1))
    }

    /// Other sizes with the same product: neighbours become one, or one is divided.
    private static func rearranged(_ shape: [Int], _ planner: inout GraphPlanner) -> [Int] {
        guard !shape.isEmpty, planner.flag() else { return [shape.reduce(1, *)] }
        var sizes = shape
        let axis = planner.below(shape.count)
        if axis + 1 < shape.count, planner.flag() {
            sizes[axis] *= sizes.remove(at: axis + 1)
        } else if let divisor = [4, 3, 2, 1].first(where: { sizes[axis] % $0 == 0 }), shape.count < 5 {
            sizes[axis] /= divisor
            sizes.insert(divisor, at: axis + planner.below(2))
        }
        return sizes
    }
}
