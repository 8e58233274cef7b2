import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("gimbal inspect")
struct InspectTests {
    @Test("A table: columns, what is missing, classes; and numbers where the last column has no classes")
    func table() throws {
        try withTemporaryFolder { folder in
            let file = folder + "/t.csv"
            let rows = (0..<40).map { row -> String in
                let (y, kind) = (row % 5 == 0 ? "" : "\(row)", row % 2 == 0 ? "a" : "b")
                return "\(row % 7),\(y),\(kind),\(Double(row) / 7)\n"
            }
            try Data(("x,y,kind,price\n" + rows.joined()).utf8).write(to: URL(filePath: file))
            let numbers = try Gimbal.run("inspect", file).succeeded().output
            #expect(numbers.contains("40 rows, 4 columns") && numbers.contains("to be predicted: price, by regression"))
            let found = try #require(
                try Gimbal.run("inspect", file, "--target", "kind", "--json").succeeded().objects().first)
            #expect(found["rows"] as? Int == 40 && found["task"] as? String == "classification")
            let columns = try #require(found["columns"] as? [[String: Any]])
            #expect(columns.map { $0["name"] as? String } == ["x", "y", "kind", "price"])
            #expect(columns[1]["missing"] as? Int == 8)
            #expect((found["classes"] as? [[String: Any]])?.map { $0["count"] as? Int } == [20, 20])
            try Gimbal.run("inspect", file, "--target", "hat").refused("no column 'hat'")
        }
    }

    @Test("A run, a checkpoint and its weights")
    func run() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/r"
            try Gimbal.run(
                "train", "--data", "digits", "--epochs", "2", "--hidden", "16", "--device", "cpu", "--run-dir", run
            ).succeeded()
            let text = try Gimbal.run("inspect", run).succeeded().output
            for words in ["digits: 1294 training, 144 validation, 359 test", "epoch 2 of 2, step 42", "on cpu"] {
                #expect(text.contains(words), "\(words) in \(text)")
            }
            let checkpoint = run + "/checkpoints/step-000000042"
            #expect(try Gimbal.run("inspect", checkpoint).succeeded().output.contains("epoch 2 of 2"))
            let weights = try Gimbal.run("inspect", checkpoint + "/model.safetensors", "--values", "--json")
                .succeeded().objects().first
            let items = try #require(weights?["items"] as? [[String: Any]])
            #expect(items.contains { $0["shape"] as? [Int] == [16, 64] })
            #expect(items.allSatisfy { ($0["values"] as? [String: Any])?["notFinite"] as? Int ?? 0 == 0 })
            #expect(items.contains { $0["values"] != nil })
        }
    }

    @Test("NaN in weights is said")
    func sickWeights() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/w.npz"
            try NumPyArchive.write(
                [("good", NumPyArray([1, 2] as [Float])), ("sick", NumPyArray([1, .nan, .infinity] as [Float]))],
                to: path)
            let text = try Gimbal.run("inspect", path, "--values").succeeded().output
            #expect(text.contains("warning: sick holds NaN or infinity"))
        }
    }

    @Test("What is none of these is refused by name")
    func others() throws {
        try withTemporaryFolder { folder in
            try Gimbal.run("inspect", folder + "/none").refused("there is no such file or folder")
            try Gimbal.run("inspect", folder).refused("find train-images")
        }
    }
}
