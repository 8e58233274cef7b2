import Foundation
import Gimbal
import GimbalTestSupport
import Testing

/// A program run as a child process, with pipes on both outputs that are emptied all the time.
final class ChildProcess {
    /// How a program ended and what it had to say.
    struct Outcome {
        /// The exit status; nil for a program that a signal ended.
        var status: Int32?
        /// The signal that ended the program.
        var signal: Int32?
        var output: String
        var errors: String

        /// The lines of standard output.
        var lines: [String] {
            output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        }

        /// Standard output, every line of which must be one JSON object, as values.
        func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> [Value] {
            try lines.map { try JSONDecoder().decode(type, from: Data($0.utf8)) }
        }

        /// Standard output, every line of which must be one JSON object.
        func objects() throws -> [[String: Any]] {
            try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:] }
        }

        /// Records an issue unless the program ended well.
        @discardableResult
        func succeeded(sourceLocation: SourceLocation = #_sourceLocation) -> Outcome {
            #expect(status == 0 && signal == nil, "\(self)", sourceLocation: sourceLocation)
            return self
        }
    }

    private let process = Process()
    private let output = Capture()
    private let errors = Capture()
    private let end = DispatchSemaphore(value: 0)
    private let deadline: ContinuousClock.Instant
    private let timeLimit: Duration

    /// Starts a program.
    /// - Parameters:
    ///   - environment: what differs from this process's own.
    ///   - timeLimit: from now; the program is killed then, and the test fails.
    init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], timeLimit: Duration = .seconds(60)
    ) throws {
        self.timeLimit = timeLimit
        deadline = .now + timeLimit
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output.pipe
        process.standardError = errors.pipe
        process.terminationHandler = { [end] _ in end.signal() }
        try withDeliverableSignals { try process.run() }
        output.start()
        errors.start()
    }

    /// What standard error has received so far.
    var errorsSoFar: String { errors.text }

    var isRunning: Bool { process.isRunning }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits until `condition` holds. False where the program ended, or ran out of time, before it did.
    func wait(until condition: () -> Bool) -> Bool {
        while isRunning && .now < deadline {
            if condition() { return true }
            usleep(500)
        }
        return condition()
    }

    /// Waits for the end.
    func outcome() throws -> Outcome {
        let left = max(0, (deadline - .now).components.seconds)
        if end.wait(timeout: .now() + .seconds(Int(left) + 1)) == .timedOut {
            send(SIGKILL)
            end.wait()
            Issue.record("\(process.arguments ?? []) did not end within \(timeLimit): \(errors.wholeText())")
        }
        let isSignal = process.terminationReason == .uncaughtSignal
        return Outcome(
            status: isSignal ? nil : process.terminationStatus, signal: isSignal ? process.terminationStatus : nil,
            output: output.wholeText(), errors: errors.wholeText())
    }
}

/// Runs `body` with no signal blocked. Tests run on threads that block them all, which a child would take over.
private func withDeliverableSignals<Result>(_ body: () throws -> Result) rethrows -> Result {
    var (none, old) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &old)
    defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
    return try body()
}

/// One output of a child, read by a thread of its own, so that the child never waits for a reader.
private final class Capture: Sendable {
    let pipe = Pipe()
    private let bytes = Lock(Data())
    private let end = DispatchSemaphore(value: 0)

    func start() {
        Thread.detachNewThread { [self] in
            while case let piece = pipe.fileHandleForReading.availableData, !piece.isEmpty {
                bytes.withLock { $0.append(piece) }
            }
            end.signal()
        }
    }

    var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }

    /// All of it, after the child has closed its end.
    func wholeText() -> String {
        if end.wait(timeout: .now() + .seconds(10)) == .success { end.signal() }
        return text
    }
}

/// The built command.
enum Gimbal {
    /// `$GIMBAL_BINARY`, else what the build put beside the tests.
    static let path: String = {
        if let path = ProcessInfo.processInfo.environment["GIMBAL_BINARY"] { return path }
        let tests = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
        return tests.deletingLastPathComponent().appending(path: "gimbal").path
    }()

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

/// The rows of a run's `metrics.csv` below the header, each as its fields; none where there is no such file.
func metrics(of run: String) -> [[String]] {
    let text = (try? String(contentsOfFile: run + "/metrics.csv", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").dropFirst().map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}

/// Names of a run's checkpoints, oldest first, and of what lies beside them.
func checkpoints(of run: String) -> [String] { (try? names(in: run + "/checkpoints")) ?? [] }
