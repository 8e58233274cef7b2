import Gimbal

extension GraphRules {
    static let reductionRules: [GraphRule] = [
        reduction("sum", weight: 4) { $0.sum($1, keepsAxes: $2) },
        reduction("mean", weight: 3) { $0.mean($1, keepsAxes: $2) },
        reduction("max") { $0.max($1, keepsAxes: $2) }, reduction("min") { $0.min($1, keepsAxes: $2) },
        reduction("product", weight: 1) { $0.product($1, keepsAxes: $2) },
        reduction("logSumExp") { $0.logSumExp($1, keepsAxes: $2) },
        reduction("norm") { $0.norm($1, keepsAxes: $2) },
        GraphRule("variance", 1) { planner in
            let (axes, isUnbiased) = (planner.axes(), planner.flag())
            return GraphPlan("$0.variance(\(written(axes)), isUnbiased: \(isUnbiased))") {
                $0[0].variance(axes, isUnbiased: isUnbiased)
            }
        },
        along("cumulativeSum") { $0.cumulativeSum(axis: $1) },
        along("cumulativeProduct", weight: 1) { $0.cumulativeProduct(axis: $1) },
        along("softmax", weight: 3) { $0.softmax(axis: $1) },
        along("logSoftmax", weight: 3) { $0.logSoftmax(axis: $1) },
        GraphRule("linearRecurrence", 1, weight: 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            planner.tensor(planner.shape(0), .weight(inputs: 4))
            return GraphPlan("Tensor.linearRecurrence(factors: $1, terms: $0, axis: \(axis))") {
                Tensor.linearRecurrence(factors: $0[1], terms: $0[0], axis: axis)
            }
        },
        GraphRule("sorted", 1, weight: 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let (axis, isDescending) = (planner.axis(), planner.flag())
            return GraphPlan("$0.sorted(axis: \(axis), isDescending: \(isDescending)).values") {
                $0[0].sorted(axis: axis, isDescending: isDescending).values
            }
        },
        GraphRule("topK", 1, weight: 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            let count = planner.below(planner.shape(0)[axis] + 1)
            return GraphPlan("$0.topK(\(count), axis: \(axis)).values") { $0[0].topK(count, axis: axis).values }
        },
    ]

    /// Axes as they are written in a call; `nil` for all.
    static func written(_ axes: [Int]?) -> String { axes.map { "\($0)" } ?? "nil" }

    private static func reduction(
        _ name: String, weight: Int = 2, _ compute: @escaping @Sendable (Tensor, [Int]?, Bool) -> Tensor
    ) -> GraphRule {
        GraphRule(name, 1, weight: weight) { planner in
            // Of 16 bits many are equal, and how many is for rounding to say: no run with errors shows all ways to share.
            let isExtreme = name == "max" || name == "min"
            guard !isExtreme || planner.operands[0].dtype.byteCount > 2 else { return nil }
            let (axes, keepsAxes) = (planner.axes(), planner.flag())
            let label = name == "norm" ? "p: 2, " : ""
            return GraphPlan("$0.\(name)(\(label)\(written(axes)), keepsAxes: \(keepsAxes))") {
                compute($0[0], axes, keepsAxes)
            }
        }
    }

    private static func along(
        _ name: String, weight: Int = 2, _ compute: @escaping @Sendable (Tensor, Int) -> Tensor
    ) -> GraphRule {
        GraphRule(name, 1, weight: weight) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.rank(0) - 1 - planner.axis()  // The last is the simplest.
            return GraphPlan("$0.\(name)(axis: \(axis))") { compute($0[0], axis) }
        }
    }
}
