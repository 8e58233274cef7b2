import Foundation

/// A text file that a run adds lines to, each of which is in the file when `write` returns.
final class AppendedFile {
    private let path: String
    private let file: FileHandle

    /// - Parameters:
    ///   - path: of the file, which is written anew.
    ///   - lines: what it begins with.
    /// - Throws: `GimbalError.fileSystem`.
    init(_ path: String, lines: [String]) throws {
        self.path = path
        try AtomicFile.write(lines.map { $0 + "\n" }.joined(), to: path)
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw GimbalError.fileSystem(operation: "open", path: path, reason: String(cString: strerror(errno)))
        }
        _ = try? file.seekToEnd()
        self.file = file
    }

    deinit { try? file.close() }

    /// Adds `text`, which ends with a line feed.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    func write(_ text: String) throws {
        do { try file.write(contentsOf: Data(text.utf8)) } catch {
            throw GimbalError.fileSystem(operation: "write", path: path, reason: (error as NSError).reason)
        }
    }

    /// The lines of a text file that are not empty; none where there is no file.
    /// - Throws: `GimbalError.fileSystem` where it cannot be read now: whoever took it for empty would write over it.
    static func lines(of path: String) throws -> [String] {
        try textIfThere(of: path).split(separator: "\n").map(String.init)
    }
}
