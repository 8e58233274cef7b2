import Foundation
import GimbalTestSupport
import Testing

@Suite("gimbal bench, help and completions")
struct BenchTests {
    private struct Line: Decodable {
        var benchmark, device: String
        var medianMilliseconds, minimumMilliseconds, ratio: Double
        var gigabytesPerSecond: Double?
        var blocks: Int
        var variant: String
        var parameters: Int?
    }

    @Test("A figure is a line of JSON")
    func json() throws {
        let lines = try Gimbal.run("bench", "--only", "sum", "--devices", "cpu", "--seconds", "0.05", "--json")
            .succeeded().decoded(Line.self)
        #expect(!lines.isEmpty)
        for line in lines {
            #expect(line.benchmark == "sum" && line.device == "cpu" && line.ratio == 1 && line.blocks > 0)
            #expect(line.medianMilliseconds >= line.minimumMilliseconds && line.minimumMilliseconds > 0)
            #expect((line.gigabytesPerSecond ?? 0) > 0)
        }
    }

    @Test("The ratio is the first device's time over the device's own")
    func ratio() throws {
        let lines = try Gimbal.run("bench", "--only", "sum", "--devices", "cpu,cpu", "--seconds", "0.02", "--json")
            .succeeded().decoded(Line.self)
        #expect(lines.count >= 2)
        #expect(lines[0].ratio == 1)
        #expect(abs(lines[1].ratio - lines[0].medianMilliseconds / lines[1].medianMilliseconds) < 1e-9)
    }

    @Test("--list names the benchmarks, each once; --only takes those names and no others")
    func list() throws {
        let names = try Gimbal.run("bench", "--list").succeeded().lines
        let listed = try Gimbal.run("bench", "--list", "--json").succeeded().decoded([String: String].self)
        #expect(listed.compactMap { $0["benchmark"] } == names)
        try Gimbal.run("bench", "--launches", "--devices", "cpu").refused("--launches: needs an OpenCL device")
        #expect(try Gimbal.run("bench", "--only", "sum", "--devices", "cpu", "--calls", "2").succeeded().output.isEmpty)
        try Gimbal.run("bench", "--calls", "0").refused("--calls: must be positive")
        #expect(Set(names).count == names.count)
        for name in ["matmul", "elementwise", "sum", "seed-step"] { #expect(names.contains(name)) }
        try Gimbal.run("bench", "--only", "sums", "--devices", "cpu").refused("--only: no benchmark 'sums'; there are ")
        try Gimbal.run("bench", "--only", "sum", "--devices", "cpu,gpu").refused("no device 'gpu'")
        try Gimbal.run("bench", "--only", "sum", "--devices", ",").refused("--devices: names no device")
    }

    @Test("A model of more threads than there are")
    func scaling() throws {
        struct Line: Decodable {
            var benchmark: String
            var threads, meetings: [Int]
            var milliseconds: [Double]
        }
        let bench = ["bench", "--only", "lenet", "--variants", "inference, batch 64", "--seconds", "0.05"]
        let lines = try Gimbal.run(bench + ["--model-threads", "2,16", "--json"]).succeeded().decoded(Line.self)
        #expect(lines.map(\.benchmark) == ["lenet"] && lines.map(\.threads) == [[1, 2, 16]])
        #expect(lines.allSatisfy { $0.milliseconds.allSatisfy { $0 > 0 } && $0.meetings[0] == 0 && $0.meetings[2] > 0 })
        #expect(try Gimbal.run(bench + ["--model-threads", "2"]).succeeded().output.contains("2: "))
        for counts in ["0", "2,", "two", "2000"] {
            try Gimbal.run(bench + ["--model-threads", counts]).refused("--model-threads: takes numbers from 1 to 1024")
        }
    }

    @Test("Nets run where they are named, with as many parameters as their peers have")
    func nets() throws {
        func lines(_ arguments: String...) throws -> [Line] {
            try Gimbal.run(["bench", "--devices", "cpu", "--seconds", "0.01", "--json"] + arguments).succeeded()
                .decoded(Line.self)
        }
        #expect(try lines("--variants", "inference, batch 1").isEmpty)
        let inference = try lines("--only", "lenet,bilstm", "--variants", "inference, batch 1")
        #expect(inference.map(\.variant) == ["inference, batch 1", "inference, batch 1"])
        #expect(inference.map(\.parameters) == [61706, 266762])
        let step = try lines("--only", "lenet", "--variants", "step")
        #expect(step.map(\.variant) == ["step, batch 128"] && step.map(\.parameters) == [61706])
        try Gimbal.run("bench", "--only", "lenet", "--variants", "batch 2", "--devices", "cpu")
            .refused("--variants: no variant contains 'batch 2'")
    }

    @Test("Help", arguments: [[], ["devices"], ["train"], ["evaluate"], ["bench"]])
    func help(subcommand: [String]) throws {
        let outcome = try Gimbal.run(subcommand + ["--help"]).succeeded()
        #expect(outcome.output.contains("USAGE: " + (["gimbal"] + subcommand).joined(separator: " ")))
        #expect(outcome.output.contains("--help"))
    }

    @Test("Completions", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) throws {
        let script = try Gimbal.run("--generate-completion-script", shell).succeeded().output
        for word in ["train", "evaluate", "batch-size"] { #expect(script.contains(word)) }
        guard shell == "bash" else { return }
        try ChildProcess("/bin/bash", ["-n", "-c", script]).outcome().succeeded()
    }

    @Test("A mistake in the usage is told with a hint, and is status 64")
    func usage() throws {
        for arguments in [["train"], ["train", "--data", "digits", "--no-such"], ["evaluate"], ["fly"]] {
            let outcome = try Gimbal.run(arguments)
            #expect(outcome.status == 64 && outcome.output == "")
            #expect(outcome.errors.hasPrefix("Error: ") && outcome.errors.contains("--help"))
        }
    }
}
