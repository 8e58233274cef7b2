import Gimbal

// One direction of one recurrent layer as one node. Weights keep the layout of the state dictionary, which is PyTorch's; a
// few nodes, which runtimes fold when they load the graph, put their gates into the order that ONNX has.

extension Translator {
    func recur(_ step: PairedStep, _ small: RecurrenceDetails, _ large: RecurrenceDetails) throws {
        guard small.hiddenMask == nil else { throw step.refused("dropout inside of a recurrent net") }
        func value(_ path: (RecurrenceDetails) -> Tensor?) throws -> String? {
            guard let first = path(small), let second = path(large) else { return nil }
            return try self.value(Paired(small: first, large: second))
        }
        let form = OperatorForm(small.kind)
        func arranged(_ weight: String) -> String {
            if form.order == [Int](form.order.indices) { return weight }
            let gates = graph.add(
                "Split", [weight], [.integer("axis", 0), .integer("num_outputs", form.order.count)],
                outputs: form.order.count)
            return graph.add("Concat", form.order.map { gates[$0] }, [.integer("axis", 0)])
        }
        // ONNX has an axis for the directions, first of the weights and second of the outputs.
        func withDirection(_ value: String) throws -> String {
            graph.add("Unsqueeze", [value, try graph.integers([0])])
        }
        var bias = ""
        if let input = try value({ $0.weights.inputBias }), let hidden = try value({ $0.weights.hiddenBias }) {
            bias = try withDirection(graph.add("Concat", [arranged(input), arranged(hidden)], [.integer("axis", 0)]))
        }
        let inputs = [
            try value { $0.input }!, try withDirection(arranged(try value { $0.weights.input }!)),
            try withDirection(arranged(try value { $0.weights.hidden }!)), bias, try value { $0.lengths } ?? "",
            try value { $0.hidden }.map(withDirection) ?? "", try value { $0.cell }.map(withDirection) ?? "",
        ]
        let outputs = graph.add(
            form.type, inputs,
            form.attributes + [
                .integer("hidden_size", small.weights.hidden.shape[1]),
                .text("direction", small.isReversed ? "reverse" : "forward"),
            ], outputs: step.outputs.count)
        for (index, output) in step.outputs.enumerated() {
            define(output, as: graph.add("Squeeze", [outputs[index], try graph.integers([index == 0 ? 1 : 0])]))
        }
    }
}

/// The operator of a kind of recurrent net.
private struct OperatorForm {
    let type: String
    /// For each gate of the operator, its place among those of the state dictionary.
    let order: [Int]
    let attributes: [ONNXAttributeProto]

    init(_ kind: RecurrentKind) {
        switch kind {
        case .tanh: (type, order, attributes) = ("RNN", [0], [.texts("activations", ["Tanh"])])
        case .relu: (type, order, attributes) = ("RNN", [0], [.texts("activations", ["Relu"])])
        // Input, output, forget, cell; here input, forget, cell, output.
        case .lstm: (type, order, attributes) = ("LSTM", [0, 3, 1, 2], [])
        // Update, reset, new; here reset, update, new. The reset comes after the product, as in PyTorch.
        case .gru: (type, order, attributes) = ("GRU", [1, 0, 2], [.integer("linear_before_reset", 1)])
        }
    }
}
