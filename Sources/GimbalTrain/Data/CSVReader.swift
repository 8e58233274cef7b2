import Gimbal

/// One record of a CSV file, its fields one after another with a 0 behind each, as C's number readers want them.
struct CSVRecord {
    fileprivate(set) var bytes: [UInt8] = []
    /// Where each field begins in `bytes`.
    fileprivate(set) var starts: [Int] = []
    /// The line on which the record begins, from 1.
    fileprivate(set) var line = 0

    var count: Int { starts.count }

    /// A field without the spaces around it.
    func text(_ column: Int) -> String {
        let end = column + 1 < starts.count ? starts[column + 1] - 1 : bytes.count - 1
        let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let field = bytes[starts[column]..<end].drop(while: isSpace)
        return String(
            decoding: field[..<(field.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? field.startIndex)], as: UTF8.self)
    }
}

/// Cuts a CSV file into records as RFC 4180 describes them, reading it in pieces.
///
/// Lines may end in LF, CR LF or CR; a byte order mark and empty lines are passed over. Quotes may surround a field and
/// then hide delimiters and line ends; two stand for one.
struct CSVReader {
    let path: String
    private(set) var delimiter: UInt8
    private let stream: ByteStream
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    private var position = 0
    private var end = 0
    private var line = 1

    /// - Parameter delimiter: `nil` takes whichever of tab, semicolon and comma is most frequent in the first line.
    init(path: String, delimiter: UInt8?) throws {
        self.path = path
        self.delimiter = delimiter ?? 0
        stream = try ByteStream(path: path)
        try refill()
        let start = buffer[..<min(end, 3)]
        if start.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) {
            throw GimbalError.invalidFile(path: path, reason: "UTF-16 text; save it as UTF-8")
        }
        if delimiter == nil { self.delimiter = detectDelimiter() }
    }

    private mutating func refill() throws {
        position = 0
        end = try buffer.withUnsafeMutableBytes { try stream.read(into: $0) }
    }

    private func detectDelimiter() -> UInt8 {
        // Of equals, the one less likely to be part of a number or a text wins.
        let candidates = ["\t", ";", ","].map { UInt8(ascii: $0 as Unicode.Scalar) }
        var counts = [0, 0, 0]
        var isQuoted = false
        for byte in buffer[position..<end] {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if isQuoted { continue }
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                if counts == [0, 0, 0] { continue }
                break
            }
            if let candidate = candidates.firstIndex(of: byte) { counts[candidate] += 1 }
        }
        return counts.max() == 0 ? UInt8(ascii: ",") : candidates[counts.firstIndex(of: counts.max()!)!]
    }

    /// Reads the next record.
    /// - Returns: false at the end of the file.
    /// - Throws: `GimbalError.invalidFile` with the line where quotes are not as they should be.
    mutating func next(_ record: inout CSVRecord) throws -> Bool {
        enum Place { case fieldStart, plain, quoted, quoteInQuoted }
        record.bytes.removeAll(keepingCapacity: true)
        record.starts.removeAll(keepingCapacity: true)
        record.starts.append(0)
        record.line = line
        var place = Place.fieldStart
        var quoteLine = line

        while true {
            if position == end { try refill() }
            guard position < end else {
                if place == .quoted { throw invalid("the quote that opens there is never closed", line: quoteLine) }
                if record.bytes.isEmpty, place == .fieldStart, record.count == 1 { return false }
                record.bytes.append(0)
                return true
            }
            let byte = buffer[position]
            position += 1

            if place == .quoted {
                if byte == UInt8(ascii: "\"") {
                    place = .quoteInQuoted
                } else {
                    if byte == UInt8(ascii: "\n") { line += 1 }
                    record.bytes.append(byte)
                }
                continue
            }
            switch byte {
            case delimiter:
                record.bytes.append(0)
                record.starts.append(record.bytes.count)
                place = .fieldStart
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if byte == UInt8(ascii: "\r") {
                    if position == end { try refill() }
                    if position < end, buffer[position] == UInt8(ascii: "\n") { position += 1 }
                }
                line += 1
                if record.bytes.isEmpty, place == .fieldStart {
                    record.line = line
                    continue
                }
                record.bytes.append(0)
                return true
            case UInt8(ascii: "\"") where place == .fieldStart:
                place = .quoted
                quoteLine = line
            case UInt8(ascii: "\"") where place == .quoteInQuoted:
                record.bytes.append(byte)
                place = .quoted
            case 0: throw invalid("a byte of 0; this is no text file", line: line)
            default:
                if place == .quoteInQuoted { throw invalid("text follows a closing quote", line: line) }
                record.bytes.append(byte)
                place = .plain
            }
        }
    }

    private func invalid(_ reason: String, line: Int) -> GimbalError {
        .invalidFile(path: path, reason: "line \(line): \(reason)")
    }
}
