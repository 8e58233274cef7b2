import Foundation
import GimbalTestSupport
import Testing

@Suite("--precision")
struct PrecisionOptionTests {
    private struct Line: Decodable {
        var testAccuracy, testLoss: Double
        var steps: Int
        var skippedSteps: Int?
        var lossScale: Double?
    }
    private struct Evaluated: Decodable { var accuracy, loss: Double }

    private func train(_ run: String, _ options: [String]) throws -> Line {
        let lines = try Gimbal.run(
            ["train", "--data", "digits", "--device", "cpu", "--run-dir", run, "--json"] + options
        ).succeeded().lines
        return try JSONDecoder().decode(Line.self, from: Data(try #require(lines.last).utf8))
    }

    @Test("The seed net learns the digits in every precision, and is evaluated in its own")
    func digits() throws {
        try withTemporaryFolder { folder in
            let options = ["--lr", "0.1", "--epochs", "10"]
            let exact = try train(folder + "/float32", options)
            #expect(exact.skippedSteps == nil && exact.lossScale == nil)
            for precision in ["tf32", "bfloat16", "float16"] {
                let run = "\(folder)/\(precision)"
                let found = try train(run, options + ["--precision", precision])
                #expect(found.testAccuracy >= 0.965, "\(precision)")
                #expect(abs(found.testLoss - exact.testLoss) < 0.01, "\(precision)")
                #expect((found.testLoss == exact.testLoss) == (precision == "tf32"), "\(precision)")
                #expect((found.lossScale != nil) == (precision == "float16"))
                func evaluate(_ more: [String]) throws -> Evaluated {
                    let command = ["evaluate", "--checkpoint", run, "--data", "digits", "--device", "cpu", "--json"]
                    return try #require(
                        try Gimbal.run(command + more).succeeded().decoded(Evaluated.self).first)
                }
                #expect(abs(try evaluate([]).loss - found.testLoss) < 1e-6, "\(precision)")
                #expect(abs(try evaluate(["--precision", "float32"]).loss - exact.testLoss) < 0.01, "\(precision)")
            }
        }
    }

    @Test("A run goes on in the precision that it began in")
    func resume() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            _ = try train(run, ["--precision", "float16", "--epochs", "1"])
            try Gimbal.run(
                "train", "--data", "digits", "--device", "cpu", "--run-dir", run, "--resume", "--precision", "bfloat16"
            ).refused("--precision: the run began with float16")
            #expect(try train(run, ["--resume", "--epochs", "2"]).lossScale != nil)
        }
    }

    @Test("Training steps are timed in every precision")
    func bench() throws {
        for precision in ["bfloat16", "float16"] {
            let lines = try Gimbal.run(
                "bench", "--only", "seed-step", "--devices", "cpu", "--seconds", "0.05", "--precision", precision,
                "--json"
            ).succeeded().lines
            #expect(lines.count == 2)
        }
    }
}
