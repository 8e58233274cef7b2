import Foundation
import GimbalNN
import GimbalTestSupport
import Testing

/// What each initializer promises: its moments, its bounds, or its very elements.
@Suite struct InitializerPropertyTests {
    let reference = Device(backend: ReferenceBackend())

    func values(_ initializer: Initializer, _ shape: Shape, seed: UInt64 = 7) throws -> [Double] {
        try initializer.make(shape, generator: RandomGenerator(seed: seed), device: reference).doubles()
    }

    /// Expects |actual - expected| within `bound`, and notes it for the table of pieces.
    func expectProperty(
        _ name: String, _ actual: Double, _ expected: Double, within bound: Double, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        Ledger.record(
            .initializer(name), .property, on: "reference", error: abs(actual - expected), tolerance: bound)
        #expect(abs(actual - expected) <= bound, "\(name): \(what)", sourceLocation: sourceLocation)
    }

    func moments(_ values: [Double]) -> (mean: Double, variance: Double) {
        let mean = values.reduce(0, +) / Double(values.count)
        return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
    }

    /// Mean and variance against those of the truncated distribution, integrated numerically; 120,000 samples leave a
    /// standard error of 0.003 deviations for the mean and of less than 0.005 of the variance.
    @Test func truncatedNormalHasTheMomentsOfItsDistribution() throws {
        let cases: [(mean: Double, deviation: Double, a: Double, b: Double)] = [
            (0, 1, -2, 2), (0, 0.02, -2, 2), (0.5, 2, -1, 1.5), (0, 1, 3, 5), (0, 1, -9, -6), (1, 0.5, 1, 9),
        ]
        for (mean, deviation, a, b) in cases {
            let drawn = try values(
                .truncatedNormal(mean: mean, standardDeviation: deviation, a: a, b: b), [400, 300])
            #expect(drawn.allSatisfy { (a...b).contains($0) })
            let (low, high) = (max(a, mean - 12 * deviation), min(b, mean + 12 * deviation))
            let places = (0..<20_000).map { low + (high - low) * (Double($0) + 0.5) / 20_000 }
            // Relative to the densest place, as the density itself may be too small for a Double far out.
            let exponents = places.map { -0.5 * ($0 - mean) * ($0 - mean) / (deviation * deviation) }
            let largest = exponents.max()!
            let weights = exponents.map { exp($0 - largest) }
            let total = weights.reduce(0, +)
            let center = zip(places, weights).reduce(0) { $0 + $1.0 * $1.1 } / total
            let spread = zip(places, weights).reduce(0) { $0 + ($1.0 - center) * ($1.0 - center) * $1.1 } / total
            let (m, v) = moments(drawn)
            let label = "mean \(mean), deviation \(deviation), \(a)...\(b)"
            expectProperty(
                "Initializer.truncatedNormal", (m - center) / spread.squareRoot(), 0, within: 0.02, label)
            expectProperty("Initializer.truncatedNormal", v / spread, 1, within: 0.03, label)
        }
        // Without bounds to speak of it is the normal distribution: a fourth moment of 3.
        let free = try values(.truncatedNormal(a: -40, b: 40), [400, 300])
        let fourth = free.reduce(0) { $0 + $1 * $1 * $1 * $1 } / Double(free.count)
        expectProperty("Initializer.truncatedNormal", fourth, 3, within: 0.15, "fourth moment")
        #expect(free.map { abs($0) }.max()! > 4)
    }

    @Test func variancesFollowTheFans() throws {
        let cases: [(String, Initializer, Shape, Double)] = [
            ("Initializer.leCunNormal", .leCunNormal(), [400, 300], 1 / 300),
            ("Initializer.leCunUniform", .leCunUniform(), [400, 300], 1 / 300),
            ("Initializer.leCunNormal", .leCunNormal(), [60, 50, 3, 5], 1 / 750),
            ("Initializer.heNormal", .heNormal(fan: .output), [60, 50, 3, 5], 2 / 900),
            ("Initializer.heUniform", .heUniform(fan: .output), [60, 50, 7], 2 / 420),
            ("Initializer.xavierNormal", .xavierNormal(), [60, 50, 3, 5], 2 / 1650),
            ("Initializer.xavierUniform", .xavierUniform(gain: 2), [60, 50, 3, 5], 8 / 1650),
            // Stored [inputs, outputs, kernel]: each output is fed by 60 · 15.
            ("Initializer.heNormal", .heNormal().transposed, [60, 50, 3, 5], 2 / 900),
            ("Initializer.xavierUniform", .xavierUniform().transposed, [60, 50, 15], 2 / 1650),
        ]
        for (name, initializer, shape, variance) in cases {
            let drawn = try values(initializer, shape)
            let (mean, measured) = moments(drawn)
            // 20,000 samples and more: a standard error below 0.01 of the variance, held to five.
            expectProperty(name, measured / variance, 1, within: 0.05, "\(shape)")
            expectProperty(name, mean / variance.squareRoot(), 0, within: 0.04, "\(shape)")
            if name.hasSuffix("Uniform") {
                #expect(drawn.map { abs($0) }.max()! <= (3 * variance).squareRoot() * (1 + 1e-12))
            }
        }
    }

    @Test(arguments: OrthogonalMethod.allCases) func orthogonalMatricesAreOrthogonal(_ method: OrthogonalMethod) throws
    {
        for shape in [[5, 5], [8, 3], [3, 8], [1, 4], [4, 1], [1, 1], [33, 34], [16, 4, 3]] as [Shape] {
            for gain in [1, 2.0.squareRoot()] {
                let weight = Initializer.orthogonal(gain: gain, method: method)
                    .make(shape, generator: RandomGenerator(seed: 3), device: reference)
                let matrix = weight.reshaped([shape[0], -1])
                let wide = matrix.shape[0] <= matrix.shape[1] ? matrix : matrix.transposed()
                let product = try wide.matrixMultiplied(by: wide.transposed()).doubles()
                let size = wide.shape[0]
                let error = product.indices.map { i in
                    abs(product[i] - (i / size == i % size ? gain * gain : 0))
                }.max()!
                expectProperty("Initializer.orthogonal", error, 0, within: 1e-12, "\(method) \(shape)")
            }
        }
    }

    /// The identity, of any shape, and channels handed on by a convolution, compared with PyTorch's `eye_` and `dirac_`
    /// element by element in the parity suite; here what they are for.
    @Test func diracHandsChannelsOn() throws {
        try withDevice(reference) {
            for groups in [1, 2] {
                let weight = try values(.dirac(groups: groups), [4, 3, 3])
                // Output o of group g takes channel o - 2g (of its group's inputs) at the kernel's middle.
                for output in 0..<4 {
                    for input in 0..<3 {
                        for place in 0..<3 {
                            let isOne = place == 1 && input == output % (4 / groups)
                            #expect(weight[(output * 3 + input) * 3 + place] == (isOne ? 1 : 0))
                        }
                    }
                }
            }
            let identity = try values(.identity(gain: 2), [2, 3])
            #expect(identity == [2, 0, 0, 0, 2, 0])
        }
    }

    @Test func sparseColumnsHaveTheirZeros() throws {
        for (rows, sparsity, zeros) in [(10, 0.1, 1), (10, 0.25, 3), (7, 0.9, 7), (9, 0.0, 0), (4, 1.0, 4)] {
            let columns = 50
            let drawn = try values(.sparse(sparsity: sparsity), [rows, columns])
            for column in 0..<columns {
                let count = (0..<rows).count { drawn[$0 * columns + column] == 0 }
                expectProperty("Initializer.sparse", Double(count), Double(zeros), within: 0, "column \(column)")
            }
            let kept = drawn.filter { $0 != 0 }
            if kept.count > 300 { #expect(abs(moments(kept).variance.squareRoot() / 0.01 - 1) < 0.2) }
        }
        // Which row is zero is spread over all of them.
        let drawn = try values(.sparse(sparsity: 0.1), [10, 1000])
        let perRow = (0..<10).map { row in (0..<1000).count { drawn[row * 1000 + $0] == 0 } }
        #expect(perRow.allSatisfy { abs($0 - 100) < 60 })
    }

    @Test func forgetGatesStartOpen() throws {
        let bias = try values(.forgetGateBias(), [8])
        #expect(bias == [0, 0, 1, 1, 0, 0, 0, 0])
        Ledger.record(.initializer("Initializer.forgetGateBias"), .property, on: "cpu", error: 0, tolerance: 0)
    }

    @Test func aSeedGivesTheSameWeightsOnEveryDevice() throws {
        let initializers: [Initializer] = [
            .truncatedNormal(), .leCunNormal(), .orthogonal(method: .svd), .sparse(sparsity: 0.3), .identity(),
        ]
        for initializer in initializers {
            let expected = try initializer.make([33, 17], generator: RandomGenerator(seed: 5), device: .cpu).floats()
            for subject in BackendUnderTest.all {
                let weights = try initializer.make(
                    [33, 17], generator: RandomGenerator(seed: 5), device: Device(backend: subject.backend)
                ).floats()
                let mismatch = Tolerance(relative: 0x1p-23, scale: .largest)
                    .mismatch(weights.map(Double.init), expected: expected.map(Double.init))
                #expect(mismatch == nil, "\(initializer.name) on \(subject)")
            }
        }
    }
}
