import Foundation

/// Whether the run of a folder is going on, seen from another process.
package enum RunState: Equatable, Sendable {
    /// A process holds the folder.
    case running
    /// The lock is of another machine, whose processes cannot be seen from here.
    case unknown(host: String)
    /// It has been tested, and its result is in the folder.
    case finished
    /// Nobody holds the folder, and all that was done is saved: it was interrupted, or is a program's own run that is over.
    case saved(step: Int)
    /// Nobody holds the folder, and steps after the newest checkpoint, if there is one, are lost.
    case lost(step: Int, checkpoint: Int?)

    /// Looks at a run's folder.
    /// - Parameter steps: the last optimizer step that its metrics have.
    /// - Throws: `GimbalError.fileSystem` where its checkpoints cannot be listed.
    package init(folder: String, steps: Int) throws {
        let holder = RunLock.holder(of: folder)
        if let holder, holder.host != ProcessInfo.processInfo.hostName {
            self = .unknown(host: holder.host)
        } else if let holder, holder.isAlive {
            self = .running
        } else if let result = try? RunResult(folder: folder), result.steps == steps {
            self = .finished
        } else {
            let checkpoint = try RunFolder.newestStep(at: folder)
            self = checkpoint == steps ? .saved(step: steps) : .lost(step: steps, checkpoint: checkpoint)
        }
    }

    /// Whether there may be more to come.
    package var goesOn: Bool {
        switch self {
        case .running, .unknown: true
        case .finished, .saved, .lost: false
        }
    }
}

extension RunLock {
    /// The process that holds a folder, or was the last to hold it.
    struct Holder {
        var process: pid_t
        var host: String
        /// The number of the locked file.
        var file: UInt64

        /// Whether the process is there and has the lock. Only looks: to try the lock would refuse it to a run that begins.
        var isAlive: Bool {
            guard kill(process, 0) == 0 || errno == EPERM else { return false }
            // Its number may be another process's by now. A line: "2: FLOCK ADVISORY WRITE 15834 fe:00:16228542 0 EOF".
            guard let locks = try? String(contentsOfFile: "/proc/locks", encoding: .utf8) else { return true }
            return locks.split(separator: "\n").contains { line in
                let fields = line.split(separator: " ")
                return fields.contains("\(process)") && fields.contains { $0.hasSuffix(":\(file)") }
            }
        }
    }

    /// Who holds a folder or was the last to do so; nil where no run has.
    static func holder(of folder: String) -> Holder? {
        let path = "\(folder)/\(name)"
        var status = stat()
        guard let text = try? textIfThere(of: path), stat(path, &status) == 0,
            let match = text.wholeMatch(of: /process (\d+) on (.*)\n/), let process = pid_t(match.1)
        else { return nil }
        return Holder(process: process, host: String(match.2), file: UInt64(status.st_ino))
    }
}
