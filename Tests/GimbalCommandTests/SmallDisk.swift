import Foundation
import GimbalTestSupport

/// A file system of a few kilobytes in memory, which only root may mount.
struct SmallDisk {
    let path: String

    /// Whether such a disk can be had.
    static let isAllowed: Bool = {
        let isAllowed = try? withTemporaryFolder { folder in
            try SmallDisk(at: folder + "/disk", kibibytes: 16).unmount()
            return true
        }
        return isAllowed ?? false
    }()

    private struct Refused: Error { var reason: String }

    init(at path: String, kibibytes: Int) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try Self.command(["mount", "-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", path])
    }

    func resize(kibibytes: Int) throws {
        try Self.command(["mount", "-o", "remount,size=\(kibibytes)k", path])
    }

    /// Takes all room that is left.
    func fill() throws {
        let file = open(path + "/filler", O_WRONLY | O_CREAT, 0o600)
        guard file >= 0 else { throw Refused(reason: String(cString: strerror(errno))) }
        defer { close(file) }
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        while write(file, zeros, zeros.count) > 0 {}
    }

    /// Gives back what `fill` took.
    func clear() { unlink(path + "/filler") }

    func unmount() { try? Self.command(["umount", path]) }

    private static func command(_ words: [String]) throws {
        let outcome = try ChildProcess("/usr/bin/env", words).outcome()
        guard outcome.status == 0 else { throw Refused(reason: outcome.errors) }
    }
}
