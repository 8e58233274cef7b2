import Gimbal
internal import SwiftProtobuf

/// The records that an event file consists of, those of TensorFlow's TFRecord: length (8 bytes), its checksum (4), the
/// payload and its checksum (4), numbers little-endian.
package enum EventRecord {
    /// Longer records are not read: a length like this is garbage.
    private static let longest = 1 << 30

    /// A payload as it stands in a file.
    package static func framed(_ payload: [UInt8]) -> [UInt8] {
        let length = bytes(UInt64(payload.count))
        return length + bytes(maskedChecksum(length[...])) + payload + bytes(maskedChecksum(payload[...]))
    }

    /// An event as it stands in a file.
    static func framed(_ event: TensorBoardEvent) throws -> [UInt8] { framed(try event.serializedBytes()) }

    /// Calls `body` with each whole event of the file at `path`, up to the first that is cut off or damaged, as the last one
    /// of a run that was killed may be.
    /// - Throws: `GimbalError.fileSystem` for a file that cannot be read, and what `body` throws.
    static func forEach(
        in path: String, _ body: (_ event: TensorBoardEvent, _ record: [UInt8]) throws -> Void
    ) throws {
        let file = try FileReader(path: path, format: "an event file")
        while let head = try take(12, from: file), checksum(of: head[..<8], is: head[8...]),
            let length = Int(exactly: number(head[..<8])), length < longest,
            let rest = try take(length + 4, from: file), checksum(of: rest[..<length], is: rest[length...]),
            let event = try? TensorBoardEvent(serializedBytes: Array(rest[..<length]))
        {
            try body(event, head + rest)
        }
    }

    /// The next `count` bytes; nil where fewer are left.
    private static func take(_ count: Int, from file: FileReader) throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let filled = try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
        return filled == count ? bytes : nil
    }

    private static func checksum(of bytes: ArraySlice<UInt8>, is stored: ArraySlice<UInt8>) -> Bool {
        UInt64(maskedChecksum(bytes)) == number(stored)
    }

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The checksum of TFRecord: a CRC, turned, with a constant added, so that the CRC of data with CRCs in it is of use.
    private static func maskedChecksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let crc = checksum(bytes)
        return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }

    /// CRC-32C (Castagnoli).
    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in table[Int((crc ^ UInt32(byte)) & 255)] ^ crc >> 8 }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? 0x82F6_3B78 ^ crc >> 1 : crc >> 1 }
    }
}
