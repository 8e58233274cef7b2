import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// Whole training runs against PyTorch: the losses of 50 steps agree to 1e-4 relative.
@Suite(.serialized) struct TrainingParityTests {
    static let tolerance = 1e-4

    /// Weights from a file that PyTorch wrote, the same batches, clipping and SGD.
    @Test(arguments: devices) func seedNetOnDigitsFromPyTorchWeights(_ subject: BackendUnderTest) throws {
        let run = try Fixture("seednet-run")
        try withDevice(subject.device) {
            let model = seedNet(inputs: 64, hidden: 128)
            try model.load(from: Fixture.path("seednet"))
            let optimizer = SGD(model.parameters, learningRate: 0.1)
            let inputs = try run.tensor("inputs", on: subject.device)
            let targets = try run.integers("targets")
            let order = try run.integers("batches")
            let losses = try run.values("losses")
            let norms = try run.values("gradient_norms")
            for step in 0..<50 {
                let rows = [Int32](order[64 * step..<64 * step + 64])
                let batch = inputs.gathered(Tensor(rows))
                optimizer.zeroGradients()
                let loss = crossEntropy(model(batch), Tensor(rows.map { targets[Int($0)] }))
                try loss.backward()
                if step == 0 {
                    for parameter in model.parameters {
                        let gradient = try #require(parameter.gradient)
                        // Bias 0 is followed by BatchNorm, which takes it out again: its gradient is 0 but for rounding.
                        let expected = try run.values("gradients.\(parameter.name)")
                        guard parameter.name != "0.bias" else {
                            #expect(try gradient.absolute().max().item() < 1e-6)
                            continue
                        }
                        try expectClose(
                            gradient, expected, Self.tolerance, "gradient of \(parameter.name)",
                            of: .layer(parameter.name.hasPrefix("1.") ? "BatchNorm1d" : "Linear"), .gradients)
                    }
                }
                let norm = try clipGradientNorm(optimizer.parameters, maxNorm: 1)
                try optimizer.step()
                expectRelative(try loss.item(), losses[step], "loss of step \(step)")
                expectRelative(try norm.item(), norms[step], "gradient norm of step \(step)")
            }
            for (path, part) in model.stateParts {
                let expected = try run.values("final.\(path)")
                switch part {
                case .parameter(_, let parameter):
                    try expectClose(
                        parameter.value, expected, Self.tolerance, path,
                        of: .layer(path.hasPrefix("1.") ? "BatchNorm1d" : "Linear"), .steps)
                case .buffer(_, let buffer): try expectClose(buffer.value, expected, Self.tolerance, path)
                case .counter(_, let counter): #expect(Float(counter.value) == expected[0])
                case .module: break
                }
            }
            model.setMode(.evaluation)
            try expectClose(model(inputs), try run.values("final.logits"), Self.tolerance, "logits")
        }
    }

    /// The net of full size, with weights and images from a formula that both sides work out to the same bits.
    @Test(arguments: devices) func seedNetOfFullSizeWithMomentum(_ subject: BackendUnderTest) throws {
        let run = try Fixture("seednet784")
        try withDevice(subject.device) {
            let model = seedNet(inputs: 784, hidden: 512)
            for (tag, parameter) in zip([1, 2, nil, nil, 3, 4] as [UInt32?], model.parameters) {
                guard let tag else { continue }
                parameter.assign(Tensor(seedWeights(tag, parameter.elementCount), parameter.shape))
            }
            let first = try model.parameters[0].value.floats()
            #expect(
                [first[0], first[1], first[first.count - 2], first[first.count - 1]] == (try run.values("weights")))

            let optimizer = SGD(model.parameters, learningRate: 0.01, momentum: 0.9)
            let targets = try run.integers("targets")
            let losses = try run.values("losses")
            let norms = try run.values("gradient_norms")
            for step in 0..<50 {
                let batch = seedBatch(step, targets: targets)
                if step == 0 { #expect([Float](batch[..<(2 * 784)]) == (try run.values("inputs"))) }
                optimizer.zeroGradients()
                let logits = model(Tensor(batch, [64, 784]))
                let loss = crossEntropy(logits, Tensor([Int32](targets[64 * step..<64 * step + 64])))
                try loss.backward()
                let norm = try clipGradientNorm(optimizer.parameters, maxNorm: 1)
                try optimizer.step()
                expectRelative(try loss.item(), losses[step], "loss of step \(step)")
                expectRelative(try norm.item(), norms[step], "gradient norm of step \(step)")
            }
            try expectClose(model.parameters[5].value, try run.values("final.3.bias"), Self.tolerance, "3.bias")
            let norm = try #require(model.layers[1] as? BatchNorm1d)
            try expectClose(
                try #require(norm.runningMean).value, try run.values("final.1.running_mean"), Self.tolerance, "mean")
            try expectClose(
                try #require(norm.runningVariance).value, try run.values("final.1.running_var"), Self.tolerance,
                "variance")
        }
    }

    @Test(arguments: devices) func optimizers(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("optimizers")
        let runs: [(String, ([Parameter]) -> any Optimizer)] = [
            ("sgd", { SGD($0, learningRate: 0.1) }),
            ("sgd_momentum", { SGD($0, learningRate: 0.05, momentum: 0.9, dampening: 0.3) }),
            ("sgd_nesterov", { SGD($0, learningRate: 0.05, momentum: 0.9, weightDecay: 0.01, isNesterov: true) }),
            ("adam", { Adam($0, learningRate: 0.01) }),
            (
                "adam_decay",
                { Adam($0, learningRate: 0.01, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1) }
            ),
            ("adamw", { AdamW($0, learningRate: 0.01, weightDecay: 0.1) }),
        ]
        #expect(runs.count == fixture.names.count { $0.hasSuffix(".losses") })
        try withDevice(subject.device) {
            let inputs = try fixture.tensor("inputs", on: subject.device)
            let targets = try fixture.tensor("targets", on: subject.device)
            for (name, makeOptimizer) in runs {
                let model = Sequential {
                    Linear(8, 16)
                    Tanh()
                    Linear(16, 4)
                }
                for parameter in model.parameters {
                    parameter.assign(try fixture.tensor("initial.\(parameter.name)", on: subject.device))
                }
                let optimizer = makeOptimizer(model.parameters)
                for (step, expected) in try fixture.values("\(name).losses").enumerated() {
                    optimizer.zeroGradients()
                    let loss = meanSquaredError(model(inputs), targets)
                    try loss.backward()
                    try optimizer.step()
                    expectRelative(try loss.item(), expected, "\(name): loss of step \(step)")
                }
                for parameter in model.parameters {
                    let expected = try fixture.values("\(name).final.\(parameter.name)")
                    try expectClose(
                        parameter.value, expected, Self.tolerance, "\(name): \(parameter.name)",
                        of: .optimizer("\(type(of: optimizer))"), .steps)
                }
            }
        }
    }

    private func seedNet(inputs: Int, hidden: Int) -> Sequential {
        Sequential {
            Linear(inputs, hidden)
            BatchNorm1d(hidden)
            ReLU()
            Linear(hidden, 10)
        }
    }

    private func expectRelative(
        _ actual: Float, _ expected: Float, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            abs(Double(actual) - Double(expected)) <= Self.tolerance * abs(Double(expected)),
            "\(what): \(actual), PyTorch \(expected)", sourceLocation: sourceLocation)
    }

    // MARK: The formula of seednet784; see make_fixtures.py

    private func hash(_ tag: UInt32, _ index: Int) -> UInt32 {
        var h = UInt32(truncatingIfNeeded: index) &+ tag << 24
        h ^= h >> 16
        h = h &* 0x85EB_CA6B
        h ^= h >> 13
        h = h &* 0xC2B2_AE35
        return h ^ h >> 16
    }

    private func seedWeights(_ tag: UInt32, _ count: Int) -> [Float] {
        (0..<count).map { Float(hash(tag, $0) >> 8) * 0x1p-28 - 0x1p-5 }
    }

    private func seedBatch(_ step: Int, targets: [Int32]) -> [Float] {
        (0..<64).flatMap { row in
            let r = 64 * step + row
            return (0..<784).map { pixel in
                let template = hash(5, Int(targets[r]) * 784 + pixel) >> 16
                let noise = hash(6, r * 784 + pixel) >> 16
                return Float(template + 3 * noise) * 0x1p-18
            }
        }
    }
}
