import CZlib
import GimbalBackend

/// Writes a ZIP archive into a file, member by member, with ZIP64 where a number needs it. The same members give the
/// same bytes: their time is the format's earliest.
struct ZipWriter {
    private let file: FileWriter
    private var directory: [UInt8] = []
    private var count = 0

    init(_ file: FileWriter) { self.file = file }

    /// - Parameter alignment: what the place of the member's first byte in the file is a multiple of.
    mutating func add(_ name: String, _ bytes: [UInt8], deflates: Bool, alignment: Int = 1) throws {
        let start = file.byteCount
        let packed = deflates ? try deflated(bytes) : bytes
        let name = Array(name.utf8)
        require(name.count < 1 << 16, "ZipWriter", "a name of \(name.count) bytes")

        // Version 4.5 for ZIP64; bit 11: names in UTF-8; the first of January 1980.
        func common(_ wide: [UInt64], extraCount: Int) -> [UInt8] {
            let limited = [packed.count, bytes.count].map { UInt32(exactly: $0) ?? .max }
            return number(UInt16(wide.isEmpty ? 20 : 45)) + number(UInt16(1 << 11)) + number(UInt16(deflates ? 8 : 0))
                + number(UInt16(0)) + number(UInt16(0x21)) + number(CRC32(of: bytes).value) + number(limited[0])
                + number(limited[1]) + number(UInt16(name.count)) + number(UInt16(extraCount))
        }
        func extra(_ wide: [UInt64]) -> [UInt8] {
            wide.isEmpty ? [] : number(UInt16(1)) + number(UInt16(8 * wide.count)) + wide.flatMap { number($0) }
        }
        // Where either size needs it, a local header holds both.
        let sizes = [bytes.count, packed.count].map(UInt64.init)
        let isWide = sizes.contains { $0 >= 0xFFFF_FFFF }
        let local = isWide ? sizes : []
        var fields = extra(local)
        let misplaced = (start + 30 + name.count + fields.count) % alignment
        if misplaced > 0 {
            // A field of its own fills the space, and takes four bytes at least; it is called as PyTorch calls it.
            let filling = (2 * alignment - misplaced - 4) % alignment
            fields += number(UInt16(0x4246)) + number(UInt16(filling)) + [UInt8](repeating: 0, count: filling)
        }
        try file.write(number(UInt32(0x0403_4B50)) + common(local, extraCount: fields.count) + name + fields)
        try file.write(packed)

        let listed = sizes.filter { $0 >= 0xFFFF_FFFF } + (start >= 0xFFFF_FFFF ? [UInt64(start)] : [])
        directory += number(UInt32(0x0201_4B50)) + number(UInt16(listed.isEmpty ? 20 : 45))
        directory += common(listed, extraCount: extra(listed).count)
        directory += [UInt8](repeating: 0, count: 10) + number(UInt32(exactly: start) ?? .max)
        directory += name + extra(listed)
        count += 1
    }

    func finish() throws {
        let start = file.byteCount
        try file.write(directory)
        if count >= 0xFFFF || start >= 0xFFFF_FFFF || directory.count >= 0xFFFF_FFFF {
            let end = UInt64(file.byteCount)
            try file.write(
                number(UInt32(0x0606_4B50)) + number(UInt64(44)) + number(UInt16(45)) + number(UInt16(45))
                    + number(UInt64(0)) + number(UInt64(count)) + number(UInt64(count))
                    + number(UInt64(directory.count)) + number(UInt64(start)))
            try file.write(number(UInt32(0x0706_4B50)) + number(UInt32(0)) + number(end) + number(UInt32(1)))
        }
        let members = UInt16(exactly: count) ?? .max
        try file.write(
            number(UInt32(0x0605_4B50)) + number(UInt32(0)) + number(members) + number(members)
                + number(UInt32(exactly: directory.count) ?? .max) + number(UInt32(exactly: start) ?? .max)
                + number(UInt16(0)))
    }

    private func number(_ value: some FixedWidthInteger) -> [UInt8] { value.littleEndianBytes }

    /// `bytes` as raw deflate.
    private func deflated(_ bytes: [UInt8]) throws -> [UInt8] {
        var stream = z_stream()
        guard
            deflateInit2_(
                &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw GimbalError.outOfMemory(device: "host", requestedBytes: 1 << 18, usedBytes: 0) }
        defer { deflateEnd(&stream) }
        var packed: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        bytes.withUnsafeBufferPointer { source in
            var used = 0
            var status = Z_OK
            while status != Z_STREAM_END {
                // zlib counts in 32 bits.
                let given = min(source.count - used, 1 << 30)
                stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress.map { $0 + used })
                stream.avail_in = UInt32(given)
                let room = chunk.count
                chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.next_out = chunk.baseAddress
                    stream.avail_out = UInt32(room)
                    status = deflate(&stream, used + given == source.count ? Z_FINISH : Z_NO_FLUSH)
                }
                used += given - Int(stream.avail_in)
                packed += chunk[..<(room - Int(stream.avail_out))]
            }
        }
        return packed
    }
}
