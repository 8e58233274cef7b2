import Gimbal
internal import SwiftProtobuf

extension ONNXGraphProto {
    /// Makes sure of what every graph must keep: each value has one name and one origin, every node stands behind what it
    /// reads, and inputs and outputs are there. A failure is a fault of the export, and no file is written.
    /// - Throws: `GimbalError.invalidSetting`.
    func check() throws {
        var known: Set<String> = []
        func define(_ name: String) throws {
            try require(!name.isEmpty, "a value without a name")
            try require(known.insert(name).inserted, "two values are called '\(name)'")
        }
        for input in input { try define(input.name) }
        for tensor in initializer {
            try define(tensor.name)
            let count = tensor.dims.reduce(1, *) * Int64(tensor.dataType.byteCount)
            try require(
                tensor.rawData.count == count, "'\(tensor.name)' has \(tensor.rawData.count) bytes, not \(count)")
        }
        var nodeNames: Set<String> = []
        for node in node {
            try require(nodeNames.insert(node.name).inserted, "two nodes are called '\(node.name)'")
            for name in node.input where !name.isEmpty {
                try require(known.contains(name), "'\(node.name)' reads '\(name)', which nothing computes")
            }
            for name in node.output { try define(name) }
        }
        try require(!output.isEmpty, "there is no output")
        for output in output {
            try require(known.contains(output.name), "nothing computes the output '\(output.name)'")
        }
    }

    private func require(_ isTrue: Bool, _ complaint: @autoclosure () -> String) throws {
        guard !isTrue else { return }
        throw GimbalError.invalidSetting(
            name: "model", reason: "the export made a graph that is not whole, and wrote nothing: \(complaint())")
    }
}

extension ONNXTensorProto.DataType {
    fileprivate var byteCount: Int {
        switch self {
        case .undefined: 0
        case .uint8, .bool: 1
        case .float16, .bfloat16: 2
        case .float, .int32: 4
        case .int64, .double: 8
        }
    }
}
