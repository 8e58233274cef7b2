import Foundation

/// What is done to a text before it is split.
enum TextNormalizer: Sendable, Equatable {
    /// Unicode's normal forms.
    case nfc, nfd, nfkc, nfkd
    /// Every character in lower case, whatever stands beside it.
    case lowercase
    /// A text before it, unless it is empty.
    case prepend(String)
    /// One text for another.
    case replace(String, with: String)

    /// - Parameter bytes: UTF-8, as the result is.
    func apply(_ bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .prepend(let text): return bytes.isEmpty ? bytes : text.utf8 + bytes
        case .replace(let old, let new): return bytes.replacing(Array(old.utf8), with: Array(new.utf8))
        case .nfc: return unlessASCII(bytes) { $0.precomposedStringWithCanonicalMapping }
        case .nfd: return unlessASCII(bytes) { $0.decomposedStringWithCanonicalMapping }
        case .nfkc: return unlessASCII(bytes) { $0.precomposedStringWithCompatibilityMapping }
        case .nfkd: return unlessASCII(bytes) { $0.decomposedStringWithCompatibilityMapping }
        case .lowercase:
            var result: [UInt8] = []
            result.reserveCapacity(bytes.count)
            for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
                result += scalar.properties.lowercaseMapping.utf8
            }
            return result
        }
    }

    private func unlessASCII(_ bytes: [UInt8], _ form: (String) -> String) -> [UInt8] {
        if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
        return Array(form(String(decoding: bytes, as: UTF8.self)).utf8)
    }
}

extension [TextNormalizer] {
    func apply(_ bytes: [UInt8]) -> [UInt8] { reduce(bytes) { $1.apply($0) } }
}

extension [UInt8] {
    /// `old`, which is not empty, replaced from left to right.
    func replacing(_ old: [UInt8], with new: [UInt8]) -> [UInt8] {
        guard let first = old.first else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        var position = 0
        while position < count {
            if self[position] == first, self[position...].starts(with: old) {
                result += new
                position += old.count
            } else {
                result.append(self[position])
                position += 1
            }
        }
        return result
    }
}
