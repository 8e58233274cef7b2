import Foundation
import GimbalDoctor
import Testing

/// Runs of which only the figures are there: what rules make of them.
@Suite("Rules for a run under way")
struct CourseTests {
    /// A run of `steps` steps whose losses follow `loss`, with a little noise, and looks every ten steps.
    private func findings(
        steps: Int = 400, noise: Double = 0.05, plan: (inout Course.Plan) -> Void = { _ in },
        look: (Int) -> HealthLook? = { _ in nil }, epochs: Int = 0,
        validation: (Int) -> Double? = { _ in nil }, modes: (Int) -> Course.Epoch.Modes? = { _ in nil },
        gradientNorm: (Int) -> Double? = { _ in 1 }, loss: (Int) -> Double
    ) -> [Finding] {
        var planned = Course.Plan()
        planned.steps = steps
        planned.rateFactors = [Double](repeating: 1, count: min(steps, 1000))
        plan(&planned)
        var course = Course(plan: planned)
        var found: [Finding] = []
        var random = SystemRandom(seed: 7)
        var sum = 0.0
        let perEpoch = epochs > 0 ? steps / epochs : 0
        for step in 1...steps {
            let value = loss(step) * (1 + noise * random.normal())
            sum += value
            course.add(Course.Step(number: step, loss: value, learningRate: 0.1, gradientNorm: gradientNorm(step)))
            if step % 10 == 0, let look = look(step) { course.add(look) }
            if perEpoch > 0, step % perEpoch == 0 {
                let number = step / perEpoch
                course.add(
                    Course.Epoch(
                        number: number, step: step, trainLoss: sum / Double(perEpoch),
                        validationLoss: validation(number),
                        modes: modes(number)))
                sum = 0
            }
            if step % 10 == 0 { found += Doctor().look(at: course, known: found) }
        }
        return found
    }

    /// Normal numbers that are the same each time.
    private struct SystemRandom {
        var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func uniform() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (Double(state >> 11) + 0.5) / Double(1 << 53)
        }
        mutating func normal() -> Double { (-2 * log(uniform())).squareRoot() * cos(2 * .pi * uniform()) }
    }

    /// A look at a net of one layer and a ReLU.
    private func look(
        _ step: Int, ratio: Double = 1e-3, dead: Double = 0.05, gradient: Double = 1e-2, weight: Double = 0.1,
        descent: Double = -0.9, function: String = "linear"
    ) -> HealthLook {
        func row(_ kind: HealthRow.Kind, _ name: String, _ rms: Double) -> HealthRow {
            HealthRow(kind, name, rootMeanSquare: rms, count: 100)
        }
        var unit = row(.activation, "1", 1)
        (unit.deadShare, unit.function) = (dead, "relu")
        var layer = row(.activation, "0", 1)
        layer.function = function
        var update = row(.update, "0.weight", ratio * weight)
        update.updateRatio = ratio
        return HealthLook(
            step: step,
            rows: [layer, unit, row(.parameter, "0.weight", weight), row(.gradient, "0.weight", gradient), update],
            descent: descent)
    }

    private func falling(_ step: Int) -> Double { 0.3 + 2 * exp(-Double(step) / 60) }

    // MARK: Sick

    @Test("A loss that rises above its start is a rate too high") func rising() {
        let found = findings(look: { look($0, ratio: 0.4) }) { $0 < 100 ? 2.3 : 2.3 + Double($0 - 100) / 50 }
        #expect(found.map(\.illness) == [.learningRateTooHigh])
        #expect(found.first?.step ?? 999 <= 180)
        #expect(found.first?.evidence.contains { $0.contains("40 %") } ?? false)
    }

    @Test("With a high momentum, that is the cause; with a recurrent net and no clipping, that") func causes() {
        let loss = { (step: Int) in step < 60 ? 2.3 : 9.0 }
        #expect(
            findings(plan: { $0.momentum = 0.99 }, look: { look($0) }, loss: loss).first?.illness == .momentumTooHigh)
        let jump = { (step: Int) -> Double? in step == 60 ? 100 : 1 }
        let recurrent = findings(look: { look($0, function: "recurrent") }, gradientNorm: jump, loss: loss)
        #expect(recurrent.first?.illness == .unstableRecurrence && recurrent.first?.layers == ["0"])
        let clipped = findings(plan: { $0.clipNorm = 1 }, look: { look($0, function: "recurrent") }, loss: loss)
        #expect(clipped.first?.illness == .learningRateTooHigh)
        // Gradients that stay what they are do not explode.
        let even = findings(look: { look($0, function: "recurrent") }, loss: loss)
        #expect(even.first?.illness == .learningRateTooHigh)
    }

    @Test("Units that die while the loss stays where it began") func dying() {
        let found = findings(look: { look($0, dead: $0 < 30 ? 0.05 : 1) }) { _ in 2.3 }
        #expect(found.first?.illness == .learningRateTooHigh && found.first?.layers == ["1"])
        #expect(found.first?.signs.first?.sign == .deadUnits && found.first?.step ?? 999 <= 80)
    }

    @Test("Steps up the gradient") func ascent() {
        let found = findings(look: { look($0, descent: 0.8) }) { 2.3 + Double($0) / 100 }
        #expect(found.first?.illness == .ascent && found.first?.step ?? 999 <= 50)
        // Steps that go any way, as where there is nothing to learn, leave the loss where it is.
        #expect(!findings(look: { look($0, descent: 0.2) }) { _ in 2.3 }.contains { $0.illness == .ascent })
    }

    @Test("A batch that spoils a run, and one that does not") func poisoned() {
        let spoilt = findings { $0 == 200 ? 5_000 : $0 < 200 ? falling($0) : 1.5 }
        #expect(spoilt.map(\.illness) == [.poisonedBatch] && spoilt[0].summary.contains("step 200"))
        #expect(spoilt[0].step <= 250)
        #expect(findings { $0 == 200 ? 50 : falling($0) }.isEmpty)
        // No batch is as hard as this.
        #expect(findings { $0 == 200 ? 50_000 : falling($0) }.map(\.illness) == [.poisonedBatch])
    }

    @Test("A rate too low, seen from what the whole run would bring") func low() {
        let found = findings(look: { look($0, ratio: 1e-7) }) { 2.3 - Double($0) * 1e-5 }
        #expect(found.map(\.illness) == [.learningRateTooLow] && found[0].step <= 120)
        // A warmup is none.
        #expect(
            findings(
                plan: { plan in plan.rateFactors = (0..<400).map { min(1, Double($0) / 300 + 0.001) } },
                look: { look($0, ratio: 1e-3 * min(1, Double($0) / 300 + 0.001)) }
            ) { $0 < 100 ? 2.3 : falling($0 - 100) }.isEmpty)
    }

    @Test("Clipping, epsilon and penalty that leave nothing of a step") func swallowed() {
        let still = { (step: Int) in 2.3 }
        let clipped = findings(
            plan: { $0.clipNorm = 1e-6 }, look: { look($0, ratio: 1e-8) }, gradientNorm: { _ in 0.7 }, loss: still)
        #expect(clipped.first?.illness == .clippingTooTight)
        #expect(clipped.first?.remedies.first?.change == .looserClipping(norm: 1.4))
        let epsilon = findings(
            plan: { $0.epsilon = 1 }, look: { look($0, ratio: 1e-7, gradient: 1e-4) }, loss: still)
        #expect(epsilon.first?.illness == .epsilonTooLarge)
        let penalty = findings(
            plan: { $0.weightDecay = 1 }, look: { look($0, gradient: 1e-2, weight: 0.1 * pow(0.99, Double($0))) },
            loss: still)
        #expect(penalty.first?.illness == .penaltyTooStrong)
        #expect(findings(plan: { $0.weightDecay = 1e-4 }, look: { look($0) }, loss: falling).isEmpty)
    }

    @Test("A schedule that ends long before the run, or warms up beyond it") func schedules() {
        func of(_ factor: @escaping (Int) -> Double) -> [Illness] {
            findings(plan: { $0.rateFactors = (0..<400).map(factor) }, loss: falling).map(\.illness)
        }
        #expect(of { pow(0.95, Double($0)) } == [.scheduleOutOfStep])
        #expect(of { Double($0 + 1) / 10_000 } == [.scheduleOutOfStep])
        #expect(of { 0.5 * (1 + cos(.pi * Double($0) / 400)) }.isEmpty)
        #expect(of { $0 < 20 ? Double($0) / 20 : 1 }.isEmpty)
        #expect(of { pow(0.1, Double($0 / 130)) }.isEmpty)
        #expect(of { _ in 1 }.isEmpty)
    }

    @Test("A validation loss that rises for epochs while training goes on") func overfitting() {
        func of(_ validation: @escaping (Int) -> Double) -> [Illness] {
            findings(steps: 400, epochs: 20, validation: validation, loss: falling).map(\.illness)
        }
        #expect(of { 0.5 + 0.1 * abs(Double($0) - 5) } == [.overfitting])
        #expect(of { 0.5 + 1 / Double($0) }.isEmpty)
        #expect(of { $0 == 8 ? 3 : 0.5 + 1 / Double($0) }.isEmpty)
        #expect(of { 0.5 + 0.02 * sin(Double($0)) }.isEmpty)
        // Of twelve samples, one that is wrong and sure of itself makes as much.
        func rising(samples: Int) -> [Illness] {
            findings(
                steps: 400, plan: { $0.validationSamples = samples }, epochs: 20,
                validation: { 0.5 + 0.02 * abs(Double($0) - 5) }, loss: falling
            ).map(\.illness)
        }
        #expect(rising(samples: 12).isEmpty && rising(samples: 400) == [.overfitting])
        // Where the training data suffers from evaluation as well, nothing was learnt by heart.
        let both = findings(
            steps: 400, epochs: 20, validation: { 0.5 + 0.1 * abs(Double($0) - 5) },
            modes: { _ in .init(training: 0.1, evaluation: 1.9) }, loss: falling)
        #expect(!both.map(\.illness).contains(.overfitting), "\(both)")
        // On the bottom of the training loss, a validation loss of few samples rises by chance.
        let onTheBottom = findings(
            steps: 400, epochs: 20, validation: { 0.105 + 0.002 * abs(Double($0) - 9) },
            loss: { 0.1 + 2 * exp(-Double($0) / 20) })
        #expect(onTheBottom.isEmpty, "\(onTheBottom)")
    }

    @Test(
        "A run is in trouble while its loss is hardly better than at first, or much worse than it was",
        arguments: [
            (2.3, 2.25, true), (2.3, 1.9, false), (-10, -10.5, true), (-10, -12, false), (2.3, 0.2, false),
        ])
    func trouble(first: Double, last: Double, isInTrouble: Bool) {
        var plan = Course.Plan()
        plan.steps = 400
        var course = Course(plan: plan)
        for step in 1...400 {
            let loss = step <= 100 ? first : first + (last - first) * Double(step - 100) / 300
            course.add(Course.Step(number: step, loss: loss, learningRate: 0.1, gradientNorm: 1))
        }
        #expect(course.isInTrouble == isInTrouble, "\(course.firstLoss ?? 0), \(course.recentLoss ?? 0)")
    }

    @Test("A batch whose loss is another in evaluation") func modes() {
        func of(_ evaluation: Double) -> [Illness] {
            findings(
                steps: 400, epochs: 4, modes: { _ in .init(training: 0.1, evaluation: evaluation) }, loss: falling
            ).map(\.illness)
        }
        #expect(of(2.5) == [.modesDiffer] && of(.nan) == [.modesDiffer])
        #expect(of(0.15).isEmpty && of(0.01).isEmpty)
        // Statistics that lag behind catch up.
        let catchingUp = findings(
            steps: 400, epochs: 4, modes: { .init(training: 0.1, evaluation: 0.1 + 4 / pow(2.5, Double($0))) },
            loss: falling)
        #expect(catchingUp.isEmpty, "\(catchingUp)")
    }

    @Test("First steps that throw the loss up, and leave it there a while") func shock() {
        func of(_ thrown: Double) -> [Illness] {
            findings(steps: 120) { $0 == 1 ? 2.3 : $0 <= 20 ? thrown : 2 * exp(-Double($0) / 100) }.map(\.illness)
        }
        #expect(of(6) == [.learningRateTooHigh])
        #expect(of(3).isEmpty)
    }

    @Test("Targets that have nothing to do with the inputs") func unrelated() {
        #expect(
            findings(steps: 800, noise: 0.01, look: { look($0) }, epochs: 8) { _ in 2.3 }.map(\.illness)
                == [.unrelatedTargets])
        // A recurrent net may take thousands of steps to find what is far apart: only the run's end has a word on it.
        let recurrent = findings(
            steps: 800, noise: 0.01, look: { look($0, function: "recurrent") }, epochs: 8
        ) { _ in 2.3 }
        #expect(recurrent.map(\.illness) == [.unexplained] && recurrent.first?.step == 800, "\(recurrent)")
    }

    // MARK: Healthy

    @Test("Runs that are healthy, and look as if they were not") func healthy() {
        #expect(findings(look: { look($0) }, loss: falling).isEmpty)
        // Noise of batches of eight.
        #expect(findings(noise: 0.4, look: { look($0) }, loss: falling).isEmpty)
        // A log-likelihood.
        #expect(findings(look: { look($0) }) { 2 - Double($0) / 50 }.isEmpty)
        // Sparse units in a net that learns.
        #expect(findings(look: { look($0, dead: $0 < 30 ? 0.1 : 0.95) }, loss: falling).isEmpty)
        // Losses that pull against each other.
        #expect(
            findings(plan: { $0.isOnlyLoss = false }, look: { look($0) }) {
                0.7 + 2 * sin(Double($0) / 40) * sin(Double($0) / 40)
            }
            .isEmpty)
        // A converged net.
        #expect(findings(look: { look($0, ratio: 1e-8, gradient: 1e-9) }) { 1e-4 + 2 * exp(-Double($0) / 20) }.isEmpty)
        // Fine-tuning from low losses.
        #expect(findings(look: { look($0, ratio: 2e-4) }) { 0.4 * (0.5 + 0.5 * exp(-Double($0) / 100)) }.isEmpty)
        // A few NaN among many losses blind no rule.
        #expect(findings(look: { look($0) }) { $0 % 37 == 0 ? .nan : falling($0) }.isEmpty)
        #expect(
            findings(look: { look($0) }) { $0 % 37 == 0 ? .nan : $0 < 100 ? 2.3 : 9 }.map(\.illness)
                == [.learningRateTooHigh])
    }

    @Test("Going back takes figures back") func rewind() {
        var course = Course()
        for step in 1...100 { course.add(Course.Step(number: step, loss: Double(step), learningRate: 1)) }
        let blocks = course.blocks
        course.rewind(to: 50)
        #expect(course.step == 50 && course.blocks == Array(blocks.prefix(2)))
        // The first batch may have been an easy one.
        #expect(course.firstLoss == 2)
        for step in 51...100 { course.add(Course.Step(number: step, loss: Double(step), learningRate: 1)) }
        #expect(course.blocks == blocks)
    }
}
