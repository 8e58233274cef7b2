import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// A Python that has TensorBoard.
private let python = ProcessInfo.processInfo.environment["GIMBAL_TENSORBOARD_PYTHON"]

/// TensorBoard itself reads what was written, where `GIMBAL_TENSORBOARD_PYTHON` names a Python that has it.
@Suite(
    "TensorBoard reads event files",
    .enabled(if: python != nil, "GIMBAL_TENSORBOARD_PYTHON names no Python that has TensorBoard"))
struct TensorBoardReadsTests {
    private struct Found: Decodable {
        struct Run: Decodable {
            var scalars: [String: [[Field]]]
            var histograms: [String: [[Double]]]
            var images: [String: [[Int]]]
            var texts: [String: String]
        }
        struct Served: Decodable {
            var tags: [String: [String: [String]]]
            var hyperparameters: [[String: Field]]
            var metrics: [String]
        }
        /// A step, a value as text, or whatever else there is.
        enum Field: Decodable, Equatable {
            case number(Double)
            case text(String)
            case flag(Bool)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let flag = try? container.decode(Bool.self) {
                    self = .flag(flag)
                } else if let number = try? container.decode(Double.self) {
                    self = .number(number)
                } else {
                    self = .text(try container.decode(String.self))
                }
            }
        }
        var loaded: [String: Run]
        var served: Served
    }

    private func read(_ folder: String) throws -> Found {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "TensorBoard/read.py").path
        let outcome = try ChildProcess(python ?? "", [script, folder], timeLimit: .seconds(120)).outcome()
        try #require(outcome.status == 0, "\(outcome)")
        return try JSONDecoder().decode(Found.self, from: Data(outcome.output.utf8))
    }

    @Test("Of a run that was interrupted and gone on with: curves, histograms, texts, hyperparameters")
    func run() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/runs/a"
            let settings = [
                "train", "--data", "digits", "--hidden", "16", "--device", "cpu", "--histograms", "10", "--run-dir",
                run,
                "--json",
            ]
            try Gimbal.run(settings + ["--max-steps", "30"]).succeeded()
            try Gimbal.run(settings + ["--resume", "--max-steps", "0", "--epochs", "3"]).succeeded()
            let found = try read(folder + "/runs")
            let loaded = try #require(found.loaded["a"])
            let rows = metrics(of: run)
            let losses = rows.filter { $0[3] != "" }.compactMap { row in
                Double(row[1]).flatMap { step in Float(row[3]).map { (step: step, loss: $0) } }
            }
            let read = (loaded.scalars["loss/step"] ?? []).compactMap { fields -> (step: Double, loss: Float)? in
                guard case .number(let step) = fields[0], case .text(let text) = fields[1] else { return nil }
                return Float(text).map { (step, $0) }
            }
            #expect(losses.count == 63 && read.map(\.step) == losses.map(\.step))
            #expect(read.map(\.loss) == losses.map(\.loss))
            #expect(loaded.scalars["accuracy/validation"]?.count == 3)
            let histograms = loaded.histograms.values.joined()
            #expect(loaded.histograms.keys.contains { $0.hasPrefix("gradients/") })
            #expect(histograms.allSatisfy { $0[1] > 0 && $0[2] <= $0[3] } && !histograms.isEmpty)
            #expect(loaded.texts["model"]?.contains("Linear") == true)
            #expect(loaded.texts["settings"]?.contains("learning rate") == true)
            #expect(found.served.tags["scalars"]?["a"]?.contains("loss/training") == true)
            #expect(found.served.tags["histograms"]?["a"]?.isEmpty == false)
            #expect(found.served.tags["text"]?["a"]?.contains("model") == true)
            let hyperparameters = try #require(found.served.hyperparameters.first)
            #expect(hyperparameters["hidden"] == .number(16) && hyperparameters["optimizer"] == .text("sgd"))
            #expect(hyperparameters["is nesterov"] == .flag(false))
            #expect(found.served.metrics.contains("loss/validation"), "\(found.served.metrics)")
        }
    }

    @Test("Of a program's own: images, values that are no numbers")
    func program() throws {
        try withTemporaryFolder { folder in
            let writer = try EventWriter(folder: folder + "/own")
            try writer.image("grey", Tensor.uniform([3, 4]), step: 1)
            try writer.image("colour", Tensor(repeating: 0.5, [3, 5, 6]), step: 2)
            try writer.scalars([("a", .nan), ("b", .infinity)], step: 3)
            try writer.hyperparameters(["rate": .number(0.5), "warm": .flag(true), "kind": .text("mlp")])
            let found = try read(folder)
            let loaded = try #require(found.loaded["own"])
            #expect(loaded.images["grey"] == [[1, 4, 3]] && loaded.images["colour"] == [[2, 6, 5]])
            #expect(loaded.scalars["a"] == [[.number(3), .text("nan")]])
            #expect(loaded.scalars["b"] == [[.number(3), .text("inf")]])
            #expect(
                found.served.hyperparameters == [["rate": .number(0.5), "warm": .flag(true), "kind": .text("mlp")]])
        }
    }
}
