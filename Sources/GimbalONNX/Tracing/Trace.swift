import Gimbal

/// The operations of one forward pass, in order, with every tensor that they read and computed.
struct Trace {
    struct Step {
        let name: String
        /// The path of the layer that it was called in; empty outside of every layer.
        let layer: String
        let details: OperationDetails
        let operands: [Tensor]
        let outputs: [Tensor]

        /// All that it reads.
        var reads: [Tensor] { operands + details.tensors }
        /// What messages call it.
        var place: String { layer.isEmpty ? "'\(name)'" : "'\(name)' in layer \(layer)" }
    }

    let inputs: [Tensor]
    let outputs: [Tensor]
    let steps: [Step]

    /// Runs `forward` on `inputs`, in float32 and without gradients.
    /// - Throws: what the device reports.
    init(_ inputs: [Tensor], _ forward: ([Tensor]) -> [Tensor]) throws {
        var steps: [Step] = []
        let watcher = OperationWatcher(
            computed: { operation in
                steps.append(
                    Step(
                        name: "\(operation.name)", layer: operation.layer?.path ?? "", details: operation.details,
                        operands: operation.inputs, outputs: operation.outputs))
            }, isComplete: true)
        outputs = withPrecision(.float32) {
            withoutGradients { withOperationWatcher(watcher) { forward(inputs) } }
        }
        for input in inputs { try input.backend.synchronize() }
        self.inputs = inputs
        self.steps = steps
    }
}
