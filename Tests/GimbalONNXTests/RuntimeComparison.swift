import Foundation
import GimbalONNX
import GimbalTestSupport
import GimbalTrain
import Testing

/// Models that are exported, and run by onnxruntime on batches of other sizes than those that they were traced with.
///
/// `GIMBAL_ONNX_PYTHON` names a Python that has onnx, onnxruntime and numpy.
struct RuntimeComparison {
    static let python = ProcessInfo.processInfo.environment["GIMBAL_ONNX_PYTHON"]
    static let reasonToSkip: Comment = "GIMBAL_ONNX_PYTHON names no Python that has onnx and onnxruntime"
    /// 2 and 3 are traced.
    static let batches = [1, 3, 17]

    private struct Result: Decodable {
        var difference: Double?
        var failure: String?
    }

    private let folder: String

    /// Compares all models that `body` adds.
    /// - Parameters:
    ///   - tolerance: of the largest difference, relative to the largest absolute output.
    static func run(
        within tolerance: Double = 1e-5, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (RuntimeComparison) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            try body(RuntimeComparison(folder: folder))
            let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "compare.py").path
            let outcome = try ChildProcess(python ?? "", [script, folder], timeLimit: .seconds(300)).outcome()
            try #require(outcome.status == 0, "\(outcome)", sourceLocation: sourceLocation)
            let results = try JSONDecoder().decode([String: Result].self, from: Data(outcome.output.utf8))
            #expect(!results.isEmpty, sourceLocation: sourceLocation)
            for (name, result) in results.sorted(by: { $0.key < $1.key }) {
                #expect(
                    result.failure == nil && result.difference ?? .infinity <= tolerance,
                    "\(name): \(result.failure ?? "a difference of \(result.difference ?? .nan)")",
                    sourceLocation: sourceLocation)
            }
            if ProcessInfo.processInfo.environment["GIMBAL_ONNX_VERBOSE"] != nil {
                for (name, result) in results.sorted(by: { $0.key < $1.key }) {
                    print("parity \(name): \(result.difference.map { "\($0)" } ?? "failed")")
                }
            }
        }
    }

    /// Adds a model from one tensor to another.
    /// - Parameter make: a batch of inputs of the size given.
    func add(
        _ name: String, _ model: any TensorLayer, batchAxis: Int = 0, batches: [Int] = batches,
        _ make: (_ batch: Int) -> Tensor
    ) throws {
        try add(
            name, model, inputs: ["input"], batchAxis: batchAxis, outputs: ["output"], batches: batches,
            { [make($0)] }
        ) { [model($0[0])] }
    }

    /// Adds a model of any inputs and outputs.
    func add(
        _ name: String, _ module: Module, inputs: [String], batchAxis: Int = 0, outputs: [String],
        batches: [Int] = batches, _ make: (_ batch: Int) -> [Tensor], forward: ([Tensor]) -> [Tensor]
    ) throws {
        let own = folder + "/" + name
        try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
        let samples = zip(inputs, make(4)).map { ONNXInput($0, $1, batchAxis: batchAxis) }
        try ONNXModel(of: module, inputs: samples, outputNames: outputs, forward).write(to: own + "/model.onnx")
        for (index, batch) in batches.enumerated() {
            let given = make(batch)
            let results = module.evaluating { withoutGradients { forward(given) } }
            let items = zip(inputs.map { "in." + $0 } + outputs.map { "out." + $0 }, given + results).map {
                name, tensor in
                SafeTensors.Item(name: name, type: .init(tensor.dtype), shape: tensor.shape) { try tensor.bytes() }
            }
            try WeightFile.write(items, as: .npz, to: "\(own)/\(index).npz")
        }
    }
}

/// Runs a model in training on `batch`, so that running statistics are other than 0 and 1.
func settleStatistics(_ model: any TensorLayer, _ batch: Tensor) {
    model.setMode(.training)
    withoutGradients { for _ in 0..<3 { _ = model(batch) } }
}
