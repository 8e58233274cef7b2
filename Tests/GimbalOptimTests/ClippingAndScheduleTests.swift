import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

@Suite struct ClippingTests {
    let device = Device(backend: ReferenceBackend())

    func parameters(_ gradients: [[Double]]) -> [Parameter] {
        gradients.map { values in
            let parameter = Parameter(Tensor.zeros([values.count], device: device))
            parameter.gradient = Tensor(values, device: device)
            return parameter
        }
    }

    func gradients(_ parameters: [Parameter]) throws -> [Double] {
        try parameters.reduce(into: []) { $0 += try $1.gradient!.doubles() }
    }

    @Test func allGradientsShareOneNorm() throws {
        let parameters = parameters([[3], [0, 4]])
        let norm = try clipGradientNorm(parameters, maxNorm: 2.5)
        #expect(try norm.doubles() == [5])
        for (actual, expected) in zip(try gradients(parameters), [1.5, 0, 2]) {
            #expect(abs(actual - expected) < 1e-6)
        }
    }

    @Test func aSmallNormIsLeftAloneAndMeasuringChangesNothing() throws {
        let parameters = parameters([[0.3], [0.4]])
        try clipGradientNorm(parameters, maxNorm: 1)
        #expect(try gradients(parameters) == [0.3, 0.4])
        #expect(try gradientNorm(parameters).doubles() == [0.5])
    }

    @Test func aNormThatIsNotANumberShows() throws {
        let parameters = parameters([[.nan], [1, 0]])
        #expect(try clipGradientNorm(parameters, maxNorm: 1).item().isNaN)
        let values = try parameters[1].gradient!.doubles()
        #expect(values[0].isNaN && values[1] == 0)
    }

    @Test func noGradientsHaveNormZero() throws {
        #expect(try clipGradientNorm([], maxNorm: 1).item() == 0)
        #expect(try clipGradientNorm([Parameter(.zeros([2], device: device))], maxNorm: 1).item() == 0)
    }

    @Test func valuesAreLimitedAndNaNStays() throws {
        let parameters = parameters([[-3, 0.25, 7, .nan, .infinity]])
        try clipGradientValue(parameters, limit: 0.5)
        let values = try parameters[0].gradient!.doubles()
        #expect([Double](values[..<3]) == [-0.5, 0.25, 0.5])
        #expect(values[3].isNaN && values[4] == 0.5)
    }
}

@Suite struct ScheduleTests {
    @Test func warmupRisesToTheScheduleItPrecedes() {
        let schedule = Schedule.cosine(steps: 10, minimum: 0.2).warmedUp(steps: 4)
        #expect((0..<5).map { schedule.factor(at: $0) } == [0, 0.25, 0.5, 0.75, 1])
        #expect(abs(schedule.factor(at: 9) - 0.6) < 1e-12)
        #expect(abs(schedule.factor(at: 14) - 0.2) < 1e-12)
        #expect(abs(schedule.factor(at: 1000) - 0.2) < 1e-12, "it stays at its minimum")
    }

    @Test func exponentialWarmupRisesByOneFactor() {
        let schedule = Schedule.step(size: 2, gamma: 0.5).warmedUpExponentially(steps: 3, from: 0.001)
        expectFactors(schedule, [0.001, 0.01, 0.1, 1, 1, 0.5], "Schedule.warmedUpExponentially")
    }

    @Test func theInverseSquareRootPeaksAtOne() {
        let schedule = Schedule.inverseSquareRoot(warmup: 4)
        expectFactors(schedule, [0.25, 0.5, 0.75, 1, (4.0 / 5).squareRoot()], "Schedule.inverseSquareRoot")
        #expect(abs(schedule.factor(at: 399) - 0.1) < 1e-12)
    }

    private func expectFactors(_ schedule: Schedule, _ expected: [Double], _ piece: String) {
        let errors = expected.enumerated().map { abs(schedule.factor(at: $0) - $1) }
        let worst = errors.max() ?? 0
        #expect(worst < 1e-12, "\(piece): \(errors)")
        Ledger.record(.schedule(piece), .property, on: "host", error: worst, tolerance: 1e-12)
    }

    @Test func cyclesGoOnBeyondTheirPeriodAndOneCycleStaysAtItsEnd() {
        let cycle = Schedule.oneCycle(steps: 10)
        #expect(cycle.factor(at: 9) == cycle.factor(at: 1000))
        let restarts = Schedule.cosineWithRestarts(period: 1, growth: 2)
        #expect([0, 1, 3, 7, 1023].allSatisfy { restarts.factor(at: $0) == 1 })
        #expect(Schedule.oneCycle(steps: 1).factor(at: 0).isFinite)
    }

    @Test func stepsFallByTheFactor() {
        let schedule = Schedule.step(size: 3, gamma: 0.5)
        #expect((0..<7).map { schedule.factor(at: $0) } == [1, 1, 1, 0.5, 0.5, 0.5, 0.25])
    }

    /// PyTorch's rule, best · (1 - threshold), lies above a negative best, so that a flat metric would count as better.
    @Test func aFlatMetricIsAPlateauWhateverItsSign() {
        for mode in MetricMode.allCases {
            for metric in [-5.0, 0, 5] {
                var plateau = ReduceOnPlateau(mode: mode, patience: 1)
                let scales = (0..<6).map { _ in
                    plateau.update(metric)
                    return plateau.scale
                }
                for (scale, expected) in zip(scales, [1, 1, 0.1, 0.1, 0.01, 0.01]) {
                    #expect(abs(scale - expected) < 1e-15, "\(mode), \(metric): \(scales)")
                }
            }
            // A hundredth of a percent towards the better does not count, a whole percent does.
            let sign: Double = mode == .minimum ? -1 : 1
            for best in [-5.0, 5] {
                for (change, isBetter) in [(4e-4, false), (5e-2, true), (-5e-2, false)] {
                    var plateau = ReduceOnPlateau(mode: mode, patience: 0)
                    plateau.update(best)
                    plateau.update(best + sign * change)
                    #expect((plateau.scale == 1) == isBetter, "\(mode), \(best), \(change)")
                }
            }
        }
    }

    @Test func aPlateauThatRaisesTheRateOrHasNoPatienceStops() async {
        await #expect(processExitsWith: .failure) { _ = ReduceOnPlateau(factor: 1) }
        await #expect(processExitsWith: .failure) { _ = ReduceOnPlateau(factor: -0.1) }
        await #expect(processExitsWith: .failure) { _ = ReduceOnPlateau(patience: -1) }
        await #expect(processExitsWith: .failure) { _ = ReduceOnPlateau(cooldown: -1) }
    }
}
