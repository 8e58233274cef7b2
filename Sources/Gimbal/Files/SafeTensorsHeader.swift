import GimbalBackend

/// The header of a safetensors file, checked: 8 bytes of length, then a JSON object of that length.
struct SafeTensorsHeader {
    private(set) var entries: [SafeTensors.Entry] = []
    private(set) var metadata: [String: String] = [:]

    /// The format's own limit. A model of 100,000 tensors needs some ten million bytes.
    private static let lengthLimit = 100_000_000

    /// - Throws: `GimbalError.invalidFile` naming what is wrong.
    init(reading file: FileReader) throws {
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: file.path, reason: reason) }

        let fileSize = try file.size() ?? 0
        guard fileSize >= 8 else {
            if let reason = try ForeignFile.reason(file, notA: "safetensors") { throw invalid(reason) }
            throw invalid("not a safetensors file: \(fileSize) bytes long, the length of the header alone takes 8")
        }
        var claimed: UInt64 = 0
        try withUnsafeMutableBytes(of: &claimed) { try file.read(at: 0, into: $0) }
        guard claimed.littleEndian <= UInt64(min(Self.lengthLimit, fileSize - 8)) else {
            if let reason = try ForeignFile.reason(file, notA: "safetensors") { throw invalid(reason) }
            throw invalid(
                "not a safetensors file, or truncated: it claims a header of \(claimed.littleEndian) bytes "
                    + "and is \(fileSize) bytes long")
        }
        let length = Int(claimed.littleEndian)
        let text = try [UInt8](refusable: length) { try file.read(at: 8, into: UnsafeMutableRawBufferPointer($0)) }

        do {
            try parse(text, dataStart: 8 + length)
        } catch let error as JSONScanner.Failure {
            throw invalid("header: \(error.reason) at byte \(8 + error.position)")
        } catch let error as Malformed {
            throw invalid(error.reason)
        }
        try checkCoverage(dataStart: 8 + length, fileSize: fileSize, invalid)
    }

    private struct Malformed: Error { let reason: String }

    private mutating func parse(_ text: [UInt8], dataStart: Int) throws {
        var scanner = JSONScanner(text)
        var (seen, seenTexts) = (Set<ExactText>(), Set<ExactText>())
        try scanner.object { scanner, name in
            guard seen.insert(ExactText(name)).inserted else {
                throw Malformed(reason: "two tensors are called '\(name)'")
            }
            if name == "__metadata__" {
                try scanner.object { scanner, key in
                    let value = try scanner.string()
                    guard seenTexts.insert(ExactText(key)).inserted else {
                        throw Malformed(reason: "two metadata texts are called '\(key)'")
                    }
                    metadata[key] = value
                }
            } else {
                entries.append(try Self.entry(name, &scanner, dataStart: dataStart))
            }
        }
        try scanner.end()
    }

    private static func entry(
        _ name: String, _ scanner: inout JSONScanner, dataStart: Int
    ) throws -> SafeTensors.Entry {
        var typeName: String?
        var sizes: [Int]?
        var offsets: [Int]?
        try scanner.object { scanner, key in
            switch key {
            case "dtype" where typeName == nil: typeName = try scanner.string()
            case "shape" where sizes == nil: sizes = try scanner.naturalNumbers()
            case "data_offsets" where offsets == nil: offsets = try scanner.naturalNumbers()
            default: throw Malformed(reason: "tensor '\(name)' has an unknown or repeated field '\(key)'")
            }
        }
        guard let typeName, let sizes, let offsets else {
            throw Malformed(reason: "tensor '\(name)' lacks its dtype, shape or data_offsets")
        }
        let type = SafeTensors.ElementType(rawValue: typeName)
        guard offsets.count == 2, offsets[0] <= offsets[1] else {
            throw Malformed(reason: "tensor '\(name)' has data_offsets \(offsets), which are not a begin and an end")
        }
        guard offsets[1] <= Int.max - dataStart else {
            throw Malformed(reason: "tensor '\(name)' ends at byte \(offsets[1]), beyond any file")
        }
        let entry = SafeTensors.Entry(
            name: name, type: type, shape: Shape(sizes), range: dataStart + offsets[0]..<dataStart + offsets[1])
        // Of a type from a later version of the format nothing is known, but that an element takes a bit.
        let width = type.isRead ? type.byteCount : foreignByteCounts[typeName]
        // Sizes of zero are left out of the overflow check: [2^40, 2^40, 0] is absurd but holds nothing.
        var byteCount = width ?? 1
        for size in sizes where size != 0 {
            let (product, overflows) = byteCount.multipliedReportingOverflow(by: size)
            if overflows { throw Malformed(reason: "tensor '\(name)' of shape \(sizes) is larger than any memory") }
            byteCount = product
        }
        if sizes.contains(0) { byteCount = 0 }
        guard width != nil || (byteCount <= 8 * entry.byteCount && (byteCount == 0) == (entry.byteCount == 0)) else {
            throw Malformed(
                reason: "tensor '\(name)', \(typeName) \(sizes), cannot lie in the \(entry.byteCount) bytes that its "
                    + "data_offsets span")
        }
        guard width == nil || byteCount == offsets[1] - offsets[0] else {
            throw Malformed(
                reason: "tensor '\(name)', \(typeName) \(sizes), takes \(byteCount) bytes, "
                    + "but its data_offsets span \(offsets[1] - offsets[0])")
        }
        return entry
    }

    /// Bytes of one element of the types that the format has and Gimbal does not read.
    private static let foreignByteCounts = ["F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8]

    /// Sorts the entries, and checks that they follow each other without gap or overlap up to the end of the file.
    private mutating func checkCoverage(
        dataStart: Int, fileSize: Int, _ invalid: (String) -> GimbalError
    ) throws {
        // Empty tensors come before the one that begins where they lie.
        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        if let last = entries.max(by: { $0.range.upperBound < $1.range.upperBound }), last.range.upperBound > fileSize {
            throw invalid(
                "truncated: tensor '\(last.name)' ends at byte \(last.range.upperBound), the file at \(fileSize); "
                    + "download or copy it again"
            )
        }
        var end = dataStart
        for entry in entries {
            guard entry.range.lowerBound >= end else {
                throw invalid("tensor '\(entry.name)' overlaps the one before it at byte \(entry.range.lowerBound)")
            }
            guard entry.range.lowerBound == end else {
                throw invalid(
                    "bytes \(end)..<\(entry.range.lowerBound) before tensor '\(entry.name)' belong to no tensor")
            }
            end = entry.range.upperBound
        }
        guard end == fileSize else { throw invalid("\(fileSize - end) bytes follow the last tensor") }
    }
}
