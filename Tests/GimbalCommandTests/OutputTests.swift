import Foundation
import GimbalTestSupport
import Testing

@Suite("Where a command is told to write")
struct OutputTests {
    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    /// What every file below a folder holds.
    private func contents(of folder: String) -> [String: Data] {
        tree(folder).reduce(into: [:]) { $0[$1] = FileManager.default.contents(atPath: "\(folder)/\($1)") }
    }

    @Test("Nothing that is read, and nothing that a run keeps, is written over")
    func kept() throws {
        try withTemporaryFolder { folder in
            let (table, new, run, other) = (folder + "/t.csv", folder + "/new.csv", folder + "/r", folder + "/other")
            let rows = (0..<60).map { "\($0),\($0 * 7 % 11),\($0 % 3 == 0 ? "yes" : "no")\n" }.joined()
            for path in [table, new] { try write("a,b,answer\n" + rows, to: path) }
            for path in [run, other] {
                try Gimbal.run(
                    "train", "--data", table, "--max-steps", "2", "--hidden", "4", "--device", "cpu", "--run-dir", path
                ).succeeded()
            }
            let step = try #require(checkpoints(of: run).last)
            let taken = folder + "/taken"
            try FileManager.default.copyItem(atPath: "\(run)/checkpoints/\(step)", toPath: taken)
            try FileManager.default.createSymbolicLink(atPath: folder + "/link.csv", withDestinationPath: table)
            try FileManager.default.linkItem(atPath: table, toPath: folder + "/hard.csv")
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/metrics.html", withDestinationPath: run + "/metrics.csv")
            try write("fold of another", to: folder + "/mine.csv")

            let mine = "is there already, and is not"
            let evaluate = ["evaluate", "--checkpoint", run, "--device", "cpu", "--report"]
            let predict = ["predict", "--checkpoint", run, "--device", "cpu", "--data", new, "--output"]
            let read = "is the file that is read", kept = "is a file that a run keeps in"
            let before = contents(of: folder)
            for (command, words) in [
                (evaluate + [folder + "/mine.csv"], mine), (predict + [folder + "/mine.csv"], mine),
                (["report", run, "--output", folder + "/mine.csv"], mine),
                (["compare", run, other, "--report", folder + "/mine.csv"], mine),
                (evaluate + [table], read), (evaluate + [folder + "/link.csv"], read),
                (evaluate + [folder + "/hard.csv"], read), (evaluate + ["\(folder)/./t.csv"], read),
                (evaluate + [folder + "/metrics.html"], kept), (evaluate + [run + "/run.json"], kept),
                (predict + [new], read), (predict + [table], read), (predict + [run + "/health.csv"], kept),
                (predict + [run + "/run.lock"], kept), (predict + [other + "/result.json"], kept),
                (predict + ["\(run)/checkpoints/\(step)/manifest.json"], kept),
                (predict + ["\(run)/checkpoints/\(step)/new.csv"], kept),
                (predict + [taken + "/manifest.json"], "is a file that a checkpoint keeps in"),
                (["report", run, "--output", run + "/metrics.csv"], kept), (["report", run, "--output", table], read),
                (["report", run, other, "--output", table], read),
                (["compare", run, other, "--report", other + "/run.json"], kept),
                (["compare", run, other, "--report", table], read),
                (["export", "--checkpoint", run, "\(taken)/model.safetensors", "--force"], "a checkpoint keeps in"),
                (["export", "--checkpoint", run, table, "--force"], read),
                (["export", "--checkpoint", run, folder + "/mine.csv", "--force"], mine),
                (["convert", taken, "\(run)/checkpoints/\(step)/model.safetensors", "--force"], kept),
                (["convert", taken + "/model.safetensors", taken + "/model.safetensors", "--force"], read),
            ] { try Gimbal.run(command).refused(words) }
            let split = ["train", "--data", table, "--device", "cpu", "--run-dir", folder + "/third", "--write-split"]
            try Gimbal.run(split + [table]).refused(read)
            #expect(contents(of: folder) == before)

            // A run's page is made anew, and what was predicted.
            try Gimbal.run("report", run).succeeded()
            try Gimbal.run(evaluate + [run + "/report.html"]).succeeded()
            try write("", to: folder + "/mine.csv")
            for more in [[], ["--top", "2"], ["--json"], ["--probabilities"]] {
                try Gimbal.run(predict + [folder + "/mine.csv"] + more).succeeded()
            }
            try Gimbal.run(predict + [run + "/predicted.csv"]).succeeded()
            try Gimbal.run("export", "--checkpoint", run, run + "/net.onnx").succeeded()
        }
    }

    @Test("The part of each row is written down, in the order of the file")
    func split() throws {
        try withTemporaryFolder { folder in
            let rows = (0..<60).map { "\($0 % 9).5,\($0 * 13 % 51),\(["no", "yes"][$0 * 5 % 7 % 2])\n" }.joined()
            try ("a,b,y\n" + rows).write(toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
            try Gimbal.run(
                "train", "--data", folder + "/t.csv", "--device", "cpu", "--hidden", "4", "--epochs", "1", "--run-dir",
                folder + "/run", "--write-split", folder + "/parts.txt"
            ).succeeded()
            let parts = try String(contentsOfFile: folder + "/parts.txt", encoding: .utf8).split(separator: "\n")
            #expect(parts.count == 60 && Set(parts) == ["training", "validation", "test"], "\(parts)")
            #expect(parts.count { $0 == "training" } > 30)
            try Gimbal.run(
                "train", "--data", "digits", "--device", "cpu", "--run-dir", folder + "/other", "--write-split",
                folder + "/parts.txt"
            ).refused("--write-split: is for tables")
        }
    }

    @Test("Pictures that are read are not written over by what is predicted of them")
    func pictures() throws {
        try withTemporaryFolder { folder in
            let (pictures, run) = (folder + "/pictures", folder + "/r")
            try Gimbal.run("convert", "digits", pictures).succeeded()
            try Gimbal.run(
                "train", "--data", pictures, "--max-steps", "1", "--hidden", "4", "--device", "cpu", "--run-dir", run
            ).succeeded()
            let one = try #require(try names(in: pictures + "/test/0").first)
            let predict = ["predict", "--checkpoint", run, "--device", "cpu", "--data", pictures + "/test", "--output"]
            try Gimbal.run(predict + ["\(pictures)/test/0/\(one)"]).refused("is one of the pictures in")
            try Gimbal.run(predict + [pictures + "/test/predicted.csv"]).succeeded()
            try Gimbal.run(predict + [pictures + "/test/predicted.csv"]).succeeded()
        }
    }
}
