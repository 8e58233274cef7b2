import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// The loss scale of float16, on every device and without the host waiting.
@Suite struct LossScalerTests {
    /// One good or bad step: a gradient of `value` times the scale.
    private func step(
        _ scaler: LossScaler, _ parameter: Parameter, _ optimizer: any Optimizer, gradient value: Double
    ) throws {
        optimizer.zeroGradients()
        try scaler.scaled((parameter.value * value).sum()).backward()
        let isFinite = try scaler.unscale([parameter])
        try optimizer.step(if: isFinite)
        try scaler.update(isFinite)
    }

    @Test(arguments: BackendUnderTest.all) func aGoodStepIsThatOfTheUnscaledLoss(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        let parameter = Parameter(Tensor([1, -2, 3] as [Double], device: device))
        let scaler = LossScaler(device: device)
        try step(scaler, parameter, SGD([parameter], learningRate: 0.5), gradient: 0.25)
        #expect(try parameter.gradient!.floats() == [0.25, 0.25, 0.25])
        #expect(try parameter.value.floats() == [0.875, -2.125, 2.875])
        #expect(try scaler.counters() == LossScaler.Counters(scale: 65536, goodSteps: 1, skippedSteps: 0))
    }

    @Test(arguments: BackendUnderTest.all) func aBadStepIsLeftOutAndHalvesTheScale(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        for bad in [Double.infinity, -.infinity, .nan, 1e38] {
            let parameter = Parameter(Tensor([1, -2, 3] as [Double], device: device))
            let optimizer = Adam([parameter])
            let scaler = LossScaler(device: device)
            try step(scaler, parameter, optimizer, gradient: bad)
            #expect(try parameter.value.floats() == [1, -2, 3], "\(bad)")
            for moment in optimizer.state.tensors { #expect(try moment.value.floats() == [0, 0, 0], "\(bad)") }
            #expect(try scaler.counters() == LossScaler.Counters(scale: 32768, goodSteps: 0, skippedSteps: 1))
        }
    }

    /// The rules of PyTorch's `GradScaler`, as the host would follow them.
    @Test(arguments: BackendUnderTest.all) func theScaleFollowsTheRules(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        let parameter = Parameter(Tensor([1] as [Double], device: device))
        let optimizer = SGD([parameter], learningRate: 1e-3)
        let scaler = LossScaler(
            initialScale: 8, growthFactor: 2, backoffFactor: 0.25, growthInterval: 3, device: device)
        var (scale, streak, skipped) = (8.0, 0, 0)
        for isGood in [
            true, true, true, true, false, true, true, false, false, true, true, true, true, true, true, true,
        ] {
            try step(scaler, parameter, optimizer, gradient: isGood ? 1 : .infinity)
            if isGood {
                streak += 1
                if streak == 3 { (scale, streak) = (scale * 2, 0) }
            } else {
                (scale, streak, skipped) = (scale * 0.25, 0, skipped + 1)
            }
            let expected = LossScaler.Counters(scale: scale, goodSteps: streak, skippedSteps: skipped)
            #expect(try scaler.counters() == expected)
        }
    }

    @Test func theScaleStopsGrowingBeforeItOverflows() throws {
        let parameter = Parameter(Tensor([1] as [Double], device: .cpu))
        let scaler = LossScaler(initialScale: 0x1p127, growthInterval: 1, device: .cpu)
        try step(scaler, parameter, SGD([parameter], learningRate: 0), gradient: 0)
        #expect(try scaler.counters().scale == 0x1p127)
    }

    @Test func aRestoredScalerGoesOnAsTheFirst() throws {
        let parameter = Parameter(Tensor([1] as [Double], device: .cpu))
        let optimizer = SGD([parameter], learningRate: 0)
        let first = LossScaler(growthInterval: 2, device: .cpu)
        for gradient in [Double.nan, 1] { try step(first, parameter, optimizer, gradient: gradient) }
        let second = LossScaler(growthInterval: 2, device: .cpu)
        second.restore(first.state)
        for scaler in [first, second] {
            try step(scaler, parameter, optimizer, gradient: 1)
            #expect(try scaler.counters() == LossScaler.Counters(scale: 65536, goodSteps: 0, skippedSteps: 1))
        }
    }
}

/// Training in float16 with a scale that overflows at first.
@Suite struct OverflowTests {
    /// Steps on one batch until as many as asked for were taken, and what they left.
    private func train(
        initialScale: Double, steps: Int, on device: Device, _ make: ([Parameter]) -> any Optimizer
    ) throws -> (weights: [[Float]], counters: LossScaler.Counters) {
        try withDevice(device) {
            let model = withGenerator(RandomGenerator(seed: 1)) {
                Sequential {
                    Linear(20, 32)
                    BatchNorm1d(32)
                    ReLU()
                    Linear(32, 5)
                }
            }
            let optimizer = make(model.parameters)
            let scaler = LossScaler(initialScale: initialScale)
            let inputs = Tensor(samples(16 * 20, seed: 3), [16, 20])
            let targets = Tensor((0..<16).map { Int32($0 % 5) })
            var (taken, skipped) = (0, 0)
            while taken < steps {
                optimizer.zeroGradients()
                let loss = withPrecision(.float16) { crossEntropy(model(inputs), targets) }
                try scaler.scaled(loss).backward()
                let isFinite = try scaler.unscale(optimizer.parameters)
                try clipGradientNorm(optimizer.parameters, maxNorm: 1)
                try optimizer.step(if: isFinite)
                try scaler.update(isFinite)
                let found = try scaler.counters().skippedSteps
                optimizer.discountSteps(found - skipped)
                if found == skipped { taken += 1 }
                skipped = found
            }
            return (try model.parameters.map { try $0.value.floats() }, try scaler.counters())
        }
    }

    /// Steps that overflow leave nothing behind: those that follow have the bits of a run that began with the scale that
    /// they ended with.
    @Test(arguments: BackendUnderTest.all) func aRunThatOverflowsRecovers(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        for make in [
            { SGD($0, learningRate: 0.1, momentum: 0.9) }, { AdamW($0, learningRate: 0.01) },
        ] as [([Parameter]) -> any Optimizer] {
            let found = try train(initialScale: 0x1p40, steps: 20, on: device, make)
            #expect(found.counters.skippedSteps > 10 && found.counters.scale < 0x1p30)
            #expect(found.counters.goodSteps == 20)
            let expected = try train(initialScale: found.counters.scale, steps: 20, on: device, make)
            #expect(expected.counters.skippedSteps == 0)
            #expect(found.weights == expected.weights)
        }
    }
}
