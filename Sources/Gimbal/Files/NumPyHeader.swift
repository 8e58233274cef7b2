import GimbalBackend

/// The header of a `.npy` file, checked: a magic number, a version, a length, and a Python dictionary of that length.
package struct NumPyHeader {
    package private(set) var shape: Shape = []
    package private(set) var type = SafeTensors.ElementType.float32
    package private(set) var isBigEndian = false
    package private(set) var isFortranOrder = false
    /// Bytes before the elements.
    package let dataStart: Int
    /// Bytes of all elements.
    package private(set) var byteCount = 0

    /// A plain array's header is some hundred bytes long; NumPy itself refuses more than 10,000.
    package static let lengthLimit = 1 << 16
    /// NumPy's limit.
    private static let rankLimit = 64
    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// - Parameters:
    ///   - contents: the file, or as much of its beginning as holds the header.
    ///   - path: what errors name.
    package init(_ contents: ArraySlice<UInt8>, path: String) throws {
        let bytes = [UInt8](contents.prefix(Self.lengthLimit))
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        guard bytes.count >= 10, bytes.starts(with: Self.magic) else {
            throw invalid("not a .npy file: it does not begin with the bytes 93 'NUMPY', a version and a length")
        }
        guard (1...3).contains(bytes[6]) else { throw invalid("version \(bytes[6]).\(bytes[7]) of .npy is not known") }
        let widthOfLength = bytes[6] == 1 ? 2 : 4
        let start = 8 + widthOfLength
        guard bytes.count >= start else { throw invalid("truncated: it ends in the length of the header") }
        let length = bytes[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= bytes.count - start else {
            throw invalid(
                "truncated, or no .npy file: it claims a header of \(length) bytes, where \(bytes.count - start) follow "
                    + "or may")
        }
        dataStart = start + length
        do {
            var scanner = PythonScanner(bytes[start..<start + length])
            try parse(&scanner)
        } catch let error as PythonScanner.Failure {
            throw invalid("header: \(error.reason) at byte \(error.position)")
        }
    }

    private mutating func parse(_ scanner: inout PythonScanner) throws {
        var seen: Set<String> = []
        try scanner.expect("{")
        while !scanner.accept("}") {
            let key = try scanner.string()
            guard seen.insert(key).inserted else { throw scanner.failure("'\(key)' comes twice") }
            try scanner.expect(":")
            switch key {
            case "descr": take(description: try scanner.accept("[") ? scanner.record() : scanner.string())
            case "fortran_order": isFortranOrder = try scanner.boolean()
            case "shape": shape = Shape(try scanner.tuple(limit: Self.rankLimit))
            default: throw scanner.failure("unknown field '\(key)'")
            }
            if !scanner.accept(",") {
                try scanner.expect("}")
                break
            }
        }
        try scanner.end()
        for key in ["descr", "fortran_order", "shape"] where !seen.contains(key) {
            throw scanner.failure("'\(key)' is missing")
        }
        // Sizes of zero are left out of the overflow check: such an array holds nothing.
        guard type.isRead else { return }
        byteCount = type.byteCount
        for size in shape.sizes where size != 0 {
            let (product, overflows) = byteCount.multipliedReportingOverflow(by: size)
            if overflows { throw scanner.failure("an array of \(shape) is larger than any memory") }
            byteCount = product
        }
        if shape.sizes.contains(0) { byteCount = 0 }
    }

    private static let types: [String: SafeTensors.ElementType] = [
        "f2": .float16, "f4": .float32, "f8": .float64, "i1": .int8, "i2": .int16, "i4": .int32, "i8": .int64,
        "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "b1": .bool,
    ]

    private mutating func take(description: String) {
        guard let order = description.first, "<>|=".contains(order),
            let type = Self.types[String(description.dropFirst())]
        else {
            type = .unread(description)
            return
        }
        self.type = type
        isBigEndian = order == ">"
    }

    /// Makes sure that the elements take what is left of the file.
    /// - Parameters:
    ///   - fileSize: bytes of the file.
    ///   - path: what errors name.
    func requireElements(fileSize: Int, path: String) throws {
        guard type.isRead else {
            throw GimbalError.invalidFile(path: path, reason: Self.reasonAgainstReading(type))
        }
        guard fileSize - dataStart == byteCount else {
            throw GimbalError.invalidFile(
                path: path,
                reason: "\(type) \(shape) takes \(byteCount) bytes, but \(fileSize - dataStart) follow the header of "
                    + "\(dataStart)")
        }
    }

    /// What is said where elements of an unread type are asked for.
    package static func reasonAgainstReading(_ type: SafeTensors.ElementType) -> String {
        "elements of type '\(type.rawValue)'; Gimbal reads \(types.keys.sorted().joined(separator: ", "))"
    }

    /// The header of an array, version 1.0, as NumPy writes it: ended by a newline at a multiple of 64 bytes.
    package static func bytes(shape: Shape, type: SafeTensors.ElementType) -> [UInt8] {
        let description =
            switch type {
            case .float64: "<f8"
            case .float32: "<f4"
            case .float16: "<f2"
            case .int64: "<i8"
            case .uint64: "<u8"
            case .int32: "<i4"
            case .uint32: "<u4"
            case .int16: "<i2"
            case .uint16: "<u2"
            case .int8: "|i1"
            case .uint8: "|u1"
            case .bool: "|b1"
            case .bfloat16, .unread: stop("NumPyArray", "Gimbal writes no \(type.rawValue) for NumPy")
            }
        let sizes = shape.sizes.map(String.init).joined(separator: ", ") + (shape.rank == 1 ? "," : "")
        var text = "{'descr': '\(description)', 'fortran_order': False, 'shape': (\(sizes)), }"
        text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
        require(text.utf8.count < 1 << 16, "NumPyArray", "too many axes: \(shape.rank)")
        return magic + [1, 0, UInt8(text.utf8.count & 0xFF), UInt8(text.utf8.count >> 8)] + Array(text.utf8)
    }
}

/// Reads the literals that a header consists of.
private struct PythonScanner {
    struct Failure: Error {
        let reason: String
        let position: Int
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    func failure(_ reason: String) -> Failure { Failure(reason: reason, position: rest.startIndex) }

    private mutating func skipSpace() { rest = rest.drop { $0 == 0x20 || (0x09...0x0D).contains($0) } }

    mutating func accept(_ character: Character) -> Bool {
        skipSpace()
        guard let first = rest.first, first == character.asciiValue else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func expect(_ character: Character) throws {
        guard accept(character) else { throw failure("'\(character)' expected") }
    }

    mutating func string() throws -> String {
        skipSpace()
        guard let quote = rest.first, quote == 0x27 || quote == 0x22 else {
            throw failure("a text expected")
        }
        let text = rest.dropFirst().prefix { $0 != quote && $0 != 0x5C }
        guard rest.endIndex > text.endIndex, rest[text.endIndex] == quote else {
            throw failure("a text without an end, or with a backslash")
        }
        rest = rest[(text.endIndex + 1)...]
        return String(decoding: text, as: UTF8.self)
    }

    /// The rest of a list that describes the fields of a record, whose opening bracket has been read, as it stands there.
    mutating func record() throws -> String {
        var text = "["
        var depth = 1
        while depth > 0 {
            guard let next = rest.first else { throw failure("a list without an end") }
            if next == 0x27 || next == 0x22 {
                text += "'\(try string())'"
                continue
            }
            if next == 0x5B { depth += 1 }
            if next == 0x5D { depth -= 1 }
            text.unicodeScalars.append(Unicode.Scalar(next))
            rest = rest.dropFirst()
        }
        return text
    }

    mutating func boolean() throws -> Bool {
        skipSpace()
        for (word, value) in [("True", true), ("False", false)] where rest.starts(with: word.utf8) {
            rest = rest.dropFirst(word.utf8.count)
            return value
        }
        throw failure("True or False expected")
    }

    /// `()`, `(3,)`, `(2, 3)`.
    mutating func tuple(limit: Int) throws -> [Int] {
        var numbers: [Int] = []
        try expect("(")
        while !accept(")") {
            skipSpace()
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
                throw failure("a size of at most \(Int.max) expected")
            }
            rest = rest[digits.endIndex...]
            // Python 2 wrote long integers so.
            _ = accept("L")
            numbers.append(number)
            guard numbers.count <= limit else { throw failure("more than \(limit) axes") }
            if !accept(",") {
                try expect(")")
                break
            }
        }
        return numbers
    }

    mutating func end() throws {
        skipSpace()
        if !rest.isEmpty { throw failure("something follows the dictionary") }
    }
}
