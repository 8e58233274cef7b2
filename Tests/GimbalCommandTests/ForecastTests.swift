import Foundation
import GimbalTestSupport
import Testing

@Suite("gimbal train --task forecast")
struct ForecastTests {
    /// A wave of period 12 and very small numbers, a row for each of 120 days.
    private func writeWave(_ path: String) throws {
        let rows = (0..<120).map { row in
            "\(row),\(1e-6 * (sin(Double(row) * .pi / 6) + Double(row) / 60))"
        }
        try (["day,sales"] + rows).joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    }

    @Test("Errors have digits whatever their size; what was begun is not changed; inspect tells of both")
    func forecast() throws {
        try withTemporaryFolder { folder in
            let (data, run) = (folder + "/wave.csv", folder + "/run")
            try writeWave(data)
            let train = ["train", "--device", "cpu", "--model", "mlp", "--max-steps", "5", "--run-dir", run]
            let outcome = try Gimbal.run(train + ["--task", "forecast", "--data", data]).succeeded()
            let naive = try #require(outcome.lines.first { $0.contains("  naive") })
            #expect(naive.contains("e-07") && !naive.contains("0.0000"))

            for (options, words) in [
                (["--target", "day"], "began with sales"), (["--task", "regression"], "began with forecast"),
                (["--columns", "day"], "began with none"), (["--exclude", "day"], "not for a forecast"),
            ] {
                try Gimbal.run(["evaluate", "--device", "cpu", "--checkpoint", run] + options).refused(
                    words, options[0])
            }
            try Gimbal.run(Array(train.dropLast(2)) + ["--augment", "shift", "--task", "forecast", "--data", data])
                .refused("--augment", "not for a series")
            #expect(
                try Gimbal.run("inspect", run).succeeded().output.contains("sales, 1 ahead, from windows of 24 rows"))
            let series = try Gimbal.run("inspect", data, "--task", "forecast").succeeded().output
            #expect(series.contains("120 rows") && series.contains("sales resembles itself after 12 rows"))
        }
    }
}
