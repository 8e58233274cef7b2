import GimbalBackend

/// In what type the tensors of a case lie that name none, where it is not the backend's own.
///
/// The reference computes in Double from the same rounded inputs; what a backend computes may differ by as much more as
/// the type rounds.
public struct StorageUnderTest: Sendable, CustomStringConvertible {
    @TaskLocal public static var current: StorageUnderTest?

    public let dtype: DType
    /// Whether only every other tensor lies in it.
    public let isMixed: Bool
    /// How many roundings, one upon the other, a result may hold.
    public let roundings: Double

    public var description: String { isMixed ? "some \(dtype)" : "\(dtype)" }

    public static let all = [
        StorageUnderTest(dtype: .float16, isMixed: false, roundings: 1),
        StorageUnderTest(dtype: .bfloat16, isMixed: false, roundings: 1),
        StorageUnderTest(dtype: .bfloat16, isMixed: true, roundings: 1),
    ]

    /// The same for cases of several steps, whose later ones take what earlier ones stored.
    public func allowing(roundings: Double) -> StorageUnderTest {
        StorageUnderTest(dtype: dtype, isMixed: isMixed, roundings: roundings)
    }

    /// Whether tensor `index` of a case lies in the type.
    func applies(to index: Int) -> Bool { !isMixed || index % 2 == 0 }

    /// The largest relative error of one rounding, in the type's normal range.
    var unit: Double { dtype == .float16 ? 0x1p-11 : 0x1p-8 }
    var largest: Double { dtype == .float16 ? 65504 : 0x1.FEp127 }
    /// Below it, errors are absolute.
    var leastNormal: Double { dtype == .float16 ? 0x1p-14 : 0x1p-126 }

    func rounded(_ value: Double) -> Double {
        var bytes: [UInt8] = [0, 0]
        return bytes.withUnsafeMutableBytes {
            write([value], dtype, at: [0], to: $0)
            return read(dtype, at: [0], from: UnsafeRawBufferPointer($0))[0]
        }
    }
}

extension Tolerance {
    /// Whether `actual`, which was stored in the type of `storage`, is close enough to `expected`.
    func accepts(_ actual: Double, expected: Double, scale: Double, _ storage: StorageUnderTest) -> Bool {
        guard expected.isFinite else { return accepts(actual, expected: expected, scale: scale) }
        let magnitude = scale.isFinite ? abs(scale) : abs(expected)
        let chained = storage.roundings > 1 ? magnitude : 0
        let bound =
            relative * magnitude + storage.unit * (storage.roundings * (abs(expected) + chained) + storage.leastNormal)
        if actual.isInfinite { return actual.sign == expected.sign && abs(expected) + bound >= storage.largest }
        return abs(actual - expected) <= bound
    }
}
