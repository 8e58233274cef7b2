import Foundation
import GimbalTestSupport
import Testing

/// Input that cannot be used gets one line, a status other than 0, and leaves no file behind.
@Suite("Bad input")
struct BadInputTests {
    /// Runs `train` with `arguments` in a folder that `prepare` fills, and expects it to refuse and to write nothing.
    private func expectRefusal(
        _ words: String, _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation,
        prepare: (_ folder: String) throws -> Void = { _ in }
    ) throws {
        try withTemporaryFolder { folder in
            try prepare(folder)
            let before = tree(folder)
            func inFolder(_ text: String) -> String { text.replacingOccurrences(of: "FOLDER", with: folder) }
            let outcome = try Gimbal.run(
                ["train", "--epochs", "1", "--run-dir", folder + "/run"] + arguments.map(inFolder))
            outcome.refused(inFolder(words), sourceLocation: sourceLocation)
            #expect(tree(folder) == before, sourceLocation: sourceLocation)
        }
    }

    // MARK: IDX files

    /// Two images of 1 × 2 pixels and their labels, as training and as test data.
    private static let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2] + [0, 50, 100, 150]
    private static let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2] + [3, 9]

    private func expectRefusal(
        _ words: String, images: [UInt8] = images, labels: [UInt8] = labels, suffix: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try expectRefusal(
            words, ["--data", "mnist", "--data-dir", "FOLDER", "--device", "cpu"], sourceLocation: sourceLocation
        ) { folder in
            for part in ["train", "t10k"] {
                try Data(images).write(to: URL(fileURLWithPath: "\(folder)/\(part)-images-idx3-ubyte\(suffix)"))
                try Data(labels).write(to: URL(fileURLWithPath: "\(folder)/\(part)-labels-idx1-ubyte"))
            }
        }
    }

    @Test("A folder of data that is not there, or lacks a file")
    func missingData() throws {
        let words = "cannot find images in FOLDER/none: there is no such folder"
        try expectRefusal(words, ["--data", "mnist", "--data-dir", "FOLDER/none", "--device", "cpu"])
        try expectRefusal(words, ["--data", "fashion-mnist", "--data-dir", "FOLDER/none", "--device", "cpu"])
        try expectRefusal("none of these is there", ["--data", "mnist", "--data-dir", "FOLDER", "--device", "cpu"])
    }

    @Test("What is missing is named with the option that gives it")
    func missingOptions() throws {
        try expectRefusal(
            "--data-dir: is needed where mnist is not in data/mnist", ["--data", "mnist", "--device", "cpu"])
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            func resume() throws -> ChildProcess.Outcome { try Gimbal.run("train", "--resume", "--run-dir", run) }
            try resume().refused("--resume: there is no run in \(run) to go on with")
            try FileManager.default.createDirectory(atPath: run + "/fold-1", withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: run + "/fold-1/run.lock"))
            try resume().refused("--resume: \(run) holds the folds of a cross-validation")
        }
    }

    @Test("Pictures of other sides than the net's are not predicted")
    func otherSides() throws {
        try withTemporaryFolder { folder in
            let (run, file) = (folder + "/run", folder + "/a-images-idx3-ubyte")
            try Gimbal.run(
                "train", "--data", "digits", "--device", "cpu", "--hidden", "4", "--epochs", "1", "--run-dir", run
            ).succeeded()
            try Data(Self.images).write(to: URL(fileURLWithPath: file))
            try Gimbal.run("predict", "--checkpoint", run, "--data", file, "--device", "cpu").refused(
                "data: \(file) has 2 numbers in a sample, [1, 1, 2], and the model of", "takes 64, [1, 8, 8]")
        }
    }

    @Test("IDX files that are not what they should be")
    func idx() throws {
        try expectRefusal("train-images-idx3-ubyte: not an IDX file", images: Array("<html></html>".utf8))
        try expectRefusal("train-images-idx3-ubyte: not an IDX file", images: [])
        try expectRefusal("train-images-idx3-ubyte: truncated", images: Self.images.dropLast())
        try expectRefusal(
            "which a file of this size cannot hold", images: [0, 0, 8, 3, 127, 0, 0, 0] + Self.images[8...])
        try expectRefusal(
            "its header claims an absurd size", images: [0, 0, 8, 3] + [UInt8](repeating: 255, count: 12))
        try expectRefusal(
            "train-labels-idx1-ubyte: label 10 of image 1 is of none of the 10 classes: 0, 1, 2, 3",
            labels: Self.labels.dropLast() + [10])
        try expectRefusal("1 labels for the 2 images of", labels: [0, 0, 8, 1, 0, 0, 0, 1, 3])
        try expectRefusal("an IDX file of 3 axes, where 1 are expected", labels: Self.images)
    }

    @Test("A compressed file that ends in the middle, or is none")
    func gzip() throws {
        // A member with one stored block of 4,095 bytes, of which eight are there.
        let cut: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1, 0xFF, 0x0F, 0x00, 0xF0] + Self.images.prefix(8)
        try expectRefusal("train-images-idx3-ubyte.gz: truncated", images: cut, suffix: ".gz")
        let broken: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255] + [UInt8](repeating: 0xFF, count: 50)
        try expectRefusal("train-images-idx3-ubyte.gz: damaged", images: broken, suffix: ".gz")
    }

    // MARK: CSV files

    @Test(
        "CSV files that are not tables of numbers and classes",
        arguments: [
            ("", ": empty"),
            ("a,b,class\n", "a header and no data"),
            ("1,2,0\n3,4,1\n5,1\n", "line 3: 2 fields, where the first line has 3"),
            ("1,2,0\n3,4,1,7\n", "line 2: 4 fields, where the first line has 3"),
            ("1,2,0\n3,four,1\n", "'four' is not a number"),
            ("1,2,0\n3,1e999,1\n", "is infinite, or too large for a float"),
            ("1,2,0\n3,4,\n", "has one row of data"),
            ("a,b,c\n1,2,red\n", "has one row of data"),
            ("1,2,0\n3,4,0\n5,6,0\n", "every row has the class '0'"),
            ("x,y\n0.5,a\n0.7,b\n0.9,c\n1,d\n2,e\n3,f\n4,g\n5,h\n6,i\n7,j\n8,k\n", "every one of the 11 labels"),
            ("1\n2\n", "only one column"),
            ("1,2,0\n\u{0}\u{1}\u{2}", "a byte of 0, which no text has"),
            ("1,\"2,0\n3,4,1\n", "never closed"),
        ])
    func csv(text: String, words: String) throws {
        try expectRefusal(words, ["--data", "FOLDER/table.csv", "--device", "cpu"]) { folder in
            try text.write(toFile: folder + "/table.csv", atomically: true, encoding: .utf8)
        }
    }

    @Test("Data that is not there, or has no name")
    func unknownData() throws {
        try expectRefusal("FOLDER/none.csv", ["--data", "FOLDER/none.csv", "--device", "cpu"])
        try expectRefusal("FOLDER/folder.csv", ["--data", "FOLDER/folder.csv", "--device", "cpu"]) { folder in
            try FileManager.default.createDirectory(atPath: folder + "/folder.csv", withIntermediateDirectories: false)
        }
        try expectRefusal("'digit' is neither digits, mnist,", ["--data", "digit", "--device", "cpu"])
        try expectRefusal("has one row of data", ["--data", "FOLDER/one.csv", "--device", "cpu"]) {
            try "1,2,0\n".write(toFile: $0 + "/one.csv", atomically: true, encoding: .utf8)
        }
    }

    // MARK: Devices and settings

    @Test("Devices that do not exist", arguments: ["gpu", "opencl:99", "opencl:", "opencl:-1", "cpu:0"])
    func device(name: String) throws {
        try expectRefusal("no device '\(name)'; available: cpu", ["--data", "digits", "--device", name])
    }

    @Test("A device of the environment that does not exist is the user's mistake as well")
    func deviceOfEnvironment() throws {
        try withTemporaryFolder { folder in
            let arguments = [
                "train", "--data", "digits", "--epochs", "1", "--hidden", "8", "--run-dir", folder + "/run",
            ]
            let environment = ["GIMBAL_DEVICE": "bogus"]
            try Gimbal.run(arguments, environment: environment).refused("no device 'bogus'; available: cpu")
            #expect(tree(folder).isEmpty)
            try Gimbal.run(arguments + ["--device", "cpu"], environment: environment).succeeded()
        }
    }

    @Test(
        "Settings out of range",
        arguments: [
            ("--lr", "nan"), ("--lr", "inf"), ("--lr", "0"), ("--lr", "-1"),
            ("--batch-size", "0"), ("--batch-size", "-5"), ("--batch-size", "9223372036854775807"),
            ("--hidden", "0"), ("--hidden", "-1"), ("--layers", "-1"), ("--layers", "9223372036854775807"),
            ("--accumulate", "0"), ("--accumulate", "9223372036854775807"),
            ("--epochs", "-1"), ("--epochs", "9223372036854775807"),
            ("--warmup", "-1"), ("--warmup", "9223372036854775807"), ("--step-epochs", "9223372036854775807"),
            ("--momentum", "1"), ("--momentum", "nan"), ("--weight-decay", "inf"), ("--weight-decay", "-1"),
            ("--dropout", "1"), ("--dropout", "nan"), ("--init-scale", "inf"), ("--step-factor", "nan"),
            ("--clip-norm", "nan"), ("--clip-norm", "-1"), ("--clip-value", "nan"), ("--clip-order", "0"),
        ])
    func setting(name: String, value: String) throws {
        try expectRefusal("\(name): must", ["--data", "digits", "--device", "cpu", "\(name)=\(value)"])
        // Also where a negative value stands by itself.
        try expectRefusal("\(name): must", ["--data", "digits", "--device", "cpu", name, value])
    }

    @Test("Settings that do not go together")
    func contradictions() throws {
        try expectRefusal(
            "--nesterov: needs --momentum",
            ["--data", "digits", "--device", "cpu", "--nesterov", "--momentum", "0"])
        try expectRefusal(
            "--norm: batch needs batches of", ["--data", "digits", "--device", "cpu", "--batch-size", "1"])
    }

    @Test("A model larger than the memory, or than any")
    func tooLarge() throws {
        let train = ["--data", "digits", "--device", "cpu", "--hidden"]
        try expectRefusal("out of memory on cpu", train + ["1000000000"])
        // 9 ⋅ 10¹⁰ weights and more, of which each net is to know.
        for kind in [["gru", "--bidirectional"], ["lstm"], ["transformer"]] {
            try expectRefusal("out of memory on cpu", train + ["3000", "--layers", "5000", "--model"] + kind)
        }
        try expectRefusal("--hidden: must be at most 1000000000", train + ["\(Int.max)"])
    }

    @Test("A loss that is no number any more ends the run, which keeps what it has")
    func divergence() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let outcome = try Gimbal.run(
                "train", "--data", "digits", "--hidden", "8", "--norm", "none", "--clip-norm", "0", "--lr", "1e30",
                "--device", "cpu", "--run-dir", run, "--json")
            outcome.failed(["the loss became", "step 2", "a lower learning rate"])
            #expect(metrics(of: run).count == 1)
            #expect(checkpoints(of: run).isEmpty)
        }
    }

    // MARK: Where to write

    @Test("A run folder that cannot be made")
    func unwritable() throws {
        try expectRefusal(
            "cannot create FOLDER/file/run: ",
            ["--data", "digits", "--hidden", "8", "--device", "cpu", "--run-dir", "FOLDER/file/run"]
        ) { try "in the way".write(toFile: $0 + "/file", atomically: true, encoding: .utf8) }
        try expectRefusal(
            "cannot create /proc/none: ",
            ["--data", "digits", "--hidden", "8", "--device", "cpu", "--run-dir", "/proc/none"])
    }

    @Test("A standard output that is full", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func fullOutput() throws {
        let outcome = try ChildProcess("/bin/sh", ["-c", "exec \"$0\" devices > /dev/full", Gimbal.path]).outcome()
        outcome.refused("cannot write standard output: No space left on device")
        for arguments in ["--help", "--version", "train --help", "help predict"] {
            try ChildProcess("/bin/sh", ["-c", "exec \"$0\" \(arguments) > /dev/full", Gimbal.path]).outcome()
                .refused("cannot write standard output: No space left on device")
        }
    }

    @Test("A path that is longer than a line is cut in the middle")
    func longPath() throws {
        try withTemporaryFolder { folder in
            let long = folder + "/" + String(repeating: "x", count: 3000)
            let train = [
                "train", "--data", "digits", "--max-steps", "1", "--hidden", "4", "--device", "cpu", "--run-dir",
            ]
            for command in [
                train + [long], train + [folder + "/r", "--data", long + ".csv"], ["report", long], ["inspect", long],
                ["evaluate", "--checkpoint", long], ["convert", long, folder + "/x.pt"],
            ] {
                let outcome = try Gimbal.run(command)
                // What is cut is the middle of a path, of which more may follow.
                outcome.refused("xxx…")
                #expect(outcome.errors.count < 600, "\(outcome.errors)")
            }
        }
    }

    @Test("A number of threads that is none", arguments: ["abc", "0", "-1", "1025", "2.5"])
    func threads(number: String) throws {
        try withTemporaryFolder { folder in
            let words = "GIMBAL_THREADS: must be a number from 1 to 1024, not '\(number)'"
            for command in [
                ["train", "--data", "digits", "--device", "cpu", "--run-dir", folder + "/r"],
                ["train", "--data", "digits", "--device", "cpu,cpu", "--run-dir", folder + "/r"],
                ["diagnose", "--data", "digits"], ["bench", "--only", "matmul"],
            ] { try Gimbal.run(command, environment: ["GIMBAL_THREADS": number]).refused(words) }
            #expect(try names(in: folder).isEmpty)
        }
    }

    @Test("An encoding without a name, and folds without end")
    func emptyEncoding() throws {
        let table = "a,b,answer\n" + (0..<20).map { "\($0),\($0 * 7 % 5),\($0 % 2)\n" }.joined()
        for (flags, words) in [
            (["--encoding", ""], "is empty, after '--encoding'"),
            (["--folds", "9223372036854775807"], "--folds: must lie between 2 and the number of rows, 20"),
        ] {
            try expectRefusal(words, ["--data", "FOLDER/t.csv", "--device", "cpu"] + flags) {
                try table.write(toFile: $0 + "/t.csv", atomically: true, encoding: .utf8)
            }
        }
    }
}
