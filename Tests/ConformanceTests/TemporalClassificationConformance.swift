import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct TemporalClassification {
        /// Losses, and gradients from the backend's own forward pass, of one batch.
        /// - Parameters:
        ///   - lengths: steps and states of each sample.
        func expectPaths(
            of subject: BackendUnderTest, time: Int, states: Int, lengths: [(Int, Int)],
            emissions: ClosedRange<Double> = -6...0, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let batch = lengths.count
            let values = samples(time * batch * states, in: emissions)
            // No skips to the first three states, half of the others.
            let skips = integerSamples(batch * states, in: 0...1, seed: 3).enumerated()
                .map { $0.offset % max(states, 1) < 3 ? 0 : $0.element }
            // A path's logarithm is a sum over its steps, whose rounding is relative to its size; an exponential turns
            // that into a relative error of its own, of numbers no larger than the loss gradient.
            let size = Double(max(time, 1)) * max(abs(emissions.lowerBound), 1)
            let tolerance = Tolerance.elementwise.relative(to: size)
            try withEvery("loss gradient", in: ["contiguous", "stepped", "one for all"]) { kind in
                try expectConformance(of: subject, within: tolerance, sourceLocation: sourceLocation) { bench in
                    let shape: Shape = [time, batch, states]
                    let x = try bench.input(values, shape)
                    let mask = try bench.input(skips, [batch, states], dtype: .uint8)
                    let limits = try bench.indices(lengths.flatMap { [Double($0.0), Double($0.1)] }, [batch, 2])
                    let losses = try bench.output([batch], named: "losses")
                    let forward = try bench.backend.allocate(shape)
                    bench.backend.temporalClassification(
                        x, skips: mask, lengths: limits, losses: losses, forward: forward)
                    let lossGradient =
                        switch kind {
                        case "contiguous": try bench.input(samples(batch), [batch])
                        case "stepped": try bench.input(samples(batch), [batch], .stepped)
                        default: try bench.input([1 / 64], [1]).broadcast(to: [batch])
                        }
                    bench.backend.temporalClassificationGradient(
                        x, skips: mask, lengths: limits, losses: losses, forward: forward,
                        lossGradient: lossGradient, out: try bench.output(shape, named: "gradient"))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everySize(on subject: BackendUnderTest) throws {
            try withEvery("states", in: [1, 3, 9, 17, 129]) { states in
                try withEvery("time", in: [1, 2, 9]) { time in
                    try withEvery("batch", in: [0, 1, 5]) { batch in
                        let lengths = (0..<batch).map { ((7 * $0) % time + 1, 2 * ((5 * $0) % (states / 2 + 1)) + 1) }
                        try expectPaths(of: subject, time: time, states: states, lengths: lengths)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func noStepsAndTooFew(on subject: BackendUnderTest) throws {
            try expectPaths(of: subject, time: 3, states: 5, lengths: [(0, 1), (0, 5), (1, 5), (3, 5), (3, 1)])
            try expectPaths(of: subject, time: 0, states: 3, lengths: [(0, 1), (0, 3)])
        }

        @Test(arguments: BackendUnderTest.fused)
        func longAndUnlikely(on subject: BackendUnderTest) throws {
            let lengths = [(120, 41), (77, 13), (120, 1)]
            try expectPaths(of: subject, time: 120, states: 41, lengths: lengths)
            try expectPaths(of: subject, time: 12, states: 7, lengths: [(12, 7), (9, 5)], emissions: -2000 ... -100)
        }
    }
}
