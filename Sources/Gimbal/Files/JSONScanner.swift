/// Reads JSON a part at a time: the small part of it that a safetensors header consists of, objects, strings and lists of
/// natural numbers, or any value (`JSONValue`).
///
/// A general JSON reader would lose what matters here: that a name occurs twice, and where a mistake is.
package struct JSONScanner {
    package struct Failure: Error {
        package let reason: String
        /// Counted in bytes from the beginning of the text.
        package let position: Int
    }

    private let text: [UInt8]
    /// What the text is to be, for messages.
    private let kind: String
    private var position = 0

    init(_ text: [UInt8], of kind: String = "a safetensors file") {
        self.text = text
        self.kind = kind
    }

    /// Reads an object; `member` is called at each value, with its name, and must read it.
    mutating func object(_ member: (inout JSONScanner, String) throws -> Void) throws {
        try expect("{")
        if skip("}") { return }
        repeat {
            let name = try string()
            try expect(":")
            try member(&self, name)
        } while skip(",")
        try expect("}")
    }

    /// Reads a list of numbers without sign, point or exponent.
    mutating func naturalNumbers() throws -> [Int] {
        try expect("[")
        if skip("]") { return [] }
        var numbers: [Int] = []
        repeat { numbers.append(try naturalNumber()) } while skip(",")
        try expect("]")
        return numbers
    }

    mutating func string() throws -> String {
        try expect("\"")
        var bytes: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: bytes, as: UTF8.self) else {
                    throw failure("text that is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): bytes += String(try escapedScalar()).utf8
            case 0..<0x20: throw failure("a control character in a text")
            default: bytes.append(byte)
            }
        }
        throw failure("a text without an end")
    }

    /// Accepts nothing but white space up to the end.
    mutating func end() throws {
        skipSpace()
        if position < text.count { throw failure("something after the end of the object") }
    }

    // MARK: Parts

    var next: UInt8? { position < text.count ? text[position] : nil }

    func failure(_ reason: String) -> Failure { Failure(reason: reason, position: position) }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws {
        if !skip(character) { throw failure("not the JSON of \(kind): '\(character)' expected") }
    }

    /// The next byte, which there must be.
    mutating func takeByte() -> UInt8 {
        defer { position += 1 }
        return text[position]
    }

    /// Whether these bytes come next, which are then passed over.
    mutating func takeBytes(of word: StaticString) -> Bool {
        let bytes = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard text[position...].starts(with: bytes) else { return false }
        position += bytes.count
        return true
    }

    private mutating func naturalNumber() throws -> Int {
        skipSpace()
        let start = position
        var number = 0
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            let (tens, overflows) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            if overflows || overflowsToo { throw failure("a number that no size can be") }
            number = sum
            position += 1
        }
        if position == start { throw failure("a size must be a whole number that is not negative; something else") }
        return number
    }

    /// What follows a backslash.
    private mutating func escapedScalar() throws -> Character {
        guard let byte = next else { throw failure("a text without an end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var code = UInt32(try codeUnit())
            // Characters beyond 0xFFFF are written as two code units of UTF-16.
            if (0xD800..<0xDC00).contains(code), next == UInt8(ascii: "\\") {
                position += 1
                guard next == UInt8(ascii: "u") else { throw failure("half of a surrogate pair") }
                position += 1
                let low = UInt32(try codeUnit())
                guard (0xDC00..<0xE000).contains(low) else { throw failure("half of a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw failure("half of a surrogate pair") }
            return Character(scalar)
        default: throw failure("an unknown escape in a text")
        }
    }

    private mutating func codeUnit() throws -> UInt16 {
        guard position + 4 <= text.count, text[position] != UInt8(ascii: "+"),
            let code = UInt16(String(decoding: text[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw failure("an unknown escape in a text") }
        position += 4
        return code
    }
}
