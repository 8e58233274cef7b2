import Foundation

/// The CRC-32 of each file of a checkpoint, in a file among them: a line with the name and eight hexadecimal digits for
/// each, which is the form of SFV that other programs check as well.
///
/// They tell bytes that a disk, a copy or an edit has changed, not who changed them. Checkpoints of earlier versions of
/// Gimbal have none, and are read as they are; one that does not tell of every file of its folder is damaged itself.
enum Checksums {
    static let fileName = "checksums.sfv"

    /// More than any has: a checkpoint is of a handful of files.
    private static let mostBytes = 1 << 20

    /// Writes down all files that lie in `folder`.
    /// - Throws: `GimbalError.fileSystem`.
    static func write(in folder: String) throws {
        let lines = try fileNames(in: folder).sorted().map { name in
            "\(name) \(digits(try checksum(ofFile: "\(folder)/\(name)")))\n"
        }
        try AtomicFile.write(lines.joined(), to: "\(folder)/\(fileName)")
    }

    /// Makes sure that a file of `folder` holds the bytes that were saved, where checksums were written down.
    /// - Throws: `GimbalError.invalidFile` where they are others, or their checksum is not there; `GimbalError.fileSystem`.
    static func requireIntact(_ name: String, in folder: String) throws {
        guard let saved = try saved(in: folder) else { return }
        let onPurpose = "where it was changed on purpose, remove \(fileName)"
        guard let expected = saved[name] else {
            throw GimbalError.invalidFile(
                path: "\(folder)/\(fileName)", reason: "damaged: it has no checksum of \(name); \(onPurpose)")
        }
        let path = "\(folder)/\(name)"
        let now = digits(try checksum(ofFile: path))
        guard now == expected else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "is not what was saved: its CRC-32 is \(now), and \(fileName) has \(shown(expected)); \(onPurpose)")
        }
    }

    /// The files of which checksums were written down; nil where none were.
    /// - Throws: `GimbalError.fileSystem`.
    static func names(in folder: String) throws -> Set<String>? { try saved(in: folder).map { Set($0.keys) } }

    /// The digits that were written down, by the names of files; nil where none were.
    private static func saved(in folder: String) throws -> [String: String]? {
        guard let data = try contentsIfThere(of: "\(folder)/\(fileName)", limit: mostBytes) else { return nil }
        let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
        let pairs = lines.compactMap { line in
            line.lastIndex(of: " ").map { space in
                (String(line[..<space]), line[line.index(after: space)...].uppercased())
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    private static func digits(_ checksum: CRC32) -> String {
        let text = String(checksum.value, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    private static func checksum(ofFile path: String) throws -> CRC32 {
        let reader = try FileReader(path: path, format: "a file of a checkpoint")
        let piece = try HostBuffer(byteCount: 1 << 18)
        var checksum = CRC32()
        while case let count = try reader.read(into: piece.bytes), count > 0 {
            checksum.add(UnsafeRawBufferPointer(rebasing: piece.bytes[..<count]))
        }
        return checksum
    }
}
