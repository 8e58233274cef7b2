import Gimbal

extension Dataset {
    /// Of all that is in memory: CRC-32 of inputs and targets.
    var checksum: UInt32 {
        var sum = CRC32()
        func add<Element>(_ elements: [Element]) { elements.withUnsafeBytes { sum.add($0) } }
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
        return sum.value
    }
}
