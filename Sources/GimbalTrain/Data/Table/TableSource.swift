import Gimbal
import Glibc

/// Where a table's bytes come from, to be gone through several times: a file, or what was read from a pipe.
struct TableSource: Sendable {
    let path: String
    /// What data sets of the file are called: the last part of its path.
    var fileName: String { path.split(separator: "/").last.map(String.init) ?? path }
    /// What came out of something that can be read only once; nil for a file.
    private let contents: [UInt8]?
    /// Bytes of the file as it lies there; of a pipe, of what came out of it.
    let byteCount: Int

    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` for compressed data that is damaged.
    init(path: String) throws {
        self.path = path
        if !Self.isReadOnce(path), let size = try FileReader(path: path).size() {
            let head = try ByteStream(path: path).read(count: 512)
            contents = try TableFileKind.zipped(head, path: path)
            byteCount = contents?.count ?? size
            if contents == nil { try TableFileKind.requireText(head, path: path) }
        } else {
            let stream = try ByteStream(path: path)
            let head = try stream.read(count: 512)
            try TableFileKind.requireText(head, path: path)
            let bytes = try stream.read(count: .max, after: head)
            contents = bytes
            byteCount = bytes.count
        }
    }

    /// Whether what is there can be read only once, as a pipe. It is only looked at: a pipe that is opened and closed again
    /// has lost its writer.
    static func isReadOnce(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG && status.st_mode & S_IFMT != S_IFDIR
    }

    /// A table that a program holds.
    /// - Parameter name: what messages call it.
    init(name: String, contents: [UInt8]) {
        path = name
        self.contents = contents
        byteCount = contents.count
    }

    /// Whether a reader may begin anywhere in the file: its bytes are the text itself.
    func canSeek(encoding: String) throws -> Bool {
        guard contents == nil, TableDialect.isUTF8(encoding) else { return false }
        return try !ByteStream(path: path).isCompressed
    }

    /// A part of a file that `canSeek`.
    func open(bytes: Range<Int>) throws -> TextStream {
        try TextStream(path: path, input: .range(try FileReader(path: path), bytes), encoding: nil, isPart: true)
    }

    /// A reader behind the header.
    func open(_ dialect: TableDialect) throws -> TableReader {
        let reader = try TableReader(open(encoding: dialect.encoding), dialect)
        for _ in 0..<dialect.preambleLines + (dialect.hasHeader ? 1 : 0) { _ = try reader.next() }
        reader.rowWidth = dialect.rowWidth
        return reader
    }

    /// - Parameter encoding: as iconv knows it; nil for UTF-8.
    func open(encoding: String?) throws -> TextStream {
        let input: TextStream.Input =
            if let contents { .memory(contents) } else { .stream(try ByteStream(path: path)) }
        return try TextStream(path: path, input: input, encoding: encoding)
    }
}

/// A text from beginning to end as UTF-8, without its byte order mark, whatever encoding it is in.
final class TextStream {
    enum Input {
        case stream(ByteStream)
        case memory([UInt8])
        case range(FileReader, Range<Int>)
    }

    let path: String
    private var input: Input
    private var position = 0
    private var converter: iconv_t?
    private var raw = [UInt8](repeating: 0, count: 1 << 16)
    private var pending = 0..<0
    /// What is converted and was not handed on yet, as there was no room for it.
    private var surplus: ArraySlice<UInt8> = []
    private var line = 1
    /// The byte of the file that the text begins with.
    private(set) var start = 0
    /// What the bytes turned out to mean.
    private var encoding = TableDialect.utf8
    var encodingName: String { TableDialect.isUTF8(encoding) ? TableDialect.utf8 : encoding }

    /// - Parameter isPart: whether the text is one out of a longer one, where the bytes of a byte order mark are none.
    /// - Throws: `GimbalError.invalidSetting` for an encoding that the system does not know.
    init(path: String, input: Input, encoding: String?, isPart: Bool = false) throws {
        self.path = path
        self.input = input
        try refill()
        let mark = isPart ? nil : ByteOrderMark(raw[pending])
        pending = pending.dropFirst(mark?.length ?? 0)
        start = mark?.length ?? 0
        if case .range(_, let range) = input { start += range.lowerBound }
        // A mark says what the bytes are; of a text called UTF-16 it tells the order.
        self.encoding = mark?.encoding ?? encoding ?? TableDialect.utf8
        if TableDialect.isUTF8(self.encoding) { return }
        let made = iconv_open("UTF-8", self.encoding)
        // No name at all is that of the locale's own, which may be any.
        guard made != iconv_t(bitPattern: -1), !self.encoding.isEmpty else {
            throw GimbalError.invalidSetting(
                name: "encoding",
                reason: "the system knows no '\(shown(self.encoding))'; windows-1252, iso-8859-1, utf-16 are some "
                    + "that it does (iconv --list has all)")
        }
        converter = made
    }

    deinit {
        if let converter { iconv_close(converter) }
    }

    /// Lines of the file before the text. Of a part of a file they are counted, which takes a while: for messages.
    var linesBefore: Int {
        guard case .range(let file, let range) = input else { return 0 }
        var (lineFeeds, carriageReturns) = (0, 0)
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        for place in stride(from: 0, to: range.lowerBound, by: bytes.count) {
            let count = min(bytes.count, range.lowerBound - place)
            let isRead: Void? = try? bytes.withUnsafeMutableBytes {
                try file.read(at: place, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
            }
            guard isRead != nil else { break }
            for byte in bytes[..<count] {
                if byte == UInt8(ascii: "\n") { lineFeeds += 1 }
                if byte == UInt8(ascii: "\r") { carriageReturns += 1 }
            }
        }
        return lineFeeds > 0 ? lineFeeds : carriageReturns
    }

    /// Whether what is read is known to be UTF-8, as it was converted to it.
    var isConverted: Bool { converter != nil }

    private func refill() throws {
        let count = try raw.withUnsafeMutableBytes { try readRaw(into: $0) }
        pending = 0..<count
    }

    private func readRaw(into bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        switch input {
        case .stream(let stream): return try stream.read(into: bytes)
        case .range(let file, let range):
            let count = min(bytes.count, range.count - position)
            try file.read(
                at: range.lowerBound + position, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
            position += count
            return count
        case .memory(let contents):
            let count = min(bytes.count, contents.count - position)
            contents.withUnsafeBytes { bytes.copyMemory(from: .init(rebasing: $0[position..<position + count])) }
            position += count
            return count
        }
    }

    /// Reads on.
    /// - Returns: the number of bytes read; 0 at the end of the text.
    /// - Throws: `GimbalError.invalidFile` where bytes stand for nothing in the encoding.
    func read(into bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        if let converter { return try convert(converter, into: bytes) }
        guard !pending.isEmpty else { return try readRaw(into: bytes) }
        let count = min(pending.count, bytes.count)
        raw.withUnsafeBytes { bytes.copyMemory(from: .init(rebasing: $0[pending.prefix(count)])) }
        pending = pending.dropFirst(count)
        return count
    }

    /// What is left of the text.
    /// - Throws: as `read(into:)`.
    func rest() throws -> [UInt8] {
        var (result, piece): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 16))
        while true {
            let count = try piece.withUnsafeMutableBytes { try read(into: $0) }
            if count == 0 { return result }
            result += piece[..<count]
        }
    }

    private func convert(_ converter: iconv_t, into bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        guard surplus.isEmpty else { return takeSurplus(into: bytes) }
        while true {
            if pending.isEmpty { try refill() }
            guard !pending.isEmpty else { return try end(converter, into: bytes) }
            let (filled, failure) = convertPending(converter, into: bytes)
            if filled > 0 || bytes.isEmpty { return filled }
            switch failure {
            case EILSEQ: throw invalid()
            case EINVAL:
                // A character that goes on in the next piece.
                let rest = Array(raw[pending])
                let count = try raw.withUnsafeMutableBytes { try readRaw(into: .init(rebasing: $0[rest.count...])) }
                guard count > 0 else { throw invalid() }
                raw.replaceSubrange(0..<rest.count, with: rest)
                pending = 0..<rest.count + count
            case E2BIG:
                // There is room for less than a character.
                return takeCharacters(into: bytes) { convertPending(converter, into: $0).filled }
            default: break
            }
        }
    }

    /// What the converter kept back until it knew what comes next: of windows-1258, TCVN and windows-1255, where a mark may
    /// follow the letter that it belongs to, the last character of the text.
    /// - Throws: `GimbalError.invalidFile` where the text ends within a character.
    private func end(_ converter: iconv_t, into bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        // Of UTF-7 glibc keeps the bits of a character that has only begun, and tells of them where the next character
        // is none of base64.
        if encoding.uppercased().hasPrefix("UTF-7") || encoding.uppercased().hasPrefix("UTF7") {
            raw[0] = UInt8(ascii: "-")
            pending = 0..<1
            var ignored: UInt32 = 0
            guard withUnsafeMutableBytes(of: &ignored, { convertPending(converter, into: $0).failure }) == 0 else {
                throw GimbalError.invalidFile(
                    path: path,
                    reason:
                        "line \(line): the text ends within a character of \(shown(encoding)); it was cut, or encoding "
                        + "(--encoding) names another")
            }
        }
        return takeCharacters(into: bytes) { room in
            var target = room.baseAddress?.assumingMemoryBound(to: CChar.self)
            var left = room.count
            iconv(converter, nil, nil, &target, &left)
            return room.count - left
        }
    }

    /// A few characters, for which there may be less room than they take.
    private func takeCharacters(
        into bytes: UnsafeMutableRawBufferPointer, converted: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        var characters = [UInt8](repeating: 0, count: 16)
        let count = characters.withUnsafeMutableBytes(converted)
        surplus = characters[..<count]
        return takeSurplus(into: bytes)
    }

    private func takeSurplus(into bytes: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(surplus.count, bytes.count)
        bytes.copyBytes(from: surplus.prefix(count))
        surplus = surplus.dropFirst(count)
        return count
    }

    /// Converts what there is room for.
    /// - Returns: bytes written, and why it stopped, as iconv says.
    private func convertPending(
        _ converter: iconv_t, into bytes: UnsafeMutableRawBufferPointer
    ) -> (filled: Int, failure: Int32) {
        let (room, failure) = raw.withUnsafeMutableBytes { raw in
            var source: UnsafeMutablePointer<CChar>? =
                raw.baseAddress!.assumingMemoryBound(to: CChar.self) + pending.lowerBound
            var left = pending.count
            var target: UnsafeMutablePointer<CChar>? = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            var room = bytes.count
            let failure = iconv(converter, &source, &left, &target, &room) == Int(bitPattern: UInt.max) ? errno : 0
            pending = pending.upperBound - left..<pending.upperBound
            return (room, failure)
        }
        let filled = bytes[..<(bytes.count - room)]
        line += filled.count { $0 == UInt8(ascii: "\n") }
        return (filled.count, failure)
    }

    private func invalid() -> GimbalError {
        .invalidFile(
            path: path,
            reason: "line \(line): the byte 0x\(hexadecimal(raw[pending.lowerBound])) stands for nothing in "
                + "\(shown(encoding)); encoding (--encoding) names another")
    }
}

func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count < 2 ? "0" + digits : digits
}

/// The mark that some texts begin with, once or several times, which tells their encoding.
struct ByteOrderMark {
    let encoding: String
    let length: Int

    init?(_ bytes: ArraySlice<UInt8>) {
        let marks: [(bytes: [UInt8], encoding: String)] = [
            ([0xEF, 0xBB, 0xBF], TableDialect.utf8), ([0xFF, 0xFE, 0, 0], "UTF-32LE"),
            ([0, 0, 0xFE, 0xFF], "UTF-32BE"),
            ([0xFF, 0xFE], "UTF-16LE"), ([0xFE, 0xFF], "UTF-16BE"),
        ]
        guard let mark = marks.first(where: { bytes.starts(with: $0.bytes) }) else { return nil }
        encoding = mark.encoding
        // Programs that put texts together leave one more each.
        var length = mark.bytes.count
        while bytes.dropFirst(length).starts(with: mark.bytes) { length += mark.bytes.count }
        self.length = length
    }
}

/// The place of the first byte that UTF-8 does not allow (RFC 3629: nothing overlong, no surrogates); nil for none.
func firstInvalidUTF8(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    var position = 0
    while position < count {
        let first = bytes[position]
        if first < 0x80 {
            position += 1
            continue
        }
        let length: Int
        var allowed: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, allowed) = (3, 0xA0...0xBF)
        case 0xED: (length, allowed) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, allowed) = (4, 0x90...0xBF)
        case 0xF4: (length, allowed) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: return position
        }
        guard position + length <= count, allowed.contains(bytes[position + 1]) else { return position }
        for offset in 2..<max(length, 2) where bytes[position + offset] & 0xC0 != 0x80 { return position }
        position += length
    }
    return nil
}
