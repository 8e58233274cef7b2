import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("gimbal export")
struct ExportTests {
    private func train(_ arguments: String..., in folder: String) throws -> String {
        let run = folder + "/run"
        try Gimbal.run(
            ["train", "--device", "cpu", "--epochs", "1", "--hidden", "8", "--run-dir", run] + arguments
        ).succeeded()
        return run
    }

    private func table(in folder: String) throws -> String {
        let rows = (0..<60).map { "\($0 % 7),\(["red", "green", "blue"][$0 % 3]),\(100 + 3 * ($0 % 7) + $0 % 3)" }
        let path = folder + "/houses.csv"
        try AtomicFile.write("rooms,colour,price\n" + rows.joined(separator: "\n") + "\n", to: path)
        return path
    }

    @Test("A classifier: one line about input and output, and nothing replaced without --force")
    func classifier() throws {
        try withTemporaryFolder { folder in
            let run = try train("--data", "digits", in: folder)
            let target = folder + "/digits.onnx"
            let text = try Gimbal.run("export", "--checkpoint", run, target).succeeded().output
            #expect(text.hasPrefix("\(target): input float32 [batch, 64]"), "\(text)")
            #expect(text.contains("logits of 10 classes") && text.count { $0 == "\n" } == 1, "\(text)")
            try Gimbal.run("export", "--checkpoint", run, target).refused("--force")
            try Gimbal.run("export", "--checkpoint", run, target, "--force").succeeded()
            let bytes = try Data(contentsOf: URL(filePath: target))
            for word in ["gimbal.classes", "gimbal.input", "gimbal.task", "0.weight"] {
                #expect(bytes.range(of: Data(word.utf8)) != nil, "\(word)")
            }
        }
    }

    @Test("A table: features by name, with what they are standardised by, and the scale of the number that is told")
    func table() throws {
        try withTemporaryFolder { folder in
            let data = try table(in: folder)
            let run = try train("--data", data, "--target", "price", "--task", "regression", in: folder)
            let outcome = try Gimbal.run("export", "--checkpoint", run, folder + "/a.onnx", "--json").succeeded()
            let report = try #require(try outcome.objects().first?["use"] as? [String: Any])
            let features = try #require(report["features"] as? [[String: Any]])
            #expect(features.compactMap { $0["name"] as? String }.first == "rooms")
            #expect((features.first?["scale"] as? [String: Double])?["deviation"] ?? 0 > 1)
            #expect((report["targets"] as? [[String: Double]])?.first?["mean"] ?? 0 > 100)
            #expect(report["task"] as? String == "regression")
        }
    }

    /// A Python that has onnx, onnxruntime and numpy.
    private static let python = ProcessInfo.processInfo.environment["GIMBAL_ONNX_PYTHON"]

    @Test(
        "What --model builds gives by onnxruntime what the run's own weights give here",
        .enabled(if: python != nil, "GIMBAL_ONNX_PYTHON names no Python that has onnx and onnxruntime"),
        arguments: ModelSettings.Kind.allCases)
    func runtime(kind: ModelSettings.Kind) throws {
        try withTemporaryFolder { folder in
            let data = try kind.exampleData(in: folder) ?? "digits"
            let run = try train("--data", data, "--model", kind.rawValue, "--max-steps", "3", in: folder)
            try Gimbal.run("export", "--checkpoint", run, folder + "/model.onnx").succeeded()
            let saved = try SavedRun(run, device: .cpu)
            let settings = saved.record.recipe.model
            let shape = Shape([5] + settings.sampleShape.sizes)
            let inputs =
                kind.isOfTokens
                ? Tensor.integers(in: 0..<settings.outputs, shape, generator: RandomGenerator(seed: 1), device: .cpu)
                : Tensor(Dataset.digits().batch(Array(0..<5)).inputs, shape, device: .cpu)
            let outputs = saved.model.evaluating { withoutGradients { saved.model(inputs) } }
            let items = [("in.input", inputs), ("out.output", outputs)].map { name, tensor in
                SafeTensors.Item(
                    name: name, type: tensor.dtype == .int32 ? .int32 : .float32, shape: tensor.shape
                ) { try tensor.bytes() }
            }
            try WeightFile.write(items, as: .npz, to: folder + "/0.npz")
            let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "GimbalONNXTests/compare.py").path
            let outcome = try ChildProcess(Self.python ?? "", [script, folder], timeLimit: .seconds(120)).outcome()
            let result = try #require(try outcome.succeeded().objects().first?.values.first as? [String: Any])
            #expect(result["difference"] as? Double ?? .infinity <= 1e-5, "\(result)")
        }
    }

    @Test("What cannot be read or written is refused")
    func refusals() throws {
        try withTemporaryFolder { folder in
            try Gimbal.run("export", "--checkpoint", folder + "/absent", folder + "/a.onnx").refused("absent")
            let run = try train("--data", "digits", in: folder)
            try Gimbal.run("export", "--checkpoint", run, folder + "/no/a.onnx").refused("no/a.onnx")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["run"])
        }
    }
}
