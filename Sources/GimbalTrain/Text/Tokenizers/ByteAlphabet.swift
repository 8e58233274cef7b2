/// A printable character for each byte, so that a file can hold tokens that are no UTF-8 (Radford et al. 2019, in the code
/// of GPT-2): bytes that print as Latin-1 stand for themselves, the other 68 are U+0100 and what follows, in their order.
enum ByteAlphabet {
    /// By byte.
    static let characters: [Unicode.Scalar] = {
        var others: UInt32 = 0x100
        return (0..<256 as Range<UInt32>).map { byte in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte) {
                return Unicode.Scalar(byte)!
            }
            defer { others += 1 }
            return Unicode.Scalar(others)!
        }
    }()

    /// The byte of each character; `nil` for those in between that are not used.
    private static let bytes: [UInt8?] = {
        var result = [UInt8?](repeating: nil, count: 0x144)
        for (byte, character) in zip(0..., characters) { result[Int(character.value)] = UInt8(byte) }
        return result
    }()

    /// The bytes of the order that other programs number them in: that of their characters.
    static let order: [UInt8] = (0...255).sorted { characters[Int($0)] < characters[Int($1)] }

    static func text(of bytes: some Sequence<UInt8>) -> String {
        var result = String.UnicodeScalarView()
        for byte in bytes { result.append(characters[Int(byte)]) }
        return String(result)
    }

    /// The bytes that `text` stands for; nil where one of its characters stands for none.
    static func bytes(of text: String) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            guard scalar.value < bytes.count, let byte = bytes[Int(scalar.value)] else { return nil }
            result.append(byte)
        }
        return result
    }
}
