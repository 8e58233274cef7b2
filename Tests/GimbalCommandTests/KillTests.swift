import Foundation
import GimbalTestSupport
import Testing

/// Runs of all that has a state in a training, killed at random instants: they end with the same bits, and `evaluate` finds
/// the figures that they ended with. `GIMBAL_KILLS` says how many kills there are to be, at least 24 unless set.
@Suite("Killed at random")
struct KillTests {
    private static let kills = wantedTrials("GIMBAL_KILLS", otherwise: 24)
    private static let killsOfARun = 4

    /// What a run is made of, drawn from each of these.
    private static let choices: [[[String]]] = [
        [[], ["--ema", "0.9"], ["--ema", "0.5", "--weights", "averaged"], ["--weights", "last"]],
        [
            ["--schedule", "plateau", "--plateau-patience", "0"], ["--schedule", "one-cycle", "--warmup", "7"],
            ["--schedule", "cosine", "--max-steps", "70"], [],
        ],
        [["--clip-percentile", "30", "--clip-norm", "0"], ["--non-finite", "skip"], []],
        [["--augment", "shift,rotate"], ["--mixup", "0.4"], []],
        [["--accumulate", "3"], []],
        [["--early-stopping", "3"], ["--early-stopping", "1"], []],
        [
            ["--optimizer", "adam", "--lr", "0.02"], ["--momentum", "0.9", "--lookahead", "3"],
            ["--optimizer", "adamw", "--precision", "float16"],
        ],
        [["--dropout", "0.2"], ["--norm", "layer", "--gradient-noise", "0.01", "--max-norm", "2"]],
    ]

    @Test("A run of any settings ends with the same bits", arguments: 0..<(kills + killsOfARun - 1) / killsOfARun)
    func kill(number: Int) throws {
        var random = SplitMix(state: UInt64(number))
        let settings =
            ["train", "--data", "digits", "--hidden", "32", "--epochs", "6", "--device", "cpu"]
            + Self.choices.flatMap { $0[Int(random.next() % UInt64($0.count))] }
        let every = ["--checkpoint-every", "\(1 + random.next() % 5)", "--json"]
        try withTemporaryFolder { folder in
            func run(_ name: String) -> [String] { settings + every + ["--run-dir", "\(folder)/\(name)"] }
            let whole = try Gimbal.run(run("whole")).succeeded()
            let (name, steps) = ("killed", metrics(of: folder + "/whole").count)
            var last: ChildProcess.Outcome?
            for attempt in 0..<Self.killsOfARun {
                let child = try Gimbal.start(run(name) + (attempt > 0 ? ["--resume"] : []))
                // Somewhere in the rest of the run, or while it starts or saves.
                let before = metrics(of: folder + "/" + name).count
                let more = Int(random.next() % UInt64(max(1, (steps - before) / 2)))
                _ = child.wait { metrics(of: folder + "/" + name).count >= before + more }
                usleep(UInt32(random.next() % 5000))
                child.send(SIGKILL)
                let outcome = try child.outcome()
                if outcome.status == 0 { last = outcome }
            }
            let end = try Gimbal.run(run(name) + ["--resume"]).succeeded()
            let (newest, context) = (try #require(checkpoints(of: folder + "/whole").last), Comment("\(settings)"))
            #expect(checkpoints(of: folder + "/killed").last == newest, context)
            for file in try stateFiles(in: "\(folder)/whole/checkpoints/\(newest)") {
                let path = "/checkpoints/\(newest)/\(file)"
                #expect(
                    FileManager.default.contents(atPath: folder + "/killed" + path)
                        == FileManager.default.contents(atPath: folder + "/whole" + path),
                    "\(file): \(settings)")
            }
            let evaluated = try Gimbal.run(
                "evaluate", "--checkpoint", folder + "/killed", "--data", "digits", "--device", "cpu", "--json"
            ).succeeded().objects().first
            for outcome in [whole, end, last].compactMap({ $0 }) {
                let result = try outcome.objects().last
                #expect(result?["testLoss"] as? Double == evaluated?["loss"] as? Double, context)
                #expect(result?["testAccuracy"] as? Double == evaluated?["accuracy"] as? Double, context)
            }
        }
    }
}

/// Numbers for moments to kill at, the same every time (Steele, Lea and Flood 2014).
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
