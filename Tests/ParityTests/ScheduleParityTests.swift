import Foundation
import GimbalOptim
import GimbalTestSupport
import Testing

/// A hundred rates of every schedule, held against PyTorch's.
@Suite struct ScheduleParityTests {
    static let base = 0.1

    static let schedules: [(name: String, piece: String, schedule: Schedule)] = [
        ("multi_step", "multiStep", .multiStep(milestones: [10, 30, 31, 80], gamma: 0.3)),
        ("exponential", "exponential", .exponential(gamma: 0.97)),
        ("linear", "linear", .linear(from: 0.25, to: 0.75, steps: 40)),
        ("polynomial", "polynomial", .polynomial(steps: 70)),
        ("polynomial_2", "polynomial", .polynomial(steps: 70, power: 2.5)),
        ("cosine", "cosine", .cosine(steps: 100, minimum: 0.02)),
        ("restarts", "cosineWithRestarts", .cosineWithRestarts(period: 15)),
        ("restarts_2", "cosineWithRestarts", .cosineWithRestarts(period: 7, growth: 2, minimum: 0.1)),
        ("one_cycle", "oneCycle", .oneCycle(steps: 100)),
        (
            "one_cycle_linear", "oneCycle",
            .oneCycle(steps: 100, rise: 0.2, annealing: .linear, startDivisor: 10, endDivisor: 100)
        ),
        ("one_cycle_three", "oneCycle", .oneCycle(steps: 100, rise: 0.4, hasThreePhases: true)),
        ("cyclic", "cyclic", .cyclic(peak: 6, stepsUp: 8)),
        ("cyclic_2", "cyclic", .cyclic(peak: 6, stepsUp: 5, stepsDown: 15, shape: .halving)),
        ("cyclic_range", "cyclic", .cyclic(peak: 6, stepsUp: 10, shape: .exponential(gamma: 0.98))),
        ("noam", "noam", .noam(modelSize: 512, warmup: 20)),
        (
            "sequential", "sequential",
            .sequential(
                [.linear(from: 0.1, to: 0.1, steps: 1), .exponential(gamma: 0.9), .cosine(steps: 50)],
                milestones: [20, 50])
        ),
        ("chained", "chained", .chained([.linear(from: 0.1, to: 1, steps: 10), .exponential(gamma: 0.95)])),
    ]

    @Test func everyScheduleHasPyTorchsRates() throws {
        let fixture = try Fixture("schedule-kinds")
        for (name, piece, schedule) in Self.schedules {
            try compare(fixture, name, schedule, scale: Self.base, "Schedule.\(piece)")
        }
        #expect(
            Self.schedules.count
                == fixture.names.count { !$0.hasPrefix("plateau.") && !$0.hasPrefix("momentum.") })
    }

    @Test func theMomentumOfOneCycleFallsAsTheRateRises() throws {
        let fixture = try Fixture("schedule-kinds")
        try compare(
            fixture, "momentum.one_cycle", .oneCycleMomentum(steps: 100), scale: 1, "Schedule.oneCycleMomentum")
        try compare(
            fixture, "momentum.one_cycle_linear", .oneCycleMomentum(steps: 100, rise: 0.2, annealing: .linear),
            scale: 1, "Schedule.oneCycleMomentum")
        try compare(
            fixture, "momentum.one_cycle_three", .oneCycleMomentum(steps: 100, rise: 0.4, hasThreePhases: true),
            scale: 1, "Schedule.oneCycleMomentum")
    }

    private func compare(_ fixture: Fixture, _ name: String, _ schedule: Schedule, scale: Double, _ piece: String)
        throws
    {
        let expected = try fixture.values(name).map(Double.init)
        #expect(expected.count == 100)
        let largest = expected.max() ?? 0
        var worst = 0.0
        for (step, rate) in expected.enumerated() {
            let actual = schedule.factor(at: step) * scale
            worst = max(worst, abs(actual - rate) / largest)
            #expect(abs(actual - rate) <= 1e-6 * largest, "\(name) at step \(step): \(actual), PyTorch \(rate)")
        }
        Ledger.record(.schedule(piece), .outputs, on: "host", error: worst, tolerance: 1e-6)
    }

    @Test func plateausLowerTheRateWherePyTorchDoes() throws {
        let fixture = try Fixture("schedule-kinds")
        let plateaus: [(String, ReduceOnPlateau)] = [
            ("default", ReduceOnPlateau(patience: 3)),
            (
                "max_abs",
                ReduceOnPlateau(mode: .maximum, factor: 0.5, patience: 2, threshold: .absolute(0.05), cooldown: 3)
            ),
            (
                "floor",
                ReduceOnPlateau(factor: 0.2, patience: 1, threshold: .relative(0.02), cooldown: 1, minimum: 0.03)
            ),
        ]
        for (name, fresh) in plateaus {
            var plateau = fresh
            let metrics = try fixture.values("plateau.\(name).metrics")
            let rates = try fixture.values("plateau.\(name).rates")
            var worst = 0.0
            for (index, metric) in metrics.enumerated() {
                plateau.update(Double(metric))
                // As after a resumed run.
                plateau = try JSONDecoder().decode(ReduceOnPlateau.self, from: JSONEncoder().encode(plateau))
                let actual = Self.base * plateau.scale
                worst = max(worst, abs(actual / Double(rates[index]) - 1))
                #expect(
                    abs(actual - Double(rates[index])) <= 1e-6 * actual,
                    "\(name) after value \(index): \(actual), PyTorch \(rates[index])")
            }
            Ledger.record(.schedule("ReduceOnPlateau"), .outputs, on: "host", error: worst, tolerance: 1e-6)
        }
    }
}
