/// What patterns that split text ask of a character.
struct CharacterClass: OptionSet, Sendable {
    let rawValue: UInt8

    /// Unicode's general category L: `\p{L}` of regular expressions.
    static let letter = CharacterClass(rawValue: 1)
    /// N: `\p{N}`.
    static let number = CharacterClass(rawValue: 2)
    /// M: `\p{M}`.
    static let mark = CharacterClass(rawValue: 4)
    /// The property White_Space: `\s`.
    static let space = CharacterClass(rawValue: 8)
    /// Lu, Lt, Lm, Lo or M.
    static let notLowercase = CharacterClass(rawValue: 16)
    /// Ll, Lm, Lo or M.
    static let notUppercase = CharacterClass(rawValue: 32)

    /// Letters, numbers and marks.
    var isPartOfWord: Bool { rawValue & 7 != 0 }

    /// What is neither letter, number nor white space, as marks, signs and symbols are.
    var isOther: Bool { rawValue & (1 | 2 | 8) == 0 }

    /// - Parameter scalar: a Unicode scalar.
    static func of(_ scalar: UInt32) -> CharacterClass {
        scalar < 0x10000 ? table[Int(scalar)] : worked(out: scalar)
    }

    private static let table: [CharacterClass] = (0..<0x10000).map { worked(out: $0) }

    private static func worked(out scalar: UInt32) -> CharacterClass {
        // Surrogates are no characters.
        guard let properties = Unicode.Scalar(scalar)?.properties else { return [] }
        switch properties.generalCategory {
        case .uppercaseLetter, .titlecaseLetter: return [.letter, .notLowercase]
        case .lowercaseLetter: return [.letter, .notUppercase]
        case .modifierLetter, .otherLetter: return [.letter, .notLowercase, .notUppercase]
        case .nonspacingMark, .spacingMark, .enclosingMark: return [.mark, .notLowercase, .notUppercase]
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return properties.isWhitespace ? .space : []
        }
    }
}

/// Reads Unicode scalars out of valid UTF-8.
enum UTF8Scan {
    /// The scalar that begins at `position`.
    static func scalar(at position: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> (value: UInt32, length: Int) {
        let first = UInt32(bytes[position])
        func rest(_ offset: Int) -> UInt32 { UInt32(bytes[position + offset] & 0x3F) }
        if first < 0x80 { return (first, 1) }
        if first < 0xE0 { return ((first & 0x1F) << 6 | rest(1), 2) }
        if first < 0xF0 { return ((first & 0x0F) << 12 | rest(1) << 6 | rest(2), 3) }
        return ((first & 0x07) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4)
    }

    /// The scalar that ends at `position`, which is not the beginning.
    static func scalar(before position: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> (value: UInt32, length: Int) {
        var start = position - 1
        while bytes[start] & 0xC0 == 0x80 { start -= 1 }
        return scalar(at: start, bytes)
    }
}
