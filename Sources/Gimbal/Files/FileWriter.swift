import GimbalBackend
import Glibc

/// A file being written, with a buffer for small pieces. `AtomicFile` makes them; one thread writes.
public final class FileWriter {
    /// Bytes after which every write fails as on a full disk, for tests of what a failed save leaves behind. Counted
    /// per writer; `nil` means what the disk holds.
    @TaskLocal package static var simulatedCapacity: Int?

    /// The file that errors name: the one asked for, not the one written aside.
    public let path: String
    /// Bytes written so far.
    public private(set) var byteCount = 0

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private static let bufferSize = 1 << 16

    /// Takes over `descriptor`.
    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
        buffer.reserveCapacity(Self.bufferSize)
    }

    deinit { close(descriptor) }

    /// - Throws: `GimbalError.fileSystem` where the disk is full or fails. Buffered bytes may fail at a later call.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        byteCount += bytes.count
        if buffer.count + bytes.count <= Self.bufferSize {
            buffer.append(contentsOf: bytes)
        } else {
            try flush()
            try writeNow(bytes)
        }
    }

    /// Writes the elements of `values` as they lie in memory (little-endian on every supported machine).
    public func write<Element: BitwiseCopyable>(_ values: [Element]) throws {
        try values.withUnsafeBytes { try write($0) }
    }

    /// Writes `text` as UTF-8.
    public func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try writeNow($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func writeNow(_ bytes: UnsafeRawBufferPointer) throws {
        if let capacity = Self.simulatedCapacity, byteCount > capacity {
            throw systemError("write", path, code: ENOSPC)
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let count = try retryingInterrupted("write", path) {
                Glibc.write(descriptor, piece.baseAddress, piece.count)
            }
            rest = rest.dropFirst(count)
        }
    }

    /// Writes what is buffered; with `synchronizes`, returns only when the disk has it.
    func finish(synchronizes: Bool) throws {
        try flush()
        if synchronizes { _ = try retryingInterrupted("write", path) { fsync(descriptor) } }
    }
}
