import Foundation
import GimbalBackend

/// Philox 4x32-10 (Salmon et al. 2011) and the numbers made from it, written from the paper and from the words in
/// `Backend.swift`, so as to check `Kernels/philox.h`.
public enum ReferenceRandom {
    /// The four words of one block.
    /// - Parameters:
    ///   - counter: four words, least significant first.
    ///   - key: two words, least significant first.
    public static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (counter, key) = (counter, key)
        for _ in 0..<10 {
            let first = (0xD251_1F53 as UInt32).multipliedFullWidth(by: counter[0])
            let second = (0xCD9E_8D57 as UInt32).multipliedFullWidth(by: counter[2])
            counter = [second.high ^ counter[1] ^ key[0], second.low, first.high ^ counter[3] ^ key[1], first.low]
            // The golden ratio and √3 - 1: Weyl sequences that give each round a key of its own.
            key &+= [0x9E37_79B9, 0xBB67_AE85]
        }
        return counter
    }

    /// The first `count` words of the stream at `state`; Gimbal's counter fills the lower half of Philox's.
    static func words(count: Int, _ state: RandomState) -> [UInt32] {
        let key = SIMD2(UInt32(truncatingIfNeeded: state.seed), UInt32(truncatingIfNeeded: state.seed >> 32))
        return (0..<(count + 3) / 4).flatMap { block in
            let counter = state.counter &+ UInt64(block)
            let low = UInt32(truncatingIfNeeded: counter)
            let high = UInt32(truncatingIfNeeded: counter >> 32)
            let words = philox(counter: [low, high, 0, 0], key: key)
            return (0..<4).map { words[$0] }
        }
    }

    /// What `Backend.randomUniform` writes.
    public static func uniform(count: Int, _ state: RandomState) -> [Double] {
        words(count: count, state).prefix(count).map { Double($0 >> 8) / 0x1p24 }
    }

    /// What `Backend.randomNormal` writes, without its rounding.
    public static func normal(count: Int, _ state: RandomState) -> [Double] {
        let words = words(count: count, state)
        let numbers = stride(from: 0, to: words.count, by: 2).flatMap { pair in
            let u1 = (Double(words[pair]) + 0.5) / 0x1p32
            let u2 = Double(words[pair + 1] >> 6) / 0x1p26
            let radius = (-2 * log(u1)).squareRoot()
            return [radius * cos(2 * .pi * u2), radius * sin(2 * .pi * u2)]
        }
        return Array(numbers.prefix(count))
    }
}
