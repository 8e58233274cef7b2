import CZlib
import GimbalBackend

/// The members of a ZIP archive, stored or deflated, with ZIP64 (PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5).
///
/// Nothing in the file is trusted: every offset and size must lie within it, and a member may unpack to no more than
/// deflate can make of its bytes.
package final class ZipArchive: Sendable {
    package struct Member: Sendable {
        package let name: String
        /// Why it cannot be read, where it cannot.
        let obstacle: String?
        let isDeflated: Bool
        let checksum: UInt32
        let storedCount: Int
        let byteCount: Int
        let headerStart: Int
    }

    package let members: [Member]
    private let file: FileReader
    private let size: Int

    private static let endSize = 22
    private static let entrySize = 46
    private static let localSize = 30

    package init(path: String) throws {
        file = try FileReader(path: path, format: "an archive")
        size = try file.size() ?? 0
        members = try Directory(file, size: size).members()
    }

    /// The first `limit` bytes of a member, or all; of all of them the checksum is compared.
    package func read(_ member: Member, limit: Int = .max) throws -> [UInt8] {
        if let obstacle = member.obstacle { throw file.invalid("'\(member.name)' is \(obstacle)") }
        let local = try file.bytes(member.headerStart..<member.headerStart + Self.localSize, of: size, member.name)
        guard local.number(at: 0, as: UInt32.self) == 0x0403_4B50 else {
            throw file.invalid("the header of '\(member.name)' at byte \(member.headerStart) is none")
        }
        let start =
            member.headerStart + Self.localSize + Int(local.number(at: 26, as: UInt16.self))
            + Int(local.number(at: 28, as: UInt16.self))
        let count = min(limit, member.byteCount)
        // The beginning of a member needs no more than the beginning of what is stored, and deflate's few bytes for
        // what it could not pack.
        let storedCount =
            member.isDeflated
            ? min(member.storedCount, count < member.byteCount ? limit + 1024 : .max) : count
        let stored = try file.bytes(start..<start + storedCount, of: size, member.name)
        let bytes = member.isDeflated ? try inflate(stored, count: count, member) : stored
        if count == member.byteCount, CRC32(of: bytes).value != member.checksum {
            throw file.invalid("'\(member.name)' is damaged: its checksum differs")
        }
        return bytes
    }

    /// Memory grows with what arrives, whatever `count` claims.
    private func inflate(_ stored: [UInt8], count: Int, _ member: Member) throws -> [UInt8] {
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw GimbalError.outOfMemory(device: "host", requestedBytes: 1 << 15, usedBytes: 0)
        }
        defer { inflateEnd(&stream) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(count, 1 << 20))
        stored.withUnsafeBufferPointer { source in
            var (used, status) = (0, Z_OK)
            while bytes.count < count, status == Z_OK {
                // zlib counts in 32 bits.
                let given = min(source.count - used, 1 << 30)
                let room = min(count - bytes.count, chunk.count)
                chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress.map { $0 + used })
                    stream.avail_in = UInt32(given)
                    stream.next_out = chunk.baseAddress
                    stream.avail_out = UInt32(room)
                    status = CZlib.inflate(&stream, Z_NO_FLUSH)
                }
                used += given - Int(stream.avail_in)
                bytes += chunk[..<(room - Int(stream.avail_out))]
            }
        }
        guard bytes.count == count else {
            throw file.invalid(
                "'\(member.name)' is damaged: \(bytes.count) of \(member.byteCount) bytes can be unpacked")
        }
        return bytes
    }
}

/// The list of members at the end of an archive.
private struct Directory {
    private let file: FileReader
    private let size: Int
    private let bytes: [UInt8]
    private let count: Int

    init(_ file: FileReader, size: Int) throws {
        self.file = file
        self.size = size
        // A comment of up to 65,535 bytes may follow the end record.
        let tailStart = max(0, size - 22 - 65_535)
        let tail = try file.bytes(tailStart..<size, of: size, "directory")
        guard
            let end = stride(from: tail.count - 22, through: 0, by: -1).first(where: { place in
                tail.number(at: place, as: UInt32.self) == 0x0605_4B50
                    && place + 22 + Int(tail.number(at: place + 20, as: UInt16.self)) <= tail.count
            })
        else {
            // The beginning of an archive, which is cut, is one of those that tell what a file is.
            let isArchive = tailStart > 0 || tail.starts(with: [0x50, 0x4B])
            let reason = isArchive ? nil : try ForeignFile.reason(file, notA: "an archive")
            throw file.invalid(reason ?? "not a ZIP archive, or truncated: it has no end record")
        }
        var count = UInt64(tail.number(at: end + 10, as: UInt16.self))
        var length = UInt64(tail.number(at: end + 12, as: UInt32.self))
        var start = UInt64(tail.number(at: end + 16, as: UInt32.self))
        if count == 0xFFFF || length == 0xFFFF_FFFF || start == 0xFFFF_FFFF, end + tailStart >= 20 {
            let locator = try file.bytes(end + tailStart - 20..<end + tailStart, of: size, "ZIP64 locator")
            if locator.number(at: 0, as: UInt32.self) == 0x0706_4B50 {
                let place = locator.number(at: 8, as: UInt64.self)
                guard place <= UInt64(size) else { throw file.invalid("its ZIP64 end record lies beyond its end") }
                let record = try file.bytes(Int(place)..<Int(place) + 56, of: size, "ZIP64 end record")
                guard record.number(at: 0, as: UInt32.self) == 0x0606_4B50 else {
                    throw file.invalid("its ZIP64 end record at byte \(place) is none")
                }
                count = record.number(at: 32, as: UInt64.self)
                length = record.number(at: 40, as: UInt64.self)
                start = record.number(at: 48, as: UInt64.self)
            }
        }
        guard start <= UInt64(size), length <= UInt64(size) - start, count <= length / 46 else {
            throw file.invalid("its directory of \(count) members does not lie within it")
        }
        self.count = Int(count)
        bytes = try file.bytes(Int(start)..<Int(start + length), of: size, "directory")
    }

    func members() throws -> [ZipArchive.Member] {
        var members: [ZipArchive.Member] = []
        var place = 0
        for number in 0..<count {
            guard bytes.count - place >= 46, bytes.number(at: place, as: UInt32.self) == 0x0201_4B50 else {
                throw file.invalid("its directory ends at member \(number) of \(count)")
            }
            let nameEnd = place + 46 + Int(bytes.number(at: place + 28, as: UInt16.self))
            let extraEnd = nameEnd + Int(bytes.number(at: place + 30, as: UInt16.self))
            let end = extraEnd + Int(bytes.number(at: place + 32, as: UInt16.self))
            guard end <= bytes.count else { throw file.invalid("its directory ends at member \(number) of \(count)") }
            members.append(try member(at: place, nameEnd: nameEnd, extraEnd: extraEnd))
            place = end
        }
        return members
    }

    private func member(at place: Int, nameEnd: Int, extraEnd: Int) throws -> ZipArchive.Member {
        let name = String(decoding: bytes[place + 46..<nameEnd], as: UTF8.self)
        let method = bytes.number(at: place + 10, as: UInt16.self)
        var obstacle: String?
        if method != 0 && method != 8 { obstacle = "packed by method \(method); stored and deflated are read" }
        if bytes.number(at: place + 8, as: UInt16.self) & 1 != 0 { obstacle = "encrypted" }
        // In this order the extra field of ZIP64 holds those that are all ones here.
        var numbers = [place + 24, place + 20, place + 42].map { UInt64(bytes.number(at: $0, as: UInt32.self)) }
        var wide = wideNumbers(nameEnd..<extraEnd)
        for index in numbers.indices where numbers[index] == 0xFFFF_FFFF && !wide.isEmpty {
            numbers[index] = wide.removeFirst()
        }
        guard numbers[1] <= UInt64(size), numbers[2] <= UInt64(size) - numbers[1] else {
            throw file.invalid("'\(name)' does not lie within the file")
        }
        // Deflate shrinks data 1032 times at best.
        guard obstacle != nil || numbers[0] <= (method == 0 ? numbers[1] : numbers[1] * 1032) else {
            throw file.invalid("'\(name)' cannot unpack \(numbers[1]) bytes to \(numbers[0])")
        }
        return ZipArchive.Member(
            name: name, obstacle: obstacle, isDeflated: method == 8,
            checksum: bytes.number(at: place + 16, as: UInt32.self),
            storedCount: Int(numbers[1]), byteCount: Int(clamping: numbers[0]), headerStart: Int(numbers[2]))
    }

    private func wideNumbers(_ extra: Range<Int>) -> [UInt64] {
        var place = extra.lowerBound
        while place + 4 <= extra.upperBound {
            let length = Int(bytes.number(at: place + 2, as: UInt16.self))
            if bytes.number(at: place, as: UInt16.self) == 1, place + 4 + length <= extra.upperBound {
                return stride(from: place + 4, through: place + 4 + length - 8, by: 8).map {
                    bytes.number(at: $0, as: UInt64.self)
                }
            }
            place += 4 + length
        }
        return []
    }
}

extension FileReader {
    fileprivate func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }

    /// A part of a file of `size` bytes.
    fileprivate func bytes(_ range: Range<Int>, of size: Int, _ what: String) throws -> [UInt8] {
        guard range.upperBound <= size else {
            throw invalid("truncated: '\(what)' ends at byte \(range.upperBound), the file at \(size)")
        }
        return try [UInt8](refusable: range.count) {
            try read(at: range.lowerBound, into: UnsafeMutableRawBufferPointer($0))
        }
    }
}
