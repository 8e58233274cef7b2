import Foundation
import Gimbal

/// Random numbers of one step for one image or batch: Philox 4x32-10, as everywhere, with its counter split among the
/// epoch, the image and the step.
///
/// Streams of data order and of tensors keep the last word of the counter below 2⁸, so these never meet them.
public struct AugmentationRandom: Sendable {
    private let key: SIMD2<UInt32>
    private var counter: SIMD4<UInt32>
    private var block: SIMD4<UInt32> = .zero
    private var used = 4

    /// - Parameters:
    ///   - seed: that of the augmentation.
    ///   - epoch: counted from 0.
    ///   - item: the number of the image in its data set, or of the batch in its epoch.
    ///   - step: the number of the step in its augmentation, below 2¹⁶.
    public init(seed: UInt64, epoch: Int, item: Int, step: Int) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        counter = SIMD4(
            0, UInt32(truncatingIfNeeded: item), UInt32(truncatingIfNeeded: epoch),
            1 << 16 | UInt32(truncatingIfNeeded: step & 0xFFFF))
    }

    /// The next 32 random bits.
    public mutating func next() -> UInt32 {
        if used == 4 {
            block = Philox.block(counter: counter, key: key)
            counter.x &+= 1
            used = 0
        }
        defer { used += 1 }
        return block[used]
    }

    /// A whole number in 0..<bound, each as likely as the others to one part in 2³².
    public mutating func next(below bound: Int) -> Int {
        let word = UInt64(next()) << 32 | UInt64(next())
        return Int(word.multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A number uniform in [0, 1), a multiple of 2⁻⁵³.
    public mutating func uniform() -> Double {
        let word = UInt64(next()) << 32 | UInt64(next())
        return Double(word >> 11) * 0x1p-53
    }

    /// A number uniform in the range, its upper bound left out.
    public mutating func uniform(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + uniform() * (range.upperBound - range.lowerBound)
    }

    /// True with this probability: always at 1, never at 0.
    public mutating func chance(_ probability: Double) -> Bool { uniform() < probability }

    /// A number from the standard normal distribution (Box and Muller 1958).
    public mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * .pi * uniform())
    }

    /// The logarithm of a number drawn from Gamma(shape, 1) (Marsaglia and Tsang 2000). A logarithm, because those of
    /// small shapes are smaller than any Double.
    public mutating func logarithmOfGamma(shape: Double) -> Double {
        // Γ(a) is distributed as Γ(a + 1) U^(1/a) (there, section 6).
        if shape < 1 { return logarithmOfGamma(shape: shape + 1) + log(1 - uniform()) / shape }
        let d = shape - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let v = root * root * root
            if log(1 - uniform()) < 0.5 * x * x + d - d * v + d * log(v) { return log(d * v) }
        }
    }

    /// A number from Beta(α, α), as X / (X + Y) of two numbers from Gamma(α).
    public mutating func symmetricBeta(_ alpha: Double) -> Double {
        let (x, y) = (logarithmOfGamma(shape: alpha), logarithmOfGamma(shape: alpha))
        return 1 / (1 + exp(y - x))
    }

    /// The numbers 0..<count in random order (Fisher and Yates).
    public mutating func permutation(of count: Int) -> [Int] {
        var order = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, next(below: last + 1)) }
        return order
    }
}
