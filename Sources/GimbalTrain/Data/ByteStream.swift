import CZlib
import Gimbal

/// A file's contents from beginning to end, inflated on the way where the file is gzip, whatever it is called.
final class ByteStream {
    let path: String
    private let file: FileReader
    private var compressed: [UInt8]
    /// What of `compressed` is still to be used; in a plain file, the bytes looked at in order to tell.
    private var pending: Range<Int>
    private var inflater: UnsafeMutablePointer<z_stream>?
    private var hasEnded = false

    private static let chunkSize = 1 << 16

    init(path: String) throws {
        self.path = path
        file = try FileReader(path: path)
        compressed = [UInt8](repeating: 0, count: Self.chunkSize)
        pending = 0..<0
        try refill()
        // /dev/null has ended.
        if !pending.isEmpty, try file.isEndless() {
            throw invalid("a device, whose bytes never end; name a file or a pipe")
        }
        if startsMember { try startInflating() }
    }

    deinit {
        if let inflater {
            inflateEnd(inflater)
            inflater.deallocate()
        }
    }

    var isCompressed: Bool { inflater != nil }

    /// The most bytes that can follow, judged by the size of the file; `nil` for a pipe. Deflate shrinks data 1032
    /// times at best.
    func sizeLimit() throws -> Int? {
        guard let size = try file.size() else { return nil }
        guard isCompressed else { return size }
        let (limit, overflows) = size.multipliedReportingOverflow(by: 1032)
        return overflows ? .max : limit
    }

    /// Reads on.
    /// - Returns: the number of bytes read: as many as fit in `bytes` unless the contents end, 0 at their end.
    /// - Throws: `GimbalError.invalidFile` where compressed data is damaged or truncated.
    func read(into bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        if let inflater { return try inflate(inflater, into: bytes) }
        let looked = min(pending.count, bytes.count)
        compressed.withUnsafeBytes { bytes.copyMemory(from: .init(rebasing: $0[pending.prefix(looked)])) }
        pending = pending.dropFirst(looked)
        return try looked + file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[looked...]))
    }

    /// Reads `count` bytes, or as many as there are. Memory grows with what arrives, whatever `count` claims.
    /// - Parameter beginning: what was read before, which they follow.
    /// - Throws: also `GimbalError.invalidFile` where that is more than the host has memory for.
    func read(count: Int, after beginning: [UInt8] = []) throws -> [UInt8] {
        var result = beginning
        var chunk = [UInt8](repeating: 0, count: min(max(count, 0), 1 << 20))
        var left = count
        while left > 0 {
            let wanted = min(chunk.count, left)
            let got = try chunk.withUnsafeMutableBytes { try read(into: .init(rebasing: $0[..<wanted])) }
            guard result.count + got <= HostMemory.mostReadBytes else {
                throw invalid(
                    "what comes out of it is more than \(HostMemory.mostReadBytes) bytes, for which there is no room in memory"
                )
            }
            result += chunk[..<got]
            left -= got
            if got < wanted { break }
        }
        return result
    }

    // MARK: Inflating

    private func refill() throws {
        let count = try compressed.withUnsafeMutableBytes { try file.read(into: $0) }
        pending = 0..<count
    }

    private var startsMember: Bool {
        pending.count >= 2 && compressed[pending.lowerBound] == 0x1F && compressed[pending.lowerBound + 1] == 0x8B
    }

    private func startInflating() throws {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let gzipWithLargestWindow: Int32 = 16 + 15
        guard inflateInit2_(stream, gzipWithLargestWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else {
            stream.deallocate()
            throw GimbalError.outOfMemory(device: "host", requestedBytes: 1 << 15, usedBytes: 0)
        }
        inflater = stream
    }

    private func inflate(
        _ stream: UnsafeMutablePointer<z_stream>, into bytes: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        var filled = 0
        while filled < bytes.count, !hasEnded {
            if pending.isEmpty { try refill() }
            guard !pending.isEmpty else { throw invalid("truncated: the compressed data ends in the middle") }
            // zlib counts in 32 bits.
            let room = min(bytes.count - filled, 1 << 30)
            let status = compressed.withUnsafeMutableBytes { input in
                stream.pointee.next_in = input.baseAddress!.assumingMemoryBound(to: UInt8.self) + pending.lowerBound
                stream.pointee.avail_in = UInt32(pending.count)
                stream.pointee.next_out = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + filled
                stream.pointee.avail_out = UInt32(room)
                return CZlib.inflate(stream, Z_NO_FLUSH)
            }
            pending = pending.suffix(Int(stream.pointee.avail_in))
            filled += room - Int(stream.pointee.avail_out)
            switch status {
            case Z_OK, Z_BUF_ERROR: continue
            case Z_STREAM_END: try startNextMember(stream)
            default:
                let reason = stream.pointee.msg.map { String(cString: $0) } ?? "error \(status)"
                throw invalid("damaged: the compressed data cannot be unpacked (\(reason))")
            }
        }
        return filled
    }

    /// A gzip file may consist of several parts (RFC 1952, 2.2), and zeros may fill up its last block on a tape.
    private func startNextMember(_ stream: UnsafeMutablePointer<z_stream>) throws {
        if pending.count < 2 {
            let rest = Array(compressed[pending])
            try refill()
            compressed.replaceSubrange(pending, with: rest + compressed[pending])
            pending = 0..<pending.count + rest.count
        }
        if startsMember {
            inflateReset(stream)
            return
        }
        while !pending.isEmpty {
            guard compressed[pending].allSatisfy({ $0 == 0 }) else {
                throw invalid("damaged: something that is not gzip follows the compressed data")
            }
            try refill()
        }
        hasEnded = true
    }

    private func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
}
