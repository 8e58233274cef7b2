extension Tensor {
    /// `outputs` as the results of one operation, whose rule is run once, when the gradients of all have arrived.
    ///
    /// The operation's own node collects nothing: where there are several outputs, each has a node that hands on what
    /// arrives at it.
    /// - Parameters:
    ///   - inputs: the operands.
    ///   - mayReachOthers: whether the rule may reach leaves that are not behind the inputs.
    ///   - gradient: the rule. Its gradients are nil for outputs that nothing depends on; the last argument gives back an
    ///     output that was kept, with a node where the pass creates a graph.
    static func recorded(
        _ name: StaticString, _ outputs: [Tensor], of inputs: [Tensor], mayReachOthers: Bool = false,
        _ gradient:
            @escaping (
                _ outputGradients: [Tensor?], _ inputs: InputGradients, _ output: (Int, Tensor) -> Tensor
            ) -> Void
    ) -> [Tensor] {
        let results = node(name, outputs, inputs.map(\.node), mayReachOthers, gradient)
        OperationObserver.current?.see(
            ComputedOperation(name: name, inputs: inputs, outputs: results, details: .unstated))
        return results
    }

    private static func node(
        _ name: StaticString, _ outputs: [Tensor], _ inputs: [Node?], _ mayReachOthers: Bool,
        _ gradient: @escaping ([Tensor?], InputGradients, (Int, Tensor) -> Tensor) -> Void
    ) -> [Tensor] {
        if outputs.count == 1 {
            let node = Node(operation: name, output: outputs[0].view, inputs: inputs) { outputGradient, inputs in
                gradient([outputGradient], inputs) { inputs.output($1) }
            }
            node.mayReachOthers = mayReachOthers
            return [Tensor(outputs[0].view, node: node)]
        }
        guard let first = outputs.first else { return [] }
        let arrived = ArrivedGradients(count: outputs.count)
        let joint = Node(operation: name, output: first.view, inputs: inputs) { _, inputs in
            gradient(arrived.take(), inputs) { index, value in
                let output = inputs.output(value)
                return output.node.map { arrived.part(index, value, of: $0) } ?? output
            }
        }
        joint.mayReachOthers = mayReachOthers
        return outputs.enumerated().map { index, output in
            output.dtype.isFloatingPoint ? arrived.part(index, output, of: joint) : output.detached()
        }
    }
}

/// The gradients that have arrived at the outputs of one operation.
private final class ArrivedGradients {
    private var gradients: [Tensor?]

    init(count: Int) { gradients = [Tensor?](repeating: nil, count: count) }

    func take() -> [Tensor?] {
        defer { gradients = [Tensor?](repeating: nil, count: gradients.count) }
        return gradients
    }

    /// `output` with a node that hands on what arrives at it as output `index` of `joint`.
    func part(_ index: Int, _ output: Tensor, of joint: Node) -> Tensor {
        let node = Node(operation: joint.operation, output: output.view, inputs: [joint]) { outputGradient, inputs in
            guard let joint = inputs.nodes[0] else { return }
            self.gradients[index] = self.gradients[index].map { $0 + outputGradient } ?? outputGradient
            // For the pass to visit it.
            joint.gradient = outputGradient
        }
        return Tensor(output.view, node: node)
    }
}
