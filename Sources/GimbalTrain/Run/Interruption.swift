import Foundation
import Synchronization

private let requests = Atomic<Int>(0)
private let hasBrokenPipe = Atomic<Bool>(false)
/// Whether the first signal is to be answered by a word.
private let isAnswered = Atomic<Bool>(true)
private let hasBeenSaid = Atomic<Bool>(false)

/// Notices Ctrl-C, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and, where `ulimit -t` has no more, SIGXCPU, so that a run can save before it
/// leaves. A second one ends the program at once. Under `nohup`, which has SIGHUP ignored, it stays so. SIGPIPE counts as one of them: nobody reads the output any more.
///
/// Of SIGUSR1 and SIGUSR2 MPICH's launcher hands on the first to its processes, and Open MPI 4's the second. Slurm can send either
/// ahead of a job's end.
///
/// ```swift
/// let interruption = Interruption()
/// try trainer.run { interruption.isRequested }
/// ```
public struct Interruption: Sendable {
    /// Whether one of the signals has come.
    public var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }

    /// Lets the signals end the program at once again: when everything is saved, there is nothing to wait for.
    public func end() { for number in Self.signals { signal(number, SIG_DFL) } }

    /// Whether one has come for output that nobody reads: it is not written, and the run leaves as for any other.
    public static var isPipeBroken: Bool { hasBrokenPipe.load(ordering: .relaxed) }

    /// As the program was started: before any of them is taken over.
    private static let signals =
        [SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE] + (isIgnored(SIGHUP) ? [] : [SIGHUP])

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Takes over these signals of the process. Of several that do, the last decides whether a word is said, which is said once.
    /// - Parameter isQuiet: whether nothing is said when the first comes, as what goes on ends at once.
    public init(isQuiet: Bool = false) {
        isAnswered.store(!isQuiet, ordering: .relaxed)
        // A file that grows beyond `ulimit -f` is an error of its own, with its name.
        signal(SIGXFSZ, SIG_IGN)
        for number in Self.signals {
            // Only calls that are safe in a signal handler: atomics, write, signal and raise.
            signal(number) { number in
                if number == SIGPIPE { hasBrokenPipe.store(true, ordering: .relaxed) }
                // Of a terminal that closes, the system and the shell may both tell; of a pipe, every line that is written; of
                // processor time, every second.
                if requests.add(1, ordering: .relaxed).newValue > 1, number != SIGHUP, number != SIGPIPE,
                    number != SIGXCPU
                {
                    signal(number, SIG_DFL)
                    raise(number)
                    return
                }
                Self.announce()
            }
        }
    }

    /// Says once that the run will stop and save, unless it is to be quiet of that. A signal's handler may do so.
    public static func announce() {
        guard isAnswered.load(ordering: .relaxed), !hasBeenSaid.exchange(true, ordering: .relaxed) else { return }
        let text: StaticString = "\nstopping after this step and saving; once more to stop at once\n"
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }
}
