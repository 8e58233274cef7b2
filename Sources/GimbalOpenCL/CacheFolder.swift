import Foundation
import GimbalBackend

/// Files that make the next start faster and that may be lost at any time: built programs and tuned plans.
///
/// Every entry is stored with its full key and a checksum. What is missing, damaged, cannot be written, or could have been written
/// by another user, whose program would then run, is as if it had never been there; why a folder is not used is said once.
package struct CacheFolder: Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    /// `$GIMBAL_CACHE_DIR`, else `$XDG_CACHE_HOME/gimbal`, else `~/.cache/gimbal`.
    static func standard(environment: [String: String] = ProcessInfo.processInfo.environment) -> CacheFolder {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let path =
            value("GIMBAL_CACHE_DIR") ?? value("XDG_CACHE_HOME").map { $0 + "/gimbal" }
            ?? (value("HOME") ?? NSHomeDirectory()) + "/.cache/gimbal"
        return CacheFolder(path: path)
    }

    private static let magic = Array("gimbal cache 1\n".utf8)

    /// What was stored under `key`; nil where there is none, or not whole.
    package func read(_ key: String, kind: String) -> [UInt8]? {
        guard let data = contents(of: file(key, kind: kind)) else { return nil }
        var rest = ArraySlice(data)
        func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count >= 0, rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func takeNumber() -> UInt64? {
            take(8).map { $0.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        }
        guard take(Self.magic.count).map(Array.init) == Self.magic,
            let keySize = takeNumber(), let storedKey = take(Int(clamping: keySize)),
            Array(storedKey) == Array(key.utf8),
            let size = takeNumber(), let checksum = takeNumber(), let bytes = take(Int(clamping: size)),
            rest.isEmpty, fingerprint(bytes) == checksum
        else { return nil }
        return Array(bytes)
    }

    /// Of a file that nobody but this user, or root, can have written.
    private func contents(of file: String) -> Data? {
        let descriptor = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return nil }
        guard facts.st_uid == geteuid() || facts.st_uid == 0, facts.st_mode & 0o022 == 0 else {
            warn("built kernels in \(path) are built anew, as other users can write \(file)")
            return nil
        }
        return try? handle.readToEnd()
    }

    /// Stores an entry: written aside, then renamed, so that a reader finds all of it or nothing.
    func write(_ bytes: [UInt8], key: String, kind: String) {
        func number(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        let keyBytes = Array(key.utf8)
        let entry =
            Self.magic + number(UInt64(keyBytes.count)) + keyBytes + number(UInt64(bytes.count))
            + number(fingerprint(bytes)) + bytes
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            return warn(errno)
        }
        let target = file(key, kind: kind)
        let aside = "\(target).\(ProcessInfo.processInfo.processIdentifier).\(UInt32.random(in: 0 ... .max))"
        let descriptor = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return warn(errno) }
        do { try FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).write(contentsOf: Data(entry)) } catch {
            let code = errno
            unlink(aside)
            return warn(code)
        }
        if rename(aside, target) != 0 { unlink(aside) }
    }

    private static let unusable = Lock<Set<String>>([])

    /// Without the cache every start builds its kernels anew, which takes seconds and would be a riddle.
    private func warn(_ code: Int32) {
        let reason = code == 0 ? "" : " (\(String(cString: strerror(code))))"
        warn(
            "built kernels cannot be kept in \(path)\(reason), so that each start builds them again; set GIMBAL_CACHE_DIR "
                + "to a folder that can be written")
    }

    private func warn(_ message: String) {
        if Self.unusable.withLock({ $0.insert(path).inserted }) { Warnings.say(message) }
    }

    func remove(_ key: String, kind: String) {
        unlink(file(key, kind: kind))
    }

    /// The path of an entry.
    package func file(_ key: String, kind: String) -> String {
        let name = String(fingerprint(key.utf8), radix: 16)
        return "\(path)/\(kind)-\(String(repeating: "0", count: 16 - name.count))\(name)"
    }
}

/// The 64-bit FNV-1a hash of some bytes.
func fingerprint(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
