import Gimbal
import GimbalNN

extension GraphRules {
    static let normalizationRules: [GraphRule] = [
        GraphRule("layerNormalized", 1, weight: 5) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axes = 1 + planner.below(min(planner.rank(0), 2))
            let shape = Array(planner.shape(0).suffix(axes))
            guard !shape.contains(0) else { return nil }
            let centers = !planner.flag()
            let (hasScale, hasShift) = (!planner.flag(), !planner.flag())
            let scale = hasScale ? planner.tensor(shape, .positive, requiresGradient: !planner.flag()) : nil
            let shift = hasShift ? planner.tensor(shape) : nil
            let source = (scale.map { "scale: $\($0), " } ?? "") + (shift.map { "shift: $\($0), " } ?? "")
            return GraphPlan("$0.layerNormalized(axes: \(axes), \(source)epsilon: 0.01, centers: \(centers))") {
                tensors in
                tensors[0].layerNormalized(
                    axes: axes, scale: scale.map { tensors[$0] }, shift: shift.map { tensors[$0] }, epsilon: 0.01,
                    centers: centers)
            }
        },
        GraphRule("batchNormalized", 1, weight: 5) { planner in
            guard (2...4).contains(planner.rank(0)) else { return nil }
            let channels = planner.shape(0)[1]
            guard planner.count(0) == 0 || planner.count(0) / channels > 1 else { return nil }
            let isPlain = planner.flag()
            let (scale, shift) =
                isPlain ? (nil, nil) : (planner.tensor([channels], .positive), planner.tensor([channels]))
            let isRectified = planner.flag()
            let hasResidual = isRectified && planner.flag()
            let source = isPlain ? "scale: nil, shift: nil" : "scale: $1, shift: $2"
            return GraphPlan(
                "$0.batchNormalized(\(source), running: nil, momentum: 0.1, epsilon: 0.01, isRectified: \(isRectified), "
                    + "residual: \(hasResidual ? "$0.affine(scale: 0.5)" : "nil"))"
            ) { tensors in
                tensors[0].batchNormalized(
                    scale: scale.map { tensors[$0] }, shift: shift.map { tensors[$0] }, running: nil, momentum: 0.1,
                    epsilon: 0.01, isRectified: isRectified,
                    residual: hasResidual ? tensors[0].affine(scale: 0.5) : nil)
            }
        },
        GraphRule("BatchNorm", 1, weight: 4) { planner in
            guard (2...4).contains(planner.rank(0)), planner.operands[0].dtype != .float16 else { return nil }
            let channels = planner.shape(0)[1]
            guard channels > 0, planner.count(0) / channels > 1 else { return nil }
            let rank = planner.rank(0)
            let isEvaluated = planner.flag()
            let name = rank == 4 ? "BatchNorm2d" : "BatchNorm1d"
            return GraphPlan(
                "Sequential([\(name)(\(channels)), ReLU()])", isEvaluated ? "$m.evaluating { $m($0) }" : "$m($0)",
                make: { () -> Sequential in
                    let norm: any TensorLayer = rank == 4 ? BatchNorm2d(channels) : BatchNorm1d(channels)
                    return Sequential([norm, ReLU()])
                }, { model, x in isEvaluated ? model.evaluating { model(x[0]) } : model(x[0]) })
        },
        GraphRule("GroupNorm", 1, weight: 3) { planner in
            guard planner.rank(0) >= 2, planner.count(0) > 0 else { return nil }
            let channels = planner.shape(0)[1]
            let groups = planner.among([1, channels, 2, 3].filter { channels % $0 == 0 })
            return GraphPlan(
                "GroupNorm(groups: \(groups), channels: \(channels), epsilon: 0.01)",
                make: { GroupNorm(groups: groups, channels: channels, epsilon: 0.01) }, { layer, x in layer(x[0]) })
        },
        GraphRule("RMSNorm", 1, weight: 3) { planner in
            guard let size = planner.shape(0).last, size > 0 else { return nil }
            return GraphPlan(
                "RMSNorm(\(size), epsilon: 0.01)", make: { RMSNorm(size, epsilon: 0.01) }, { layer, x in layer(x[0]) })
        },
        GraphRule("LayerNorm", 1, weight: 3) { planner in
            guard let size = planner.shape(0).last, size > 0 else { return nil }
            let hasBias = !planner.flag()
            return GraphPlan(
                "LayerNorm(\(size), epsilon: 0.01, hasBias: \(hasBias))",
                make: { LayerNorm(size, epsilon: 0.01, hasBias: hasBias) }, { layer, x in layer(x[0]) })
        },
        GraphRule("addedAndNormalized", 2, weight: 3) { planner in
            guard planner.shape(0) == planner.shape(1), let size = planner.shape(0).last, size > 0 else { return nil }
            planner.tensor([size], .positive)
            planner.tensor([size])
            return GraphPlan(
                "{ let r = $0.addedAndNormalized($1, scale: $2, shift: $3, epsilon: 0.01); return r.sum * r.normalized }()"
            ) { tensors in
                let result = tensors[0].addedAndNormalized(
                    tensors[1], scale: tensors[2], shift: tensors[3], epsilon: 0.01)
                return result.sum * result.normalized
            }
        },
    ]
}
