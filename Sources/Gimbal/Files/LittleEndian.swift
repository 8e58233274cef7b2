extension FixedWidthInteger {
    /// The number's bytes, the lowest first, as all formats here have them.
    var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { [UInt8]($0) } }
}

extension [UInt8] {
    /// The number whose bytes begin at `place`, the lowest first.
    func number<Number: FixedWidthInteger>(at place: Int, as _: Number.Type) -> Number {
        withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: Number.self)) }
    }
}
