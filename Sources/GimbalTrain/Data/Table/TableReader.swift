import Gimbal

/// Cuts a text into the records and fields of a table as RFC 4180 describes them, reading it in pieces.
///
/// Lines may end in LF, CR LF or CR; a byte order mark and empty lines are passed over, and so are records of several
/// fields that are all empty. Quotes may surround a field and then hide delimiters and line ends; two stand for one.
/// Spaces around fields do not belong to them. Between fields separated by spaces there may be any number of them.
final class TableReader {
    /// Names the file in messages.
    let path: String
    /// What separates fields.
    let delimiter: UInt8
    /// The line of the text on which the record begins, from 1.
    private(set) var line = 0
    /// Fields of the record.
    private(set) var count = 0
    /// Records of nothing but empty fields that were passed over.
    private(set) var blankRecords = 0
    /// The number of fields of a row, where records of any other are passed over.
    var rowWidth: Int?
    /// Records that were.
    private(set) var raggedRecords = 0

    private let stream: TextStream
    private var memory: HostBuffer
    /// Where `memory` begins; one byte behind `capacity` is a mark.
    private var buffer: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var position = 0
    private var end = 0
    private var hasEnded = false
    private var nextLine: Int
    /// Where the buffer begins in the file, where that holds the text as it is.
    private var base: Int
    private var starts: UnsafeMutablePointer<Int>
    private var ends: UnsafeMutablePointer<Int>
    private var room = 64
    /// What lines begin with that are passed over; 0 for none.
    private let comment: UInt8
    /// What each byte is outside of quotes.
    private let kinds: UnsafeMutablePointer<Kind>

    private enum Kind: UInt8 { case plain, delimiter, lineFeed, carriageReturn, zero }

    /// A record that is larger than this is a quote that was never closed.
    static let largestRecord = 1 << 26
    private static let quote = UInt8(ascii: "\"")

    /// A reader of a text that is written in a known way.
    /// - Throws: `GimbalError.outOfMemory`.
    convenience init(_ stream: TextStream, _ dialect: TableDialect) throws {
        try self.init(stream, delimiter: dialect.delimiterByte, comment: dialect.commentByte)
    }

    /// - Parameters:
    ///   - comment: what lines begin with that are passed over; 0 for none.
    ///   - bufferSize: bytes read at once.
    /// - Throws: `GimbalError.outOfMemory`.
    init(_ stream: TextStream, delimiter: UInt8, comment: UInt8 = 0, bufferSize: Int = 1 << 18) throws {
        nextLine = 1
        self.comment = comment
        base = stream.start
        self.stream = stream
        self.delimiter = delimiter
        path = stream.path
        capacity = bufferSize
        memory = try HostBuffer(byteCount: bufferSize + 1)
        buffer = memory.bytes.bindMemory(to: UInt8.self).baseAddress!
        starts = .allocate(capacity: room)
        ends = .allocate(capacity: room)
        kinds = .allocate(capacity: 256)
        kinds.initialize(repeating: .plain, count: 256)
        kinds[0] = .zero
        kinds[Int(UInt8(ascii: "\n"))] = .lineFeed
        kinds[Int(UInt8(ascii: "\r"))] = .carriageReturn
        kinds[Int(delimiter)] = .delimiter
        if delimiter == UInt8(ascii: " ") { kinds[Int(UInt8(ascii: "\t"))] = .delimiter }
        buffer[0] = 0
    }

    deinit {
        starts.deallocate()
        ends.deallocate()
        kinds.deallocate()
    }

    /// The byte of the file with which the next record begins, where the file holds the text as it is.
    var nextPlace: Int { base + position }

    // MARK: The record

    /// The bytes of a field, until the next record is read.
    @inline(__always)
    func field(_ column: Int) -> (start: UnsafePointer<UInt8>, count: Int) {
        (UnsafePointer(buffer + starts[column]), ends[column] - starts[column])
    }

    /// A field as a text.
    func text(_ column: Int) -> String {
        let field = field(column)
        return String(decoding: UnsafeBufferPointer(start: field.start, count: field.count), as: UTF8.self)
    }

    /// All fields as texts.
    var texts: [String] { (0..<count).map(text) }

    // MARK: Reading

    /// Reads the next record.
    /// - Returns: false at the end of the file.
    /// - Throws: `GimbalError.invalidFile` with the line where quotes are not as they should be, or bytes are no text.
    func next() throws -> Bool {
        while true {
            switch try scan() {
            case .record:
                if let rowWidth, count != rowWidth {
                    raggedRecords += 1
                    continue
                }
                return true
            case .blank: continue
            case .end: return false
            case .needsMore: try refill()
            }
        }
    }

    private static let zeroWords =
        "a byte of 0, which no text has; is the file cut, or in another encoding (--encoding UTF-16LE)?"

    private enum Step { case record, blank, end, needsMore }

    /// Moves what is left of the buffer to its beginning and reads behind it.
    private func refill() throws {
        let left = end - position
        if left == capacity {
            guard capacity < Self.largestRecord else {
                throw invalid(
                    "a record of more than \(Self.largestRecord >> 20) MB; is a quote in it never closed?",
                    line: nextLine)
            }
            let larger = try HostBuffer(byteCount: 2 * capacity + 1)
            let start = larger.bytes.bindMemory(to: UInt8.self).baseAddress!
            start.update(from: buffer + position, count: left)
            (memory, buffer) = (larger, start)
            capacity *= 2
        } else if left > 0, position > 0 {
            buffer.update(from: buffer + position, count: left)
        }
        base += position
        position = 0
        let read = try stream.read(into: UnsafeMutableRawBufferPointer(start: buffer + left, count: capacity - left))
        end = left + read
        hasEnded = read == 0
        buffer[end] = 0
    }

    private func add(_ start: Int, _ end: Int) {
        if count == room {
            let (oldStarts, oldEnds) = (starts, ends)
            starts = .allocate(capacity: 2 * room)
            ends = .allocate(capacity: 2 * room)
            starts.update(from: oldStarts, count: room)
            ends.update(from: oldEnds, count: room)
            oldStarts.deallocate()
            oldEnds.deallocate()
            room *= 2
        }
        starts[count] = start
        ends[count] = end
        count += 1
    }

    /// Finds the fields of the record that begins at `position`. Where the buffer ends before it, nothing is changed.
    private func scan() throws -> Step {
        let buffer = self.buffer
        let kinds = self.kinds
        let isBySpaces = delimiter == UInt8(ascii: " ")
        var cursor = position
        var lineCount = nextLine
        var length = 0
        var hasDoubledQuotes = false
        var hasQuotes = false
        var highBits: UInt8 = 0
        count = 0
        line = lineCount

        while comment != 0, buffer[cursor] == comment {
            while buffer[cursor] != UInt8(ascii: "\n"), buffer[cursor] != UInt8(ascii: "\r"), cursor < end {
                cursor += 1
            }
            // The line end is looked at by what follows; the buffer may end before it.
            if cursor + 1 >= end, !hasEnded { return .needsMore }
            if cursor >= end { break }
            if buffer[cursor] == UInt8(ascii: "\r"), buffer[cursor + 1] == UInt8(ascii: "\n") { cursor += 1 }
            cursor += 1
            lineCount += 1
            position = cursor
            nextLine = lineCount
            line = lineCount
        }

        while true {
            // A field begins.
            while buffer[cursor] == 0x20 || (buffer[cursor] == 0x09 && delimiter != 0x09) { cursor += 1 }
            var start = cursor
            var finish: Int
            var kind: Kind
            let isQuoted = buffer[cursor] == Self.quote
            if isQuoted {
                hasQuotes = true
                let quoteLine = lineCount
                cursor += 1
                start = cursor
                while true {
                    let byte = buffer[cursor]
                    if byte == Self.quote {
                        if buffer[cursor + 1] == Self.quote, cursor + 1 < end {
                            hasDoubledQuotes = true
                            cursor += 2
                            continue
                        }
                        if cursor + 1 >= end, !hasEnded { return .needsMore }
                        break
                    }
                    if byte == 0 {
                        if cursor >= end {
                            if !hasEnded { return .needsMore }
                            throw invalid("the quote that opens there is never closed", line: quoteLine)
                        }
                        throw invalid(Self.zeroWords, line: lineCount)
                    }
                    if byte == UInt8(ascii: "\n") { lineCount += 1 }
                    highBits |= byte
                    cursor += 1
                }
                finish = cursor
                cursor += 1
                while buffer[cursor] == 0x20 || (buffer[cursor] == 0x09 && delimiter != 0x09) {
                    if isBySpaces { break }
                    cursor += 1
                }
                kind = kinds[Int(buffer[cursor])]
                if kind == .plain {
                    throw invalid(
                        "text follows a closing quote; a quote within quotes is written twice", line: lineCount)
                }
            } else {
                while true {
                    kind = kinds[Int(buffer[cursor])]
                    if kind != .plain { break }
                    highBits |= buffer[cursor]
                    cursor += 1
                }
                finish = cursor
                while finish > start, buffer[finish - 1] == 0x20 || buffer[finish - 1] == 0x09 { finish -= 1 }
            }
            if kind == .zero {
                if cursor < end { throw invalid(Self.zeroWords, line: lineCount) }
                if !hasEnded { return .needsMore }
            }
            if kind == .carriageReturn, cursor + 1 >= end, !hasEnded { return .needsMore }
            // Spaces at the end of a line that they separate the fields of are no field more.
            if !(isBySpaces && finish == start && !isQuoted && kind != .delimiter && count > 0) {
                add(start, finish)
                length += finish - start
            }
            if kind == .delimiter {
                cursor += 1
                continue
            }

            // The record ends.
            if kind == .carriageReturn, cursor + 1 < end, buffer[cursor + 1] == UInt8(ascii: "\n") { cursor += 1 }
            let isEnd = kind == .zero
            if !isEnd {
                cursor += 1
                lineCount += 1
            }
            position = cursor
            nextLine = lineCount
            if length == 0, !hasQuotes {
                if count > 1 { blankRecords += 1 }
                if isEnd { return .end }
                return .blank
            }
            if highBits & 0x80 != 0, !stream.isConverted { try requireUTF8() }
            if hasDoubledQuotes { halveQuotes() }
            return .record
        }
    }

    private func requireUTF8() throws {
        for column in 0..<count {
            let field = field(column)
            guard let place = firstInvalidUTF8(field.start, field.count) else { continue }
            let example = hexadecimal(field.start[place])
            throw invalid(
                "column \(column + 1): the byte 0x\(example) is no UTF-8; name the text's encoding (--encoding "
                    + "windows-1252, iso-8859-1, …)", line: line)
        }
    }

    /// Makes one of each two quotes within a quoted field. Other fields have none that are doubled but by chance.
    private func halveQuotes() {
        for column in 0..<count where starts[column] > 0 && buffer[starts[column] - 1] == Self.quote {
            var target = starts[column]
            var source = target
            while source < ends[column] {
                buffer[target] = buffer[source]
                source += buffer[source] == Self.quote ? 2 : 1
                target += 1
            }
            ends[column] = target
        }
    }

    /// Lines of the file before the text, of which a reader of a part sees nothing: for messages.
    var linesBefore: Int { stream.linesBefore }

    /// Whether a field that is not quoted has a quote in it.
    var hasStrayQuote: Bool {
        (0..<count).contains { column in
            let isQuoted = starts[column] > 0 && buffer[starts[column] - 1] == Self.quote
            return !isQuoted && (starts[column]..<ends[column]).contains { buffer[$0] == Self.quote }
        }
    }

    /// The record has not the number of fields that it should have.
    func raggedRow(width: Int) -> GimbalError {
        invalid(
            "\(counted(count, "field")), where the first line has \(width); raggedRows (--ragged-rows skip) leaves out lines that are no rows"
        )
    }

    /// An error at a line; a reason that begins with a column goes on from it.
    func invalid(_ reason: String, line: Int? = nil) -> GimbalError {
        let mark = reason.hasPrefix("column ") ? "," : ":"
        return .invalidFile(path: path, reason: "line \(linesBefore + (line ?? self.line))\(mark) \(reason)")
    }
}
