/// Damaged copies of a file's bytes, one after another: cut short, with a byte less, with other bytes, with a part that stands
/// elsewhere as well, and with another digit, which leaves a text's form as it was.
///
/// GIMBAL_MUTATIONS in the environment says how many.
/// - Parameters:
///   - original: what is damaged; not empty.
///   - count: how many copies there are unless the environment says.
///   - body: is given each.
public func forEachMutation(of original: [UInt8], count: Int = 2000, _ body: ([UInt8]) throws -> Void) rethrows {
    let count = wantedTrials("GIMBAL_MUTATIONS", otherwise: count)
    defer { tell(tried: count, of: "mutations") }
    let digits = original.indices.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(original[$0]) }
    var random = SampleGenerator(seed: 7)
    func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    for number in 0..<count {
        var bytes = original
        switch number % 6 {
        case 0: bytes.removeLast(below(bytes.count))
        case 1: bytes.remove(at: below(bytes.count))
        case 2:
            let start = below(bytes.count)
            let part = bytes[start..<min(bytes.count, start + 1 + below(32))]
            bytes.insert(contentsOf: part, at: below(bytes.count))
        case 3 where !digits.isEmpty: bytes[digits[below(digits.count)]] = UInt8(ascii: "0") + UInt8(below(10))
        default:
            for _ in 0...below(4) { bytes[below(bytes.count)] = UInt8(truncatingIfNeeded: random.next()) }
        }
        try body(bytes)
    }
}
