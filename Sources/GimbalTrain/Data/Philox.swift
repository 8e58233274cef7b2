/// Random whole numbers that depend on a seed and a place only: Philox 4x32-10 (Salmon et al. 2011), as on the devices.
///
/// Tensors' random numbers leave the upper half of Philox's counter 0. Here it holds a stream and a number in it (such
/// as the epoch), so data order never repeats what an initializer or dropout draws from the same seed.
package struct Philox {
    /// What numbers are drawn for. Each is a sequence of its own under every seed.
    package enum Stream: UInt32 {
        case split = 1
        case epoch = 2
        case generation = 3
        case search = 4
    }

    private let key: SIMD2<UInt32>
    private var counter: SIMD4<UInt32>
    private var block: SIMD4<UInt32> = .zero
    private var used = 4

    package init(seed: UInt64, stream: Stream, number: UInt32 = 0) {
        self.init(seed: seed, counter: SIMD4(0, 0, number, stream.rawValue))
    }

    /// - Parameter counter: of the first block.
    init(seed: UInt64, counter: SIMD4<UInt32>) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        self.counter = counter
    }

    /// The next 32 random bits.
    package mutating func next() -> UInt32 {
        if used == 4 {
            block = Self.block(counter: counter, key: key)
            counter.x &+= 1
            if counter.x == 0 { counter.y &+= 1 }
            used = 0
        }
        defer { used += 1 }
        return block[used]
    }

    /// A number in 0..<bound, each exactly as likely as the others (Lemire 2019).
    package mutating func next(below bound: Int) -> Int {
        let bound = UInt64(bound)
        while true {
            let word = UInt64(next()) << 32 | UInt64(next())
            let (high, low) = word.multipliedFullWidth(by: bound)
            if low >= bound || low >= (0 &- bound) % bound { return Int(high) }
        }
    }

    /// 0..<count in random order (Fisher and Yates).
    package mutating func permutation(of count: Int) -> [Int] {
        var order = Array(0..<count)
        order.withUnsafeMutableBufferPointer { order in
            for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, next(below: last + 1)) }
        }
        return order
    }

    package static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var counter = counter
        var key = key
        for _ in 0..<10 {
            let first = counter.x.multipliedFullWidth(by: 0xD251_1F53)
            let second = counter.z.multipliedFullWidth(by: 0xCD9E_8D57)
            counter = SIMD4(
                second.high ^ counter.y ^ key.x, second.low, first.high ^ counter.w ^ key.y, first.low)
            key &+= SIMD2(0x9E37_79B9, 0xBB67_AE85)
        }
        return counter
    }
}
