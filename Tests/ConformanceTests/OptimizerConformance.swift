import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct OptimizerSteps {
        static let sizes = edgeSizes + [30_011]

        static let descents = [
            SGDSettings(learningRate: 0.1), SGDSettings(learningRate: 0.1, weightDecay: 0.01),
            SGDSettings(learningRate: 0.1, momentum: 0.9, isFirstStep: true),
            SGDSettings(learningRate: 0.1, momentum: 0.9),
            SGDSettings(learningRate: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.1, isFirstStep: true),
            SGDSettings(learningRate: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.1),
            SGDSettings(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1, isNesterov: true, isFirstStep: true),
            SGDSettings(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1, isNesterov: true),
            SGDSettings(learningRate: 0),
        ]

        /// Weights, gradients and moments are at most 2; differences of them may cancel.
        static let tolerance = Tolerance.elementwise.relative(to: 2)

        func expectDescent(
            of subject: BackendUnderTest, _ gradient: [Double], _ settings: SGDSettings, layout: Layout = .contiguous,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let shape: Shape = [gradient.count]
            try expectConformance(of: subject, within: Self.tolerance, sourceLocation: sourceLocation) { bench in
                let weights = try bench.output(shape, layout, named: "weights", initially: samples(gradient.count))
                let velocity =
                    settings.momentum == 0
                    ? nil
                    : try bench.output(
                        shape, layout, named: "velocity", initially: samples(gradient.count, in: -1...1, seed: 3))
                bench.backend.sgdStep(
                    weights, gradient: try bench.input(gradient, shape, layout), velocity: velocity, settings)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientDescentOfEveryKindAndSize(on subject: BackendUnderTest) throws {
            try withEvery("settings", in: Self.descents) { settings in
                try withEvery("size", in: Self.sizes) { size in
                    try withEvery("layout", in: Layout.rowMajor) { layout in
                        try expectDescent(of: subject, samples(size, in: -1...1, seed: 2), settings, layout: layout)
                    }
                }
                try expectDescent(of: subject, [0, .nan, 1, .infinity, -1, -.infinity, 0.5], settings)
            }
        }

        /// The first step takes nothing from a velocity that was never written.
        @Test(arguments: BackendUnderTest.fused)
        func firstStepIgnoresTheVelocity(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject, within: Self.tolerance) { bench in
                bench.backend.sgdStep(
                    try bench.output([65], named: "weights", initially: samples(65)),
                    gradient: try bench.input(samples(65, seed: 2), [65]),
                    velocity: try bench.output([65], named: "velocity", initially: Array(repeating: .nan, count: 65)),
                    SGDSettings(learningRate: 0.1, momentum: 0.9, isFirstStep: true))
            }
        }

        static let adams = [
            AdamSettings(learningRate: 1e-3, step: 1), AdamSettings(learningRate: 0.1, step: 2),
            AdamSettings(learningRate: 0.1, beta1: 0.8, beta2: 0.99, epsilon: 1e-3, step: 10),
            AdamSettings(learningRate: 0.1, weightDecay: 0.1, step: 3),
            AdamSettings(learningRate: 0.1, weightDecay: 0.1, decouplesWeightDecay: true, step: 3),
            AdamSettings(learningRate: 0.1, beta1: 0, beta2: 0.9, step: 1),
            AdamSettings(learningRate: 0.1, step: 100_000),
        ]

        func expectAdam(
            of subject: BackendUnderTest, _ gradient: [Double], _ settings: AdamSettings, layout: Layout = .contiguous,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let (shape, count): (Shape, Int) = ([gradient.count], gradient.count)
            // The bias correction of the second moment, 1 - β₂, is 0.001 at the first step: m̂ / √v̂ reaches 30 or so.
            try expectConformance(of: subject, within: .elementwise.relative(to: 8), sourceLocation: sourceLocation) {
                bench in
                bench.backend.adamStep(
                    try bench.output(shape, layout, named: "weights", initially: samples(count)),
                    gradient: try bench.input(gradient, shape, layout),
                    firstMoment: try bench.output(
                        shape, layout, named: "first moment", initially: samples(count, in: -1...1, seed: 3)),
                    secondMoment: try bench.output(
                        shape, layout, named: "second moment", initially: samples(count, in: 0.01...1, seed: 4)),
                    settings)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func adamOfEveryKindAndSize(on subject: BackendUnderTest) throws {
            try withEvery("settings", in: Self.adams) { settings in
                try withEvery("size", in: Self.sizes) { size in
                    try withEvery("layout", in: Layout.rowMajor) { layout in
                        try expectAdam(of: subject, samples(size, in: -1...1, seed: 2), settings, layout: layout)
                    }
                }
                try expectAdam(of: subject, [0, .nan, 1, .infinity, -1, -.infinity, 0.5], settings)
            }
        }

        /// From moments of zero, as every training begins: the first steps have the size of the learning rate, also for
        /// gradients near the smallest and at zero.
        @Test(arguments: BackendUnderTest.fused)
        func adamFromTheStart(on subject: BackendUnderTest) throws {
            let gradient: [Double] = [0, 1, -1, 1e-3, -1e-6, 1e-9, 1e-12, 1e4]
            try withEvery("decouples weight decay", in: [false, true]) { decouples in
                try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                    let count = gradient.count
                    let zeros = [Double](repeating: 0, count: count)
                    let weights = try bench.output([count], named: "weights", initially: zeros)
                    // The second moment reaches 10⁵, so it is measured against itself.
                    let first = try bench.output([count], named: "m", initially: zeros, within: .elementwise)
                    let second = try bench.output([count], named: "v", initially: zeros, within: .elementwise)
                    let input = try bench.input(gradient, [count])
                    for step in 1...5 {
                        bench.backend.adamStep(
                            weights, gradient: input, firstMoment: first, secondMoment: second,
                            AdamSettings(
                                learningRate: 0.1, weightDecay: decouples ? 0.01 : 0, decouplesWeightDecay: decouples,
                                step: step))
                    }
                }
            }
        }
    }
}
