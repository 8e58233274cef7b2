import Foundation

/// The bytes of the file at `path`.
/// - Throws: `GimbalError.fileSystem` with what the system says.
func contents(of path: String) throws -> Data {
    do { return try Data(contentsOf: URL(filePath: path)) } catch {
        throw GimbalError.fileSystem(operation: "read", path: path, reason: (error as NSError).reason)
    }
}

/// The bytes of the file at `path`; nil where there is none.
/// - Throws: `GimbalError.fileSystem` for one that is there and cannot be read.
func contentsIfThere(of path: String) throws -> Data? {
    FileManager.default.fileExists(atPath: path) ? try contents(of: path) : nil
}

/// The text of a table or a log that a run writes; empty where it has not written it yet.
/// - Throws: `GimbalError.fileSystem` for a file that is there and cannot be read.
func textIfThere(of path: String) throws -> String {
    try contentsIfThere(of: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
}
