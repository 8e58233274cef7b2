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

    @Test("What cannot be done is said, and nothing is written")
    func refusals() throws {
        try withTemporaryFolder { folder in
            let target = folder + "/net.safetensors"
            try Gimbal.run("convert", fixture("evil"), target).refused("would run 'posix.system'")
            try Gimbal.run("convert", fixture("model"), target).refused("torch.save(model.state_dict(), path)")
            try Gimbal.run("convert", fixture("checkpoint"), target, "--only", "absent.*").refused("no tensor fits")
            try Gimbal.run("convert", fixture("checkpoint"), target, "--rename", "*.0*=same").refused("both become")
            try Gimbal.run("convert", fixture("checkpoint"), folder + "/net.npy").refused("holds one array")
            try Gimbal.run("convert", fixture("tensor"), target, "--rename", "tensor=__metadata__")
                .refused("another name")
            try Gimbal.run("convert", fixture("young"), target, "--only", "float8").refused("no tensor in it can be")
            #expect(!FileManager.default.fileExists(atPath: target))
            #expect(!FileManager.default.fileExists(atPath: folder + "/net.npy"))
            try Data("mine".utf8).write(to: URL(filePath: target))
            try Gimbal.run("convert", fixture("checkpoint"), target).refused("--force")
            #expect(try String(contentsOf: URL(filePath: target), encoding: .utf8) == "mine")
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
}
