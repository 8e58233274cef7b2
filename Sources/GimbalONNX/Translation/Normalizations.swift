import Gimbal

extension Translator {
    func normalizeBatch(_ step: PairedStep) throws {
        guard case .batchNormalization(let scale, let shift, let mean, let variance, let epsilon) = step.small.details,
            case .batchNormalization(let scale2, let shift2, let mean2, let variance2, _) = step.large.details
        else { return }
        let channels = mean.elementCount
        let inputs = [
            try value(step.operands[0]), try parameter(scale, scale2, or: 1, count: channels),
            try parameter(shift, shift2, or: 0, count: channels), try value(Paired(small: mean, large: mean2)),
            try value(Paired(small: variance, large: variance2)),
        ]
        define(step, as: graph.add("BatchNormalization", inputs, [.real("epsilon", epsilon)]))
    }

    func normalizeLayer(_ step: PairedStep) throws {
        guard case .layerNormalization(let axes, let scale, let shift, let epsilon, let centers) = step.small.details,
            case .layerNormalization(_, let scale2, let shift2, _, _) = step.large.details
        else { return }
        let x = try value(step.operands[0])
        guard centers else {
            // x / √(mean of x² + ε) (Zhang and Sennrich 2019): ONNX has an operator for it from opset 23 on.
            let last = (step.operands[0].rank - axes..<step.operands[0].rank).map { $0 }
            let squares = graph.add(
                "ReduceMean", [graph.add("Mul", [x, x]), try graph.integers(last)], [.integer("keepdims", 1)])
            let moved = graph.add("Add", [squares, try graph.scalar(epsilon, step.operands[0].dtype)])
            var result = graph.add("Div", [x, graph.add("Sqrt", [moved])])
            if let scale = try optional(scale, scale2) { result = graph.add("Mul", [result, scale]) }
            if let shift = try optional(shift, shift2) { result = graph.add("Add", [result, shift]) }
            return define(step, as: result)
        }
        let sizes = [Int](step.operands[0].small.shape.sizes.suffix(axes))
        guard step.operands[0].sizes.suffix(axes).allSatisfy({ $0.fixed != nil }) else {
            throw step.refused("it normalises along the batch")
        }
        let factor =
            try optional(scale, scale2)
            ?? graph.constant(Tensor(repeating: 1, Shape(sizes), dtype: step.operands[0].dtype, device: .cpu))
        let offset = try optional(shift, shift2) ?? ""
        define(
            step,
            as: graph.add(
                "LayerNormalization", [x, factor, offset], [.integer("axis", -axes), .real("epsilon", epsilon)]))
    }

    /// A parameter of each channel, or the number that stands for none.
    private func parameter(_ small: Tensor?, _ large: Tensor?, or number: Double, count: Int) throws -> String {
        try optional(small, large)
            ?? graph.constant(Tensor(repeating: number, [count], dtype: .float32, device: .cpu))
    }

    private func optional(_ small: Tensor?, _ large: Tensor?) throws -> String? {
        guard let small, let large else { return nil }
        return try value(Paired(small: small, large: large))
    }
}
