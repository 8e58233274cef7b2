import Foundation

/// The lock by which one run holds a folder. The system releases it when the process dies, however it dies.
final class RunLock: Sendable {
    /// The locked file in a run's folder; it tells who holds the lock, and stays when the run has ended.
    static let name = "run.lock"

    private let descriptor: Int32

    /// - Parameters:
    ///   - folder: that is held.
    ///   - name: of the locked file.
    ///   - user: what holds the folder, in words.
    /// - Throws: `GimbalError.fileSystem`, naming the holder where there is one.
    init(folder: String, name: String = RunLock.name, user: String = "run") throws {
        let path = folder + "/" + name
        descriptor = try retryingInterrupted("create", path) {
            open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        }
        // Asked for before, as the name of the machine may take a while.
        let text = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)\n"
        // A file system without locks reports another error, and is used without one.
        let code = flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno
        if code != 0, code != EWOULDBLOCK {
            Warnings.say(
                "\(shown(path)) cannot be locked (\(String(cString: strerror(code)))): see to it that no other \(user) uses it"
            )
        }
        if code == EWOULDBLOCK {
            throw GimbalError.fileSystem(
                operation: "use", path: folder,
                reason:
                    "another \(user) is using it (\(holder() ?? "another process")); wait until it has ended, or name another folder"
            )
        }
        _ = ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    /// What the file says of who has the lock; nil where it says nothing for a second: who has just got the lock is about
    /// to write.
    private func holder() -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        for _ in 0..<1000 {
            let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
            if let line = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").first {
                return String(line)
            }
            usleep(1000)
        }
        return nil
    }

    deinit { close(descriptor) }
}
