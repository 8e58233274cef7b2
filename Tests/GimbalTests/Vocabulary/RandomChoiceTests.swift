import Foundation
import Gimbal
import GimbalTestSupport
import Testing

private let devices = BackendUnderTest.all.map { Device(backend: $0.backend) }

/// Random whole numbers, orders and choices: the same bits everywhere, and the right shares.
@Suite(.serialized) struct RandomChoiceTests {
    func drawings(on device: Device) throws -> [String: [Int]] {
        let generator = RandomGenerator(seed: 11)
        return try withDevice(device) {
            try withGenerator(generator) {
                let weights = Tensor([[0.1, 0, 0.5, 1.7], [3, 1, 1, 0]])
                return [
                    "integers": try Tensor.integers(in: -3..<40, [1000]).array(),
                    "wide integers": try Tensor.integers(in: 0..<1 << 24, [1000]).array(),
                    "permutation": try Tensor.permutation(1000).array(),
                    "bernoulli": try Tensor.bernoulli([1000], probability: 0.3).array(),
                    "bernoulli of each": try Tensor.linspace(0, 1, count: 1000).bernoulli().array(),
                    "multinomial": try weights.multinomial(500).reshaped([-1]).array(),
                    "without replacement": try weights.multinomial(3, replaces: false).reshaped([-1]).array(),
                ]
            }
        }
    }

    @Test func aSeedGivesTheSameOnEveryBackend() throws {
        let expected = try drawings(on: .cpu)
        for device in devices { #expect(try drawings(on: device) == expected, "\(device.id)") }
        // The oracle divides the weights in double precision; all else is the same there too.
        let reference = try drawings(on: Device(backend: ReferenceBackend()))
        for name in ["integers", "wide integers", "permutation", "bernoulli", "bernoulli of each"] {
            #expect(reference[name] == expected[name], "\(name)")
        }
    }

    /// Counts of `count` drawings in each class lie within five standard errors.
    func expectShares(
        _ counts: [Int], _ shares: [Double], _ piece: String, on device: Device,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let total = Double(counts.reduce(0, +))
        for (count, share) in zip(counts, shares) {
            let bound = 5 * (share * (1 - share) / total).squareRoot()
            let error = abs(Double(count) / total - share)
            #expect(error <= bound, "\(piece): \(counts)", sourceLocation: sourceLocation)
            guard share > 0 else { continue }
            Ledger.record(Piece(.operation, piece), .property, on: device.id, error: error, tolerance: bound)
        }
    }

    func counts(_ numbers: [Int], _ classes: Int) -> [Int] {
        numbers.reduce(into: [Int](repeating: 0, count: classes)) { $0[$1] += 1 }
    }

    @Test(arguments: [BackendUnderTest.cpu[0]] + BackendUnderTest.openCL.prefix(1))
    func sharesAreThoseAskedFor(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        try withDevice(device) { () throws in
            try withGenerator(RandomGenerator(seed: 5)) {
                let dice = try Tensor.integers(in: 1..<7, [60_000]).array([Int].self)
                expectShares(
                    counts(dice.map { $0 - 1 }, 6), [Double](repeating: 1 / 6, count: 6), "integers", on: device)
                let coins = try Tensor.bernoulli([40_000], probability: 0.3).array([Int].self)
                expectShares(counts(coins, 2), [0.7, 0.3], "bernoulli", on: device)
                let weights = Tensor([1, 0, 2, 5])
                let drawn = try weights.multinomial(40_000).array([Int].self)
                expectShares(counts(drawn, 4), [1 / 8, 0, 2 / 8, 5 / 8], "multinomial", on: device)
                // The second of two without replacement: Σ over the first of w₁ w₂ / (1 - w₁).
                let pairs = weights.broadcast(to: [20_000, 4]).multinomial(2, replaces: false)
                let second = try pairs[..., 1].array([Int].self)
                let (a, c, d) = (1.0 / 8, 2.0 / 8, 5.0 / 8)
                expectShares(
                    counts(second, 4),
                    [
                        a * (c / (1 - c) + d / (1 - d)), 0, c * (a / (1 - a) + d / (1 - d)),
                        d * (a / (1 - a) + c / (1 - c)),
                    ],
                    "multinomial", on: device)
                // Where the first of four lands, over many orders.
                let places = try (0..<2000).map { _ in try Tensor.permutation(4)[0].item(as: Int.self) }
                expectShares(counts(places, 4), [0.25, 0.25, 0.25, 0.25], "permutation", on: device)
            }
        }
    }

    @Test(arguments: devices) func edges(_ device: Device) throws {
        try withDevice(device) { () throws in
            for count in [0, 1, 2, 700] {
                #expect(try Tensor.permutation(count).array([Int].self).sorted() == [Int](0..<count))
            }
            #expect(try Tensor.integers(in: 7..<8, [5]).array([Int].self) == [7, 7, 7, 7, 7])
            let wide = try Tensor.integers(in: -5..<3, [4000]).array([Int].self)
            #expect(Set(wide) == Set(-5..<3))
            #expect(try Tensor.bernoulli([100], probability: 0).sum().item() == 0)
            #expect(try Tensor.bernoulli([100], probability: 1).sum().item() == 100)
            #expect(Tensor.bernoulli([2], probability: 0.5, dtype: .uint8).dtype == .uint8)
            // Weights that say nothing give no class.
            #expect(try Tensor([[0, 0], [.nan, 1]]).multinomial(1).array([[Int]].self) == [[2], [2]])
            #expect(try Tensor([0, 3, 0]).multinomial(2).array([Int].self) == [1, 1])
            #expect(Tensor([[1, 2]]).multinomial(0).shape == [1, 0])
            #expect(Tensor.uniform([2], dtype: .float16).dtype == .float16)
            #expect(Tensor.normal([2], dtype: .bfloat16).dtype == .bfloat16)
        }
    }

    @Test(arguments: devices) func uniqueCountsAreSortedAndCountNaNOnce(_ device: Device) throws {
        try withDevice(device) { () throws in
            let found = try Tensor([3, -1, .nan, 3, 0, -1, 3, .nan, .infinity] as [Float]).uniqueCounts()
            #expect(found.map(\.count) == [2, 1, 3, 1, 2])
            #expect(found.dropLast().map(\.value) == [-1, 0, 3, .infinity] && found.last!.value.isNaN)
            #expect(try Tensor([2, 2, 1] as [Int32]).uniqueCounts().map(\.value) == [1, 2])
            #expect(try Tensor([] as [Float]).uniqueCounts().isEmpty)
            Ledger.record(
                .operation("uniqueCounts"), .property, on: device.backend.device.id, error: 0, tolerance: 0)
        }
    }
}
