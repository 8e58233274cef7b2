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

    @Test("Weights of every type have values, and what is finite in the file is not called infinite")
    func valuesOfEveryType() throws {
        try withTemporaryFolder { folder in
            let large = NumPyArray([1e300, -1e300] as [Double])
            let whole = NumPyArray([7, -3] as [Int64])
            try NumPyArchive.write([("large", large), ("whole", whole)], to: folder + "/w.NPZ")
            try large.write(to: folder + "/w.npy")
            try SafeTensors.write(
                [
                    .init(name: "large", type: .float64, shape: [2]) { large.bytes },
                    .init(name: "whole", type: .int64, shape: [2]) { whole.bytes },
                ], to: folder + "/W.SafeTensors")
            for (name, rows) in [("w.NPZ", 2), ("w.npy", 1), ("W.SafeTensors", 2)] {
                let text = try Gimbal.run("inspect", folder + "/" + name, "--values").succeeded().output
                #expect(!text.contains("warning") && text.contains("1e+300"), "\(name): \(text)")
                #expect(text.contains("-3       7") == (rows == 2), "\(name): \(text)")
                let found = try Gimbal.run("inspect", folder + "/" + name, "--values", "--json").succeeded().objects()
                let values = (found.first?["items"] as? [[String: Any]])?.first?["values"] as? [String: Any]
                #expect(values?["deviation"] as? Double == 1e300, "\(name)")
            }
        }
    }

    @Test("A weight file that is none, or of which nothing can be read, is not called empty")
    func foreignWeights() throws {
        try withTemporaryFolder { folder in
            let archive = folder + "/w.npz"
            try NumPyArchive.write([("a", NumPyArray([1] as [Float]))], to: archive)
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: archive)))
            func replace(_ old: String, _ new: [UInt8]) {
                while let place = bytes.ranges(of: Array(old.utf8)).first { bytes.replaceSubrange(place, with: new) }
            }
            // A method of compression that is not read, in the directory.
            let method = try #require(bytes.ranges(of: [0x50, 0x4B, 1, 2]).first).lowerBound + 10
            bytes[method] = 14
            try Data(bytes).write(to: URL(filePath: archive))
            let text = try Gimbal.run("inspect", archive).succeeded().output
            #expect(text.contains("warning: 'a'") && text.contains("cannot be read"), "\(text)")
            bytes[method] = 0
            replace("a.npy", Array("a.pkl".utf8))
            try Data(bytes).write(to: URL(filePath: archive))
            try Gimbal.run("inspect", archive).refused("no arrays of NumPy", "a.pkl")
            for suffix in ["safetensors", "npz", "npy", "pt", "PTH", "bin"] {
                let path = folder + "/page." + suffix
                try Data("<!DOCTYPE html><html>not found</html>".utf8).write(to: URL(filePath: path))
                try Gimbal.run("inspect", path).refused("a page of a web site", "download")
                try FileManager.default.removeItem(atPath: path)
                try #require(mkfifo(path, 0o600) == 0)
                try Gimbal.run("inspect", path).refused("not a regular file")
            }
        }
    }

    @Test("Shapes that no number of elements can be counted of")
    func absurdShapes() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/w.npz"
            // So large that opening reads, and checks, no more than its beginning.
            try NumPyArchive.write([("a", NumPyArray([Float](repeating: 1, count: 20_000)))], to: path)
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            let description = "{'descr': '<c8', 'fortran_order': False, 'shape': (9999999999999, 9999999999999), }"
            let place = try #require(bytes.ranges(of: Array("{'descr'".utf8)).first).lowerBound
            bytes.replaceSubrange(place..<place + description.utf8.count, with: description.utf8)
            try Data(bytes).write(to: URL(filePath: path))
            #expect(try Gimbal.run("inspect", path, "--values").succeeded().output.contains("<c8"))
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
