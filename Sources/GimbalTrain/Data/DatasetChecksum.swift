import CZlib

extension Dataset {
    /// Of all that is in memory: CRC-32 of inputs and targets.
    var checksum: UInt32 {
        var sum = UInt(0)
        func add<Element>(_ elements: [Element]) {
            elements.withUnsafeBytes { bytes in
                // The length of a call is of 32 bits.
                for start in stride(from: 0, to: bytes.count, by: 1 << 30) {
                    let part = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + (1 << 30), bytes.count)])
                    sum = crc32(sum, part.bindMemory(to: UInt8.self).baseAddress, UInt32(part.count))
                }
            }
        }
        switch inputs {
        case .bytes(let bytes, _): add(bytes)
        case .floats(let floats): add(floats)
        case .tokens(let tokens): add(tokens)
        }
        switch targets {
        case .classes(let classes, _): add(classes)
        case .values(let values, _): add(values)
        case .tokens(let tokens, _, _): add(tokens)
        }
        return UInt32(sum)
    }
}
