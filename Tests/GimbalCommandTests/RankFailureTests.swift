import Foundation
import GimbalTestSupport
import Testing

/// Ranks that are killed or stand still at random instants of a run: all end within the stated time, by one line at the most that
/// names the rank, and the run goes on, on another number of ranks, to the losses of one that was not disturbed.
/// `GIMBAL_RANK_FAILURES` says how many there are to be, 6 unless set.
@Suite("Ranks that fail at random")
struct RankFailureTests {
    private static let failures =
        ProcessInfo.processInfo.environment["GIMBAL_RANK_FAILURES"].flatMap { Int($0) } ?? 6

    private struct Failure {
        var launcher: Launcher
        var ranks: Int
        var victim: Int
        /// Steps after which it comes.
        var step: Int
        var isStop: Bool
        /// How many ranks go on.
        var others: Int

        init(number: Int) {
            var random = SplitMix(state: UInt64(number))
            func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
            launcher = Launcher.found[below(Launcher.found.count)]
            ranks = 2 + below(3)
            victim = below(ranks)
            step = below(150)
            isStop = below(2) == 0
            others = 1 + below(ranks)
        }
    }

    private static func training(_ ranks: Int) -> [String] {
        [
            "train", "--data", "digits", "--hidden", "16", "--dropout", "0.2", "--sync-batch-norm", "--epochs", "8",
            "--device", "cpu", "--batch-size", "\(48 / ranks)", "--checkpoint-every", "7", "--exchange-timeout", "8",
        ]
    }

    @Test("All end, and the run goes on", arguments: Launcher.found.isEmpty ? [] : Array(0..<failures))
    func fail(number: Int) throws {
        let failure = Failure(number: number)
        try withTemporaryFolder { folder in
            let (whole, run) = (folder + "/whole", folder + "/run")
            try Gimbal.run(Self.training(1) + ["--run-dir", whole]).succeeded()
            let child = try failure.launcher.start(
                failure.ranks, Gimbal.path, Self.training(failure.ranks) + ["--run-dir", run])
            _ = child.wait { metrics(of: run).count >= failure.step }
            let victim = failure.launcher.process(rank: failure.victim, of: Gimbal.path, mark: run)
            if let victim { kill(victim, failure.isStop ? SIGSTOP : SIGKILL) }
            let began = ContinuousClock.now
            let outcome = try child.outcome()
            if let victim, failure.isStop { kill(victim, SIGKILL) }
            #expect(ContinuousClock.now - began < .seconds(60), "\(failure)")
            let said = outcome.errors.split(whereSeparator: \.isNewline).filter { $0.contains("Error: ") }
            // It may have come to its end before.
            if outcome.status != 0, failure.isStop {
                #expect(
                    said.count == 1 && said[0].contains("rank \(failure.victim): "), "\(failure): \(outcome.errors)")
            }
            guard outcome.status != 0, !metrics(of: run).isEmpty else { return }
            let on = ["train", "--resume", "--run-dir", run, "--device", "cpu", "--sync-batch-norm"]
            if failure.others == 1 {
                try Gimbal.run(on).succeeded()
            } else {
                try failure.launcher.start(failure.others, Gimbal.path, on).outcome().succeeded()
            }
            let (losses, expected) = (metrics(of: run), metrics(of: whole))
            #expect(losses.count == expected.count, "\(failure)")
            for (row, wanted) in zip(losses, expected) {
                guard let loss = Double(row[3]), let other = Double(wanted[3]) else { continue }
                #expect(abs(loss - other) <= 1e-3 * max(other, 0.01), "\(failure), step \(row[1])")
            }
        }
    }
}
