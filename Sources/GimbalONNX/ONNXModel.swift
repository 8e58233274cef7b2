import Foundation
public import Gimbal
public import GimbalNN
internal import SwiftProtobuf

/// A model as an ONNX graph (https://onnx.ai), to be run by onnxruntime and others without Gimbal.
///
/// ```swift
/// let graph = try ONNXModel(of: resNet, sample: images)
/// try graph.write(to: "resnet18.onnx")
/// ```
/// The graph computes what the model does in evaluation, in float32, for batches of any size. It is made of the operations
/// that two forward passes compute, at two batch sizes and with different numbers: whatever layers and functions of tensors
/// a model is written with, their operations are known. Where what is computed changes with the input, or the host reads
/// values that depend on it, there is no such graph, and the export says where.
///
/// Parameters and buffers keep their names in the state dictionary, and their layout. Indices must lie within their axis
/// and not be negative, unless the model counts them from the end itself: out of range, ONNX knows no NaN.
public struct ONNXModel {
    /// An input or output of the graph.
    public struct Value: Sendable, Equatable {
        /// What the file calls it.
        public let name: String
        /// The type of its elements.
        public let dtype: DType
        /// Its sizes; nil for one that follows the batch.
        public let sizes: [Int?]
    }

    /// The version of ONNX's operators, which onnxruntime knows from version 1.14 on.
    public static let operatorSet = 18
    /// The version of the format that came with these operators.
    static let formatVersion = 8
    /// What weights and constants may take: a protobuf message ends at 2 GB, and the rest of the graph needs room too.
    @TaskLocal package static var byteLimit = Int(Int32.max) - (16 << 20)

    /// What the graph takes.
    public let inputs: [Value]
    /// What it gives.
    public let outputs: [Value]
    /// The kinds of its nodes, such as `Gemm`, each once, in alphabetical order.
    public var operators: [String] { Set(proto.graph.node.map(\.opType)).sorted() }
    /// The names of the parameters and buffers in it, as in the state dictionary.
    public let parameterNames: [String]
    let proto: ONNXModelProto

    /// A model from one tensor to another.
    /// - Parameters:
    ///   - model: any layer, of Gimbal or of one's own.
    ///   - sample: an example of its input, of any batch size.
    ///   - batchAxis: the axis of the samples in a batch; nil where there is none.
    ///   - metadata: texts by name that are kept in the file.
    /// - Throws: `GimbalError.invalidSetting` for what cannot be written in ONNX, with the operation and its layer, and for a
    ///   model larger than 2 GB, which is the limit of the format; what the device reports.
    public init(
        of model: any TensorLayer, sample: Tensor, batchAxis: Int? = 0, metadata: [String: String] = [:]
    ) throws {
        try self.init(
            of: model, inputs: [ONNXInput("input", sample, batchAxis: batchAxis)], outputNames: ["output"],
            metadata: metadata
        ) { [model($0[0])] }
    }

    /// A model of any inputs and outputs.
    ///
    /// ```swift
    /// let inputs = [ONNXInput("left", x), ONNXInput("right", y)]
    /// let graph = try ONNXModel(of: model, inputs: inputs, outputNames: ["difference"]) { [model($0[0]) - model($0[1])] }
    /// ```
    /// - Parameters:
    ///   - module: whose parameters and buffers give their names.
    ///   - inputs: the tensors that `forward` is given.
    ///   - outputNames: of the tensors that `forward` gives.
    ///   - metadata: texts by name that are kept in the file.
    ///   - forward: computes the outputs; it is called several times.
    /// - Throws: as for one tensor.
    public init(
        of module: Module, inputs: [ONNXInput], outputNames: [String], metadata: [String: String] = [:],
        _ forward: ([Tensor]) -> [Tensor]
    ) throws {
        for input in inputs { try input.validate() }
        let names = inputs.map(\.name) + outputNames
        guard !inputs.isEmpty, !outputNames.isEmpty, Set(names).count == names.count else {
            throw GimbalError.invalidSetting(
                name: "inputs", reason: "need at least one input and one output, each with its own name, not \(names)")
        }
        var stored: [(name: String, tensor: Tensor)] = []
        module.forEachPart { path, part in
            switch part {
            case .parameter(_, let parameter): stored.append((path, parameter.value.detached()))
            case .buffer(_, let buffer): stored.append((path, buffer.value))
            case .counter, .module: break
            }
        }
        if let taken = names.first(where: { name in stored.contains { $0.name == name } }) {
            throw GimbalError.invalidSetting(
                name: "inputs", reason: "the model has a parameter called '\(taken)' as well")
        }
        // Neither is 1, for which sizes broadcast.
        let batch = Size(2, 3)
        let trace = try module.evaluating {
            try PairedTrace(
                Trace(inputs.map { $0.repeated(batch.small) }, forward),
                Trace(inputs.map { $0.varied(batch.large) }, forward))
        }
        guard trace.outputs.count == outputNames.count else {
            throw GimbalError.invalidSetting(
                name: "outputNames", reason: "\(outputNames.count) names for \(trace.outputs.count) outputs")
        }
        let translator = Translator(
            trace, inputNames: inputs.map(\.name), batchAxes: inputs.map(\.resolvedAxis), batch: batch, stored: stored)
        let graph = try translator.finished(outputNames)
        try graph.check()

        var proto = ONNXModelProto()
        proto.irVersion = Int64(Self.formatVersion)
        proto.producerName = "Gimbal"
        proto.producerVersion = gimbalVersion
        proto.opsetImport = [.with { ($0.domain, $0.version) = ("", Int64(Self.operatorSet)) }]
        proto.metadataProps = metadata.sorted { $0.key < $1.key }.map { entry in
            .with { ($0.key, $0.value) = (entry.key, entry.value) }
        }
        proto.graph = graph
        self.proto = proto
        self.inputs = zip(inputs.map(\.name), trace.inputs).map { Value($0, $1) }
        outputs = zip(outputNames, trace.outputs).map { Value($0, $1) }
        let written = Set(graph.initializer.map(\.name))
        parameterNames = stored.map(\.name).filter(written.contains)
    }

    /// The file's bytes.
    /// - Throws: `GimbalError.invalidSetting` for more than the 2 GB that a protobuf message may take.
    public func serialized() throws -> Data {
        try requireHostMemory(for: proto.graph.initializer.reduce(1 << 16) { $0 + $1.rawData.count })
        do {
            return try proto.serializedData()
        } catch {
            throw GimbalError.invalidSetting(name: "model", reason: "it does not fit into one ONNX file: \(error)")
        }
    }

    /// Writes the file, wholly or not at all.
    /// - Throws: as `serialized()`, and `GimbalError.fileSystem`.
    public func write(to path: String) throws {
        let data = try serialized()
        try AtomicFile.write(to: path) { writer in try data.withUnsafeBytes { try writer.write($0) } }
    }
}

/// Writes a model as an ONNX file; `ONNXModel` has more to say, and takes models of several inputs.
/// - Parameters:
///   - model: any layer, of Gimbal or of one's own.
///   - sample: an example of its input, of any batch size.
///   - path: of the file.
///   - batchAxis: the axis of the samples in a batch; nil where there is none.
///   - metadata: texts by name that are kept in the file.
/// - Throws: as `ONNXModel`, and `GimbalError.fileSystem`.
public func exportONNX(
    _ model: any TensorLayer, sample: Tensor, to path: String, batchAxis: Int? = 0, metadata: [String: String] = [:]
) throws {
    try ONNXModel(of: model, sample: sample, batchAxis: batchAxis, metadata: metadata).write(to: path)
}

extension ONNXModel.Value {
    init(_ name: String, _ tensor: Paired) {
        self.init(name: name, dtype: tensor.dtype, sizes: tensor.sizes.map(\.fixed))
    }
}
