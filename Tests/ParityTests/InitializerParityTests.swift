import GimbalNN
import GimbalTestSupport
import Testing

/// What of the initializers is exact, against PyTorch.
@Suite struct InitializerParityTests {
    @Test(arguments: devices) func identityAndDirac(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("initializers")
        for name in fixture.names {
            let parts = name.split(separator: "_")
            guard parts[0] == "eye" || parts[0] == "dirac" else { continue }
            let shape = Shape(parts[1].split(separator: "x").map { Int($0)! })
            let initializer: Initializer = parts[0] == "eye" ? .identity() : .dirac(groups: Int(parts[2])!)
            let piece = Piece.initializer(parts[0] == "eye" ? "Initializer.identity" : "Initializer.dirac")
            let weights = initializer.make(shape, device: subject.device)
            try expectClose(weights, try fixture.values(name), 0, name, of: piece, .outputs)
        }
    }

    @Test func gains() throws {
        let fixture = try Fixture("initializers")
        let gains: [(String, Nonlinearity)] = [
            ("linear", .linear), ("conv1d", .convolution), ("conv2d", .convolution), ("conv3d", .convolution),
            ("conv_transpose1d", .convolution), ("conv_transpose2d", .convolution),
            ("conv_transpose3d", .convolution), ("sigmoid", .sigmoid), ("tanh", .tanh), ("relu", .relu),
            ("selu", .selu), ("leaky_relu", .leakyReLU()), ("leaky_relu_0.2", .leakyReLU(slope: 0.2)),
        ]
        #expect(gains.count == fixture.names.count { $0.hasPrefix("gain_") })
        for (name, nonlinearity) in gains {
            let expected = try fixture.values("gain_\(name)")
            #expect(expected == [Float(nonlinearity.gain)], "\(name)")
        }
    }

    /// Of enough uniform numbers the largest comes as close to the bound as one likes, and none exceeds it.
    @Test func boundsFollowPyTorchsFans() throws {
        let fixture = try Fixture("initializers")
        let initializers: [(String, String, Initializer)] = [
            ("xavier", "xavierUniform", .xavierUniform()), ("he", "heUniform", .heUniform()),
            ("he_out", "heUniform", .heUniform(fan: .output)),
        ]
        for (name, piece, initializer) in initializers {
            for shape in [[30, 20], [16, 8, 3], [16, 8, 3, 5], [4, 6, 2, 3, 2]] as [Shape] {
                let bound = try fixture.values("bound_\(name)_\(shape.map(String.init).joined(separator: "x"))")[0]
                let weights = try initializer.make(shape, generator: RandomGenerator(seed: 2), device: .cpu).floats()
                let largest = weights.map { abs($0) }.max()!
                Ledger.record(
                    .initializer("Initializer.\(piece)"), .outputs, on: "cpu", error: Double(1 - largest / bound),
                    tolerance: 0.05)
                #expect(largest <= bound * 1.000001 && largest > 0.95 * bound, "\(name) \(shape)")
            }
        }
    }
}
