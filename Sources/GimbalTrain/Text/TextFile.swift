import Gimbal

/// Text from a file, with its encoding checked: what a model learns is what is in the file.
public enum TextFile {
    /// What becomes of line ends.
    public enum LineEnds: Sendable {
        /// CR LF, and CR alone, become LF, so that texts from different systems have one kind.
        case normalized
        /// They stay as they are.
        case kept
    }

    /// Reads a text.
    ///
    /// UTF-8, with or without a byte order mark, and UTF-16 where a mark tells it; the mark itself is no part of the text.
    /// A file with gzip's first bytes is unpacked on the way.
    /// - Parameters:
    ///   - path: the file; it is read once, and may be a pipe.
    ///   - encoding: what the bytes mean where no byte order mark tells it, such as windows-1252, by a name that iconv knows;
    ///     nil for UTF-8.
    ///   - lineEnds: whether they are made alike; they are unless `.kept` is given.
    ///   - allowsNUL: whether the character U+0000 may be in the text. Where it is, the file is mostly no text, or is UTF-16
    ///     without a mark.
    /// - Throws: `GimbalError.fileSystem`; `GimbalError.invalidFile` for an empty file, for bytes that the encoding does not
    ///   allow, with their place and line, and for NUL unless it is allowed.
    public static func read(
        _ path: String, encoding: String? = nil, lineEnds: LineEnds = .normalized, allowsNUL: Bool = false
    ) throws -> String {
        let stream = try ByteStream(path: path)
        var bytes = try stream.read(count: .max)
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        func line(at place: Int) -> Int { bytes[..<place].count { $0 == 0x0A } + 1 }
        if bytes.isEmpty { throw invalid("an empty file") }
        var start = 0
        switch ByteOrderMark(bytes[...]) {
        case let mark? where mark.encoding.hasPrefix("UTF-32"):
            throw invalid("UTF-32, which is not read; save it as UTF-8")
        case let mark? where mark.encoding.hasPrefix("UTF-16"):
            bytes = try utf16(bytes, isBigEndian: mark.encoding == "UTF-16BE", path)
        case let mark?: start = mark.length
        case nil:
            guard let encoding, !TableDialect.isUTF8(encoding) else { break }
            bytes = try TextStream(path: path, input: .memory(bytes), encoding: encoding).rest()
        }
        let place = bytes.withUnsafeBufferPointer { firstInvalidUTF8($0.baseAddress!, $0.count) }
        if let place {
            throw invalid(
                "the byte 0x\(hexadecimal(bytes[place])) at byte \(place), in line \(line(at: place)), is not UTF-8; "
                    + "save the file as UTF-8, or name its encoding (--encoding windows-1252, for one)")
        }
        if !allowsNUL, let place = bytes.firstIndex(of: 0) {
            throw invalid(
                "NUL at byte \(place), in line \(line(at: place)): it is no text, or in UTF-16 without a byte order mark"
            )
        }
        if lineEnds == .normalized { bytes = withLineFeeds(bytes) }
        let text = String(decoding: bytes[start...], as: UTF8.self)
        if text.isEmpty { throw invalid("nothing but a byte order mark") }
        return text
    }

    /// - Returns: UTF-8.
    private static func utf16(_ bytes: [UInt8], isBigEndian: Bool, _ path: String) throws -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        func unit(_ place: Int) -> UInt32 {
            let (first, second) = (UInt32(bytes[place]), UInt32(bytes[place + 1]))
            return isBigEndian ? first << 8 | second : second << 8 | first
        }
        var (place, line) = (2, 1)
        func invalid(_ what: String) -> GimbalError {
            .invalidFile(path: path, reason: "UTF-16 with \(what) at byte \(place), in line \(line)")
        }
        while place < bytes.count {
            guard place + 1 < bytes.count else { throw invalid("half a character at its end,") }
            var code = unit(place)
            var length = 2
            if (0xD800..<0xDC00).contains(code), place + 3 < bytes.count,
                (0xDC00..<0xE000).contains(unit(place + 2))
            {
                code = 0x10000 + (code - 0xD800) << 10 + (unit(place + 2) - 0xDC00)
                length = 4
            }
            guard let scalar = Unicode.Scalar(code) else { throw invalid("half a surrogate pair") }
            result += UTF8.encode(scalar)!
            if scalar == "\n" { line += 1 }
            place += length
        }
        return result
    }

    private static func withLineFeeds(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(0x0D) else { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for (place, byte) in bytes.enumerated() {
            guard byte == 0x0D else {
                result.append(byte)
                continue
            }
            if place + 1 == bytes.count || bytes[place + 1] != 0x0A { result.append(0x0A) }
        }
        return result
    }
}
