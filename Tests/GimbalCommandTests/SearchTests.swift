import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("gimbal search")
struct SearchTests {
    private static let small = [
        "search", "--data", "digits", "--device", "cpu", "--epochs", "9", "--validation", "0.3",
    ]
    private static let space = [
        "--vary", "lr=0.01..1", "--vary", "hidden=8,16,16:8", "--vary", "dropout=0..0.3", "--vary", "residual=yes,no",
    ]
    private static let halving = small + space + ["--trials", "9", "--seed", "4"]

    /// What a search came to, without times.
    private func outcomes(_ folder: String) throws -> [TrialResult] {
        try SearchFolder.read(folder).results.map { result in
            var result = result
            (result.seconds, result.elapsed) = (0, 0)
            return result
        }
        .sorted { ($0.rung, $0.trial) < ($1.rung, $1.trial) }
    }

    @Test("A halving search trains, judges, tests the winner, and prints a command that gives the same bits")
    func halving() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a search"
            let outcome = try Gimbal.run(Self.halving + ["--search-dir", path, "--parallel", "2", "--json"]).succeeded()
            let lines = try outcome.objects()
            #expect(lines.dropLast().allSatisfy { $0["event"] as? String == "trial" })
            let end = try #require(lines.last)
            let best = try #require(end["best"] as? [String: Any])
            let results = try SearchFolder.read(path).results
            #expect(results.count == lines.count - 1 && end["results"] as? Int == results.count)
            // Residual layers of unequal width are refused, and are results all the same.
            let first = results.filter { $0.rung == 0 }
            #expect(Set(first.map(\.trial)) == Set(1...9))
            let settings = lines.compactMap { $0["settings"] as? [String: String] }
            let isUneven = { (settings: [String: String]) in
                settings["hidden"] == "16,8" && settings["residual"] == "yes"
            }
            let refused = zip(lines, settings).filter { isUneven($1) }
            for (line, _) in refused {
                #expect((line["failure"] as? String)?.contains("--hidden: must be one number with --residual") == true)
            }
            #expect(first.count { $0.failure != nil } == refused.count)
            #expect(results.filter { $0.rung == 1 }.count == 3 && results.allSatisfy { $0.rung < 2 })

            // Only the winner has checkpoints; all that trained have their metrics.
            let trial = try #require(best["trial"] as? Int)
            let run = path + "/trial-00\(trial)"
            for number in 1...9 {
                let place = path + "/trial-00\(number)"
                #expect(checkpoints(of: place).isEmpty == (number != trial), "\(number)")
                #expect(metrics(of: place).isEmpty == (first.first { $0.trial == number }?.failure != nil))
            }
            let page = try String(contentsOfFile: path + "/search.html", encoding: .utf8)
            let command = try #require(end["command"] as? String)
            #expect(page.contains("against dropout") && !page.contains("<script"))
            #expect(
                command.hasPrefix("gimbal train --data digits --device cpu --epochs 9 --validation 0.3 --seed 4 --lr "))

            // The command as a shell reads it, in another folder and with other threads.
            let again = try ChildProcess(
                "/bin/sh",
                [
                    "-c", "cd \"$1\" && exec \"$0\" \(command.dropFirst("gimbal ".count)) --run-dir again --json",
                    Gimbal.path, folder,
                ],
                environment: ["GIMBAL_THREADS": "1"]
            ).outcome().succeeded().objects().last
            let test = try #require(end["test"] as? [String: Double])
            #expect(
                again?["testLoss"] as? Double == test["loss"] && again?["testAccuracy"] as? Double == test["accuracy"])
            #expect(again?["validationLoss"] as? Double == (best["figures"] as? [String: Double])?["loss"])
            let names = [checkpoints(of: run), checkpoints(of: folder + "/again")]
            #expect(names[0].last == names[1].last && !names[0].isEmpty)
            for file in ["model.safetensors", "optimizer.safetensors"] {
                let (one, other) = (
                    "\(run)/checkpoints/\(names[0].last ?? "")/\(file)",
                    "\(folder)/again/checkpoints/\(names[0].last ?? "")/\(file)"
                )
                #expect(FileManager.default.contents(atPath: one) == FileManager.default.contents(atPath: other))
            }

            // There is nothing more to do, and nothing that is done again.
            let resumed = try Gimbal.run("search", "--resume", "--search-dir", path, "--json").succeeded()
            #expect(try resumed.objects().count == 1)
            #expect(try resumed.objects().last?["command"] as? String == command)
        }
    }

    @Test("However many run side by side, and under a schedule that ends with the run, results are those of whole runs")
    func sameResults() throws {
        try withTemporaryFolder { folder in
            let search =
                Self.small + [
                    "--vary", "lr=0.02,0.1,0.5", "--schedule", "cosine", "--trials", "3", "--keep-checkpoints",
                ]
            try Gimbal.run(search + ["--search-dir", folder + "/one", "--parallel", "1"]).succeeded()
            try Gimbal.run(search + ["--search-dir", folder + "/three", "--parallel", "3"]).succeeded()
            #expect(try outcomes(folder + "/one") == outcomes(folder + "/three"))
            for rate in ["0.02", "0.1", "0.5"] {
                try Gimbal.run(
                    ["train"] + Self.small.dropFirst() + [
                        "--lr", rate, "--schedule", "cosine", "--run-dir", folder + "/" + rate,
                    ]
                ).succeeded()
            }
            for (number, rate) in ["0.02", "0.1", "0.5"].enumerated() {
                let trial = folder + "/one/trial-00\(number + 1)"
                let rows = metrics(of: trial).map { $0[0...4] + $0[6...] }
                let whole = metrics(of: folder + "/" + rate).map { $0[0...4] + $0[6...] }
                #expect(rows.count < 200 && rows == Array(whole.prefix(rows.count)), "\(rate)")
                #expect(!checkpoints(of: trial).isEmpty)
            }
        }
    }

    @Test("Grid and random search train each trial to the end")
    func otherMethods() throws {
        try withTemporaryFolder { folder in
            let fixed = ["search", "--data", "digits", "--device", "cpu", "--epochs", "2", "--hidden", "8"]
            let grid =
                fixed + [
                    "--method", "grid", "--vary", "lr=0.01..0.1/2", "--vary", "init=he,xavier", "--metric", "accuracy",
                ]
            let text = try Gimbal.run(grid + ["--search-dir", folder + "/grid"]).succeeded().output
            #expect(text.contains("grid: 4 for 2 epochs") && text.contains("\ngimbal train --data digits --device cpu"))
            let results = try outcomes(folder + "/grid")
            #expect(results.map(\.trial) == [1, 2, 3, 4] && results.allSatisfy { $0.epochs == 2 && $0.failure == nil })
            let table = text.split(separator: "\n").first { $0.hasPrefix("trial  lr") }
            #expect(table?.contains("init") == true)

            let random = fixed + ["--method", "random", "--trials", "3", "--search-dir", folder + "/random"]
            try Gimbal.run(random).succeeded()
            #expect(try outcomes(folder + "/random").map(\.epochs) == [2, 2, 2])
            let space = try SearchFolder.read(folder + "/random").record.plan.space.dimensions.map(\.name)
            #expect(space == ["lr", "weight-decay", "clip-norm", "dropout", "init"])
        }
    }

    @Test("A setting with which training diverges is the worst result, with its reason")
    func divergence() throws {
        try withTemporaryFolder { folder in
            let end = try Gimbal.run(
                Self.small + [
                    "--norm", "none", "--clip-norm", "0", "--vary", "lr=0.1,1e30", "--method", "grid", "--search-dir",
                    folder + "/s", "--json",
                ]
            ).succeeded().objects()
            let failed = end.first { $0["trial"] as? Int == 2 }
            #expect((failed?["failure"] as? String)?.isEmpty == false)
            #expect((end.last?["best"] as? [String: Any])?["trial"] as? Int == 1)
            // Where all do, there is no winner, and it is said.
            try Gimbal.run(
                Self.small + [
                    "--norm", "none", "--clip-norm", "0", "--vary", "lr=1e29,1e30", "--method", "grid", "--search-dir",
                    folder + "/t",
                ]
            ).failed(["led to no trial that could be judged"])
        }
    }

    @Test("A value that a flag does not know is answered by those that it knows, on one line")
    func unknownValue() throws {
        try withTemporaryFolder { folder in
            try Gimbal.run(Self.small + ["--vary", "optimizer=adam,nope", "--search-dir", folder + "/s"])
                .failed(["--vary: optimizer=nope: ", ": sgd, adagrad, "])
        }
    }

    @Test("Mistakes are named before anything starts, and leave no folder")
    func mistakes() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/s"
            func refused(_ arguments: [String], _ words: String, _ location: SourceLocation = #_sourceLocation) throws {
                try Gimbal.run(["search", "--data", "digits", "--device", "cpu", "--search-dir", path] + arguments)
                    .refused(words, sourceLocation: location)
                #expect(!FileManager.default.fileExists(atPath: path), sourceLocation: location)
            }
            try refused(["--vary", "depth=1,2"], "'depth' is no setting that can be varied; there are")
            try refused(["--vary", "epochs=1,2"], "'epochs' is no setting that can be varied")
            try refused(["--vary", "lr"], "is not NAME=VALUES")
            try refused(["--vary", "init=he,best"], "init=best: ")
            try refused(["--vary", "optimizer=sgd,adam,nix"], "optimizer=nix: ")
            try refused(["--vary", "layers=1.5,2"], "layers=1.5: ")
            try refused(["--vary", "dropout=0.1,1.5"], "--dropout: must lie in [0, 1), not 1.5")
            try refused(["--vary", "heads=2,4"], "--heads: has no meaning for --model mlp")
            try refused(["--vary", "lr=0.1,1", "--lr", "0.1"], "--lr: is given and varied")
            try refused(
                ["--vary", "lr=0.1..1", "--method", "grid"], "is a range, of which a grid needs a number of points")
            try refused(["--method", "grid"], "grid needs --vary")
            try refused(["--vary", "lr=0.1,1", "--metric", "r2"], "--metric: r2 is not for classification")
            try refused(["--vary", "lr=0.1,1", "--validation", "none"], "--validation: is what trials are judged by")
            try refused(["--vary", "lr=0.1,1", "--max-steps", "9"], "--max-steps: is not for halving")
            try refused(["--vary", "lr=0.1,1", "--trials", "0"], "--trials: must be positive")
            try refused(["--vary", "lr=0.1,1", "--epochs", "0"], "--epochs: must be positive")
            try refused(["--vary", "lr=-1,1"], "--lr: ")
            try refused(["--vary", "dropout=0..2"], "--dropout: ")
            try refused(["--vary", "dropout=-1..0.5"], "--dropout: ")
            try refused(["--vary", "layer-decay=zz*=0.1,1"], "zz*")
            try Gimbal.run("search", "--resume", "--search-dir", path).refused("--resume: there is no search in")
            // What only goes with another setting is no mistake.
            try Gimbal.run(
                "search", "--data", "digits", "--device", "cpu", "--search-dir", path, "--epochs", "1", "--hidden", "8",
                "--vary", "optimizer=sgd,adam", "--vary", "momentum=0,0.9"
            ).succeeded()
            #expect(try outcomes(path).count { $0.failure != nil } == 1)
            try Gimbal.run("search", "--data", "digits", "--search-dir", path).refused("holds a search; add --resume")
            try Gimbal.run("search", "--data", "digits", "--lr", "0.5", "--resume", "--search-dir", path).refused(
                "the search began with")
            // What is said once more is no change.
            try Gimbal.run(
                "search", "--resume", "--device", "cpu", "--vary", "momentum=0,0.9", "--data", "digits", "--search-dir",
                path
            ).succeeded()
        }
    }

    @Test(
        "Ctrl-C lets the trials save, and the command that is printed goes on to the same end",
        arguments: [SIGINT, SIGTERM])
    func interrupt(signal: Int32) throws {
        try withTemporaryFolder { folder in
            let (whole, path) = (folder + "/whole", folder + "/it's here")
            try Gimbal.run(Self.halving + ["--search-dir", whole]).succeeded()
            let child = try Gimbal.start(Self.halving + ["--search-dir", path, "--parallel", "2"])
            #expect(child.wait { ((try? outcomes(path))?.count ?? 0) >= 3 })
            child.send(signal)
            let outcome = try child.outcome()
            #expect(outcome.status == 130, "\(outcome)")
            let count = try outcomes(path).count
            #expect(count < 12 && !tree(path).contains { $0.contains(".partial-") })
            let marker = "interrupted and saved; go on with: gimbal "
            let line = try #require(outcome.errors.split(separator: "\n").first { $0.hasPrefix(marker) })
            let shell = try ChildProcess(
                "/bin/sh", ["-c", "cd / && exec \"$0\" \(line.dropFirst(marker.count))", Gimbal.path])
            let end = try shell.outcome().succeeded()
            #expect(end.output.contains("going on after \(count) results"))
            #expect(try outcomes(path) == outcomes(whole))
        }
    }

    @Test(
        "Killed at any moment, with its trials or without, a search goes on to the same end", arguments: [false, true])
    func kill(killsTrials: Bool) throws {
        try withTemporaryFolder { folder in
            let (whole, path) = (folder + "/whole", folder + "/killed")
            try Gimbal.run(Self.halving + ["--search-dir", whole]).succeeded()
            var random = SplitMix(state: killsTrials ? 1 : 2)
            for attempt in 0..<5 {
                let before = (try? outcomes(path))?.count ?? 0
                let child = try Gimbal.start(
                    attempt == 0
                        ? Self.halving + ["--search-dir", path] : ["search", "--resume", "--search-dir", path])
                _ = child.wait { ((try? outcomes(path))?.count ?? 0) > before }
                usleep(UInt32(random.next() % 200_000))
                child.send(SIGKILL)
                #expect([SIGKILL, nil].contains(try child.outcome().signal))
                guard killsTrials else { continue }
                // Those that are going on, by what their folders say.
                for number in 1...9 {
                    let lock =
                        (try? String(contentsOfFile: path + "/trial-00\(number)/run.lock", encoding: .utf8)) ?? ""
                    let state = try RunState(folder: path + "/trial-00\(number)", steps: 0)
                    guard state == .running, let process = lock.firstMatch(of: /process (\d+)/).flatMap({ pid_t($0.1) })
                    else { continue }
                    Glibc.kill(process, SIGKILL)
                }
            }
            try Gimbal.run("search", "--resume", "--search-dir", path).succeeded()
            let (found, expected) = (try outcomes(path), try outcomes(whole))
            #expect(found == expected, "\(found.filter { !expected.contains($0) })")
        }
    }

    @Test("Two searches do not share a folder; a time that is over is no failure")
    func limits() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/s"
            let long = [
                "search", "--data", "digits", "--device", "cpu", "--epochs", "100000", "--vary", "lr=0.1,0.2",
                "--search-dir", path,
            ]
            let child = try Gimbal.start(long + ["--method", "grid", "--parallel", "2", "--time-limit", "0.05"])
            #expect(child.wait { !metrics(of: path + "/trial-001").isEmpty })
            try Gimbal.run("search", "--resume", "--search-dir", path).refused("another search is using it")
            let outcome = try child.outcome().succeeded()
            #expect(outcome.errors.contains("the time is over; go on with: gimbal search --resume --search-dir"))
            #expect(!checkpoints(of: path + "/trial-001").isEmpty)
        }
    }

    @Test("A search goes on with the data that it began with, and with no other")
    func changedData() throws {
        try withTemporaryFolder { folder in
            let (file, path) = (folder + "/t.csv", folder + "/s")
            func write(_ count: Int) throws {
                let rows = (0..<count).map { "\($0),\($0 * 7 % 31),\($0 % 3 == 0 ? "yes" : "no")\n" }
                try Data(("a,b,y\n" + rows.joined()).utf8).write(to: URL(filePath: file))
            }
            try write(200)
            try Gimbal.run(
                "search", "--data", file, "--device", "cpu", "--search-dir", path, "--epochs", "2", "--hidden", "4",
                "--vary", "lr=0.01,0.1", "--method", "grid", "--no-doctor", "--keep-checkpoints"
            ).succeeded()
            let results = "\(path)/trials.jsonl"
            let lines = try String(contentsOfFile: results, encoding: .utf8)
            // As if the search had been killed before the last trial ended.
            func goOn() throws -> ChildProcess.Outcome {
                try Data((lines.split(separator: "\n").dropLast().joined(separator: "\n") + "\n").utf8)
                    .write(to: URL(filePath: results))
                return try Gimbal.run("search", "--resume", "--search-dir", path)
            }
            try goOn().succeeded()
            try write(190)
            try goOn().refused("is not what it was when the search began")
        }
    }
}
