import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// What files, arguments and the machine's limits may hold or be, tried by the command.
@Suite("Hostile files, arguments and limits")
struct HostileInputTests {
    /// Trains on a small table, and gives what to try every damage with.
    private func withRun(_ body: (_ folder: String, _ checkpoint: String, _ commands: [[String]]) throws -> Void) throws
    {
        try withTemporaryFolder { folder in
            let (table, run) = (folder + "/t.csv", folder + "/r")
            let rows = (0..<90).map { "\($0),\($0 * 7 % 11),\($0 % 3 == 0 ? "yes" : "no"),\($0 % 5)" }
            try write("a,b,answer,c\n" + rows.joined(separator: "\n") + "\n", to: table)
            try Gimbal.run(
                "train", "--data", table, "--target", "answer", "--epochs", "2", "--hidden", "4", "--batch-size", "16",
                "--max-steps", "7", "--device", "cpu", "--run-dir", run
            ).succeeded()
            let names = try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints").sorted()
            for name in names.dropLast() { try FileManager.default.removeItem(atPath: run + "/checkpoints/" + name) }
            // Or nothing would be looked at that was changed.
            try FileManager.default.removeItem(atPath: "\(run)/checkpoints/\(names.last!)/checksums.sfv")
            try body(
                folder, run + "/checkpoints/" + names.last!,
                [
                    ["evaluate", "--checkpoint", run, "--device", "cpu"],
                    ["train", "--resume", "--run-dir", run, "--max-steps", "0", "--device", "cpu"],
                ])
        }
    }

    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    /// Runs the command under a limit that the shell sets, such as `-v 100000`.
    private func run(
        _ arguments: [String], limit: String, environment: [String: String] = ["GIMBAL_THREADS": "1"]
    ) throws -> ChildProcess.Outcome {
        try ChildProcess(
            "/bin/sh", ["-c", "ulimit \(limit); exec \"$0\" \"$@\"", Gimbal.path] + arguments, environment: environment,
            timeLimit: .seconds(60)
        ).outcome()
    }

    /// Every number, text, list and truth of a value, and where it is.
    private func leaves(_ value: Any, _ path: [String] = []) -> [(path: [String], value: Any)] {
        switch value {
        case let object as [String: Any]:
            object.sorted { $0.key < $1.key }.flatMap { leaves($0.value, path + [$0.key]) }
        case let list as [Any]:
            [(path, value)] + list.prefix(2).enumerated().flatMap { leaves($0.element, path + ["\($0.offset)"]) }
        default: [(path, value)]
        }
    }

    private func setting(_ path: ArraySlice<String>, of value: Any, to new: Any) -> Any {
        guard let key = path.first else { return new }
        if var object = value as? [String: Any] {
            object[key] = setting(path.dropFirst(), of: object[key]!, to: new)
            return object
        }
        var list = value as! [Any]
        list[Int(key)!] = setting(path.dropFirst(), of: list[Int(key)!], to: new)
        return list
    }

    /// All of them are some 1,200; most runs try one in 15 or so, others with each change of the files.
    @Test("Extreme values in a run's files are refused in one line, or harmless; nothing traps or hangs")
    func extremeFields() throws {
        try withRun { folder, checkpoint, commands in
            var random = SplitMix(state: 20_261_130)
            var count = 0
            defer { tell(tried: count, of: "fields") }
            let run = folder + "/r", copy = folder + "/copy"
            try FileManager.default.copyItem(atPath: run, toPath: copy)
            for name in ["manifest.json", "run.json"] {
                let file = "\(checkpoint)/\(name)"
                let original = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file)))
                for (path, value) in leaves(original) where !path.isEmpty {
                    let extremes: [Any] =
                        switch value {
                        case let number as NSNumber where "\(type(of: number))".contains("Boolean"): [!number.boolValue]
                        case is NSNumber: [-5, 0, 100_000, 1 << 62, Int.max, 1e300, -1.5]
                        case is String: ["", "\u{1B}[31m", "../../../etc/passwd"]
                        case let list as [Any]: [[Any](), list + list + list]
                        default: [[String: Any]()]
                        }
                    for extreme in extremes {
                        for command in commands {
                            guard triesAll || random.next() % 15 == 0 else { continue }
                            count += 1
                            let text = try JSONSerialization.data(
                                withJSONObject: setting(path[...], of: original, to: extreme))
                            try FileManager.default.removeItem(atPath: run)
                            try FileManager.default.copyItem(atPath: copy, toPath: run)
                            try text.write(to: URL(filePath: file))
                            let outcome = try Gimbal.run(command, timeLimit: .seconds(30))
                            let place = "\(command[0]), \(name), \(path.joined(separator: ".")) = \(extreme)"
                            #expect(outcome.signal == nil, "\(place): \(outcome)")
                            #expect(!(outcome.output + outcome.errors).contains("\u{1B}"), "\(place)")
                            guard outcome.status != 0 else { continue }
                            let lines = outcome.errors.split(separator: "\n")
                            #expect(
                                lines.last?.hasPrefix("Error: ") ?? false && outcome.errors.count < 2000,
                                "\(place): \(outcome)")
                        }
                    }
                }
            }
        }
    }

    @Test(
        "Under a limit of memory training says what it lacks, and does not hang", arguments: [150, 250, 350, 450, 600])
    func memoryLimit(megabytes: Int) throws {
        try withTemporaryFolder { folder in
            let train = ["train", "--data", "digits", "--epochs", "1", "--hidden", "64", "--run-dir", folder + "/r"]
            let outcome = try run(train + ["--device", "cpu"], limit: "-v \(megabytes * 1024)")
            // With less the system's loader or Swift's runtime has none; both say so.
            guard megabytes >= 250 else { return #expect(outcome.status != 0) }
            if outcome.status == 0 { return }
            outcome.failed(["out of memory", "ulimit -v"])
        }
    }

    @Test("So do ranks that are threads, where one of them finds no memory to begin", arguments: [180, 210, 220, 400])
    func memoryLimitOfRanks(megabytes: Int) throws {
        try withTemporaryFolder { folder in
            let outcome = try run(
                [
                    "train", "--data", "digits", "--epochs", "1", "--device", "cpu,cpu", "--exchange-timeout", "11",
                    "--sync-batch-norm", "--run-dir", folder + "/r",
                ], limit: "-v \(megabytes * 1024)")
            if outcome.status == 0 { return }
            outcome.failed(["ulimit -v"])
        }
    }

    /// 96 MB of weights, read whole by some of the commands.
    @Test("Large weights are read, written and converted under every limit of memory, or that says what it lacks")
    func largeWeights() throws {
        try withTemporaryFolder { folder in
            let names = (0..<4000).map { "c\($0)" }.joined(separator: ",")
            let rows = (0..<12).map { row in
                (0..<4000).map { "\($0 * (row + 3) % 17)," }.joined() + (row % 2 == 0 ? "x" : "y")
            }
            try write(names + ",y\n" + rows.joined(separator: "\n") + "\n", to: folder + "/wide.csv")
            let train = [
                "train", "--data", folder + "/wide.csv", "--epochs", "1", "--hidden", "6000", "--max-steps", "1",
                "--no-doctor", "--optimizer", "sgd", "--device", "cpu", "--run-dir",
            ]
            try Gimbal.run(train + [folder + "/r"]).succeeded()
            try Gimbal.run("convert", folder + "/r", folder + "/w.npz").succeeded()
            for megabytes in stride(from: 260, to: 760, by: 100) {
                for command in [
                    train + [folder + "/r\(megabytes)"],
                    train + [folder + "/p\(megabytes)", "--pretrained", folder + "/w.npz"],
                    ["evaluate", "--checkpoint", folder + "/r", "--device", "cpu"],
                    ["export", "--checkpoint", folder + "/r", folder + "/m.onnx", "--force"],
                    ["convert", folder + "/r", folder + "/m.npz", "--force"],
                    ["convert", folder + "/w.npz", folder + "/m.pt", "--force"],
                    ["inspect", folder + "/w.npz", "--values"],
                ] {
                    let outcome = try run(
                        command, limit: "-v \(megabytes * 1024)",
                        environment: ["GIMBAL_THREADS": "1", "OCL_ICD_VENDORS": "/nonexistent"])
                    if outcome.status == 0, outcome.signal == nil { continue }
                    // A note may come before.
                    let error = outcome.errors.split(separator: "\n").last ?? ""
                    #expect(outcome.status == 1 && error.hasPrefix("Error: out of memory"), "\(command): \(outcome)")
                }
            }
        }
    }

    private static let groups = "/sys/fs/cgroup/memory"

    /// Of version 1, which root can make without asking anybody.
    @Test(
        "What a control group does not have is refused, and nothing is killed",
        .enabled(
            if: FileManager.default.isWritableFile(atPath: groups)
                && access(groups + "/memory.limit_in_bytes", F_OK) == 0,
            "no control group can be made here"))
    func controlGroup() throws {
        try withTemporaryFolder { folder in
            let group = Self.groups + "/gimbal-\(getpid())"
            try #require(mkdir(group, 0o755) == 0)
            defer { rmdir(group) }
            for (megabytes, hidden) in [(200, 100), (500, 1_000_000), (500, 3_000_000), (500, 5_000_000)] {
                try "\(megabytes << 20)".write(
                    toFile: group + "/memory.limit_in_bytes", atomically: false, encoding: .utf8)
                let outcome = try ChildProcess(
                    "/bin/sh",
                    [
                        "-c", "echo $$ > \(group)/cgroup.procs; exec \"$0\" \"$@\"", Gimbal.path, "train", "--data",
                        "digits", "--epochs", "1", "--max-steps", "1", "--hidden", "\(hidden)", "--device", "cpu",
                        "--run-dir", folder + "/r\(hidden)",
                    ], timeLimit: .seconds(60)
                ).outcome()
                if hidden == 100 { outcome.succeeded() } else { outcome.failed(["out of memory"]) }
            }
        }
    }

    @Test("Under a limit of data training says what it lacks, and does not hang", arguments: [100, 400])
    func dataLimit(megabytes: Int) throws {
        try withTemporaryFolder { folder in
            let train = ["train", "--data", "digits", "--epochs", "1", "--hidden", "64", "--run-dir", folder + "/r"]
            let outcome = try run(train + ["--device", "cpu"], limit: "-d \(megabytes * 1024)")
            if megabytes == 100 { outcome.failed(["out of memory", "ulimit -d"]) } else { outcome.succeeded() }
        }
    }

    @Test("A stack on which nothing runs is refused by its limit")
    func stackLimit() throws {
        let devices = { (kilobytes: Int) in
            try run(["devices", "--json"], limit: "-s \(kilobytes)", environment: [:])
        }
        try devices(128).failed(["128 KiB of stack", "ulimit -s", "256"])
        try devices(256).succeeded()
    }

    @Test("A file that grows beyond the limit of its size is an error that names it")
    func fileSizeLimit() throws {
        try withTemporaryFolder { folder in
            let train = ["train", "--data", "digits", "--epochs", "1", "--device", "cpu", "--run-dir", folder + "/r"]
            let outcome = try run(train, limit: "-f 8", environment: [:])
            #expect(outcome.status == 1 && outcome.signal == nil, "\(outcome)")
            #expect(outcome.errors.contains("Error: cannot write \(folder)/r/"), "\(outcome)")
            #expect(outcome.errors.contains(String(cString: strerror(EFBIG))), "\(outcome)")
        }
    }

    @Test(
        "An argument that is empty is none, but for a text",
        arguments: [
            ["train", "--data", "digits", "--run-dir", ""], ["train", "--data", "digits", "--run-dir="], ["new", ""],
            ["report", ""], ["evaluate", "--checkpoint", ""], [""], ["inspect", "", "--json"],
        ])
    func emptyArguments(arguments: [String]) throws {
        try Gimbal.run(arguments).refused("empty", "is a variable of the shell not set?")
        try Gimbal.run("inspect", "/dev/null", "--target", "").failed(["/dev/null"])
    }

    @Test(
        "Enormous counts are no trouble for the time that is left",
        .enabled(if: Gimbal.hasTerminal, "there is no script(1)"))
    func enormousCounts() throws {
        try withTemporaryFolder { folder in
            let counts = "--epochs 1000000000 --batch-size 1000000000 --accumulate 1000000000"
            let command =
                "timeout --foreground -s INT 3 \(Gimbal.path) train --data digits --device cpu \(counts) "
                + "--run-dir \(folder)/r"
            let outcome = try Gimbal.runOnTerminal(command)
            // 124 is what timeout ends with, whatever the run's own status.
            #expect(outcome.status == 124 && outcome.output.contains("go on with: "), "\(outcome)")
            #expect(outcome.output.contains(" days left"), "\(outcome)")
        }
    }

    @Test("What a folder's name or an argument holds neither moves the terminal nor fills it")
    func hostileArguments() throws {
        try withTemporaryFolder { folder in
            let escape = "\u{1B}[31m"
            let run = folder + "/a\(escape)b"
            let train = ["train", "--data", "digits", "--epochs", "1", "--device", "cpu", "--run-dir", run]
            let trained = try Gimbal.run(train).succeeded()
            let again = try Gimbal.run(train)
            let long = String(repeating: "x", count: 100_000)
            // A shell takes it apart again, and it is one line.
            let lines = folder + "/a\nb'\\$c"
            let stopped = try Gimbal.run(train.dropLast() + [lines, "--max-steps", "3"]).succeeded()
            #expect(stopped.lines.last?.contains("a\\nb'") == true, "\(stopped)")
            let command = ["-c", "exec \"$0\" report \(shellCommand([lines]))", Gimbal.path]
            try ChildProcess("/bin/bash", command).outcome().succeeded()
            let others = try [
                ["train", "--data", "digits", "--model", "\(escape)x"], ["train", "--data", long],
                ["train", "--data", "digits", "--device", long], ["train", "--data", "digits", "--lr", long],
                ["report", folder + "/\(escape)"], ["train", "--\(escape)"], [escape], [long],
            ].map { try Gimbal.run($0) }
            for outcome in [trained, again] + others {
                #expect(!(outcome.output + outcome.errors).contains("\u{1B}"), "\(outcome)")
            }
            for outcome in [again] + others {
                #expect(outcome.status != 0 && outcome.signal == nil && outcome.errors.count < 10_000, "\(outcome)")
            }
        }
    }

    @Test(
        "Names of classes do not move the terminal that predictions are written to; a file has them as they are",
        .enabled(if: Gimbal.hasTerminal, "there is no script(1)"))
    func hostileClasses() throws {
        try withTemporaryFolder { folder in
            let (data, run) = (folder + "/t.csv", folder + "/run")
            let hostile = "a\u{1B}[31mb\u{9B}2J\u{202E}"
            try write("x,y\n" + (0..<40).map { "\($0),\($0 < 20 ? hostile : "c")\n" }.joined(), to: data)
            try Gimbal.run("train", "--data", data, "--epochs", "1", "--device", "cpu", "--run-dir", run).succeeded()
            let predict = ["predict", "--checkpoint", run, "--data", data, "--device", "cpu"]
            let table = try Gimbal.run(predict).succeeded().output
            #expect(table.contains(hostile))
            let lines = try Gimbal.run(predict + ["--json"]).succeeded().output
            #expect(lines.contains("\\u001b[31mb\\u009b2J\\u202e"), "\(lines.prefix(300))")
            let shown = try Gimbal.runOnTerminal(shellCommand([Gimbal.path] + predict)).output
            #expect(
                shown.contains("\\u{1B}[31mb\\u{9B}2J\\u{202E}") && !shown.contains("\u{1B}"), "\(shown.prefix(300))")
        }
    }

    /// What the command says of its own options: a new one is tried without a word.
    private func options(of command: String) throws -> [String] {
        let text = try Gimbal.run("--experimental-dump-help").succeeded().output
        let help = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let all = try #require((help?["command"] as? [String: Any])?["subcommands"] as? [[String: Any]])
        let found = try #require(
            all.first { $0["commandName"] as? String == command }?["arguments"] as? [[String: Any]])
        return found.filter { $0["kind"] as? String == "option" }.compactMap { option in
            let names = option["names"] as? [[String: Any]] ?? []
            return names.first { $0["kind"] as? String == "long" }?["name"] as? String
        }
    }

    /// All of them are some 3,000; most runs try one in 40 or so, others with each change of the options.
    @Test("Extreme numbers in any option are refused in one line, or harmless; nothing traps or hangs")
    func extremeNumbers() throws {
        try withTemporaryFolder { folder in
            let (table, series, text) = (folder + "/t.csv", folder + "/s.csv", folder + "/t.txt")
            try write("a,b,y\n" + (0..<90).map { "\($0),\($0 * 7 % 11),\($0 % 3)\n" }.joined(), to: table)
            try write("v\n" + (0..<200).map { "\($0 * $0 % 17).5\n" }.joined(), to: series)
            try write((0..<60).map { "A line of \($0) words.\n" }.joined(), to: text)
            let small = ["--hidden", "4", "--epochs", "1", "--max-steps", "2"]
            let trained = [
                ["--data", table], ["--data", series, "--task", "forecast"],
                ["--data", text, "--model", "lstm-lm", "--layers", "1"], ["--data", "digits", "--model", "tcn"],
            ]
            for (number, data) in trained.enumerated() {
                try Gimbal.run(["train", "--device", "cpu", "--run-dir", "\(folder)/\(number)"] + data + small)
                    .succeeded()
            }
            var commands = trained.map { ["train", "--run-dir", folder + "/q"] + $0 + small }
            commands.append(
                ["search", "--search-dir", folder + "/q", "--data", table, "--trials", "2", "--vary", "lr=0.1..0.3"]
                    + small)
            commands += (0...1).flatMap { run in
                [
                    ["evaluate", "--checkpoint", "\(folder)/\(run)"],
                    ["predict", "--checkpoint", "\(folder)/\(run)", "--data", run == 0 ? table : series],
                ]
            }
            commands += [
                ["generate", "--checkpoint", folder + "/2", "--count", "5"], ["diagnose", "--data", table],
                ["inspect", table], ["inspect", series, "--task", "forecast"],
            ]
            // What was asked for, and what is one process's matter alone.
            let others: Set = ["pause-epoch", "parent", "device"]
            var random = SplitMix(state: 20_261_201)
            var count = 0
            defer { tell(tried: count, of: "numbers") }
            for command in commands {
                for option in try options(of: command[0]) where !others.contains(option) {
                    for value in ["0", "-1", "9223372036854775807", "1e300", "inf", "nan"] {
                        guard triesAll || random.next() % 40 == 0 else { continue }
                        count += 1
                        // In the folder: some options name files that are made.
                        let outcome = try ChildProcess(
                            "/bin/sh",
                            ["-c", "cd \"$0\" && exec \"$@\"", folder, Gimbal.path] + command + [
                                "--\(option)=\(value)"
                            ],
                            environment: ["GIMBAL_DEVICE": "cpu", "SWIFT_BACKTRACE": "enable=no"],
                            timeLimit: .seconds(30)
                        ).outcome()
                        let place = "\(command.joined(separator: " ")) --\(option)=\(value)"
                        #expect(outcome.signal == nil && outcome.status ?? 0 < 128, "\(place): \(outcome)")
                        try? FileManager.default.removeItem(atPath: folder + "/q")
                        // How the command is used fills more lines, and a sick model is a diagnosis.
                        guard ![0, 2, 64].contains(outcome.status) else { continue }
                        let last = outcome.errors.split(separator: "\n").last ?? ""
                        #expect(last.hasPrefix("Error: ") && last.count < 600, "\(place): \(outcome)")
                    }
                }
            }
        }
    }
}
