import GimbalNN
import GimbalOptim
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct AveragingTests {
    let device = Device(backend: ReferenceBackend())

    private func parameter(_ values: [Double], _ name: String = "p") -> Parameter {
        Parameter(Tensor(values, device: device), name: name)
    }

    @Test func lookaheadFollowsAlgorithm1OfItsPaper() throws {
        let parameters = [parameter([1, -2], "a"), parameter([3], "b")]
        let optimizer = Lookahead(SGD(parameters, learningRate: 0.5), interval: 2, share: 0.25)
        var (slow, fast) = ([1.0, -2, 3], [1.0, -2, 3])
        var worst = 0.0
        for step in 1...5 {
            for parameter in parameters { parameter.gradient = parameter.value.detached() * 1 }
            try optimizer.step()
            fast = fast.map { $0 - 0.5 * $0 }
            if step % 2 == 0 {
                slow = zip(slow, fast).map { $0 + 0.25 * ($1 - $0) }
                fast = slow
            }
            let values = try parameters.flatMap { try $0.value.doubles() }
            worst = zip(values, fast).reduce(worst) { max($0, abs($1.0 - $1.1)) }
        }
        #expect(worst < 1e-12)
        Ledger.record(.optimizer("Lookahead"), .property, on: "reference", error: worst, tolerance: 1e-12)
    }

    @Test func lookaheadLeavesOthersAlone() throws {
        let parameters = [parameter([1], "a"), parameter([2], "b")]
        _ = SGD(parameters, learningRate: 0)
        let all = Adam(parameters)
        let optimizer = Lookahead(SGD([parameters[0]], learningRate: 0.5), interval: 1)
        for _ in 0..<3 {
            parameters[1].assign(parameters[1].value.detached() + 1)
            parameters[0].gradient = Tensor([1] as [Double], device: device)
            try optimizer.step()
        }
        let values = try parameters[1].value.doubles()
        #expect(values == [5])
        withExtendedLifetime(all) {}
    }

    @Test func warmUpForgetsEarlyWeights() throws {
        let parameter = parameter([1])
        let average = ExponentialMovingAverage([parameter], decay: 0.9, warmsUp: true)
        var expected = 1.0
        for step in 0..<200 {
            parameter.assign(Tensor([Double(step + 1)], device: device))
            try average.update()
            let decay = min(0.9, (1 + Double(step)) / (10 + Double(step)))
            expected = step == 0 ? 1 : decay * expected + (1 - decay) * Double(step + 1)
        }
        try average.whileSwappedIn {
            let value = try parameter.value.item()
            #expect(abs(Double(value) - expected) < 1e-4)
        }
    }

    @Test func aRestoredAverageGoesOnWithTheSameBits() throws {
        let parameters = [parameter([1, 2, 3], "a"), parameter([4], "b")]
        let average = ExponentialMovingAverage(parameters, decay: 0.8)
        func move(_ step: Int) {
            for parameter in parameters { parameter.assign(parameter.value.detached() * 0.9 + Double(step)) }
        }
        for step in 0..<3 {
            move(step)
            try average.update()
        }
        let resumed = ExponentialMovingAverage(parameters, decay: 0.8)
        try resumed.restore(average.state)
        move(3)
        try average.update()
        try resumed.update()
        for ((name, value), (_, other)) in zip(average.state.tensors, resumed.state.tensors) {
            let (first, second) = (try value.doubles(), try other.doubles())
            #expect(first == second, "\(name)")
        }
        #expect(resumed.updates == 4)
        let others = ExponentialMovingAverage([parameters[0]], decay: 0.8)
        #expect(throws: GimbalError.self) { try others.restore(average.state) }
    }

    @Test func averagesGoOutAgainWhereTheBodyThrows() throws {
        let parameter = parameter([1])
        let average = ExponentialMovingAverage([parameter], decay: 0)
        try average.update()
        parameter.assign(Tensor([7] as [Double], device: device))
        #expect(throws: GimbalError.self) {
            try average.whileSwappedIn { throw GimbalError.invalidSetting(name: "x", reason: "y") }
        }
        let value = try parameter.value.doubles()
        #expect(value == [7])
    }
}

@Suite struct RegularizationTests {
    let device = Device(backend: ReferenceBackend())

    @Test func penaltiesInTheLossAndOnTheGradientAreTheSame() throws {
        let penalty = WeightPenalty(l1: 0.3, l2: 0.7)
        let values = [1.5, -2, 0, 0.25]
        let parameters = [
            Parameter(Tensor(values, device: device)), Parameter(Tensor([-1] as [Double], device: device)),
        ]
        let loss = penalty.loss(parameters)
        let expected = 0.3 * 4.75 + 0.35 * (2.25 + 4 + 0.0625 + 1)
        let total = try loss.doubles()[0]
        #expect(abs(total - expected) < 1e-12)
        try loss.backward()
        let graph = try parameters.map { try $0.gradient!.doubles() }
        for parameter in parameters { parameter.gradient = Tensor.zeros(parameter.shape, device: device) }
        try penalty.addGradients(parameters)
        let direct = try parameters.map { try $0.gradient!.doubles() }
        let worst = zip(graph.joined(), direct.joined()).map { abs($0 - $1) }.max() ?? 0
        #expect(worst < 1e-12)
        Ledger.record(.regularization("WeightPenalty"), .property, on: "reference", error: worst, tolerance: 1e-12)

        try penalty.decay(parameters, rate: 0.1)
        let decayed = try parameters[0].value.doubles()
        for (value, start) in zip(decayed, values) {
            let sign = start == 0 ? 0 : start > 0 ? 1.0 : -1
            #expect(abs(value - (start - 0.1 * (0.3 * sign + 0.7 * start))) < 1e-12)
        }
    }

    @Test func penaltyGradientsAgreeWithDifferences() throws {
        try expectGradient(of: .regularization("WeightPenalty"), [([0.5, -1.5, 2], [3])]) { inputs in
            let weight = inputs[0]
            return weight.absolute().sum() * 0.3 + weight.square().sum() * 0.35
        }
    }

    @Test func nothingStaysBelowZero() throws {
        let parameter = Parameter(Tensor([1, -2, .nan, -0.5], device: device))
        try WeightConstraint.nonNegative.apply(to: [parameter])
        let values = try parameter.value.doubles()
        #expect(values[2].isNaN)
        let worst = zip([0, 1, 3], [1.0, 0, 0]).map { abs(values[$0] - $1) }.max() ?? 0
        #expect(worst == 0)
        Ledger.record(
            .regularization("WeightConstraint.nonNegative"), .property, on: "reference", error: worst, tolerance: 0)
    }

    @Test func aUnitOfZerosStays() throws {
        let parameter = Parameter(Tensor([0, 0, 3, 4], [2, 2], device: device))
        try WeightConstraint.unitNorm.apply(to: [parameter])
        let values = try parameter.value.doubles()
        #expect(values[0] == 0 && values[1] == 0 && abs(values[2] - 0.6) < 1e-12 && abs(values[3] - 0.8) < 1e-12)
    }

    @Test func noiseFadesAndFollowsItsSeed() throws {
        let noise = GradientNoise(eta: 0.3, gamma: 0.55)
        func draw(step: Int) throws -> [Double] {
            let parameter = Parameter(Tensor.zeros([10_000], device: device))
            parameter.gradient = Tensor.zeros([10_000], device: device)
            try noise.add(to: [parameter], step: step, generator: RandomGenerator(seed: 5))
            return try parameter.gradient!.doubles()
        }
        for step in [0, 99] {
            let values = try draw(step: step)
            let again = try draw(step: step)
            #expect(values == again)
            let variance = values.reduce(0) { $0 + $1 * $1 } / 10_000
            let expected = noise.standardDeviation(at: step) * noise.standardDeviation(at: step)
            #expect(abs(variance / expected - 1) < 0.06)
            Ledger.record(
                .regularization("GradientNoise"), .property, on: "reference", error: abs(variance / expected - 1),
                tolerance: 0.06)
        }
        #expect(abs(noise.standardDeviation(at: 0) - 0.3.squareRoot()) < 1e-12)
    }

    /// A parameter is no batch, whatever its shape.
    @Test func noiseIsTheSameOnAllRanks() throws {
        func draw() throws -> [Double] {
            let parameter = Parameter(Tensor.zeros([5, 3], device: device))
            parameter.gradient = Tensor.zeros([5, 3], device: device)
            let generator = RandomGenerator(seed: 5)
            try GradientNoise().add(to: [parameter], step: 0, generator: generator)
            return try parameter.gradient!.doubles() + [Double(generator.state.counter)]
        }
        let expected = try draw()
        for rank in 0..<2 {
            let share = BatchShare(rank: rank, of: 2, rows: 10)
            #expect(try BatchShare.$current.withValue(share) { try draw() } == expected)
        }
    }
}
