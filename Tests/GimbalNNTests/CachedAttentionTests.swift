import GimbalNN
import GimbalTestSupport
import Testing

/// Queries that come after keys which were kept see what they would have seen among all queries.
@Suite("Attention over kept keys and values")
struct CachedAttentionTests {
    private static let (length, size) = (7, 8)

    private static func expectEqual(_ part: Tensor, _ whole: Tensor, _ context: String) throws {
        let difference = try Double((part - whole).absolute().max().item())
        // Sums over keys are the same, in another order.
        #expect(difference < 1e-6, "\(context): \(difference)")
    }

    @Test(arguments: BackendUnderTest.all, 0...6)
    func queriesInPieces(on subject: BackendUnderTest, first: Int) throws {
        let (length, size) = (Self.length, Self.size)
        try withDevice(Device(backend: subject.backend)) {
            let generator = RandomGenerator(seed: 1)
            let parts = (0..<3).map { _ in Tensor.normal([2, 3, length, size], generator: generator) }
            let keyMask = Tensor([1, 1, 0, 1, 1, 0, 1] as [UInt8])
            let bias = Tensor.normal([length, length], generator: generator)
            for (name, mask) in [("no mask", nil), ("a mask", keyMask), ("a bias", bias)] as [(String, Tensor?)] {
                let whole = scaledDotProductAttention(parts[0], parts[1], parts[2], mask: mask, isCausal: true)
                let rest = parts[0].sliced(first..<length, axis: 2)
                let mask = mask.map { $0.rank == 2 ? $0.sliced(first..<length, axis: 0) : $0 }
                let piece = scaledDotProductAttention(
                    rest, parts[1], parts[2], mask: mask, isCausal: true, queryOffset: first)
                try Self.expectEqual(piece, whole.sliced(first..<length, axis: 2), "\(name) from \(first)")
            }
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func multiheadAttentionOneByOne(on subject: BackendUnderTest) throws {
        let (length, size) = (Self.length, Self.size)
        try withDevice(Device(backend: subject.backend)) {
            let layer = MultiheadAttention(size, heads: 2, isBatchFirst: true)
            let x = Tensor.normal([2, length, size], generator: RandomGenerator(seed: 2))
            let whole = layer(x, x, x, isCausal: true)
            for position in 0..<length {
                let seen = x.sliced(0..<position + 1, axis: 1)
                let query = x.sliced(position..<position + 1, axis: 1)
                let y = layer(query, seen, seen, isCausal: true, queryOffset: position)
                try Self.expectEqual(y, whole.sliced(position..<position + 1, axis: 1), "position \(position)")
            }
        }
    }
}
