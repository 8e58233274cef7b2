import CZlib

/// A ZIP archive of stored members.
struct StoredArchive {
    let bytes: [UInt8]

    init(_ members: [(name: String, contents: [UInt8])]) {
        var archive: [UInt8] = []
        var directory: [UInt8] = []
        for (name, contents) in members {
            let checksum = UInt32(crc32(0, contents, UInt32(contents.count)))
            let sizes = [checksum, UInt32(contents.count), UInt32(contents.count)].flatMap(Self.bytes)
            let lengths = Self.bytes(UInt16(name.utf8.count)) + [0, 0]
            let start = UInt32(archive.count)
            archive += [0x50, 0x4B, 3, 4, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0] + sizes + lengths
            archive += Array(name.utf8) + contents
            directory += [0x50, 0x4B, 1, 2, 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0] + sizes + lengths
            directory += [UInt8](repeating: 0, count: 10) + Self.bytes(start) + Array(name.utf8)
        }
        let count = Self.bytes(UInt16(members.count))
        let end = Self.bytes(UInt32(directory.count)) + Self.bytes(UInt32(archive.count)) + [0, 0]
        archive += directory + [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + count + count + end
        bytes = archive
    }

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
