import Foundation

/// A small generator (SplitMix64; Steele, Lea and Flood 2014), unrelated to Philox, which it helps to test.
public struct SampleGenerator: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The nearest float32, so that float32 and Double backends start from the same number.
public func roundedToFloat(_ value: Double) -> Double { Double(Float(value)) }

/// `count` numbers evenly spread over `range`, each exactly a float32; the same at every call.
public func samples(_ count: Int, in range: ClosedRange<Double> = -2...2, seed: UInt64 = 1) -> [Double] {
    var generator = SampleGenerator(seed: seed)
    return (0..<count).map { _ in roundedToFloat(Double.random(in: range, using: &generator)) }
}

/// `count` whole numbers from `range`, the same at every call.
public func integerSamples(_ count: Int, in range: ClosedRange<Int>, seed: UInt64 = 1) -> [Double] {
    var generator = SampleGenerator(seed: seed)
    return (0..<count).map { _ in Double(Int.random(in: range, using: &generator)) }
}

/// Values where float32 formulas break: zeros, turning points, the edges of exp, large, small, infinite and NaN.
public let wideValues: [Double] =
    ([0, 1, 1e-30, 1e-10, 1e-4, 0.3, 0.5, 1.5, 2, 3, 5, 8, 10, 20, 40, 87, 88, 89, 100, 1e4, 1e10, 1e30, .infinity])
    .flatMap { [roundedToFloat($0), -roundedToFloat($0)] } + [.nan]

/// Numbers below the smallest normal float32.
public let denormalValues: [Double] = [1e-39, 1e-42, 0x1p-149].flatMap { [roundedToFloat($0), -roundedToFloat($0)] }

/// Sizes on both sides of the edges of vectors, tiles and work-groups.
public let edgeSizes = [0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000]
