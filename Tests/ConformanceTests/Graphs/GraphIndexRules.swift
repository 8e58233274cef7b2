import Gimbal
import GimbalNN

extension GraphRules {
    static let indexRules: [GraphRule] = [
        GraphRule("gathered", 1, weight: 4) { planner in
            guard planner.rank(0) > 0, planner.shape(0)[0] > 0 else { return nil }
            let rows = planner.shape(0)[0]
            planner.tensor(planner.among([[3], [0], [7], [2, 3], []]), .whole(0...rows - 1))
            let padding = planner.flag() ? 0 : nil
            return GraphPlan("$0.gathered($1\(padding == nil ? "" : ", withoutGradientFor: 0"))") {
                $0[0].gathered($0[1], withoutGradientFor: padding)
            }
        },
        GraphRule("gathered along", 1, weight: 3) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            guard planner.shape(0)[axis] > 0 else { return nil }
            var shape = planner.shape(0)
            shape[axis] = planner.among([1, 3, 8])
            planner.tensor(shape, .whole(0...planner.shape(0)[axis] - 1))
            return GraphPlan("$0.gathered(along: \(axis), $1)") { $0[0].gathered(along: axis, $0[1]) }
        },
        GraphRule("scatterAdded", 1, weight: 3) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            guard planner.shape(0)[axis] > 0 else { return nil }
            var shape = planner.shape(0)
            shape[axis] = planner.among([2, 5])
            planner.tensor(shape)
            planner.tensor(shape, .whole(0...planner.shape(0)[axis] - 1))
            return GraphPlan("$0.scatterAdded($1, along: \(axis), at: $2)") {
                $0[0].scatterAdded($0[1].cast(to: $0[0].dtype), along: axis, at: $0[2])
            }
        },
        GraphRule("scattered", 1, weight: 2) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            guard planner.shape(0)[axis] > 0 else { return nil }
            var shape = planner.shape(0)
            shape[axis] = planner.among([1, 4])
            planner.tensor(shape)
            planner.tensor(shape, .whole(0...planner.shape(0)[axis] - 1))
            return GraphPlan("$0.scattered($1, along: \(axis), at: $2)") {
                $0[0].scattered($0[1].cast(to: $0[0].dtype), along: axis, at: $0[2])
            }
        },
        GraphRule("rows by subscript", 1, weight: 2) { planner in
            guard planner.rank(0) > 0, planner.shape(0)[0] > 0 else { return nil }
            let rows = planner.shape(0)[0]
            planner.tensor([4], .whole(-rows...rows - 1))
            return GraphPlan("$0[$1]") { $0[0][$0[1]] }
        },
        GraphRule("Embedding", 1, weight: 2) { planner in
            let size = planner.shape(0).last ?? 1
            guard size > 0 else { return nil }
            let index = planner.tensor(planner.among([[3], [2, 2]]), .whole(0...4))
            let padding = planner.flag() ? 2 : nil
            return GraphPlan(
                "Embedding(5, \(size), paddingIndex: \(padding.map { "\($0)" } ?? "nil"))", "$m($\(index)) + $0.sum()",
                make: { Embedding(5, size, paddingIndex: padding) }, { layer, x in layer(x[index]) + x[0].sum() })
        },
    ]

    static let lossRules: [GraphRule] = [
        GraphRule("crossEntropies", 1, weight: 3) { planner in
            guard planner.rank(0) == 2, planner.shape(0)[1] > 0 else { return nil }
            let ignored = planner.flag() ? 0 : nil
            planner.tensor([planner.shape(0)[0]], .whole(0...planner.shape(0)[1] - 1))
            return GraphPlan("$0.crossEntropies($1, ignoredIndex: \(ignored.map { "\($0)" } ?? "nil"))") {
                $0[0].crossEntropies($0[1], ignoredIndex: ignored)
            }
        },
        GraphRule("crossEntropy", 1, weight: 4) { planner in
            guard planner.rank(0) == 2, planner.shape(0)[1] > 0, planner.shape(0)[0] > 0 else { return nil }
            let smoothing = planner.among([0, 0.1])
            let classes = planner.shape(0)[1]
            planner.tensor([planner.shape(0)[0]], .whole(0...classes - 1))
            let hasWeight = planner.flag()
            if hasWeight { planner.tensor([classes], .positive, requiresGradient: false) }
            return GraphPlan(
                "crossEntropy($0, $1\(hasWeight ? ", weight: $2" : ""), labelSmoothing: \(smoothing))"
            ) { crossEntropy($0[0], $0[1], weight: hasWeight ? $0[2] : nil, labelSmoothing: smoothing) }
        },
        loss("meanSquaredError") { meanSquaredError($0, $1, reduction: $2) },
        loss("meanAbsoluteError") { meanAbsoluteError($0, $1, reduction: $2) },
        loss("huber") { huber($0, $1, reduction: $2) }, loss("smoothL1") { smoothL1($0, $1, reduction: $2) },
        loss("binaryCrossEntropyWithLogits") { binaryCrossEntropyWithLogits($0, $1, reduction: $2) },
        loss("hinge") { hinge($0, $1, reduction: $2) },
        loss("poissonNLL") { poissonNLL($0, $1, reduction: $2) },
    ]

    private static func loss(
        _ name: String, _ compute: @escaping @Sendable (Tensor, Tensor, LossReduction) -> Tensor
    ) -> GraphRule {
        GraphRule(name, 1, weight: 1) { planner in
            planner.tensor(planner.shape(0), .positive, requiresGradient: planner.flag())
            let reduction = planner.among([LossReduction.mean, .sum, .none])
            return GraphPlan("\(name)($0, $1, reduction: .\(reduction))") { compute($0[0], $0[1], reduction) }
        }
    }
}
