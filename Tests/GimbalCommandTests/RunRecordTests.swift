import Foundation
import GimbalTestSupport
import Testing

@Suite("A run's folder is all that a command needs")
struct RunRecordTests {
    private let table = (0..<120).map { row -> String in
        let (a, b) = (row * 37 % 101, row * 53 % 97 % 2)
        let isHigh = a + 40 * b > 70
        return "\(row),\(a),\(b == 0 ? "low" : "high"),\(isHigh ? "yes" : "no")\n"
    }.joined()

    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    private func record(_ folder: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(filePath: folder + "/run.json"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test(
        "resume and evaluate without --data go on with the data of the run, of any kind",
        arguments: ["table", "digits"])
    func withoutData(kind: String) throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/t.csv", folder + "/r")
            try write("index,a,b,answer\n" + table, to: file)
            let data = kind == "digits" ? "digits" : file
            let whole = try Gimbal.run(
                "train", "--data", data, "--epochs", "4", "--device", "cpu", "--json", "--run-dir", folder + "/whole",
                "--seed", "7", "--validation", "0.25"
            ).succeeded().objects().last
            try Gimbal.run(
                "train", "--data", data, "--epochs", "2", "--device", "cpu", "--run-dir", run, "--seed", "7",
                "--validation", "0.25"
            ).succeeded()
            let resumed = try Gimbal.run(
                "train", "--resume", "--epochs", "4", "--device", "cpu", "--json", "--run-dir", run
            ).succeeded().objects().last
            #expect(resumed?["testLoss"] as? Double == whole?["testLoss"] as? Double)
            let found = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu", "--json").succeeded()
                .objects()
            #expect(found.first?["loss"] as? Double == whole?["testLoss"] as? Double)
            let validation = try Gimbal.run(
                "evaluate", "--checkpoint", run, "--device", "cpu", "--json", "--part", "validation"
            ).succeeded().objects()
            #expect(validation.first?["loss"] as? Double == whole?["validationLoss"] as? Double)

            // Each start is kept.
            let starts = try #require(try record(run)["starts"] as? [[String: Any]])
            #expect(starts.count == 2)
            #expect((starts[0]["command"] as? [String])?.contains("--validation") == true)
            #expect(starts.allSatisfy { $0["device"] as? String == "cpu" && $0["version"] != nil && $0["date"] != nil })
        }
    }

    @Test("What a run makes of its table may be said again, not otherwise")
    func agreement() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/t.csv", folder + "/r")
            try write("index,a,b,answer\n" + table, to: file)
            let told = ["--exclude", "index", "--types", "b=category", "--validation", "0.25"]
            try Gimbal.run(
                ["train", "--data", file, "--epochs", "1", "--device", "cpu", "--run-dir", run] + told
            ).succeeded()
            let resume = ["train", "--resume", "--run-dir", run, "--epochs", "2", "--device", "cpu"]
            for (flags, words) in [
                (["--exclude", "a"], "--exclude: the run began with a as an input"),
                (["--columns", "a"], "--columns: the run began with b as an input"),
                (["--columns", "index,a,b"], "--columns: the run began with index left out"),
                (["--id", "a"], "--id: the run began with a as an input"),
                (["--types", "a=category"], "--types: the run began with a as number"),
                (["--missing", "-1"], "--missing: the run began with the usual marks"),
                (["--missing-rows", "drop"], "--missing-rows: the run began with"),
                (["--validation", "0.5"], "--validation: "), (["--test", "0.5"], "--test: "),
                (["--target", "a"], "--target: the run began with answer"),
            ] {
                try Gimbal.run(resume + flags).refused(words)
            }
            try Gimbal.run(resume + told).succeeded()
        }
    }

    @Test("A run does not go on with a table that shares no row with its own")
    func otherTable() throws {
        try withTemporaryFolder { folder in
            let (file, other, run) = (folder + "/t.csv", folder + "/other.csv", folder + "/r")
            try write("index,a,b,answer\n" + table, to: file)
            let rows = (0..<60).map { "\($0),\($0 + 1000),low,\($0 % 2 == 0 ? "yes" : "no")\n" }.joined()
            try write("index,a,b,answer\n" + rows, to: other)
            try Gimbal.run("train", "--data", file, "--epochs", "1", "--device", "cpu", "--run-dir", run).succeeded()
            let resume = ["train", "--resume", "--run-dir", run, "--epochs", "2", "--device", "cpu", "--data"]
            try Gimbal.run(resume + [other]).refused("shares no row with the table that the run was trained on")
            try write("index,a,b,answer\n" + table, to: other)
            try Gimbal.run(resume + [other]).succeeded()
        }
    }

    @Test("A table that is not as it was trained on is told of, and trained on all the same")
    func changedTable() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/t.csv", folder + "/r")
            let head = "index,a,b,answer\n"
            try write(head + table, to: file)
            try Gimbal.run("train", "--data", file, "--epochs", "1", "--device", "cpu", "--run-dir", run).succeeded()
            let resume = ["train", "--resume", "--run-dir", run, "--device", "cpu", "--epochs"]
            let evaluate = ["evaluate", "--checkpoint", run, "--device", "cpu"]
            let note =
                "note: \(file) has changed: its rows, or their order, are not those that the run was trained on\n"
            // With another column that it does not look at, the rows are the same.
            let lines = table.split(separator: "\n")
            try write("extra," + head + lines.map { "x,\($0)\n" }.joined(), to: file)
            #expect(try !Gimbal.run(evaluate).succeeded().errors.contains("has changed"))
            #expect(try !Gimbal.run(resume + ["2"]).succeeded().errors.contains("has changed"))
            // In another order they are shuffled otherwise.
            try write(head + lines.reversed().map { "\($0)\n" }.joined(), to: file)
            #expect(try Gimbal.run(evaluate).succeeded().errors.contains(note))
            try write(head + table, to: file)
            #expect(try !Gimbal.run(evaluate).succeeded().errors.contains("has changed"))
            try write(head + table.replacing("7,57,", with: "7,58,"), to: file)
            #expect(try Gimbal.run(evaluate).succeeded().errors.contains(note))
            #expect(try Gimbal.run(resume + ["3"]).succeeded().errors.contains(note))
            // Now it was trained on that.
            #expect(try !Gimbal.run(resume + ["4"]).succeeded().errors.contains("has changed"))
            #expect(try !Gimbal.run(evaluate).succeeded().errors.contains("has changed"))
            try write(head + table.replacing("7,57,", with: "7,58,") + "120,3,low,no\n", to: file)
            #expect(try Gimbal.run(evaluate).succeeded().errors.contains(note))
            let appended = try Gimbal.run(resume + ["5"]).succeeded().errors
            #expect(appended.contains("has 121 rows, where there were 120 when the run began"))
            // Of a copy elsewhere nothing is known.
            try write(head + table, to: folder + "/copy.csv")
            #expect(
                try !Gimbal.run(evaluate + ["--data", folder + "/copy.csv"]).succeeded().errors.contains("has changed"))
        }
    }

    @Test("In place of a damaged checkpoint the one before it is gone on from, with a word")
    func checkpointBefore() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/r"
            let train = ["train", "--device", "cpu", "--run-dir", run, "--json"]
            let whole = try Gimbal.run(train + ["--data", "digits", "--epochs", "3"]).succeeded().objects().last
            let names = try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints").sorted()
            let (older, newest) = (run + "/checkpoints/" + names[0], run + "/checkpoints/" + names[1])
            try write("", to: newest + "/optimizer.safetensors")
            let evaluated = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").succeeded()
            #expect(evaluated.errors == "")  // Which reads no moments.
            let outcome = try Gimbal.run(train + ["--resume"]).succeeded()
            #expect(outcome.errors.contains("warning: \(newest)/optimizer.safetensors: "), "\(outcome.errors)")
            #expect(outcome.errors.contains("; the checkpoint before it is used, \(older)\n"), "\(outcome.errors)")
            let resumed = try outcome.objects().last
            #expect(resumed?["testLoss"] as? Double == whole?["testLoss"] as? Double)
        }
    }

    @Test("A run that was killed before its first checkpoint begins anew with all that it was told")
    func beforeTheFirstCheckpoint() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/r"
            let settings = ["--data", "digits", "--epochs", "1", "--hidden", "24", "--seed", "9", "--device", "cpu"]
            let first = try Gimbal.run(["train", "--run-dir", run, "--json"] + settings).succeeded().objects().last
            try FileManager.default.removeItem(atPath: run + "/checkpoints")
            let again = try Gimbal.run("train", "--resume", "--run-dir", run, "--json", "--device", "cpu").succeeded()
            #expect(again.errors.contains("no checkpoint in \(run): starting from the beginning"))
            #expect(try again.objects().last?["testLoss"] as? Double == first?["testLoss"] as? Double)
        }
    }

    @Test("The command that Ctrl-C prints goes on with the run as it stands")
    func printedCommand() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/a table.csv", folder + "/a run")
            try write("index,a,b,answer\n" + table, to: file)
            let arguments = [
                "train", "--data", file, "--target", "b", "--epochs", "100000", "--device", "cpu", "--run-dir", run,
                "--checkpoint-every", "50",
            ]
            let child = try ChildProcess(Gimbal.path, arguments)
            #expect(child.wait { FileManager.default.fileExists(atPath: run + "/metrics.csv") })
            child.send(SIGINT)
            let outcome = try child.outcome()
            #expect(outcome.status == 130)
            let marker = "go on with: "
            let line = try #require(outcome.errors.split(separator: "\n").first { $0.contains(marker) })
            let command = line[try #require(line.range(of: marker)).upperBound...]
            // By a shell, from another folder.
            let resumed = try ChildProcess(
                "/bin/sh",
                [
                    "-c",
                    "cd / && " + command.replacingOccurrences(of: "gimbal ", with: "'\(Gimbal.path)' ")
                        + " --max-steps 1",
                ]
            ).outcome()
            #expect(resumed.status == 0, "\(resumed)")
            #expect(resumed.errors.contains("larger --max-steps"))
            let found = try Gimbal.run("inspect", run, "--json").succeeded().objects().first
            let starts = ((found?["record"] as? [String: Any])?["starts"] as? [[String: Any]]) ?? []
            #expect(starts.count >= 1)
        }
    }

    @Test("Data that moved is named, and found where it is now")
    func movedData() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/t.csv", folder + "/r")
            try write("index,a,b,answer\n" + table, to: file)
            try Gimbal.run("train", "--data", file, "--epochs", "1", "--device", "cpu", "--run-dir", run).succeeded()
            let before = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").succeeded().output
            try FileManager.default.moveItem(atPath: file, toPath: folder + "/moved.csv")
            try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").refused(file)
            let after = try Gimbal.run(
                "evaluate", "--checkpoint", run, "--device", "cpu", "--data", folder + "/moved.csv"
            ).succeeded().output
            #expect(after == before)
        }
    }

    @Test("Other data than the run's is refused to be trained on, and said when it is tested on")
    func otherImages() throws {
        try withTemporaryFolder { folder in
            for (name, shift) in [("first", 0), ("second", 3)] {
                let path = folder + "/" + name
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                for part in ["train", "t10k"] {
                    let count = 40
                    let pixels = (0..<count * 16).map { (place: Int) -> UInt8 in
                        let stripe = place / 16 % 2 * 90
                        return UInt8((place * (37 + shift) + stripe) % 251)
                    }
                    let labels = (0..<count).map { UInt8($0 % 2) }
                    let imageHead: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 40, 0, 0, 0, 4, 0, 0, 0, 4]
                    let labelHead: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 40]
                    let images = URL(filePath: "\(path)/\(part)-images-idx3-ubyte")
                    try Data(imageHead + pixels).write(to: images)
                    try Data(labelHead + labels).write(to: URL(filePath: "\(path)/\(part)-labels-idx1-ubyte"))
                }
            }
            let run = folder + "/r"
            try Gimbal.run(
                "train", "--data", folder + "/first", "--epochs", "1", "--device", "cpu", "--run-dir", run
            ).succeeded()
            let own = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").succeeded()
            #expect(!own.errors.contains("is not the data"))
            let other = try Gimbal.run(
                "evaluate", "--checkpoint", run, "--device", "cpu", "--data", folder + "/second"
            ).succeeded()
            #expect(other.errors.contains("is not the data that the model was trained on, which is first"))
            try Gimbal.run(
                "train", "--resume", "--run-dir", run, "--epochs", "2", "--device", "cpu", "--data", folder + "/second"
            ).refused("the run was trained on first, and \(folder)/second is other data")
            try Gimbal.run(
                "evaluate", "--checkpoint", run, "--device", "cpu", "--data", "digits"
            ).refused("the run was trained on first, and digits is other data")
            // To be tested needs no images to train on.
            for name in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"] {
                try FileManager.default.removeItem(atPath: folder + "/first/" + name)
            }
            let test = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").succeeded()
            #expect(test.output == own.output)
        }
    }
}
