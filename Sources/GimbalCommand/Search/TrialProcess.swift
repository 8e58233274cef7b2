import Foundation
import GimbalMPI
import GimbalTrain

/// A trial's `gimbal train`, as a child process: it hears no Ctrl-C of the terminal, which is the search's to pass on.
final class TrialProcess {
    /// How it ended.
    enum End: Equatable {
        case status(Int32)
        case signal(Int32)
    }

    private let identifier: pid_t
    private var end: End?

    /// Starts this program anew.
    /// - Parameters:
    ///   - arguments: behind the program's name.
    ///   - environment: what differs from this process's own.
    ///   - errors: the file that standard error is written to; standard output goes nowhere.
    /// - Throws: `GimbalError.fileSystem`.
    init(_ arguments: [String], environment: [String: String], errors: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let variables = Launch.environmentOfChildren(ProcessInfo.processInfo.environment)
            .merging(environment) { $1 }.map { "\($0)=\($1)" }
        let words = (["gimbal"] + arguments).map { strdup($0) }
        let pairs = variables.map { strdup($0) }
        defer { (words + pairs).forEach { free($0) } }
        var identifier: pid_t = 0
        // The program that runs now, also where another has taken its place since.
        let failure = posix_spawn(
            &identifier, "/proc/self/exe", &actions, &attributes, words + [nil], pairs + [nil])
        guard failure == 0 else {
            throw GimbalError.fileSystem(
                operation: "start", path: "gimbal train", reason: String(cString: strerror(failure)))
        }
        self.identifier = identifier
    }

    /// How it ended; nil while it runs.
    func poll() -> End? {
        if let end { return end }
        var status: Int32 = 0
        guard waitpid(identifier, &status, WNOHANG) == identifier else { return nil }
        let signal = status & 0x7F
        end = signal == 0 ? .status(status >> 8 & 0xFF) : .signal(signal)
        return end
    }

    /// Lets it save and leave.
    func interrupt() { if end == nil { kill(identifier, SIGINT) } }
}
