import Foundation
import GimbalNN
import GimbalONNX
import GimbalTestSupport
import GimbalTrain
import Testing

/// What stands in the file, by the numbers that onnx.proto gives its fields, and what is refused.
@Suite("ONNX models")
struct ModelTests {
    private func message(_ model: ONNXModel) throws -> WireMessage { try WireMessage([UInt8](model.serialized())) }

    @Test("The file says its version, its operators and the metadata")
    func header() throws {
        let model = try ONNXModel(
            of: Linear(3, 2), sample: .ones([1, 3]), metadata: ["b": "two", "a": "one"])
        let whole = try message(model)
        #expect(whole.numbers(1) == [8] && whole.text(2) == "Gimbal" && whole.text(3) == gimbalVersion)
        let operators = try whole.messages(8)
        #expect(operators.map { $0.text(1) } == [""] && operators.map { $0.numbers(2) } == [[18]])
        let metadata = try whole.messages(14).map { ($0.text(1), $0.text(2)) }
        #expect(metadata.map(\.0) == ["a", "b"] && metadata.map(\.1) == ["one", "two"])
    }

    @Test("A linear layer is a Gemm over its weights, which keep their names and numbers")
    func linear() throws {
        let layer = Linear(3, 2)
        let model = try ONNXModel(of: Sequential { layer }, sample: .ones([5, 3]))
        #expect(model.operators == ["Gemm"] && model.parameterNames == ["0.weight", "0.bias"])
        #expect(model.inputs.map(\.name) == ["input"] && model.inputs.map(\.sizes) == [[nil, 3]])
        #expect(model.outputs.map(\.name) == ["output"] && model.outputs.map(\.sizes) == [[nil, 2]])
        #expect((model.inputs + model.outputs).allSatisfy { $0.dtype == .float32 })
        let graph = try #require(try message(model).messages(7).first)
        let node = try #require(try graph.messages(1).first)
        #expect(node.texts(1) == ["input", "0.weight", "0.bias"] && node.texts(2) == ["output"])
        let attribute = try #require(try node.messages(5).first)
        #expect(attribute.text(1) == "transB" && attribute.numbers(3) == [1] && attribute.numbers(20) == [2])
        let weight = try #require(try graph.messages(5).first { $0.text(8) == "0.weight" })
        #expect(weight.numbers(1) == [2, 3] && weight.numbers(2) == [1])
        let numbers = layer.weight.value.detached()
        #expect(try weight.bytes(9) == [numbers.bytes()])
        let input = try #require(try graph.messages(11).first)
        let type = try #require(try input.messages(2).first?.messages(1).first)
        let sizes = try #require(try type.messages(2).first).messages(1)
        #expect(input.text(1) == "input" && type.numbers(1) == [1])
        #expect(sizes.map { $0.text(2) } == ["batch", ""] && sizes.map { $0.numbers(1) } == [[], [3]])
    }

    @Test("Every model of the zoo has all of its parameters under the names of its state dictionary")
    func zoo() throws {
        for kind in ModelSettings.Kind.allCases {
            let shape = kind.isSequenceToSequence ? [2, 6] : kind.isLanguageModel ? [6] : [1, 8, 8]
            var settings = ModelSettings(
                kind: kind, inputShape: shape, outputs: 3, task: kind.isOfTokens ? .tokens : .classification)
            settings.padding = kind.isSequenceToSequence ? 0 : nil
            if kind != .transformer { settings.hidden = 8 }
            let model = settings.makeModel(device: .cpu)
            let ones = Tensor.ones(Shape([1] + settings.sampleShape.sizes))
            let exported = try ONNXModel(of: model, sample: kind.isOfTokens ? ones.cast(to: .int32) : ones)
            let state = model.stateDictionary()
            let names = state.names.filter { state[$0] != nil }
            #expect(names.allSatisfy(exported.parameterNames.contains), "\(kind)")
            #expect(exported.outputs.map(\.sizes.last) == [3], "\(kind)")
        }
    }

    @Test("Layers are the operators that ONNX has for them")
    func operators() throws {
        func operators(_ model: any TensorLayer, _ shape: Shape) throws -> [String] {
            try ONNXModel(of: model, sample: .ones(shape)).operators
        }
        #expect(try operators(Conv2d(2, 3, kernelSize: 3), [1, 2, 5, 5]) == ["Conv"])
        #expect(try operators(BatchNorm2d(2), [1, 2, 5, 5]) == ["BatchNormalization"])
        #expect(try operators(LayerNorm(4), [1, 4]) == ["LayerNormalization"])
        #expect(try operators(MaxPool2d(kernelSize: 2), [1, 2, 4, 4]) == ["MaxPool"])
        #expect(try operators(LSTM(inputSize: 2, hiddenSize: 3), [4, 2, 2]).contains("LSTM"))
        #expect(try operators(GRU(inputSize: 2, hiddenSize: 3), [4, 2, 2]).contains("GRU"))
        #expect(try operators(ReLU(), [1, 4]) == ["Relu"])
        #expect(try operators(Sequential { Dropout(0.5) }, [1, 4]) == ["Identity"])
        // How large the batch is need not be asked: it stays as it is.
        #expect(try operators(Glue { $0.broadcast(to: [$0.shape[0], 4]) }, [1, 1]) == ["Expand"])
    }

    @Test("What depends on no input is a constant, computed once")
    func constants() throws {
        let model = try ONNXModel(
            of: Glue { $0 * (Tensor.arange(4).cast(to: .float32) + 1).square() }, sample: .ones([1, 4]))
        #expect(model.operators == ["Mul"])
    }

    @Test("A model computes in evaluation, and is in the mode it had before")
    func mode() throws {
        let model = Sequential {
            Linear(4, 4)
            BatchNorm1d(4)
            Dropout(0.5)
        }
        #expect(try ONNXModel(of: model, sample: .ones([4, 4])).operators == ["BatchNormalization", "Gemm"])
        #expect(model.isTraining)
    }

    // MARK: What is refused

    private func expectRefusal(
        _ words: String..., sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) {
        let error = #expect(throws: GimbalError.self, sourceLocation: sourceLocation) { try body() }
        for words in words {
            #expect(
                "\(error.map { "\($0)" } ?? "")".contains(words), "\(error.map { "\($0)" } ?? "")",
                sourceLocation: sourceLocation)
        }
    }

    @Test("An operation that ONNX has not is named, with its layer")
    func unknownOperation() {
        final class Net: Module, Layer {
            let first = Linear(4, 4)
            let second = Glue { $0.diagonal(axes: 0, 1) }
            func forward(_ input: Tensor) -> Tensor { second(first(input).reshaped([-1, 2, 2]).permuted([1, 2, 0])) }
        }
        expectRefusal("'diagonal' in layer second", "no counterpart in ONNX") {
            _ = try ONNXModel(of: Net(), sample: .ones([1, 4]))
        }
    }

    @Test("Values that the host reads are no constants")
    func hostValues() {
        let model = Glue { x in x * Tensor(try! x.sum().floats(), []) }
        // Both traces go one way.
        let frozen = Glue { x in try! x[0, 0].item() > 1000 ? x.relu() : x.tanh() }
        expectRefusal("read on the host") { _ = try ONNXModel(of: frozen, sample: .ones([1, 4])) }
        expectRefusal("read on the host") { _ = try ONNXModel(of: model, sample: .normal([2, 4])) }
    }

    @Test("Operations that depend on the numbers or the size of the input are refused")
    func dependentOperations() {
        let branching = Glue { x in try! x[0, 0].item() == 1 ? x.relu() : x.tanh() }
        expectRefusal("depends on the size or the numbers") { _ = try ONNXModel(of: branching, sample: .ones([1, 4])) }
        let counting = Glue { x in (0..<x.shape[0]).reduce(x) { x, _ in x.relu() } }
        expectRefusal("depends on the size or the numbers") { _ = try ONNXModel(of: counting, sample: .ones([1, 4])) }
        let scaled = Glue { x in x * (1 / Double(x.shape[0])) }
        expectRefusal("'affine'", "a number of its formula") { _ = try ONNXModel(of: scaled, sample: .ones([1, 4])) }
        let squared = Glue { x in Tensor([1.5]).broadcast(to: [x.shape[0] * x.shape[0], 1]) + x.sum() }
        expectRefusal("no multiple") { _ = try ONNXModel(of: squared, sample: .ones([1, 4])) }
    }

    @Test("Random numbers and kernels of one's own are refused")
    func unwritable() {
        expectRefusal("'droppedOut'") {
            _ = try ONNXModel(of: Glue { $0.droppedOut(probability: 0.5) }, sample: .ones([1, 4]))
        }
        expectRefusal("changes with the input") {
            _ = try ONNXModel(of: Glue { $0 + Tensor.uniform($0.shape) }, sample: .ones([1, 4]))
        }
    }

    @Test("Samples and names that do not go together")
    func badArguments() {
        expectRefusal("no axis 2") { _ = try ONNXModel(of: ReLU(), sample: .ones([1, 4]), batchAxis: 2) }
        expectRefusal("no elements") { _ = try ONNXModel(of: ReLU(), sample: .ones([0, 4])) }
        expectRefusal("2 names for 1 outputs") {
            _ = try ONNXModel(of: ReLU(), inputs: [ONNXInput("x", .ones([1]))], outputNames: ["a", "b"]) { $0 }
        }
        expectRefusal("its own name") {
            _ = try ONNXModel(of: ReLU(), inputs: [ONNXInput("x", .ones([1]))], outputNames: ["x"]) { $0 }
        }
    }

    @Test("More than one file holds is refused before it is made")
    func size() {
        ONNXModel.$byteLimit.withValue(40) {
            #expect(throws: Never.self) { _ = try ONNXModel(of: Linear(4, 2), sample: .ones([1, 4])) }
            expectRefusal("2 GB") { _ = try ONNXModel(of: Linear(4, 3), sample: .ones([1, 4])) }
        }
    }

    @Test("A file is written wholly or not at all")
    func atomicity() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/model.onnx"
            try exportONNX(Linear(3, 2), sample: .ones([1, 3]), to: path)
            let before = try Data(contentsOf: URL(filePath: path))
            #expect(throws: GimbalError.self) {
                try exportONNX(Glue { $0.droppedOut(probability: 0.5) }, sample: .ones([1, 3]), to: path)
            }
            #expect(throws: GimbalError.self) {
                try FileWriter.$simulatedCapacity.withValue(10) {
                    try exportONNX(Linear(3, 2), sample: .ones([1, 3]), to: path)
                }
            }
            #expect(try Data(contentsOf: URL(filePath: path)) == before)
        }
    }
}
