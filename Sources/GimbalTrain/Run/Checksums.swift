import Foundation

/// The CRC-32 of each file of a checkpoint, in a file among them: a line with the name and eight hexadecimal digits for
/// each, which is the form of SFV that other programs check as well.
///
/// They tell bytes that a disk, a copy or an edit has changed, not who changed them. Checkpoints of earlier versions of
/// Gimbal have none, and are read as they are.
enum Checksums {
    static let fileName = "checksums.sfv"

    /// Writes down all files that lie in `folder`.
    /// - Throws: `GimbalError.fileSystem`.
    static func write(in folder: String) throws {
        let lines = try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
            "\(name) \(digits(try checksum(ofFile: "\(folder)/\(name)")))\n"
        }
        try AtomicFile.write(lines.joined(), to: "\(folder)/\(fileName)")
    }

    /// Makes sure that a file of `folder` holds the bytes that were saved, where its checksum was written down.
    /// - Throws: `GimbalError.invalidFile` where they are others, `GimbalError.fileSystem`.
    static func requireIntact(_ name: String, in folder: String) throws {
        guard let saved = try saved(name, in: folder) else { return }
        let path = "\(folder)/\(name)"
        let now = digits(try checksum(ofFile: path))
        guard now == saved else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "is not what was saved: its CRC-32 is \(now), and \(fileName) has \(saved); where it was changed on "
                    + "purpose, remove \(fileName)")
        }
    }

    /// The digits that were written down for a file; nil where none were.
    private static func saved(_ name: String, in folder: String) throws -> String? {
        let path = "\(folder)/\(fileName)"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        for line in String(decoding: try contents(of: path), as: UTF8.self).split(whereSeparator: \.isNewline) {
            guard let space = line.lastIndex(of: " "), line[..<space] == name else { continue }
            return line[line.index(after: space)...].uppercased()
        }
        return nil
    }

    private static func digits(_ checksum: CRC32) -> String {
        let text = String(checksum.value, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    private static func checksum(ofFile path: String) throws -> CRC32 {
        let reader = try FileReader(path: path)
        let piece = try HostBuffer(byteCount: 1 << 18)
        var checksum = CRC32()
        while case let count = try reader.read(into: piece.bytes), count > 0 {
            checksum.add(UnsafeRawBufferPointer(rebasing: piece.bytes[..<count]))
        }
        return checksum
    }
}
