import GimbalNN
import GimbalTestSupport
import Testing

/// Moments, orthogonality and reproducibility of initial weights.
@Suite struct InitializerTests {
    /// With 120,000 samples the standard error of a mean is 0.003 deviations and that of a variance 0.004 of it; bounds
    /// lie at five and more of them.
    @Test func varianceFollowsTheFans() throws {
        let shape: Shape = [400, 300]
        let (fanIn, fanOut) = (300.0, 400.0)
        let cases: [(Initializer, variance: Double, isUniform: Bool)] = [
            (.xavierUniform(), 2 / (fanIn + fanOut), true),
            (.xavierNormal(gain: 5.0 / 3), 25.0 / 9 * 2 / (fanIn + fanOut), false),
            (.heUniform(), 2 / fanIn, true), (.heNormal(), 2 / fanIn, false),
            (.heNormal(fan: .output), 2 / fanOut, false),
            (.heUniform(nonlinearity: .leakyReLU(slope: 0.2)), 2 / 1.04 / fanIn, true),
            (.heNormal(nonlinearity: .linear), 1 / fanIn, false), (.normal(standardDeviation: 0.02), 0.0004, false),
            (.uniform(low: -0.3, high: 0.3), 0.03, true),
        ]
        for (initializer, variance, isUniform) in cases {
            let values = try initializer.make(shape, generator: RandomGenerator(seed: 7), device: .cpu).doubles()
            let mean = values.reduce(0, +) / Double(values.count)
            let measured = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
            #expect(abs(mean) < 0.02 * variance.squareRoot(), "\(initializer.name)")
            #expect(abs(measured / variance - 1) < 0.025, "\(initializer.name): \(measured) against \(variance)")
            Ledger.record(
                .initializer("Initializer." + camelCase(initializer.name)), .property, on: "cpu",
                error: abs(measured / variance - 1), tolerance: 0.025)
            // A uniform distribution ends at √3 deviations; of so many normal numbers some lie beyond four.
            let largest = values.map { abs($0) }.max()! / variance.squareRoot()
            #expect(isUniform ? largest <= 1.7321 : largest > 4, "\(initializer.name): \(largest)")
            // The fourth moment tells the two apart everywhere else: 9/5 against 3.
            let fourth = values.reduce(0) { $0 + ($1 * $1) * ($1 * $1) } / Double(values.count) / (variance * variance)
            #expect(abs(fourth - (isUniform ? 1.8 : 3)) < 0.15, "\(initializer.name): \(fourth)")
        }
    }

    @Test func fansCountTheKernel() throws {
        let values = try Initializer.heNormal(nonlinearity: .linear).make([16, 8, 3, 5], device: .cpu).doubles()
        let variance = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
        #expect(abs(variance * 8 * 15 - 1) < 0.15)
    }

    @Test(
        arguments: [[5, 5], [8, 3], [3, 8], [1, 4], [4, 1], [64, 65], [16, 4, 3]] as [Shape], [1.0, 2.0.squareRoot()])
    func orthogonalMatricesAreOrthogonal(_ shape: Shape, gain: Double) throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let weight = Initializer.orthogonal(gain: gain).make(shape, generator: RandomGenerator(seed: 3))
            #expect(weight.shape == shape)
            let matrix = weight.reshaped([shape[0], -1])
            let product =
                matrix.shape[0] <= matrix.shape[1]
                ? matrix.matrixMultiplied(by: matrix.transposed()) : matrix.transposed().matrixMultiplied(by: matrix)
            let size = product.shape[0]
            for (index, value) in try product.doubles().enumerated() {
                let expected = index / size == index % size ? gain * gain : 0
                #expect(abs(value - expected) < 1e-12, "element \(index) of the product for \(shape)")
            }
        }
    }

    /// Without the right signs, the Q of a QR decomposition has a negative diagonal far more often than not.
    @Test func orthogonalMatricesAreUniform() throws {
        let generator = RandomGenerator(seed: 11)
        let positive = try (0..<400).count { _ in
            try Initializer.orthogonal().make([3, 3], generator: generator, device: .cpu).floats()[0] > 0
        }
        #expect(abs(positive - 200) < 60)  // Six standard deviations of a fair coin.
    }

    @Test func aSeedGivesTheSameWeightsOnEveryDevice() throws {
        let initializers: [Initializer] = [.heNormal(), .xavierUniform(), .orthogonal(), .normal(), .uniform()]
        for initializer in initializers {
            let expected = try initializer.make([33, 17], generator: RandomGenerator(seed: 5), device: .cpu).floats()
            for subject in BackendUnderTest.all {
                let device = Device(backend: subject.backend)
                let weights = try initializer.make([33, 17], generator: RandomGenerator(seed: 5), device: device)
                    .floats()
                // One rounding: whether scale and shift are one fused operation differs between devices.
                let mismatch = Tolerance(relative: 0x1p-23, scale: .largest)
                    .mismatch(weights.map(Double.init), expected: expected.map(Double.init))
                #expect(mismatch == nil, "\(initializer.name) on \(subject)")
            }
        }
    }

    @Test(arguments: [0, -1])
    func aTruncatedNormalHasADeviation(_ deviation: Double) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            [deviation] in _ = Initializer.truncatedNormal(standardDeviation: deviation)
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("truncatedNormal: needs a positive deviation"))
    }

    @Test func plainInitializersAreExact() throws {
        #expect(try Initializer.zeros.make([2, 2], device: .cpu).floats() == [0, 0, 0, 0])
        #expect(try Initializer.ones.make([3], device: .cpu).floats() == [1, 1, 1])
        #expect(try Initializer.constant(0.5).make([2], device: .cpu).floats() == [0.5, 0.5])
        for name in ["zeros", "ones", "constant"] {
            Ledger.record(.initializer("Initializer." + name), .property, on: "cpu", error: 0, tolerance: 0)
        }
    }
}

/// `he-normal` becomes `heNormal`.
private func camelCase(_ name: String) -> String {
    let parts = name.split(separator: "-")
    return String(parts[0]) + parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
}
