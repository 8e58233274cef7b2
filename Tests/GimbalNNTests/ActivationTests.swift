import GimbalNN
import GimbalTestSupport
import Testing

/// Gradients of the activation layers against central differences, and what they do beside their formula.
@Suite struct ActivationTests {
    @Test func gradientsAgreeWithDifferences() throws {
        let layers: [(String, any TensorLayer)] = [
            ("Sigmoid", Sigmoid()), ("Tanh", Tanh()), ("ReLU", ReLU()), ("ReLU6", ReLU6()), ("LeakyReLU", LeakyReLU()),
            ("ELU", ELU(scale: 0.7)), ("SELU", SELU()), ("CELU", CELU(scale: 0.6)), ("SiLU", SiLU()), ("GELU", GELU()),
            ("GELU", GELU(approximatesByTanh: true)), ("Mish", Mish()), ("Softplus", Softplus()),
            ("Softplus", Softplus(beta: 2)), ("Softplus", Softplus(beta: 3, threshold: 1)), ("Softsign", Softsign()),
            ("LogSigmoid", LogSigmoid()), ("Tanhshrink", Tanhshrink()), ("Hardtanh", Hardtanh()),
            ("Hardtanh", Hardtanh(-0.3...1.1)), ("Hardsigmoid", Hardsigmoid()), ("Hardswish", Hardswish()),
            ("Hardshrink", Hardshrink()), ("Softshrink", Softshrink(0.3)), ("Threshold", Threshold(0.2, value: 3)),
            ("GLU", GLU()), ("GLU", GLU(axis: 0)), ("Softmax", Softmax()), ("Softmax", Softmax(axis: 0)),
            ("LogSoftmax", LogSoftmax(axis: 1)), ("LogSoftmax", LogSoftmax(axis: 0)), ("Softmin", Softmin(axis: 1)),
        ]
        for (name, layer) in layers {
            for shape in [[4, 6], [2, 3, 4], [2, 0, 4]] as [Shape] {
                try expectGradient(of: .activation(name), [spread(shape, low: -4, high: 4)]) { layer($0[0]) }
            }
        }
        for shape in [[6, 3], [2, 3, 4], [2, 3, 2, 2]] as [Shape] {
            try expectGradient(of: .activation("PReLU"), [spread(shape)], module: { PReLU(3) }) { $0($1[0]) }
            try expectGradient(of: .activation("PReLU"), [spread(shape)], module: { PReLU() }) { $0($1[0]) }
        }
        try expectGradient(of: .activation("RReLU"), [spread([4, 6])]) {
            RReLU(generator: RandomGenerator(seed: 3))($0[0])
        }
    }

    @Test func randomSlopesLieInTheirRangeAndRestInEvaluation() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let layer = RReLU(lower: 0.2, upper: 0.4, generator: RandomGenerator(seed: 1))
            let x = Tensor(repeating: -1, [200, 50])
            let slopes = try layer(x).doubles().map { -$0 }
            #expect(slopes.allSatisfy { (0.2...0.4).contains($0) })
            let mean = slopes.reduce(0, +) / 10000
            #expect(abs(mean - 0.3) < 0.0035)  // Six standard errors of a uniform distribution's mean.
            let again = try layer(x).doubles().map { -$0 }
            #expect(again != slopes, "each call draws anew")
            let positive = try layer(Tensor.ones([3])).doubles()
            #expect(positive == [1, 1, 1])
            layer.isTraining = false
            let resting = try layer(x).doubles()
            #expect(resting.allSatisfy { abs($0 + 0.3) < 1e-15 })
        }
    }

    @Test func parametersAreNamedAsInPyTorch() {
        #expect(PReLU(3).parameters.map(\.name) == ["weight"])
        #expect(PReLU(3).weight.shape == [3])
    }
}
