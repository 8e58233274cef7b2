import Foundation
import GimbalTestSupport
import Testing

/// A run that is stopped, by whatever, and gone on with ends with the same bits as one that was left alone.
@Suite("Stopping and going on")
struct InterruptionTests {
    /// Everything that has a state: running statistics, dropout, moments, a schedule, groups of batches. Of 11 steps in an
    /// epoch there are enough for a run not to end before a busy machine gets round to stopping it.
    private static let settings = [
        "train", "--data", "digits", "--hidden", "64", "--layers", "2", "--dropout", "0.2", "--optimizer", "adam",
        "--lr", "0.001", "--schedule", "cosine", "--warmup", "5", "--accumulate", "2", "--epochs", "20", "--seed", "3",
    ]
    private static let steps = 220

    /// What must not depend on how often a run was stopped.
    private struct EndState: Equatable {
        var files: [String: Data] = [:]
        /// Rows of `metrics.csv` without the throughput.
        var metrics: [[String]]

        init(of run: String) throws {
            let newest = try #require(checkpoints(of: run).last)
            let folder = "\(run)/checkpoints/\(newest)"
            for name in try stateFiles(in: folder) {
                files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            metrics = GimbalCommandTests.metrics(of: run).map { row in
                row.enumerated().map { $0.offset == 5 ? "" : $0.element }
            }
        }
    }

    private func expectSameEnd(_ run: String, as whole: String, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        let (state, expected) = (try EndState(of: run), try EndState(of: whole))
        #expect(state.files.keys.sorted() == expected.files.keys.sorted(), sourceLocation: sourceLocation)
        for (name, bytes) in expected.files {
            #expect(state.files[name] == bytes, "\(name)", sourceLocation: sourceLocation)
        }
        #expect(state.metrics == expected.metrics, sourceLocation: sourceLocation)
        #expect(!tree(run).contains { $0.contains(".partial-") }, sourceLocation: sourceLocation)
    }

    @Test("Killed at any moment, also while saving", arguments: [1, 2, 3])
    func kill(interval: Int) throws {
        try withTemporaryFolder { folder in
            let settings = Self.settings + ["--device", "cpu", "--checkpoint-every", "\(interval)"]
            try Gimbal.run(settings + ["--run-dir", folder + "/whole"]).succeeded()

            let run = folder + "/killed"
            var moment = SplitMix(state: UInt64(interval))
            var kills = 0
            for attempt in 0..<12 {
                let before = metrics(of: run).count
                let child = try Gimbal.start(settings + ["--run-dir", run] + (attempt > 0 ? ["--resume"] : []))
                // Every other kill waits for the folder of a save that is under way.
                if attempt % 2 == 1 {
                    _ = child.wait { checkpoints(of: run).contains { $0.contains(".partial-") } }
                } else {
                    _ = child.wait { metrics(of: run).count > before }
                    usleep(UInt32(moment.next() % 30_000))
                }
                child.send(SIGKILL)
                let outcome = try child.outcome()
                if outcome.status == 0 { break }
                #expect(outcome.signal == SIGKILL, "\(outcome)")
                kills += 1
            }
            #expect(kills >= 6, "a run that ends before it is killed tests nothing")

            try Gimbal.run(settings + ["--run-dir", run, "--resume"]).succeeded()
            try expectSameEnd(run, as: folder + "/whole")
            let steps = metrics(of: run).filter { $0[6] == "" }.map { $0[1] }
            #expect(steps == (1...Self.steps).map(String.init))
        }
    }

    @Test("Killed on an OpenCL device", .enabled(if: !Gimbal.openCLDevices.isEmpty, "no OpenCL device here"))
    func killOnOpenCL() throws {
        try withTemporaryFolder { folder in
            let settings = Self.settings + ["--device", Gimbal.openCLDevices[0], "--checkpoint-every", "2"]
            try Gimbal.run(settings + ["--run-dir", folder + "/whole"]).succeeded()
            let run = folder + "/killed"
            for attempt in 0..<2 {
                let child = try Gimbal.start(settings + ["--run-dir", run] + (attempt > 0 ? ["--resume"] : []))
                let before = metrics(of: run).count
                _ = child.wait { metrics(of: run).count >= before + 6 }
                child.send(SIGKILL)
                #expect(try child.outcome().signal == SIGKILL)
            }
            // The run knows its device; on another one it goes on with other bits, and says so.
            try Gimbal.run("train", "--resume", "--run-dir", run, "--checkpoint-every", "2").succeeded()
            try expectSameEnd(run, as: folder + "/whole")
            let other = try Gimbal.run("train", "--resume", "--run-dir", run, "--device", "cpu").succeeded()
            #expect(other.errors.contains("on cpu it goes on with other bits"), "\(other)")
        }
    }

    @Test("What a killed save leaves half written is never read, and removed by the next run")
    func partials() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            // A schedule that is told how long the run is would end with the limit.
            let settings = Self.settings + ["--device", "cpu", "--schedule", "constant"]
            try Gimbal.run(settings + ["--run-dir", folder + "/whole"]).succeeded()
            try Gimbal.run(settings + ["--run-dir", run, "--max-steps", "20"]).succeeded()

            let partial = run + "/checkpoints/step-000000099.partial-1y2p0ij32e8e7"
            try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: false)
            try Data("half".utf8).write(to: URL(fileURLWithPath: partial + "/model.safetensors.partial-1y2p0ij32e8e8"))
            try Data("epoch,st".utf8).write(to: URL(fileURLWithPath: run + "/metrics.csv.partial-1y2p0ij32e8e9"))
            // What a save moved aside last, on a file system that cannot exchange two folders: the only copy there is.
            try FileManager.default.moveItem(
                atPath: run + "/checkpoints/step-000000020",
                toPath: run + "/checkpoints/step-000000020.partial-1y2p0ij32e8ea-old")

            try Gimbal.run(settings + ["--run-dir", run, "--resume", "--max-steps", "20"]).succeeded()
            #expect(!tree(run).contains { $0.contains(".partial-") })
            #expect(checkpoints(of: run).last == "step-000000020")
            try Gimbal.run(settings + ["--run-dir", run, "--resume", "--max-steps", "0"]).succeeded()
            try expectSameEnd(run, as: folder + "/whole")
        }
    }

    @Test(
        "Ctrl-C, SIGTERM, SIGHUP and SIGXCPU save after the step, say how to go on, and leave with 130",
        arguments: [SIGINT, SIGTERM, SIGHUP, SIGXCPU])
    func interrupt(signal: Int32) throws {
        try withTemporaryFolder { folder in
            let settings = Self.settings + ["--device", "cpu"]
            try Gimbal.run(settings + ["--run-dir", folder + "/whole"]).succeeded()
            let run = folder + "/it's here"
            let child = try Gimbal.start(settings + ["--run-dir", run, "--json"])
            #expect(child.wait { metrics(of: run).count >= 5 })
            child.send(signal)
            let outcome = try child.outcome()
            #expect(outcome.status == 130, "\(outcome)")
            #expect(outcome.lines.allSatisfy { $0.hasPrefix("{") })
            let words = outcome.errors.split(separator: "\n").map(String.init)
            #expect(words.first == "stopping after this step and saving; once more to stop at once")
            let step = metrics(of: run).last?[1] ?? ""
            #expect(
                words.last == "interrupted after step \(step) and saved; go on with: "
                    + "gimbal train --resume --run-dir '\(folder)/it'\\''s here' --device cpu")
            #expect(checkpoints(of: run).last == "step-" + String(repeating: "0", count: 9 - step.count) + step)

            // The command of the message, as a shell reads it.
            let command = (words.last ?? "").components(separatedBy: "go on with: gimbal ").last ?? ""
            let shell = try ChildProcess("/bin/sh", ["-c", "exec \"$0\" \(command)", Gimbal.path])
            try shell.outcome().succeeded()
            try expectSameEnd(run, as: folder + "/whole")
        }
    }

    @Test("A run whose output nobody reads any more saves and leaves")
    func brokenPipe() throws {
        try withTemporaryFolder { folder in
            let settings = Self.settings + ["--device", "cpu", "--run-dir"]
            try Gimbal.run(settings + [folder + "/whole"]).succeeded()
            let run = folder + "/run"
            let shell = try ChildProcess(
                "/bin/sh", ["-c", "\"$0\" \"$@\" | head -n 1", Gimbal.path] + settings + [run, "--json"])
            let outcome = try shell.outcome()
            #expect(outcome.lines.count == 1 && outcome.errors.contains("and saved; go on with: "), "\(outcome)")
            let step = metrics(of: run).last?[1] ?? ""
            #expect(checkpoints(of: run).last == "step-" + String(repeating: "0", count: 9 - step.count) + step)
            try Gimbal.run("train", "--resume", "--run-dir", run, "--device", "cpu").succeeded()
            try expectSameEnd(run, as: folder + "/whole")
        }
    }

    @Test("A signal after the last step, while the run is measured, ends it within a second; all is saved")
    func afterTheLastStep() throws {
        try withTemporaryFolder { folder in
            let (table, test, run) = (folder + "/t.csv", folder + "/test.csv", folder + "/run")
            for (path, count) in [(table, 500), (test, 100_000)] {
                let rows = (0..<count).map { "\($0 % 17),\($0 % 5),\($0 % 2)\n" }
                try Data(("a,b,answer\n" + rows.joined()).utf8).write(to: URL(filePath: path))
            }
            let child = try Gimbal.start([
                "train", "--data", table, "--test", test, "--validation", "none", "--hidden", "1024,1024,1024",
                "--epochs", "1", "--batch-size", "500", "--device", "cpu", "--run-dir", run,
            ])
            #expect(child.wait { checkpoints(of: run).count == 1 })
            child.send(SIGTERM)
            let clock = ContinuousClock()
            let began = clock.now
            let outcome = try child.outcome()
            #expect(clock.now - began < .seconds(1), "\(outcome)")
            // The first while the step is saved, the second afterwards.
            #expect(outcome.status == 130 || outcome.signal == SIGTERM, "\(outcome)")
            try Gimbal.run("train", "--resume", "--run-dir", run, "--max-steps", "0", "--device", "cpu").succeeded()
        }
    }

    @Test("Ranks that are threads say that they stop, too", arguments: 1...5)
    func threads(attempt: Int) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let child = try Gimbal.start(Self.settings + ["--device", "cpu,cpu", "--run-dir", run])
            #expect(child.wait { metrics(of: run).count >= 5 })
            child.send(SIGINT)
            let outcome = try child.outcome()
            #expect(outcome.status == 130, "\(outcome)")
            #expect(outcome.errors.contains("stopping after this step and saving; once more to stop at once\n"))
        }
    }

    @Test("A second Ctrl-C ends the run at once")
    func interruptTwice() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            // Steps of a second or so.
            let child = try Gimbal.start([
                "train", "--data", "digits", "--hidden", "2048", "--layers", "5", "--batch-size", "1438", "--device",
                "cpu", "--run-dir", run, "--epochs", "100",
            ])
            #expect(child.wait { !metrics(of: run).isEmpty })
            child.send(SIGINT)
            #expect(child.wait { child.errorsSoFar.contains("once more to stop at once") })
            child.send(SIGINT)
            let outcome = try child.outcome()
            #expect(outcome.signal == SIGINT, "\(outcome)")
        }
    }

    @Test("More epochs may be asked for when going on")
    func raisedEpochs() throws {
        try withTemporaryFolder { folder in
            let settings = ["train", "--data", "digits", "--hidden", "16", "--momentum", "0.9", "--device", "cpu"]
            try Gimbal.run(settings + ["--run-dir", folder + "/whole", "--epochs", "3"]).succeeded()
            try Gimbal.run(settings + ["--run-dir", folder + "/run", "--epochs", "2"]).succeeded()
            // What was set before may be repeated.
            try Gimbal.run(settings + ["--run-dir", folder + "/run", "--epochs", "3", "--resume"]).succeeded()
            try expectSameEnd(folder + "/run", as: folder + "/whole")
        }
    }

    @Test("Another setting or other data is refused, and the run stays as it was")
    func otherSettings() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let fixed = ["train", "--device", "cpu", "--run-dir", run]
            let file = folder + "/a.csv"
            try csv(rows: 200).write(toFile: file, atomically: true, encoding: .utf8)
            try Gimbal.run(
                fixed + ["--data", file, "--hidden", "8", "--batch-size", "10", "--max-steps", "20"]
            ).succeeded()
            let before = tree(run)
            func refused(_ arguments: [String], _ words: String, _ location: SourceLocation = #_sourceLocation) throws {
                try Gimbal.run(fixed + arguments).refused(words, sourceLocation: location)
            }
            try refused(["--data", file, "--resume", "--hidden", "9"], "--hidden: the run began with 8")
            try refused(["--data", file, "--resume", "--lr", "0.5"], "--lr: the run began with 0.001")
            try refused(["--data", file, "--resume", "--optimizer", "sgd"], "--optimizer: the run began with adam")
            try refused(["--data", file, "--resume", "--seed", "1"], "--seed: the run began with 0")
            try refused(["--data", file, "--resume", "--clip-norm", "0"], "--clip-norm: the run began with")
            try refused(
                ["--data", "digits", "--resume"], "--data: the run was trained on a.csv, and digits is other data")
            try refused(["--data", file], "holds a run; add --resume to go on with it, or name another folder")
            // Files of the same name in which no step 20 follows batch 4 of the second epoch, or that have no such batch.
            for rows in [230, 50] {
                try csv(rows: rows).write(toFile: file, atomically: true, encoding: .utf8)
                try refused(["--data", file, "--resume"], "which is no place in a.csv with")
            }
            #expect(tree(run) == before)
        }
    }

    private func csv(rows: Int) -> String {
        (0..<rows).map { "\($0),\($0 % 3),\($0 % 2)\n" }.joined()
    }

    @Test("Where nothing was saved, going on is beginning, and said so")
    func nothingSaved() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let outcome = try Gimbal.run(
                "train", "--data", "digits", "--hidden", "8", "--epochs", "1", "--device", "cpu", "--run-dir", run,
                "--resume"
            ).succeeded()
            #expect(outcome.errors == "no checkpoint in \(run): starting from the beginning\n")
        }
    }
}
