import Foundation
import GimbalBackend
import GimbalTestSupport
import Testing

/// The defaults of the fused operations, in Double, against their formulas written out: the conformance suite takes the
/// defaults for the truth, so something else must check them.
@Suite struct FusedDefaultsTests {
    let bench = Workbench(ReferenceBackend())
    var backend: any Backend { bench.backend }

    /// Rounding of Double, with room for sums of a hundred terms.
    func expect(
        _ actual: [Double], equals expected: [Double], _ name: String = "", scale: Double = 1,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let tolerance = Tolerance(relative: 1e-13, scale: .constant(scale))
        #expect(tolerance.mismatch(actual, expected: expected) == nil, "\(name)", sourceLocation: sourceLocation)
    }

    /// What the outputs hold, in the order they were made.
    func outputs() throws -> [[Double]] { try bench.results().outputs.map(\.values) }

    static func columns(_ values: [Double], _ count: Int) -> [[Double]] {
        stride(from: 0, to: values.count, by: count).map { Array(values[$0..<$0 + count]) }
    }

    @Test func softmaxIsNormalizedExponentials() throws {
        let rows = [samples(5), samples(5, in: -50...50, seed: 2)]
        let x = try bench.input(rows.flatMap { $0 }, [2, 5])
        backend.softmax(x, out: try bench.output([2, 5]), isLogarithmic: false)
        backend.softmax(x, out: try bench.output([2, 5]), isLogarithmic: true)
        let outputs = try outputs()
        let expected = rows.flatMap { row in row.map { exp($0) / row.map { exp($0) }.reduce(0, +) } }
        expect(outputs[0], equals: expected)
        expect(outputs[1], equals: expected.map { log($0) }, scale: 100)
    }

    @Test func softmaxSurvivesHugeLogits() throws {
        let x = try bench.input([1e30, 1e30, -1e30, 0, -.infinity, 0], [2, 3])
        backend.softmax(x, out: try bench.output([2, 3]), isLogarithmic: false)
        expect(try outputs()[0], equals: [0.5, 0.5, 0, 0.5, 0, 0.5])
    }

    /// The Jacobian written out: ∂pᵢ/∂xⱼ = pᵢ ([i = j] - pⱼ), ∂log pᵢ/∂xⱼ = [i = j] - pⱼ.
    @Test func softmaxGradientIsTheJacobianTransposed() throws {
        let p: [Double] = [0.5, 0.25, 0.125, 0.125]
        let dy = samples(4)
        let gradient = try bench.input(dy, [1, 4])
        backend.softmaxGradient(
            try bench.input(p, [1, 4]), outputGradient: gradient, out: try bench.output([1, 4]), isLogarithmic: false)
        let logarithms = p.map { roundedToFloat(log($0)) }
        backend.softmaxGradient(
            try bench.input(logarithms, [1, 4]), outputGradient: gradient, out: try bench.output([1, 4]),
            isLogarithmic: true)
        let outputs = try outputs()
        for j in 0..<4 {
            let (own, ownLogarithmic) = (p[j], exp(logarithms[j]))
            let expected = (0..<4).map { i in dy[i] * p[i] * ((i == j ? 1 : 0) - own) }
            let expectedLogarithmic = (0..<4).map { i in dy[i] * ((i == j ? 1 : 0) - ownLogarithmic) }
            expect([outputs[0][j]], equals: [expected.reduce(0, +)])
            expect([outputs[1][j]], equals: [expectedLogarithmic.reduce(0, +)])
        }
    }

    @Test func crossEntropyIsTheNegativeLogarithmOfTheTargetsProbability() throws {
        let (rows, classes) = (5, 3)
        let x = samples(rows * classes)
        let targets: [Double] = [2, 0, -1, 3, 1]
        let logits = try bench.input(x, [rows, classes])
        let losses = try bench.output([rows])
        let normalizers = try bench.output([rows, 2])
        let indices = try bench.indices(targets)
        backend.crossEntropy(
            logits, targets: indices, ignoredIndex: 1, losses: losses, normalizers: normalizers)
        let weights = samples(rows, seed: 2)
        backend.crossEntropyGradient(
            logits, targets: indices, ignoredIndex: 1, normalizers: normalizers,
            lossGradient: try bench.input(weights, [rows], .stepped),
            out: try bench.output([rows, classes]))
        let outputs = try outputs()
        for row in 0..<rows {
            let exponentials = x[row * classes..<(row + 1) * classes].map { exp($0) }
            let sum = exponentials.reduce(0, +)
            let target = Int(targets[row])
            let loss = target == 1 ? 0 : 0..<classes ~= target ? -log(exponentials[target] / sum) : .nan
            expect([outputs[0][row]], equals: [loss], "loss of row \(row)")
            let largest = x[row * classes..<(row + 1) * classes].max()!
            expect(
                Array(outputs[1][2 * row..<2 * row + 2]), equals: [largest, log(sum) - largest], "row \(row)")
            expect(
                Array(outputs[2][row * classes..<(row + 1) * classes]),
                equals: (0..<classes).map {
                    target == 1 ? 0 : (exponentials[$0] / sum - ($0 == target ? 1 : 0)) * weights[row]
                },
                "gradient of row \(row)")
        }
    }

    @Test func batchNormStandardizesEachChannel() throws {
        let (batch, channels, positions) = (5, 3, 4)
        let shape: Shape = [batch, channels, positions]
        let x = samples(shape.elementCount, in: 1...5)
        let (scale, shift) = (samples(3, seed: 2), samples(3, seed: 3))
        let (oldMean, oldVariance) = (samples(3, seed: 4), samples(3, in: 0...1, seed: 5))
        let running = (
            mean: try bench.output([3], initially: oldMean), variance: try bench.output([3], initially: oldVariance)
        )
        let mean = try bench.output([3])
        let inverseDeviation = try bench.output([3])
        let input = try bench.input(x, shape)
        let scaleView = try bench.input(scale, [3])
        let shiftView = try bench.input(shift, [3])
        backend.batchNorm(
            input, scale: scaleView, shift: shiftView, running: running, momentum: 0.25, epsilon: 0.01,
            out: try bench.output(shape), mean: mean, inverseDeviation: inverseDeviation)
        backend.batchNormInference(
            input, scale: scaleView, shift: shiftView, mean: try bench.input(oldMean, [3]),
            variance: try bench.input(oldVariance, [3]), epsilon: 0.01, out: try bench.output(shape))
        let dy = samples(shape.elementCount, seed: 6)
        let before = samples(3, seed: 7)
        backend.batchNormGradient(
            input, outputGradient: try bench.input(dy, shape), scale: scaleView, mean: mean,
            inverseDeviation: inverseDeviation, inputGradient: try bench.output(shape),
            scaleGradient: (try bench.output([3], initially: before), true),
            shiftGradient: (try bench.output([3]), false))
        let results = try outputs()

        for channel in 0..<channels {
            let places = (0..<batch).flatMap { n in (0..<positions).map { (n * channels + channel) * positions + $0 } }
            let count = Double(places.count)
            let values = places.map { x[$0] }
            let mu = values.reduce(0, +) / count
            let variance = values.map { ($0 - mu) * ($0 - mu) }.reduce(0, +) / count
            let inverse = 1 / (variance + 0.01).squareRoot()
            let normalized = values.map { ($0 - mu) * inverse }
            expect([results[2][channel]], equals: [mu], "mean")
            expect([results[3][channel]], equals: [inverse], "inverse deviation")
            expect([results[0][channel]], equals: [0.75 * oldMean[channel] + 0.25 * mu], "running mean")
            expect(
                [results[1][channel]], equals: [0.75 * oldVariance[channel] + 0.25 * variance * count / (count - 1)],
                "running variance")
            expect(
                places.map { results[4][$0] }, equals: normalized.map { $0 * scale[channel] + shift[channel] }, "out")
            expect(
                places.map { results[5][$0] },
                equals: values.map {
                    ($0 - oldMean[channel]) / (oldVariance[channel] + 0.01).squareRoot() * scale[channel]
                        + shift[channel]
                }, "inference", scale: 100)
            let gradients = places.map { dy[$0] }
            let shiftGradient = gradients.reduce(0, +)
            let scaleGradient = zip(gradients, normalized).map { $0 * $1 }.reduce(0, +)
            expect([results[7][channel]], equals: [before[channel] + scaleGradient], "scale gradient", scale: 20)
            expect([results[8][channel]], equals: [shiftGradient], "shift gradient", scale: 20)
            // Equation of the paper: through the value itself, the mean and the variance.
            let inputGradient = zip(gradients, normalized).map { gradient, normal in
                scale[channel] * inverse * (gradient - shiftGradient / count - normal * scaleGradient / count)
            }
            expect(places.map { results[6][$0] }, equals: inputGradient, "input gradient", scale: 10)
        }
    }

    @Test func dropoutZeroesWhatFallsBelowTheProbability() throws {
        let state = RandomState(seed: 11, counter: 3)
        let x = samples(1000, in: 1...2)
        backend.dropout(try bench.input(x, [1000]), probability: 0.3, state, out: try bench.output([1000]))
        let uniform = ReferenceRandom.uniform(count: 1000, state)
        let result = try outputs()[0]
        expect(result, equals: zip(x, uniform).map { $1 < 0.3 ? 0 : $0 / 0.7 }, scale: 3)
        #expect(abs(Double(result.count { $0 == 0 }) - 300) < 5 * 14.5)  // five deviations of the binomial
    }

    @Test(arguments: [1, 2, 3, 0.5, .infinity])
    func normIsTheRootOfTheSumOfPowers(p: Double) throws {
        let parts = [samples(7), [], samples(20, seed: 2)]
        backend.norm(try parts.map { try bench.input($0, [$0.count]) }, p: p, out: try bench.output([1]))
        let all = parts.flatMap { $0 }.map { abs($0) }
        let expected = p == .infinity ? all.max() ?? 0 : pow(all.map { pow($0, p) }.reduce(0, +), 1 / p)
        expect(try outputs()[0], equals: [expected], scale: expected)
    }

    @Test func clipShrinksLongGradientsOnly() throws {
        let x: [Double] = [3, -4]
        for maxNorm in [1.0, 10] {
            let view = try bench.output([2], initially: x)
            backend.clip([view], norm: try bench.input([5], [1]), maxNorm: maxNorm)
        }
        let outputs = try outputs()
        expect(outputs[0], equals: x.map { $0 / (5 + 1e-6) })
        expect(outputs[1], equals: x)
    }

    @Test(arguments: [false, true])
    func momentumFollowsItsRecurrence(isNesterov: Bool) throws {
        var (w, v) = (1.5, 0.0)
        let weights = try bench.output([1], initially: [w])
        let velocity = try bench.output([1], initially: [.nan])
        for step in 0..<4 {
            let gradient = samples(1, seed: UInt64(step))[0]
            let rule: OptimizerStep.Rule =
                step == 0 ? (isNesterov ? .nesterovStart : .momentumStart) : (isNesterov ? .nesterov : .momentum)
            var settings = OptimizerStep(rule, rate: 0.1)
            settings.weightDecay = 0.5
            (settings.beta1, settings.blend1) = (0.9, 0.75)
            backend.optimizerStep(
                settings, weights: weights, gradient: try bench.input([gradient], [1]), states: [velocity],
                condition: nil)
            let decayed = gradient + 0.5 * w
            v = step == 0 ? decayed : 0.9 * v + 0.75 * decayed
            w -= 0.1 * (isNesterov ? decayed + 0.9 * v : v)
        }
        let outputs = try outputs()
        expect(outputs[0], equals: [w])
        expect(outputs[1], equals: [v])
    }

    @Test func plainDescentSubtractsTheGradient() throws {
        let weights = try bench.output([2], initially: [1, 2])
        var settings = OptimizerStep(.descent, rate: 0.25)
        settings.weightDecay = 0.5
        backend.optimizerStep(
            settings, weights: weights, gradient: try bench.input([4, -8], [2]), states: [], condition: nil)
        expect(try outputs()[0], equals: [1 - 0.25 * 4.5, 2 + 0.25 * 7])
    }

    @Test(arguments: [false, true])
    func adamFollowsAlgorithm1OfItsPaper(decouples: Bool) throws {
        var (w, m, v) = (1.5, 0.0, 0.0)
        let weights = try bench.output([1], initially: [w])
        let first = try bench.output([1], initially: [0])
        let second = try bench.output([1], initially: [0])
        for step in 1...5 {
            var gradient = samples(1, seed: UInt64(step))[0]
            var settings = OptimizerStep(.adam, rate: 0.1 / (1 - pow(0.8, Double(step))))
            if decouples { settings.shrinkage = 1 - 0.1 * 0.2 } else { settings.weightDecay = 0.2 }
            (settings.beta1, settings.blend1) = (0.8, 1 - 0.8)
            (settings.beta2, settings.blend2) = (0.95, 1 - 0.95)
            settings.epsilon = 1e-3
            settings.correction2 = 1 / (1 - pow(0.95, Double(step)))
            backend.optimizerStep(
                settings, weights: weights, gradient: try bench.input([gradient], [1]), states: [first, second],
                condition: nil)
            if decouples { w -= 0.1 * 0.2 * w } else { gradient += 0.2 * w }
            m = 0.8 * m + 0.2 * gradient
            v = 0.95 * v + 0.05 * gradient * gradient
            let correctedM = m / (1 - pow(0.8, Double(step)))
            let correctedV = v / (1 - pow(0.95, Double(step)))
            w -= 0.1 * correctedM / (correctedV.squareRoot() + 1e-3)
        }
        let outputs = try outputs()
        expect(outputs[0], equals: [w])
        expect(outputs[1], equals: [m])
        expect(outputs[2], equals: [v])
    }

    @Test func statisticsDescribeEachSegment() throws {
        let values: [Double] = [9, 1, -2, 0, .nan, 4, .infinity, -.infinity, -0.0, .nan, 7]
        backend.statistics(
            try bench.input(values, [11]), segments: try bench.indices([1, 8, 9, 1, 10, 1, 3, 0], [4, 2]),
            out: try bench.output([4, Statistic.allCases.count]))
        let rows = Self.columns(try outputs()[0], Statistic.allCases.count)
        // 1, -2, 0, 4 and -0 are finite: mean 0.6, mean square 4.2.
        expect(rows[0], equals: [0.6, (4.2 - 0.36).squareRoot(), -2, 4, 4, 21.0.squareRoot(), 2, 1, 2])
        expect(rows[1], equals: [0, 0, .infinity, -.infinity, 0, 0, 0, 1, 0], "all NaN")
        expect(rows[2], equals: [7, 0, 7, 7, 7, 7, 0, 0, 0], "one element")
        expect(rows[3], equals: [0, 0, .infinity, -.infinity, 0, 0, 0, 0, 0], "empty")
    }
}
