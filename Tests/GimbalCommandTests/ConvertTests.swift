import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("gimbal convert")
struct ConvertTests {
    private func fixture(_ name: String) -> String {
        packagePath("Tests/GimbalTests/Files/Fixtures/PyTorch/\(name).pt")
    }

    @Test("From PyTorch to safetensors, NumPy and back: the same bytes")
    func thereAndBack() throws {
        try withTemporaryFolder { folder in
            let steps = ["a.safetensors", "b.npz", "c.pth", "d.safetensors"].map { folder + "/" + $0 }
            for (source, target) in zip([fixture("checkpoint")] + steps, steps) {
                let text = try Gimbal.run("convert", source, target).succeeded().output
                #expect(text.contains("23 tensors, 57 numbers"))
            }
            let last = try Data(contentsOf: URL(filePath: steps[3]))
            #expect(try Data(contentsOf: URL(filePath: steps[0])) == last)
        }
    }

    @Test("Some tensors, under other names, in another type")
    func part() throws {
        try withTemporaryFolder { folder in
            let target = folder + "/net.safetensors"
            let report = try Gimbal.run(
                "convert", fixture("checkpoint"), target, "--only", "model_state_dict.*", "--rename",
                "model_state_dict.*=*", "--type", "bfloat16", "--json"
            ).succeeded().objects().first
            #expect(report?["tensors"] as? Int == 7)
            let file = try SafeTensors(path: target)
            #expect(file["fc1.weight"]?.type == .bfloat16 && file["norm.num_batches_tracked"]?.type == .int64)
            let weight = try file.floats(of: #require(file["norm.weight"]))
            #expect(weight.allSatisfy { abs($0 - 0.99) < 0.004 })
        }
    }

    @Test("Tied weights are written under all their names, and numbers that a type cannot hold are told")
    func losses() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/net.safetensors"
            try SafeTensors.write(
                [.init(name: "emb", shape: [4], floats: [1e5, 1, -1e6, 1e-9])], metadata: ["head": "emb", "by": "me"],
                to: path)
            for (name, target) in [("pt", "a.pt"), ("npz", "a.npz"), ("safetensors", "a.safetensors")] {
                let text = try Gimbal.run("convert", path, "\(folder)/\(target)").succeeded()
                #expect(text.output.contains("2 tensors, 8 numbers, as \(name)"))
                #expect(try WeightFile(path: "\(folder)/\(target)").entries.map(\.name).sorted() == ["emb", "head"])
                #expect(!text.errors.contains("became"))
            }
            #expect(try SafeTensors(path: folder + "/a.safetensors").metadata["by"] == "me")
            let half = try Gimbal.run("convert", path, folder + "/h.pt", "--type", "float16", "--only", "emb")
                .succeeded()
            #expect(half.output.contains("1 tensor, 4 numbers"))
            #expect(half.errors.contains("2 numbers became infinite, beyond what a float16 holds: emb (2)"))
            #expect(half.errors.contains("1 number became 0, too small for a float16: emb (1)"))
        }
    }

    @Test("Of a run, the weights of its newest checkpoint are written; other folders are told as what they are")
    func folders() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            try Gimbal.run(
                "train", "--data", "digits", "--hidden", "4", "--epochs", "1", "--device", "cpu", "--run-dir", run
            ).succeeded()
            try Gimbal.run("convert", run, folder + "/net.npz").succeeded()
            #expect(try NumPyArchive(path: folder + "/net.npz").entries.contains { $0.name == "0.weight" })
            try Gimbal.run("train", "--data", run, "--device", "cpu").refused("it is the folder of a run")
            try FileManager.default.createDirectory(atPath: folder + "/empty", withIntermediateDirectories: true)
            try Gimbal.run("convert", folder + "/empty", folder + "/x.pt").refused("it is empty")
            try FileManager.default.createDirectory(atPath: folder + "/gif/a", withIntermediateDirectories: true)
            try Data("GIF89a".utf8).write(to: URL(filePath: folder + "/gif/a/1.gif"))
            try Gimbal.run("train", "--data", folder + "/gif", "--device", "cpu").refused("1 .gif file")
        }
    }

    @Test("What cannot be done is said, and nothing is written")
    func refusals() throws {
        try withTemporaryFolder { folder in
            let target = folder + "/net.safetensors"
            try Gimbal.run("convert", fixture("evil"), target).refused("would run 'posix.system'")
            try Gimbal.run("convert", fixture("model"), target).refused("torch.save(model.state_dict(), path)")
            try Gimbal.run("convert", fixture("checkpoint"), target, "--only", "absent.*").refused("no tensor fits")
            try Gimbal.run("convert", fixture("checkpoint"), target, "--rename", "*.0*=same").refused("both become")
            try Gimbal.run("convert", fixture("checkpoint"), target, "--rename", "nix.*=*").refused(
                "no tensor fits 'nix.*'")
            // A line for the mistake, and those on how it is used.
            let bare = try Gimbal.run("convert", fixture("checkpoint"), target, "--rename", "model.*")
            #expect(bare.status == 64 && bare.errors.contains("'model.*=' leaves them out"), "\(bare)")
            try Gimbal.run("convert", fixture("checkpoint"), folder + "/net.npy").refused("holds one array")
            try Gimbal.run("convert", fixture("tensor"), target, "--rename", "tensor=__metadata__")
                .refused("another name")
            try Gimbal.run("convert", fixture("young"), target, "--only", "float8").refused("no tensor in it can be")
            #expect(!FileManager.default.fileExists(atPath: target))
            #expect(!FileManager.default.fileExists(atPath: folder + "/net.npy"))
            try Data("mine".utf8).write(to: URL(filePath: target))
            for force in [[], ["--force"]] {
                try Gimbal.run(["convert", fixture("checkpoint"), target] + force).refused("it holds no weights")
            }
            #expect(try String(contentsOf: URL(filePath: target), encoding: .utf8) == "mine")
            try FileManager.default.removeItem(atPath: target)
            try Gimbal.run("convert", fixture("checkpoint"), target).succeeded()
            try Gimbal.run("convert", fixture("checkpoint"), target).refused("--force replaces it")
            let text = try Gimbal.run("convert", fixture("young"), target, "--force").succeeded()
            #expect(text.output.contains("3 tensors"))
        }
    }

    @Test("inspect tells what a file of PyTorch holds, and what is sick in it")
    func inspect() throws {
        let text = try Gimbal.run("inspect", fixture("checkpoint"), "--values").succeeded().output
        for words in ["23 tensors", "epoch: 3", "args.name: run", "model_state_dict.norm.running_var"] {
            #expect(text.contains(words), "\(words) in \(text)")
        }
        try withTemporaryFolder { folder in
            let path = folder + "/sick.safetensors"
            try SafeTensors.write(
                [
                    .init(name: "dead", shape: [3, 2], floats: [1, 2, 0, 0, 3, 4]),
                    .init(name: "wild", shape: [2], floats: [.nan, .infinity]),
                ], to: path)
            let text = try Gimbal.run("inspect", path, "--values").succeeded().output
            #expect(text.contains("1 of 3 rows of dead are all 0") && text.contains("wild holds NaN or infinity"))
        }
    }

    @Test("Of folders, --force replaces what convert has written, and nothing else")
    func force() throws {
        try withTemporaryFolder { folder in
            let (pictures, home, run) = (folder + "/pictures", folder + "/home", folder + "/run")
            try Gimbal.run("convert", "digits", pictures).succeeded()
            try Gimbal.run("convert", "digits", pictures).refused("--force replaces it")
            try Gimbal.run("convert", "digits", pictures, "--force").succeeded()
            for place in ["notes.txt", "train/notes.txt", "train/0/notes.txt", "train/0/7.png"] {
                try write("mine", to: "\(pictures)/\(place)")
                try Gimbal.run("convert", "digits", pictures, "--force").refused(
                    "it holds \(place), which gimbal convert has not written, and is left as it is")
                #expect(try String(contentsOfFile: "\(pictures)/\(place)", encoding: .utf8) == "mine")
                try FileManager.default.removeItem(atPath: "\(pictures)/\(place)")
            }
            try Gimbal.run("convert", "digits", pictures, "--force").succeeded()

            try FileManager.default.createDirectory(atPath: home + "/train/idx", withIntermediateDirectories: true)
            try write("mine", to: home + "/notes.txt")
            try Gimbal.run("convert", "digits", home, "--force").refused("it holds notes.txt")
            try Gimbal.run("train", "--data", "digits", "--max-steps", "1", "--device", "cpu", "--run-dir", run)
                .succeeded()
            let before = tree(folder)
            try Gimbal.run("convert", "digits", run, "--force").refused("it is the folder of a run")
            #expect(tree(folder) == before)

            // What is read, and what it lies in, whatever else is there.
            try FileManager.default.removeItem(atPath: home + "/notes.txt")
            try writeImages(to: home + "/train/idx")
            for target in [home + "/train/idx", home] {
                try Gimbal.run("convert", home + "/train/idx", target, "--force").refused(
                    "it holds what is read, \(home)/train/idx")
            }
            try Gimbal.run("convert", home + "/train/idx", folder + "/out").succeeded()
        }
    }

    @Test("What a conversion that was killed has left half written is removed by the next one of that name")
    func halfWritten() throws {
        try withTemporaryFolder { folder in
            let mark = ".partial-1y2p0ij32e8e7"
            for name in ["pictures", "others"] {
                try FileManager.default.createDirectory(
                    atPath: "\(folder)/\(name)\(mark)/train", withIntermediateDirectories: true)
            }
            for name in ["a.pt", "b.pt"] { try write("half", to: "\(folder)/\(name)\(mark)") }
            try Gimbal.run("convert", "digits", folder + "/pictures").succeeded()
            try Gimbal.run("convert", fixture("checkpoint"), folder + "/a.pt").succeeded()
            #expect(try names(in: folder) == ["a.pt", "b.pt\(mark)", "others\(mark)", "pictures"])
        }
    }

    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    /// Images of two pixels, of two classes.
    private func writeImages(to folder: String) throws {
        for part in ["train", "t10k"] {
            let (images, labels) = (folder + "/\(part)-images-idx3-ubyte", folder + "/\(part)-labels-idx1-ubyte")
            try Data([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]).write(
                to: URL(filePath: images))
            try Data([0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 0, 1]).write(to: URL(filePath: labels))
        }
    }
}
