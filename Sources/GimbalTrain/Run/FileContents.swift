import Foundation

/// The bytes of the file at `path`, which a run has written.
/// - Throws: `GimbalError.fileSystem` with what the system says, `GimbalError.invalidFile` for one that is larger than a
///   quarter of memory.
func contents(of path: String) throws -> Data {
    let file = try FileReader(path: path)
    var data = Data()
    let piece = try HostBuffer(byteCount: 1 << 16)
    while case let count = try file.read(into: piece.bytes), count > 0 {
        guard data.count + count <= HostMemory.mostReadBytes else {
            throw GimbalError.invalidFile(path: path, reason: "it is larger than any file that a run writes")
        }
        data.append(contentsOf: piece.bytes[..<count])
    }
    return data
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
