import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// The built command.
enum Gimbal {
    /// `$GIMBAL_BINARY`, else what the build put beside the tests.
    static let path = ProcessInfo.processInfo.environment["GIMBAL_BINARY"] ?? builtProgram("gimbal")

    /// Starts `gimbal` with `arguments`. The environment chooses no device.
    static func start(
        _ arguments: [String], environment: [String: String] = [:], timeLimit: Duration = .seconds(60)
    ) throws -> ChildProcess {
        try ChildProcess(
            path, arguments, environment: ["GIMBAL_DEVICE": ""].merging(environment) { $1 }, timeLimit: timeLimit)
    }

    /// Runs `gimbal` with `arguments` to its end.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], timeLimit: Duration = .seconds(60)
    ) throws -> ChildProcess.Outcome {
        try start(arguments, environment: environment, timeLimit: timeLimit).outcome()
    }

    static func run(_ arguments: String...) throws -> ChildProcess.Outcome { try run(arguments) }

    /// Whether there is a terminal to be had: script(1) makes one.
    static let hasTerminal = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")

    /// Runs a command of the shell on a terminal without colours.
    static func runOnTerminal(_ command: String) throws -> ChildProcess.Outcome {
        try ChildProcess(
            "/usr/bin/script", ["-qec", command, "/dev/null"], environment: ["TERM": "xterm", "NO_COLOR": "1"]
        ).outcome()
    }

    /// Ids of the OpenCL devices of this machine.
    static let openCLDevices: [String] = {
        struct Line: Decodable { var id: String }
        let lines = try? run("devices", "--json").decoded(Line.self)
        return (lines ?? []).map(\.id).filter { $0.hasPrefix("opencl") }
    }()
}

extension ChildProcess.Outcome {
    /// Records an issue unless the command refused to go on: a status other than 0, nothing on standard output, and one
    /// line on standard error that begins with `Error: ` and holds `words`.
    func refused(_ words: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(output == "", sourceLocation: sourceLocation)
        failed(words, sourceLocation: sourceLocation)
    }

    /// As `refused`, for a command that failed after it had printed something.
    func failed(_ words: [String], sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(signal == nil && status != 0, "\(self)", sourceLocation: sourceLocation)
        #expect(errors.hasPrefix("Error: "), "\(errors)", sourceLocation: sourceLocation)
        #expect(errors.hasSuffix("\n") && errors.count { $0 == "\n" } == 1, "\(errors)", sourceLocation: sourceLocation)
        for words in words { #expect(errors.contains(words), sourceLocation: sourceLocation) }
    }
}

/// Paths of all files and folders below `folder`, sorted.
func tree(_ folder: String) -> [String] {
    (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []).sorted()
}

/// Whether a file of this name is TensorBoard's.
func isEventFile(_ name: String) -> Bool { name.hasPrefix("events.out.tfevents.") }

/// The rows of a run's `metrics.csv` below the header, each as its fields; none where there is no such file.
func metrics(of run: String) -> [[String]] {
    let text = (try? String(contentsOfFile: run + "/metrics.csv", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").dropFirst().map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}

/// Names of a run's checkpoints, oldest first, and of what lies beside them.
func checkpoints(of run: String) -> [String] { (try? names(in: run + "/checkpoints")) ?? [] }

extension ModelSettings.Kind {
    /// A file that a model of this kind can be trained on; nil where that is the digits.
    func exampleData(in folder: String) throws -> String? {
        guard isOfTokens else { return nil }
        let path = folder + (isLanguageModel ? "/text.txt" : "/pairs.tsv")
        let line = { (number: Int) in
            isLanguageModel ? "A line of \(number) words.\n" : "I have \(number) cats.\tУ меня \(number) кошек.\n"
        }
        try (0..<100).map(line).joined().write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }
}

/// The files of a checkpoint that hold the same however often a run was stopped: the record tells each time that it was gone
/// on with, and the checksums have the record's.
func stateFiles(in checkpoint: String) throws -> [String] {
    try names(in: checkpoint).filter { $0 != "run.json" && $0 != "checksums.sfv" }
}
