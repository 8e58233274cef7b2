import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct OptimizerSteps {
        static let sizes = edgeSizes + [5011]

        /// Every setting has a value of its own, so that none can stand in for another.
        static func step(_ rule: OptimizerStep.Rule) -> OptimizerStep {
            var step = OptimizerStep(rule, rate: 0.1)
            step.weightDecay = 0.01
            step.shrinkage = 0.98
            (step.beta1, step.blend1) = (0.8, 0.25)
            (step.beta2, step.blend2) = (0.95, 0.06)
            step.epsilon = 0.01
            step.correction2 = 1.5
            step.gradientRate = 0.05
            step.directionDecay = 0.2
            return step
        }

        /// Quotients reach 30 or so, and differences of weights and steps may cancel.
        static let tolerance = Tolerance.elementwise.relative(to: 8)

        func expectStep(
            of subject: BackendUnderTest, _ step: OptimizerStep, _ gradient: [Double], layout: Layout = .contiguous,
            condition: Double? = nil, tolerance: Tolerance = tolerance,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let (shape, count): (Shape, Int) = ([gradient.count], gradient.count)
            try expectConformance(of: subject, within: tolerance, sourceLocation: sourceLocation) { bench in
                // The first state of a centred rule must exceed the square of the second; others may be as they are.
                let states = try (0..<step.rule.stateCount).map { index in
                    try bench.output(
                        shape, layout, named: "state \(index)",
                        initially: samples(count, in: index == 0 ? 1...2 : 0.01...0.8, seed: UInt64(3 + index)))
                }
                bench.backend.optimizerStep(
                    step, weights: try bench.output(shape, layout, named: "weights", initially: samples(count)),
                    gradient: try bench.input(gradient, shape, layout), states: states,
                    condition: try condition.map { try bench.input([$0], []) })
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyRuleAndSize(on subject: BackendUnderTest) throws {
            try withEvery("rule", in: OptimizerStep.Rule.allCases) { rule in
                try withEvery("size", in: Self.sizes) { size in
                    try expectStep(of: subject, Self.step(rule), samples(size, in: -1...1, seed: 2))
                }
                try withEvery("layout", in: Layout.rowMajor) { layout in
                    try expectStep(of: subject, Self.step(rule), samples(1000, in: -1...1, seed: 2), layout: layout)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyRuleWithNaNAndInfinity(on subject: BackendUnderTest) throws {
            try withEvery("rule", in: OptimizerStep.Rule.allCases) { rule in
                try expectStep(of: subject, Self.step(rule), [0, .nan, 1, .infinity, -1, -.infinity, 0.5])
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func aStepOnCondition(on subject: BackendUnderTest) throws {
            try withEvery("condition", in: [0, 1, 0.5]) { condition in
                try withEvery("rule", in: OptimizerStep.Rule.allCases) { rule in
                    // NaN in the gradient must not pass where no step is taken.
                    try expectStep(
                        of: subject, Self.step(rule), [.nan] + samples(300, in: -1...1, seed: 2), condition: condition)
                }
            }
        }

        /// The first step takes nothing from a velocity that was never written.
        @Test(arguments: BackendUnderTest.fused)
        func firstStepIgnoresTheVelocity(on subject: BackendUnderTest) throws {
            try withEvery("rule", in: [OptimizerStep.Rule.momentumStart, .nesterovStart]) { rule in
                try expectConformance(of: subject, within: Self.tolerance) { bench in
                    bench.backend.optimizerStep(
                        Self.step(rule), weights: try bench.output([65], named: "weights", initially: samples(65)),
                        gradient: try bench.input(samples(65, seed: 2), [65]),
                        states: [
                            try bench.output([65], named: "velocity", initially: Array(repeating: .nan, count: 65))
                        ], condition: nil)
                }
            }
        }

        /// From moments of zero, as every training begins: the first steps have the size of the learning rate, also for
        /// gradients near the smallest and at zero.
        @Test(arguments: BackendUnderTest.fused)
        func adamFromTheStart(on subject: BackendUnderTest) throws {
            let gradient: [Double] = [0, 1, -1, 1e-3, -1e-6, 1e-9, 1e-12, 1e4]
            try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                let count = gradient.count
                let zeros = [Double](repeating: 0, count: count)
                let weights = try bench.output([count], named: "weights", initially: zeros)
                // The second moment reaches 10⁵, so it is measured against itself.
                let first = try bench.output([count], named: "m", initially: zeros, within: .elementwise)
                let second = try bench.output([count], named: "v", initially: zeros, within: .elementwise)
                let input = try bench.input(gradient, [count])
                var (power1, power2) = (1.0, 1.0)
                for _ in 1...5 {
                    (power1, power2) = (power1 * 0.9, power2 * 0.999)
                    var step = OptimizerStep(.adam, rate: 0.1 / (1 - power1))
                    (step.beta1, step.blend1, step.beta2, step.blend2) = (0.9, 0.1, 0.999, 0.001)
                    step.epsilon = 1e-8
                    step.correction2 = 1 / (1 - power2)
                    bench.backend.optimizerStep(
                        step, weights: weights, gradient: input, states: [first, second], condition: nil)
                }
            }
        }
    }
}
