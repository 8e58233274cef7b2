import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("gimbal train on several ranks")
struct RankTests {
    private static let digits = [
        "train", "--data", "digits", "--hidden", "16", "--validation", "0.2", "--dropout", "0.2", "--sync-batch-norm",
    ]

    private func expectSameCourse(_ run: String, as other: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let (found, expected) = (metrics(of: run), metrics(of: other))
        #expect(found.count == expected.count && found.count > 10, sourceLocation: sourceLocation)
        for (row, wanted) in zip(found, expected) {
            for (field, number) in zip(row, wanted) {
                guard let value = Double(field), let expected = Double(number), field.contains(".") else { continue }
                // Not times.
                guard abs(expected) < 100 else { continue }
                #expect(abs(value - expected) <= 1e-4 * max(abs(expected), 0.01), sourceLocation: sourceLocation)
            }
        }
    }

    @Test("Devices of one process train as one does")
    func threads() throws {
        try withTemporaryFolder { folder in
            let (one, two) = (folder + "/one", folder + "/two")
            try Gimbal.run(
                Self.digits + ["--epochs", "2", "--batch-size", "48", "--device", "cpu", "--run-dir", one]
            ).succeeded()
            let outcome = try Gimbal.run(
                Self.digits + ["--epochs", "2", "--batch-size", "16", "--device", "cpu,cpu,cpu", "--run-dir", two]
            ).succeeded()
            expectSameCourse(two, as: one)
            #expect(outcome.output.contains("3 ranks, batches of 48: 16 samples for each"))
            #expect(outcome.output.components(separatedBy: "testAccuracy").count == 2)
            // The record knows the whole batch, and nothing of ranks.
            #expect(try RunRecord(path: two).recipe == RunRecord(path: one).recipe)
        }
    }

    @Test("Processes of MPI train as one does", arguments: Launcher.found)
    func processes(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let one = folder + "/one"
            let common = Self.digits + ["--epochs", "2", "--device", "cpu"]
            try Gimbal.run(common + ["--batch-size", "48", "--run-dir", one]).succeeded()
            for ranks in [2, 3] {
                let run = "\(folder)/\(ranks)"
                let outcome = try launcher.start(
                    ranks, Gimbal.path, common + ["--batch-size", "\(48 / ranks)", "--run-dir", run, "--json"]
                ).outcome().succeeded()
                expectSameCourse(run, as: one)
                #expect(try outcome.objects().filter { $0["event"] as? String == "result" }.count == 1)
                // The command that the record has makes this run again.
                #expect(
                    try RunRecord(path: run).starts[0].command.starts(with: ["mpirun", "-n", "\(ranks)", Gimbal.path]))
            }
        }
    }

    @Test("A run goes on on another number of ranks", arguments: Launcher.found)
    func resume(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let (whole, parts) = (folder + "/whole", folder + "/parts")
            let common = Self.digits + ["--epochs", "3", "--device", "cpu"]
            try Gimbal.run(common + ["--batch-size", "32", "--run-dir", whole]).succeeded()
            let paused = try launcher.start(
                2, Gimbal.path,
                common + ["--batch-size", "16", "--run-dir", parts, "--pause-epoch", "1", "--shard-optimizer"]
            ).outcome()
            #expect(paused.status == 130, "\(paused)")
            let again = try launcher.start(
                3, Gimbal.path,
                ["train", "--resume", "--run-dir", parts, "--device", "cpu", "--pause-epoch", "2", "--sync-batch-norm"]
            ).outcome()
            #expect(again.status == 130, "\(again)")
            try Gimbal.run(["train", "--resume", "--run-dir", parts, "--device", "cpu"]).succeeded()
            expectSameCourse(parts, as: whole)
        }
    }

    @Test("A job that begins again repeats its command with --resume")
    func repeated() throws {
        try withTemporaryFolder { folder in
            let words =
                Self.digits + [
                    "--epochs", "2", "--batch-size", "16", "--device", "cpu,cpu", "--run-dir", folder + "/run",
                ]
            let paused = try Gimbal.run(words + ["--pause-epoch", "1"])
            #expect(paused.status == 130, "\(paused)")
            try Gimbal.run(words + ["--resume"]).succeeded()
            #expect(try RunRecord(path: folder + "/run").recipe.training.batchSize == 32)
        }
    }

    @Test(
        "What is refused is said once", arguments: Launcher.found,
        [
            ["train", "--device", "cpu", "--data", "/no/such/file.csv"],
            ["bench", "--devices", "cpu", "--only", "no-such"],
        ])
    func refusals(_ launcher: Launcher, words: [String]) throws {
        let outcome = try launcher.start(3, Gimbal.path, words).outcome()
        #expect(outcome.status != 0)
        let said = outcome.errors.split(separator: "\n").filter { $0.contains(words[words.count - 1]) }
        #expect(said.count == 1 && said.first?.hasPrefix("Error: ") == true, "\(outcome.errors)")
    }

    /// Threads that end together with the command must not take it down: how they do differs from time to time.
    @Test("What is refused on devices of one process is said, each time")
    func refusalsOfThreads() throws {
        for _ in 0..<20 {
            try Gimbal.run("train", "--data", "/no/such/file.csv", "--device", "cpu,cpu,cpu").refused(
                "/no/such/file.csv")
        }
    }

    /// Begins a run that would take long, and lets it come some way.
    /// - Parameters:
    ///   - run: its folder.
    ///   - rank: whose process is wanted.
    ///   - statuses: a file in which a shell around each rank notes what the rank ends with; signals are the rank's alone.
    private func begin(
        _ run: String, by launcher: Launcher, ranks: Int, rank: Int, statuses: String? = nil, _ options: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (child: ChildProcess, process: pid_t) {
        let noting = "trap '' USR1 USR2; \"$@\"; status=$?; echo $status >> \"$0\"; exit $status"
        let words = (statuses.map { ["/bin/sh", "-c", noting, $0] } ?? []) + [Gimbal.path] + Self.digits
        let child = try launcher.start(
            ranks, words[0],
            words.dropFirst() + ["--epochs", "500", "--device", "cpu", "--batch-size", "16", "--run-dir", run]
                + options)
        #expect(child.wait { metrics(of: run).count > 20 }, sourceLocation: sourceLocation)
        let process = launcher.process(rank: rank, of: Gimbal.path, mark: run)
        return (child, try #require(process, sourceLocation: sourceLocation))
    }

    @Test(
        "A rank whose data for validation or test are not like the first's is named", arguments: Launcher.found,
        ["validation", "test"])
    func otherData(_ launcher: Launcher, part: String) throws {
        try withTemporaryFolder { folder in
            for rank in 0...1 {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(rank)", withIntermediateDirectories: false)
                for name in ["train", "validation", "test"] {
                    var rows = (0..<40).map { "\($0 * 7 % 40),\($0 * 11 % 40),\($0 % 2 == 0 ? "even" : "odd")" }
                    if rank == 1, name == part { rows[20] = "5,5,even" }
                    try (["a,b,kind"] + rows).joined(separator: "\n").write(
                        toFile: "\(folder)/\(rank)/\(name).csv", atomically: true, encoding: .utf8)
                }
            }
            let outcome = try launcher.start(
                2, "/bin/sh",
                [
                    "-c", "cd \"$0/$\(launcher.rankVariable)\" && exec \"$@\"", folder, Gimbal.path, "train", "--data",
                    "train.csv", "--validation", "validation.csv", "--test", "test.csv", "--device", "cpu", "--epochs",
                    "1",
                    "--run-dir", folder + "/run",
                ]
            ).outcome()
            let said = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error: ") }
            #expect(outcome.status != 0 && said.count == 1, "\(outcome)")
            #expect(
                said.first?.contains("rank 1: does not have rank 0's checksum of the \(part) data") == true, "\(said)")
        }
    }

    @Test("A rank with other options is named once", arguments: Launcher.found)
    func otherOptions(_ launcher: Launcher) throws {
        let named = [
            ["--lr", "0.5"]: "learning rate: it has 0.5, not 0.05",
            ["--epochs", "3"]: "epochs: it has 3, not 10",
            ["--shard-optimizer"]: "optimizer",
            ["--nonsense"]: "Unknown option '--nonsense'",
        ]
        for (options, name) in named {
            try withTemporaryFolder { folder in
                let words = Self.digits + ["--device", "cpu", "--run-dir", folder + "/run"]
                let outcome = try launcher.start(
                    1, Gimbal.path, words + [":", "-n", "1", Gimbal.path] + words + options, timeLimit: .seconds(30)
                ).outcome()
                #expect(outcome.status != 0)
                let said = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error: ") }
                #expect(said.count == 1 && said[0].hasPrefix("Error: rank 1: ") && said[0].contains(name), "\(outcome)")
            }
        }
    }

    @Test("A mistake in the arguments is said once", arguments: Launcher.found)
    func mistakes(_ launcher: Launcher) throws {
        let outcome = try launcher.start(3, Gimbal.path, ["train", "--data", "digits", "--exchange-timeout", "0"])
            .outcome()
        #expect(outcome.status == 64)
        #expect(outcome.errors.components(separatedBy: "--exchange-timeout must be positive").count == 2, "\(outcome)")
    }

    @Test("The trials of a search that a launcher has started train alone", arguments: Launcher.found)
    func search(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let outcome = try launcher.start(
                1, Gimbal.path,
                [
                    "search", "--data", "digits", "--hidden", "16", "--trials", "2", "--epochs", "1", "--device", "cpu",
                    "--search-dir", folder + "/search",
                ], timeLimit: .seconds(60)
            ).outcome()
            #expect(outcome.status == 0, "\(outcome)")
        }
    }

    @Test("A rank that is killed ends all, and the run goes on from its checkpoint", arguments: Launcher.found)
    func killed(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let (child, victim) = try begin(run, by: launcher, ranks: 3, rank: 2, "--checkpoint-every", "5")
            kill(victim, SIGKILL)
            let began = ContinuousClock.now
            let outcome = try child.outcome()
            #expect(outcome.status != 0 && ContinuousClock.now - began < .seconds(20), "\(outcome)")
            #expect(!checkpoints(of: run).isEmpty)
            try Gimbal.run(["train", "--resume", "--run-dir", run, "--device", "cpu", "--max-steps", "60"]).succeeded()
        }
    }

    @Test("A rank that stands still is named", arguments: Launcher.found)
    func stopped(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let (child, victim) = try begin(run, by: launcher, ranks: 3, rank: 1, "--exchange-timeout", "8")
            kill(victim, SIGSTOP)
            let outcome = try child.outcome()
            kill(victim, SIGKILL)
            #expect(outcome.status != 0)
            let said = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error: ") }
            #expect(said.count == 1 && said.first?.contains("rank 1") == true, "\(outcome.errors)")
        }
    }

    @Test("Of those that give up at about the same time one alone says so", arguments: Launcher.found)
    func bothGiveUp(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let (child, victim) = try begin(run, by: launcher, ranks: 3, rank: 1, "--exchange-timeout", "3")
            let first = try #require(launcher.process(rank: 0, of: Gimbal.path, mark: run))
            kill(victim, SIGSTOP)
            usleep(1_500_000)
            // The first then gives up when the third, which has let it go first for three seconds, speaks.
            kill(first, SIGSTOP)
            usleep(3_100_000)
            kill(first, SIGCONT)
            let outcome = try child.outcome()
            kill(victim, SIGKILL)
            let said = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error: ") }
            #expect(said.count == 1 && said.first?.contains("rank 1: ") == true, "\(outcome.errors)")
        }
    }

    @Test(
        "A signal to a rank, or to the launcher, lets all ranks save and leave", arguments: Launcher.found,
        [true, false])
    func interrupted(_ launcher: Launcher, toLauncher: Bool) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            // MPICH 4.0's launcher that has handed a signal on ends with 0 in one of seven times, whatever its ranks end with.
            let statuses = toLauncher && launcher.handedOn == SIGUSR1 ? folder + "/statuses" : nil
            let (child, one) = try begin(run, by: launcher, ranks: 2, rank: 1, statuses: statuses)
            if toLauncher { child.send(launcher.handedOn) } else { kill(one, SIGUSR1) }
            let outcome = try child.outcome()
            if let statuses {
                #expect(try String(contentsOfFile: statuses, encoding: .utf8) == "130\n130\n", "\(outcome)")
            } else {
                #expect(outcome.status == 130, "\(outcome)")
            }
            #expect(outcome.errors.contains("--resume"), "\(outcome)")
            let word = "stopping after this step and saving; once more to stop at once\n"
            #expect(outcome.errors.components(separatedBy: word).count == 2, "\(outcome)")
            #expect(outcome.errors.contains("mpirun -n 2 gimbal train --resume"))
            #expect(!checkpoints(of: run).isEmpty)
        }
    }
}
