import CGimbalLoops
import GimbalBackend

extension CPUBackend {
    public func attentionSoftmax(_ scores: TensorView, mask: TensorView?, isCausal: Bool, out: TensorView) {
        guard scores.elementCount > 0 else { return }
        computing([scores], out: out, contiguous: true) { inputs, out in
            var plan = attentionPlan(scores.shape, isCausal: isCausal)
            let isKept = mask.map { !$0.dtype.isFloatingPoint } ?? false
            let mask = try mask.map { try converted($0, to: isKept ? .uint8 : .float32, contiguous: false) }
            if let mask {
                plan.keeps = isKept ? UnsafePointer(mask.pointer.assumingMemoryBound(to: UInt8.self)) : nil
                plan.added = isKept ? nil : UnsafePointer(mask.floats)
                plan.mask_strides = (mask.strides[0], mask.strides[1], mask.strides[2], mask.strides[3])
            }
            divideQueries(scores.shape, cost: 8, plan) {
                loops.attention_softmax(&$0, inputs[0].floats, out.floats, $1, $2)
            }
            withExtendedLifetime(mask) {}
        }
    }

    public func attentionSoftmaxGradient(
        _ y: TensorView, outputGradient: TensorView, isCausal: Bool, out: TensorView
    ) {
        guard y.elementCount > 0 else { return }
        computing([y, outputGradient], out: out, contiguous: true) { inputs, out in
            divideQueries(y.shape, cost: 4, attentionPlan(y.shape, isCausal: isCausal)) {
                loops.attention_softmax_gradient(&$0, inputs[0].floats, inputs[1].floats, out.floats, $1, $2)
            }
        }
    }

    private func attentionPlan(_ shape: Shape, isCausal: Bool) -> gimbal_attention {
        var plan = gimbal_attention()
        plan.heads = shape[1]
        plan.queries = shape[2]
        plan.keys = shape[3]
        plan.is_causal = isCausal
        return plan
    }

    /// Divides the queries of all heads among the threads.
    private func divideQueries(
        _ shape: Shape, cost: Int, _ plan: gimbal_attention, _ body: (inout gimbal_attention, Int, Int) -> Void
    ) {
        let rows = shape.elementCount / shape[3]
        divide(rows, grain: max(grain / (cost * shape[3]), 1)) { range in
            var plan = plan
            body(&plan, range.lowerBound, range.upperBound)
        }
    }
}
