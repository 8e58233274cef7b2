import Foundation
import Gimbal
internal import SwiftProtobuf

/// An ONNX graph while it is written: nodes, initializers, and names that nothing else has.
final class GraphBuilder {
    private(set) var nodes: [ONNXNodeProto] = []
    private(set) var initializers: [ONNXTensorProto] = []
    private var names: Set<String> = []
    private var byteCount = 0
    /// Names of constants by what they hold.
    private var constants: [Constant: String] = [:]
    /// The layer that nodes are named after.
    var layer = ""

    private struct Constant: Hashable {
        let type: ONNXTensorProto.DataType
        let sizes: [Int]
        let bytes: [UInt8]
    }

    // MARK: Names

    /// Keeps `name` for the caller, who makes sure that it is free.
    func reserve(_ name: String) { names.insert(name) }

    /// `base`, or `base_2` and so on where it is taken.
    func uniqueName(_ base: String) -> String {
        var (name, number) = (base, 1)
        while !names.insert(name).inserted {
            number += 1
            name = "\(base)_\(number)"
        }
        return name
    }

    // MARK: Nodes

    /// Adds a node of one output.
    func add(_ type: String, _ inputs: [String], _ attributes: [ONNXAttributeProto] = []) -> String {
        add(type, inputs, attributes, outputs: 1)[0]
    }

    /// Adds a node.
    /// - Parameter inputs: names of values; an empty one is an input that is left out.
    /// - Returns: the names of its outputs.
    func add(_ type: String, _ inputs: [String], _ attributes: [ONNXAttributeProto] = [], outputs: Int) -> [String] {
        let prefix = layer.isEmpty ? "" : layer + "/"
        var node = ONNXNodeProto()
        node.opType = type
        node.name = uniqueName(prefix + type)
        node.input = inputs
        while node.input.last == "" { node.input.removeLast() }
        node.output = outputs == 1 ? [node.name + ":0"] : (0..<outputs).map { "\(node.name):\($0)" }
        node.attribute = attributes
        nodes.append(node)
        return node.output
    }

    // MARK: Initializers

    /// Adds a tensor under a name that the caller has reserved.
    /// - Throws: `GimbalError.invalidSetting` for more than a protobuf message holds; what the device reports.
    func addInitializer(_ name: String, _ tensor: Tensor) throws {
        try require(tensor.elementCount * tensor.dtype.byteCount)
        let bytes = try tensor.bytes()
        try requireHostMemory(for: bytes.count)
        addInitializer(name, ONNXTensorProto.DataType(tensor.dtype), tensor.shape.sizes, bytes)
    }

    private func addInitializer(_ name: String, _ type: ONNXTensorProto.DataType, _ sizes: [Int], _ bytes: [UInt8]) {
        var tensor = ONNXTensorProto()
        tensor.name = name
        tensor.dataType = type
        tensor.dims = sizes.map(Int64.init)
        tensor.rawData = Data(bytes)
        initializers.append(tensor)
    }

    private func require(_ more: Int) throws {
        byteCount += more
        guard byteCount <= ONNXModel.byteLimit else {
            throw GimbalError.invalidSetting(
                name: "model",
                reason:
                    "its weights take more than the \(ONNXModel.byteLimit) bytes that there is room for in one ONNX "
                    + "file, whose format ends at 2 GB")
        }
    }

    /// The name of a constant; one of each is kept.
    func constant(_ tensor: Tensor) throws -> String {
        try constant(ONNXTensorProto.DataType(tensor.dtype), tensor.shape.sizes, try tensor.bytes())
    }

    private func constant(_ type: ONNXTensorProto.DataType, _ sizes: [Int], _ bytes: [UInt8]) throws -> String {
        let key = Constant(type: type, sizes: sizes, bytes: bytes)
        if let name = constants[key] { return name }
        try require(bytes.count)
        let name = uniqueName("constant")
        constants[key] = name
        addInitializer(name, type, sizes, bytes)
        return name
    }

    /// A number as a tensor without axes.
    func scalar(_ value: Double, _ dtype: DType) throws -> String {
        try constant(Tensor(repeating: value, [], dtype: dtype, device: .cpu))
    }

    /// Whole numbers as int64 [count]: shapes, axes and places.
    func integers(_ values: [Int]) throws -> String {
        let bytes = values.map { Int64($0).littleEndian }.withUnsafeBytes { [UInt8]($0) }
        return try constant(.int64, [values.count], bytes)
    }

    // MARK: Finishing

    /// Gives a value that a node computes the name of one of the graph's outputs.
    func rename(_ value: String, to name: String) {
        for index in nodes.indices {
            nodes[index].input = nodes[index].input.map { $0 == value ? name : $0 }
            nodes[index].output = nodes[index].output.map { $0 == value ? name : $0 }
        }
    }

    /// Gives a value another name beside its own.
    func copy(_ value: String, to name: String) { rename(add("Identity", [value]), to: name) }

    /// Whether a node computes `value`.
    func computes(_ value: String) -> Bool { nodes.contains { $0.output.contains(value) } }

    /// Leaves out nodes and initializers on which none of `outputs` depends.
    func prune(keeping outputs: [String]) {
        var needed = Set(outputs)
        var kept: [ONNXNodeProto] = []
        for node in nodes.reversed() where node.output.contains(where: needed.contains) {
            needed.formUnion(node.input)
            kept.append(node)
        }
        nodes = kept.reversed()
        initializers.removeAll { !needed.contains($0.name) }
    }
}
