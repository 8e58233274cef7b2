import GimbalBackend
import Glibc

/// A file open for reading, closed with its last reference. Reads by position may come from several threads at once.
package final class FileReader: Sendable {
    package let path: String
    private let descriptor: Int32

    /// - Throws: `GimbalError.fileSystem` where the file cannot be opened.
    package convenience init(path: String) throws { try self.init(path: path, flags: 0) }

    /// Opens a file whose bytes are asked for by their position, so that no pipe is waited for.
    /// - Parameter format: what it must be, for the message.
    /// - Throws: `GimbalError.fileSystem` where it cannot be opened, `GimbalError.invalidFile` where it is no regular file.
    package convenience init(path: String, format: String) throws {
        try self.init(path: path, flags: O_NONBLOCK)
        guard try size() != nil else {
            throw GimbalError.invalidFile(path: path, reason: "not a regular file, which \(format) must be")
        }
    }

    private init(path: String, flags: Int32) throws {
        self.path = path
        descriptor = try retryingInterrupted("open", path) { open(path, O_RDONLY | O_CLOEXEC | flags) }
    }

    deinit { close(descriptor) }

    /// Bytes in the file; `nil` for pipes and devices, which do not know.
    package func size() throws -> Int? {
        let status = try status()
        return status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    }

    /// Whether it is a device that gives bytes for ever, such as /dev/zero: what people type comes to an end.
    package func isEndless() throws -> Bool {
        try status().st_mode & S_IFMT == S_IFCHR && isatty(descriptor) == 0
    }

    private func status() throws -> stat {
        var status = stat()
        _ = try retryingInterrupted("examine", path) { fstat(descriptor, &status) }
        return status
    }

    /// Reads on from where the last such call ended.
    /// - Returns: the number of bytes read: as many as fit in `bytes` where the source has them, 0 at its end.
    package func read(into bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < bytes.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[filled...])
            let count = try retryingInterrupted("read", path) { Glibc.read(descriptor, rest.baseAddress, rest.count) }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// The first `limit` bytes of a regular file, or all.
    package func start(_ limit: Int) throws -> [UInt8] {
        try [UInt8](refusable: min(try size() ?? 0, limit)) { try read(at: 0, into: UnsafeMutableRawBufferPointer($0)) }
    }

    /// Fills `bytes` with what the file holds from `offset` on.
    /// - Throws: `GimbalError.invalidFile` where the file ends before that: it has been cut since it was opened.
    package func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        var filled = 0
        while filled < bytes.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[filled...])
            let count = try retryingInterrupted("read", path) {
                pread(descriptor, rest.baseAddress, rest.count, off_t(offset + filled))
            }
            guard count > 0 else {
                throw GimbalError.invalidFile(path: path, reason: "truncated: it ends at byte \(offset + filled)")
            }
            filled += count
        }
    }
}

/// Makes a system call, again where a signal interrupted it.
/// - Throws: `GimbalError.fileSystem` with the system's words where it fails.
package func retryingInterrupted<Count: SignedInteger>(
    _ operation: String, _ path: String, _ call: () -> Count
) throws -> Count {
    while true {
        let result = call()
        if result >= 0 { return result }
        if errno != EINTR { throw systemError(operation, path) }
    }
}

/// The error that `errno`, or `code`, stands for.
func systemError(_ operation: String, _ path: String, code: Int32 = errno) -> GimbalError {
    GimbalError.fileSystem(operation: operation, path: path, reason: String(cString: strerror(code)))
}
