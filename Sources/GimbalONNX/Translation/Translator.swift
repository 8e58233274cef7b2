import Gimbal
internal import SwiftProtobuf

/// Writes the operations of two traces of a model as nodes of a graph.
///
/// A value is known by the elements that it is (`TensorKey`): inputs, parameters and buffers from the start, the results of
/// operations as they are written. What is read and is none of them is a constant, and must be the same in both traces.
final class Translator {
    let graph = GraphBuilder()
    let trace: PairedTrace
    let inputNames: [String]
    /// What the varying axes of inputs are multiples of, and where a graph that runs finds it.
    let batch: Size
    private let batchSource: (input: String, axis: Int)?
    /// Parameters and buffers that no operation has read yet.
    private var stored: [TensorKey: (name: String, tensor: Tensor)] = [:]
    private var values: [TensorKey: String] = [:]
    /// What each value is at the larger batch size: the traces must be wired alike.
    private var counterparts: [TensorKey: TensorKey] = [:]
    /// Masks by the name of their twin of zeros and ones, in the type that conditions of ONNX have.
    var conditions: [String: String] = [:]
    private var batchName: String?
    /// The operation that is being written.
    private(set) var step: PairedStep?

    /// - Parameters:
    ///   - inputNames: of the inputs of `trace`.
    ///   - batchAxes: of each, the axis whose size follows the batch; nil for none.
    ///   - stored: parameters and buffers by the names that they keep.
    init(
        _ trace: PairedTrace, inputNames: [String], batchAxes: [Int?], batch: Size,
        stored: [(name: String, tensor: Tensor)]
    ) {
        self.trace = trace
        self.inputNames = inputNames
        self.batch = batch
        batchSource = zip(inputNames, batchAxes).compactMap { name, axis in axis.map { (name, $0) } }.first
        for (name, tensor) in stored where self.stored[TensorKey(tensor)] == nil {
            self.stored[TensorKey(tensor)] = (name, tensor)
            graph.reserve(name)
        }
        for (name, input) in zip(inputNames, trace.inputs) {
            graph.reserve(name)
            define(input, as: name)
        }
    }

    // MARK: The whole graph

    /// Writes all operations that `outputs` of the trace depend on.
    /// - Returns: the names of the outputs' values.
    /// - Throws: `GimbalError.invalidSetting` for what has no counterpart in ONNX.
    func translate() throws -> [String] {
        try requireNoReading()
        for index in neededSteps() {
            let step = trace.steps[index]
            self.step = step
            graph.layer = step.small.layer
            try translate(step)
        }
        step = nil
        graph.layer = ""
        return try trace.outputs.map { try value($0) }
    }

    /// The operations that are to be written: those that make something that was not there before, and that an output
    /// depends on. What depends on no input and no parameter is a constant, however it was computed.
    private func neededSteps() -> [Int] {
        var varying = Set(trace.inputs.map { TensorKey($0.small) }).union(stored.keys)
        var origins: [TensorKey: Int] = [:]
        for (index, step) in trace.steps.enumerated()
        where step.small.reads.contains(where: { varying.contains(TensorKey($0)) }) {
            for output in step.small.outputs where varying.insert(TensorKey(output)).inserted {
                origins[TensorKey(output)] = index
            }
        }
        var needed: Set<Int> = []
        var open = trace.outputs.map { TensorKey($0.small) }
        while let key = open.popLast() {
            guard let index = origins[key], needed.insert(index).inserted else { continue }
            open += trace.steps[index].small.reads.map { TensorKey($0) }
        }
        return needed.sorted()
    }

    /// Makes sure that the host has read nothing that depends on an input: what it made of it, such as a choice between two
    /// ways, would be that of this input for ever.
    private func requireNoReading() throws {
        var dependent = Set(trace.inputs.map { TensorKey($0.small) })
        for step in trace.steps where step.small.reads.contains(where: { dependent.contains(TensorKey($0)) }) {
            if case .read = step.small.details {
                let layer = step.small.layer
                throw GimbalError.invalidSetting(
                    name: "model",
                    reason:
                        "its values are read on the host\(layer.isEmpty ? "" : " in layer \(layer)"), and what is made of "
                        + "them there cannot be written in ONNX")
            }
            dependent.formUnion(step.small.outputs.map { TensorKey($0) })
        }
    }

    // MARK: Values

    /// Says that `name` is the value of a tensor, unless it is known already.
    func define(_ tensor: Paired, as name: String) {
        let key = TensorKey(tensor.small)
        guard values[key] == nil else { return }
        values[key] = name
        counterparts[key] = TensorKey(tensor.large)
    }

    /// Says what the only result of the operation is.
    func define(_ step: PairedStep, as name: String) { define(step.outputs[0], as: name) }

    /// The name of a tensor's value; a parameter's is its name in the state dictionary.
    /// - Throws: `GimbalError.invalidSetting` for a tensor that differs between the traces and that no operation computed.
    func value(_ tensor: Paired) throws -> String {
        let key = TensorKey(tensor.small)
        if let name = values[key] {
            guard counterparts[key] == TensorKey(tensor.large) else { throw unexplained(tensor) }
            return name
        }
        if let (name, held) = stored[key] {
            try graph.addInitializer(name, held)
            define(tensor, as: name)
            return name
        }
        let name = try constant(tensor)
        define(tensor, as: name)
        return name
    }

    /// The name of a value, in `dtype`.
    func value(_ tensor: Paired, as dtype: DType) throws -> String {
        cast(try value(tensor), from: tensor.dtype, to: dtype)
    }

    /// `value` in another type, where it has another.
    func cast(_ value: String, from dtype: DType, to target: DType) -> String {
        if dtype == target { return value }
        return graph.add("Cast", [value], [.integer("to", ONNXTensorProto.DataType(target).rawValue)])
    }

    /// A tensor that no operation computed: the same numbers in both traces, or the same along axes that follow the batch.
    private func constant(_ tensor: Paired) throws -> String {
        let (small, large) = (tensor.small, tensor.large)
        let varying = tensor.sizes.indices.filter { tensor.sizes[$0].fixed == nil }
        let first = { (whole: Tensor) in varying.reduce(whole) { $0.sliced(0..<1, axis: $1) } }
        let (one, other) = (first(small), first(large))
        guard try one.bytes() == other.bytes(),
            try varying.isEmpty || small.bytes() == one.broadcast(to: small.shape).bytes(),
            try varying.isEmpty || large.bytes() == one.broadcast(to: large.shape).bytes()
        else { throw unexplained(tensor) }
        let name = try graph.constant(one)
        return varying.isEmpty ? name : graph.add("Expand", [name, try shape(tensor.sizes)])
    }

    private func unexplained(_ tensor: Paired) -> GimbalError {
        .invalidSetting(
            name: "model",
            reason:
                "\(step.map { "\($0.place) reads" } ?? "an output is") a tensor of \(tensor.small.shape) that changes "
                + "with the input, but that no operation of tensors made of it")
    }

    // MARK: Sizes

    /// Sizes as a tensor, int64 [count].
    /// - Parameter infersOne: whether one size may be written as -1, to be worked out from the others.
    func shape(_ sizes: [Size], infersOne: Bool = false) throws -> String {
        let varying = sizes.indices.filter { sizes[$0].fixed == nil }
        if varying.isEmpty || infersOne && varying.count == 1 && !sizes.contains(Size(0)) {
            return try graph.integers(sizes.map { $0.fixed ?? -1 })
        }
        let parts = try sizes.map { size in
            if let fixed = size.fixed { return try graph.integers([fixed]) }
            return try multipleOfBatch(size)
        }
        return parts.count == 1 ? parts[0] : graph.add("Concat", parts, [.integer("axis", 0)])
    }

    /// A place on an axis as a tensor, int64 [1].
    func place(_ size: Size) throws -> String {
        try size.fixed.map { try graph.integers([$0]) } ?? multipleOfBatch(size)
    }

    private func multipleOfBatch(_ size: Size) throws -> String {
        guard let multiple = size.multiple(of: batch), let batchSource else {
            throw GimbalError.invalidSetting(
                name: "model",
                reason: "\(step?.place ?? "an output") has a size of \(size.small) in a batch of \(batch.small) and of "
                    + "\(size.large) in one of \(batch.large), which is no multiple of it")
        }
        let name =
            batchName
            ?? graph.add(
                "Shape", [batchSource.input],
                [.integer("start", batchSource.axis), .integer("end", batchSource.axis + 1)])
        batchName = name
        return multiple == 1 ? name : graph.add("Mul", [name, try graph.integers([multiple])])
    }

    /// Numbers that must be the same at both batch sizes.
    func fixed<Value: Equatable>(_ step: PairedStep, _ small: Value, _ large: Value, _ what: String) throws -> Value {
        guard small == large else {
            throw step.refused(
                "\(what) is \(small) in a batch of \(batch.small), and \(large) in one of \(batch.large)")
        }
        return small
    }
}
