import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct BatchNorm {
        /// [batch, channels, positions].
        static let shapes: [Shape] = [
            [2, 1, 1], [2, 3, 1], [64, 10, 1], [31, 33, 1], [64, 65, 1], [129, 127, 1], [1000, 3, 1], [1, 3, 2],
            [2, 3, 5], [1, 2, 65], [33, 5, 7], [4, 3, 64], [3, 2, 1000], [5, 129, 9], [600, 4, 1], [1030, 8, 1],
            [2, 3, 10_001], [3, 2, 24_000],
        ]

        /// Runs the forward pass. The mean cannot be stored in float32 to better than `offset` units, and shows in `out`
        /// relative to the deviation of about 1; the deviation itself must not suffer.
        func expectForward(
            of subject: BackendUnderTest, _ values: [Double], _ shape: Shape, offset: Double = 0,
            hasScale: Bool = true, hasShift: Bool = true, hasRunning: Bool = true, epsilon: Double = 1e-5,
            layout: Layout = .contiguous, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let channels = shape[1]
            let normalized = Tolerance.elementwise.relative(to: 8 + offset)
            // A mean that is off by δ, a few units of the offset, adds δ² to a variance of about 1.
            let meanError = 4 * offset * 0x1p-23
            let statistic = Tolerance(relative: 16 * 0x1p-23 + meanError * meanError)
            let around = Tolerance.elementwise.relative(to: 2 + offset)
            try expectConformance(of: subject, within: statistic, sourceLocation: sourceLocation) { bench in
                func channelInput(_ isPresent: Bool, seed: UInt64) throws -> TensorView? {
                    isPresent ? try bench.input(samples(channels, in: 0.5...2, seed: seed), [channels]) : nil
                }
                func channelOutput(_ name: String, _ initially: [Double]?, _ tolerance: Tolerance) throws -> TensorView
                {
                    try bench.output([channels], layout, named: name, initially: initially, within: tolerance)
                }
                let running =
                    hasRunning
                    ? (
                        mean: try channelOutput("running mean", samples(channels, seed: 5), around),
                        variance: try channelOutput(
                            "running variance", samples(channels, in: 0...2, seed: 6), statistic)
                    ) : nil
                bench.backend.batchNorm(
                    try bench.input(values, shape, layout), scale: try channelInput(hasScale, seed: 3),
                    shift: try channelInput(hasShift, seed: 4), running: running, momentum: 0.1, epsilon: epsilon,
                    out: try bench.output(shape, layout, within: normalized),
                    mean: try channelOutput("mean", nil, around),
                    inverseDeviation: try channelOutput("inverse deviation", nil, statistic))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyShape(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: Self.shapes) { shape in
                try withEvery("layout", in: Layout.rowMajor) { layout in
                    try expectForward(of: subject, samples(shape.elementCount), shape, layout: layout)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyChoiceOfOptionalViews(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: [[33, 65, 1], [4, 3, 17]] as [Shape]) { shape in
                try withEvery("scale, shift, running", in: 0..<8) { bits in
                    try expectForward(
                        of: subject, samples(shape.elementCount), shape, hasScale: bits & 1 != 0,
                        hasShift: bits & 2 != 0, hasRunning: bits & 4 != 0, epsilon: 1e-3)
                }
            }
        }

        /// E[x²] - E[x]² would have no correct digit here.
        @Test(arguments: BackendUnderTest.fused)
        func aLargeOffsetCostsTheVarianceNothing(on subject: BackendUnderTest) throws {
            try withEvery("offset", in: [100, 1e4, -1e4]) { offset in
                try withEvery("shape", in: [[64, 33, 1], [512, 5, 1], [8, 3, 100], [2, 3, 1]] as [Shape]) { shape in
                    let values = samples(shape.elementCount, in: -1.75...1.75).map { $0 + offset }
                    try expectForward(of: subject, values, shape, offset: abs(offset))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func constantChannelsBecomeTheShift(on subject: BackendUnderTest) throws {
            try withEvery("value", in: [0, 1, -0.25, 1024]) { value in
                let values = [Double](repeating: value, count: 64 * 3)
                try expectForward(of: subject, values, [64, 3, 1], offset: abs(value))
                try expectForward(of: subject, values, [4, 3, 16], offset: abs(value))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func nanAndInfinityStayInTheirChannel(on subject: BackendUnderTest) throws {
            try withEvery("special", in: [Double.nan, .infinity, -.infinity]) { special in
                try withEvery("shape", in: [[33, 20, 1], [4, 5, 9]] as [Shape]) { shape in
                    var values = samples(shape.elementCount)
                    values[shape.elementCount / 2] = special
                    try expectForward(of: subject, values, shape)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func inferenceUsesTheGivenStatistics(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: Self.shapes + [[0, 3, 2], [1, 5, 1], [3, 0, 2]]) { shape in
                try withEvery("has scale and shift", in: [false, true]) { isAffine in
                    let channels = shape[1]
                    // x - μ may cancel, and so may the shift: relative to the terms, of at most 4 / √0.5 · 2 + 2.
                    try expectConformance(of: subject, within: .elementwise.relative(to: 14)) { bench in
                        bench.backend.batchNormInference(
                            try bench.input(samples(shape.elementCount), shape),
                            scale: isAffine ? try bench.input(samples(channels, seed: 2), [channels]) : nil,
                            shift: isAffine ? try bench.input(samples(channels, seed: 3), [channels]) : nil,
                            mean: try bench.input(samples(channels, seed: 4), [channels]),
                            variance: try bench.input(samples(channels, in: 0.5...2, seed: 5), [channels]),
                            epsilon: 1e-5, out: try bench.output(shape))
                    }
                }
            }
        }

        func expectGradient(
            of subject: BackendUnderTest, _ shape: Shape, _ gradient: [Double], hasScale: Bool = true,
            hasInput: Bool = true, hasScaleGradient: Bool = true, hasShiftGradient: Bool = true,
            accumulates: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let channels = shape[1]
            let count = Double(shape.elementCount / max(channels, 1))
            // Sums of `count` terms of at most 2 · 2 that cancel to about the root of their number.
            let sums = Tolerance.elementwise.relative(to: 4 + 2 * count)
            let input = Tolerance.elementwise.relative(to: 32)
            try expectConformance(of: subject, within: sums, sourceLocation: sourceLocation) { bench in
                func destination(_ isPresent: Bool, _ name: String) throws -> (view: TensorView, accumulates: Bool)? {
                    guard isPresent else { return nil }
                    let before = accumulates ? samples(channels, seed: 7) : Array(repeating: .nan, count: channels)
                    return (try bench.output([channels], named: name, initially: before), accumulates)
                }
                bench.backend.batchNormGradient(
                    try bench.input(samples(shape.elementCount), shape),
                    outputGradient: try bench.input(gradient, shape),
                    scale: hasScale ? try bench.input(samples(channels, seed: 3), [channels]) : nil,
                    mean: try bench.input(samples(channels, in: -0.2...0.2, seed: 4), [channels]),
                    inverseDeviation: try bench.input(samples(channels, in: 0.5...1, seed: 5), [channels]),
                    inputGradient: hasInput ? try bench.output(shape, named: "input gradient", within: input) : nil,
                    scaleGradient: try destination(hasScaleGradient, "scale gradient"),
                    shiftGradient: try destination(hasShiftGradient, "shift gradient"))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientOfEveryShape(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: Self.shapes) { shape in
                try expectGradient(of: subject, shape, samples(shape.elementCount, seed: 2))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientWritesWhatIsAskedFor(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: [[33, 65, 1], [4, 3, 17]] as [Shape]) { shape in
                try withEvery("scale, destinations, accumulates", in: 0..<32) { bits in
                    try expectGradient(
                        of: subject, shape, samples(shape.elementCount, seed: 2), hasScale: bits & 1 != 0,
                        hasInput: bits & 2 != 0, hasScaleGradient: bits & 4 != 0, hasShiftGradient: bits & 8 != 0,
                        accumulates: bits & 16 != 0)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientKeepsNaNInItsChannel(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: [[33, 20, 1], [4, 5, 9]] as [Shape]) { shape in
                var gradient = samples(shape.elementCount, seed: 2)
                gradient[shape.elementCount / 2] = .nan
                try expectGradient(of: subject, shape, gradient)
            }
        }

        // MARK: With a residual and ReLU

        /// Inputs of every shape, with NaN or infinity in the middle or without, and with a residual or without.
        private func expectReLU(
            of subject: BackendUnderTest,
            _ compute: (
                _ bench: Workbench, _ x: TensorView, _ channels: Int, _ residual: TensorView?, _ out: TensorView
            )
                throws -> Void
        ) throws {
            try withEvery("shape", in: Self.shapes + [[1100, 8, 1], [2, 3, 40_000]]) { shape in
                try withEvery("has residual", in: [false, true]) { hasResidual in
                    try withEvery("special", in: [0, Double.nan, -.infinity]) { special in
                        var values = samples(shape.elementCount)
                        if special != 0 { values[shape.elementCount / 2] = special }
                        try expectConformance(of: subject, within: Tolerance.elementwise.relative(to: 10)) { bench in
                            let residual =
                                hasResidual ? try bench.input(samples(shape.elementCount, seed: 8), shape) : nil
                            try compute(bench, bench.input(values, shape), shape[1], residual, bench.output(shape))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func endingInReLU(on subject: BackendUnderTest) throws {
            try expectReLU(of: subject) { bench, x, channels, residual, out in
                bench.backend.batchNormReLU(
                    x, scale: try bench.input(samples(channels, in: 0.5...2, seed: 3), [channels]),
                    shift: try bench.input(samples(channels, seed: 4), [channels]), running: nil, momentum: 0.1,
                    epsilon: 1e-3, residual: residual, out: out, mean: try bench.output([channels], named: "mean"),
                    inverseDeviation: try bench.output([channels], named: "inverse deviation"))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func endingInReLUAtInference(on subject: BackendUnderTest) throws {
            try expectReLU(of: subject) { bench, x, channels, residual, out in
                bench.backend.batchNormInferenceReLU(
                    x, scale: try bench.input(samples(channels, in: 0.5...2, seed: 3), [channels]),
                    shift: try bench.input(samples(channels, seed: 4), [channels]),
                    mean: try bench.input(samples(channels, seed: 5), [channels]),
                    variance: try bench.input(samples(channels, in: 0.5...2, seed: 6), [channels]), epsilon: 1e-3,
                    residual: residual, out: out)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientThroughReLU(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: Self.shapes + [[1100, 8, 1], [2, 3, 40_000]]) { shape in
                try withEvery("input, residual, accumulates", in: 0..<8) { bits in
                    let channels = shape[1], count = Double(shape.elementCount / channels)
                    // Of either sign, 0 and NaN, as no other ReLU would have left them, and as they must be told apart.
                    var y = samples(shape.elementCount, seed: 9)
                    y[0] = 0
                    y[shape.elementCount / 2] = .nan
                    let sums = Tolerance.elementwise.relative(to: 4 + 2 * count)
                    let whole = Tolerance.elementwise.relative(to: 32)
                    try expectConformance(of: subject, within: sums) { bench in
                        func destination(_ name: String) throws -> (view: TensorView, accumulates: Bool) {
                            let before =
                                bits & 4 != 0 ? samples(channels, seed: 7) : Array(repeating: .nan, count: channels)
                            return (try bench.output([channels], named: name, initially: before), bits & 4 != 0)
                        }
                        bench.backend.batchNormReLUGradient(
                            try bench.input(samples(shape.elementCount), shape), y: try bench.input(y, shape),
                            outputGradient: try bench.input(samples(shape.elementCount, seed: 2), shape),
                            scale: try bench.input(samples(channels, seed: 3), [channels]),
                            mean: try bench.input(samples(channels, in: -0.2...0.2, seed: 4), [channels]),
                            inverseDeviation: try bench.input(samples(channels, in: 0.5...1, seed: 5), [channels]),
                            inputGradient: bits & 1 != 0
                                ? try bench.output(shape, named: "input gradient", within: whole) : nil,
                            residualGradient: bits & 2 != 0
                                ? try bench.output(shape, named: "residual gradient", within: whole) : nil,
                            scaleGradient: try destination("scale gradient"),
                            shiftGradient: try destination("shift gradient"))
                    }
                }
            }
        }
    }
}
