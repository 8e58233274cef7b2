import Gimbal
import GimbalCPU
import GimbalTestSupport
import GimbalTrain
import Testing

/// A machine with too little memory, for every kind of net: an error, wherever it is met, never a trap.
@Suite struct MemoryRefusalTests {
    /// Makes a net, trains it for a step, and reads its loss.
    private func step(_ kind: ModelSettings.Kind, on device: Device) throws {
        try withDevice(device) {
            let shape = kind.isResNet ? [1, 8, 8] : [4, 3]
            var settings = ModelSettings(
                kind: kind, inputShape: kind.isOfTokens ? [5] : shape, outputs: 6,
                task: kind.isOfTokens ? .tokens : .classification)
            (settings.hidden, settings.heads, settings.layers) = (8, 2, kind.isResNet ? 0 : kind == .tcn ? 2 : 1)
            settings.dropout = kind.isResNet ? 0 : 0.1
            let model = withGenerator(RandomGenerator(seed: 1)) { settings.makeModel(device: device) }
            let x =
                kind.isOfTokens
                ? Tensor([1, 2, 3, 4, 5, 0, 1, 2, 3, 4] as [Int32], [2, 5])
                : Tensor.normal(Shape([2] + settings.sampleShape.sizes), generator: RandomGenerator(seed: 2))
            let optimizers: [any Optimizer] = [
                Adam(model.parameters), LAMB(model.parameters), Lookahead(SGD(model.parameters, learningRate: 0.1)),
            ]
            let average = ExponentialMovingAverage(model.parameters)
            let scaler = LossScaler(initialScale: 2, device: device)
            let logits = withGenerator(RandomGenerator(seed: 3)) { model(x) }.reshaped([-1, 6])
            let targets = Tensor([Int32](repeating: 1, count: logits.shape[0]), [logits.shape[0]])
            let loss = crossEntropy(logits, targets)
            for optimizer in optimizers { optimizer.zeroGradients() }
            try scaler.scaled(loss).backward()
            let condition = try scaler.unscale(model.parameters)
            _ = try GradientClipper(.percentile(90), nonFinite: .zero).clip(model.parameters)
            _ = try GradientClipper(.adaptive(clipping: 0.1)).clip(model.parameters)
            try WeightPenalty(l1: 0.01, l2: 0.01).addGradients(model.parameters)
            try GradientNoise().add(to: model.parameters, step: 1, generator: RandomGenerator(seed: 4))
            for optimizer in optimizers { try optimizer.step(if: condition) }
            try WeightConstraint.maxNorm(3).apply(to: model.parameters)
            try average.update()
            try average.whileSwappedIn { _ = try model(x).floats() }
            #expect(try loss.item().isFinite)
        }
    }

    @Test(arguments: [
        ModelSettings.Kind.mlp, .rnn, .lstm, .gru, .tcn, .transformer, .resnet20, .lstmLM, .transformerLM,
    ])
    func withEveryLimitOfMemory(kind: ModelSettings.Kind) throws {
        let whole = CPUBackend(threads: 1)
        try step(kind, on: Device(backend: whole))
        let peak = whole.memoryUsage.peak
        #expect(peak > 1000)
        let limits = stride(from: 0, to: peak, by: max(1, peak / 100))
        for limit in limits {
            let backend = CPUBackend(threads: 1, memoryLimitBytes: limit)
            do {
                try step(kind, on: Device(backend: backend))
                Issue.record("\(limit) bytes of \(peak) were enough")
            } catch GimbalError.outOfMemory {}
        }
        tell(tried: Array(limits).count, of: "refusals")
    }

    /// What is tested at once is the activations' size, and no matter to the result.
    @Test func tests() throws {
        let digits = Dataset.digits().split(trainFraction: 0.8).test
        var settings = ModelSettings(for: digits)
        (settings.hidden, settings.normalization) = (3000, .none)
        let recipe = Recipe(model: settings, training: TrainingSettings())
        func evaluation(_ backend: CPUBackend) throws -> Evaluation {
            let device = Device(backend: backend)
            let model = withGenerator(RandomGenerator(seed: 1)) { settings.makeModel(device: device) }
            return try recipe.evaluate(model, on: digits)
        }
        let whole = CPUBackend(threads: 1)
        let expected = try evaluation(whole)
        let small = CPUBackend(threads: 1, memoryLimitBytes: whole.memoryUsage.peak / 2)
        let found = try evaluation(small)
        #expect(found.accuracy == expected.accuracy && abs(found.loss! - expected.loss!) < 1e-6)
        let none = CPUBackend(threads: 1, memoryLimitBytes: 1 << 20)
        #expect(throws: GimbalError.self) { try evaluation(none) }
    }
}
