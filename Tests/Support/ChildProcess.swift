import Foundation
import Gimbal
import Testing

/// A program run as a child process, with pipes on both outputs that are emptied all the time.
package final class ChildProcess {
    /// How a program ended and what it had to say.
    package struct Outcome {
        /// The exit status; nil for a program that a signal ended.
        package var status: Int32?
        /// The signal that ended the program.
        package var signal: Int32?
        package var output: String
        package var errors: String

        /// The lines of standard output.
        package var lines: [String] {
            output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        }

        /// Standard output, every line of which must be one JSON object, as values.
        package func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> [Value] {
            try lines.map { try JSONDecoder().decode(type, from: Data($0.utf8)) }
        }

        /// Standard output, every line of which must be one JSON object.
        package func objects() throws -> [[String: Any]] {
            try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:] }
        }

        /// Records an issue unless the program ended well.
        @discardableResult
        package func succeeded(sourceLocation: SourceLocation = #_sourceLocation) -> Outcome {
            #expect(status == 0 && signal == nil, "\(self)", sourceLocation: sourceLocation)
            return self
        }
    }

    private let identifier: pid_t
    private let arguments: [String]
    private let output: Capture
    private let errors: Capture
    /// What `waitpid` gave; nil while the child runs.
    private let status = Lock<Int32?>(nil)
    private let end = DispatchSemaphore(value: 0)
    private let deadline: ContinuousClock.Instant
    private let timeLimit: Duration

    /// Starts a program: by `posix_spawn`, since Foundation's `Process` crashes now and then where many start at once.
    /// - Parameters:
    ///   - environment: what differs from this process's own. `OPENBLAS_CORETYPE` is not handed on: where a machine sets
    ///     it, each program would begin with a note of it.
    ///   - timeLimit: from now; the program is killed then, and the test fails.
    package init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], timeLimit: Duration = .seconds(60)
    ) throws {
        self.timeLimit = timeLimit
        self.arguments = arguments
        deadline = .now + timeLimit
        (output, errors) = (try Capture(), try Capture())
        var inherited = ProcessInfo.processInfo.environment
        inherited["OPENBLAS_CORETYPE"] = nil
        identifier = try Self.spawn(
            path, arguments, inherited.merging(environment) { $1 }, output: output.writeEnd, errors: errors.writeEnd)
        output.start()
        errors.start()
        Thread.detachNewThread { [identifier, status, end] in
            var found: Int32 = 0
            while waitpid(identifier, &found, 0) == -1 && errno == EINTR {}
            status.withLock { $0 = found }
            end.signal()
        }
    }

    /// A child with no signal blocked and no descriptor but the standard ones: tests run on threads that block all signals,
    /// and hold files that are locked.
    private static func spawn(
        _ path: String, _ arguments: [String], _ environment: [String: String], output: Int32, errors: Int32
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
        // One that is closed meanwhile does no harm.
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            if let descriptor = Int32(name), descriptor > STDERR_FILENO {
                posix_spawn_file_actions_addclose(&actions, descriptor)
            }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var identifier: pid_t = 0
        let words = ([path] + arguments).map { strdup($0) }
        let variables = environment.map { strdup("\($0)=\($1)") }
        defer { (words + variables).forEach { free($0) } }
        let failure = posix_spawn(&identifier, path, &actions, &attributes, words + [nil], variables + [nil])
        guard failure == 0 else {
            throw GimbalError.fileSystem(operation: "start", path: path, reason: String(cString: strerror(failure)))
        }
        return identifier
    }

    /// What standard error has received so far.
    package var errorsSoFar: String { errors.text }

    package var isRunning: Bool { status.withLock { $0 == nil } }

    package func send(_ signal: Int32) { if isRunning { kill(identifier, signal) } }

    /// Waits until `condition` holds. False where the program ended, or ran out of time, before it did.
    package func wait(until condition: () -> Bool) -> Bool {
        while isRunning && .now < deadline {
            if condition() { return true }
            usleep(500)
        }
        return condition()
    }

    /// Waits for the end.
    package func outcome() throws -> Outcome {
        let left = max(0, (deadline - .now).components.seconds)
        if end.wait(timeout: .now() + .seconds(Int(left) + 1)) == .timedOut {
            send(SIGKILL)
            end.wait()
            Issue.record("\(arguments) did not end within \(timeLimit): \(errors.wholeText())")
        }
        let status = status.withLock { $0 } ?? 0
        let signal = status & 0x7F
        return Outcome(
            status: signal == 0 ? status >> 8 & 0xFF : nil, signal: signal == 0 ? nil : signal,
            output: output.wholeText(), errors: errors.wholeText())
    }
}

/// One output of a child, read by a thread of its own, so that the child never waits for a reader.
private final class Capture: Sendable {
    /// What the child writes to.
    let writeEnd: Int32
    private let readEnd: Int32
    private let bytes = Lock(Data())
    private let end = DispatchSemaphore(value: 0)

    init() throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw GimbalError.fileSystem(operation: "open", path: "a pipe", reason: String(cString: strerror(errno)))
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
        // No other child is to hold it open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }

    /// Begins to read, once the child has its end.
    func start() {
        close(writeEnd)
        Thread.detachNewThread { [self] in
            var piece = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(readEnd, &piece, piece.count)
                if count > 0 { bytes.withLock { $0.append(contentsOf: piece[..<count]) } }
                if count == 0 || (count < 0 && errno != EINTR) { break }
            }
            close(readEnd)
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
