import Gimbal
internal import SwiftProtobuf

// Elements chosen by number, places of extremes, and order.

extension Translator {
    func gather(_ step: PairedStep, _ axis: Int, _ indices: Paired) throws {
        define(
            step,
            as: graph.add(
                "GatherElements", [try value(step.operands[0]), try value(indices)], [.integer("axis", axis)]))
    }

    func scatter(_ step: PairedStep, _ axis: Int, _ indices: Paired, accumulates: Bool) throws {
        let inputs = [try value(step.operands[0]), try value(indices), try value(step.operands[1])]
        define(
            step,
            as: graph.add(
                "ScatterElements", inputs,
                [.integer("axis", axis), .text("reduction", accumulates ? "add" : "none")]))
    }

    func findLargest(_ step: PairedStep) throws {
        let places = graph.add(
            "ArgMax", [try value(step.operands[0])], [.integer("axis", -1), .integer("keepdims", 0)])
        define(step, as: int32(places))
    }

    func order(_ step: PairedStep, _ axis: Int, isDescending: Bool) throws {
        guard let count = step.operands[0].sizes[axis].fixed else { throw step.refused("it sorts along the batch") }
        // Of equal elements the first come first, as they do here.
        let sorted = graph.add(
            "TopK", [try value(step.operands[0]), try graph.integers([count])],
            [.integer("axis", axis), .integer("largest", isDescending ? 1 : 0), .integer("sorted", 1)], outputs: 2)
        define(step, as: int32(sorted[1]))
    }

    /// Places, which ONNX has as int64, in the type that they have here.
    private func int32(_ places: String) -> String {
        graph.add("Cast", [places], [.integer("to", ONNXTensorProto.DataType.int32.rawValue)])
    }
}
