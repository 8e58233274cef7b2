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

    @Test("What is refused is said once", arguments: Launcher.found)
    func refusals(_ launcher: Launcher) throws {
        let outcome = try launcher.start(3, Gimbal.path, ["train", "--data", "/no/such/file.csv", "--device", "cpu"])
            .outcome()
        #expect(outcome.status != 0)
        let said = outcome.errors.split(separator: "\n").filter { $0.contains("/no/such/file.csv") }
        #expect(said.count == 1 && said.first?.hasPrefix("Error: ") == true, "\(outcome.errors)")
    }

    @Test("A rank that is killed ends all, and the run goes on from its checkpoint", arguments: Launcher.found)
    func killed(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let child = try launcher.start(
                3, Gimbal.path,
                Self.digits + [
                    "--epochs", "500", "--device", "cpu", "--batch-size", "16", "--checkpoint-every", "5", "--run-dir",
                    run,
                ])
            #expect(child.wait { metrics(of: run).count > 20 })
            let victim = try #require(launcher.process(rank: 2, of: Gimbal.path, mark: run))
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
            let child = try launcher.start(
                3, Gimbal.path,
                Self.digits + [
                    "--epochs", "500", "--device", "cpu", "--batch-size", "16", "--exchange-timeout", "8", "--run-dir",
                    run,
                ])
            #expect(child.wait { metrics(of: run).count > 20 })
            let victim = try #require(launcher.process(rank: 1, of: Gimbal.path, mark: run))
            kill(victim, SIGSTOP)
            let outcome = try child.outcome()
            kill(victim, SIGKILL)
            #expect(outcome.status != 0)
            let said = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error: ") }
            #expect(said.count == 1 && said.first?.contains("rank 1") == true, "\(outcome.errors)")
        }
    }

    @Test("SIGUSR1 lets all ranks save and leave", arguments: Launcher.found)
    func interrupted(_ launcher: Launcher) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let child = try launcher.start(
                2, Gimbal.path,
                Self.digits + ["--epochs", "500", "--device", "cpu", "--batch-size", "16", "--run-dir", run])
            #expect(child.wait { metrics(of: run).count > 20 })
            let one = try #require(launcher.process(rank: 1, of: Gimbal.path, mark: run))
            kill(one, SIGUSR1)
            let outcome = try child.outcome()
            #expect(outcome.status == 130 && outcome.errors.contains("--resume"), "\(outcome)")
            #expect(outcome.errors.contains("mpirun -n 2 gimbal train --resume"))
            #expect(!checkpoints(of: run).isEmpty)
        }
    }
}
