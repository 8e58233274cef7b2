import GimbalBackend

/// Any value of JSON (RFC 8259), with the members of objects in the order of their text.
package enum JSONValue: Sendable {
    case null
    case boolean(Bool)
    /// As it is written, so that no digit is lost.
    case number(String)
    case text(String)
    case list([JSONValue])
    case object([(name: String, value: JSONValue)])

    /// Reads a text that holds one value.
    /// - Parameters:
    ///   - text: UTF-8, with or without a byte order mark.
    ///   - kind: what the text is to be, for messages: "a tokenizer's file".
    /// - Throws: `JSONScanner.Failure` for what is not JSON, for a name that comes twice in an object, and for values more
    ///   than 64 deep in each other.
    package init(reading text: [UInt8], of kind: String) throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        var scanner = JSONScanner(text.starts(with: mark) ? Array(text.dropFirst(3)) : text, of: kind)
        self = try scanner.value(depth: 0)
        try scanner.end()
    }

    /// A text as JSON writes it, in quotes.
    package static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\0"..<" ", "\u{7F}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension JSONScanner {
    /// Deeper ones, which no file of ours has, would need a stack of any size.
    private static let greatestDepth = 64

    /// Reads a value of any kind.
    fileprivate mutating func value(depth: Int) throws -> JSONValue {
        guard depth < Self.greatestDepth else { throw failure("values more than \(Self.greatestDepth) deep") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"):
            var members: [(name: String, value: JSONValue)] = []
            var names: Set<ExactText> = []
            try object { scanner, name in
                guard names.insert(ExactText(name)).inserted else {
                    throw scanner.failure("\(shown(name)) comes twice in one object")
                }
                members.append((name, try scanner.value(depth: depth + 1)))
            }
            return .object(members)
        case UInt8(ascii: "["):
            var values: [JSONValue] = []
            try expect("[")
            if skip("]") { return .list([]) }
            repeat { values.append(try value(depth: depth + 1)) } while skip(",")
            try expect("]")
            return .list(values)
        case UInt8(ascii: "\""): return .text(try string())
        case UInt8(ascii: "t"): return try word("true", .boolean(true))
        case UInt8(ascii: "f"): return try word("false", .boolean(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
        guard takeBytes(of: word) else { throw failure("not JSON: a value expected") }
        return value
    }

    /// -? (0 | 1-9 digits) (. digits)? (e ±? digits)?
    private mutating func number() throws -> String {
        var result: [UInt8] = []
        func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
        func take(_ scanner: inout JSONScanner) { result.append(scanner.takeByte()) }
        func digits(_ scanner: inout JSONScanner) throws {
            guard isDigit(scanner.next) else { throw scanner.failure("not JSON: a value expected") }
            while isDigit(scanner.next) { take(&scanner) }
        }
        if next == UInt8(ascii: "-") { take(&self) }
        if next == UInt8(ascii: "0") { take(&self) } else { try digits(&self) }
        if next == UInt8(ascii: ".") {
            take(&self)
            try digits(&self)
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            take(&self)
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { take(&self) }
            try digits(&self)
        }
        return String(decoding: result, as: UTF8.self)
    }
}
