import Foundation

/// The bytes of the file at `path`, which a run has written.
/// - Parameter limit: the most bytes that it can have; a quarter of memory unless said.
/// - Throws: `GimbalError.fileSystem` with what the system says, `GimbalError.invalidFile` for one that is larger, or no regular
///   file: a pipe would be waited for without end.
func contents(of path: String, limit: Int = HostMemory.mostReadBytes) throws -> Data {
    let file = try FileReader(path: path, format: "a file of a run")
    func requireFitting(_ count: Int) throws {
        guard count <= limit else {
            throw GimbalError.invalidFile(
                path: path,
                reason: "it is larger than any file that a run writes there, which has \(limit) bytes at most")
        }
    }
    try requireFitting(file.size() ?? 0)
    var data = Data()
    let piece = try HostBuffer(byteCount: 1 << 16)
    while case let count = try file.read(into: piece.bytes), count > 0 {
        // It may grow meanwhile.
        try requireFitting(data.count + count)
        data.append(contentsOf: piece.bytes[..<count])
    }
    return data
}

/// The bytes of the file at `path`; nil where there is none.
/// - Throws: as `contents(of:limit:)`.
func contentsIfThere(of path: String, limit: Int = HostMemory.mostReadBytes) throws -> Data? {
    try isThere(path) ? try contents(of: path, limit: limit) : nil
}

/// The text of a table or a log that a run writes; empty where it has not written it yet.
/// - Throws: as `contents(of:limit:)`.
func textIfThere(of path: String) throws -> String {
    try contentsIfThere(of: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
}
