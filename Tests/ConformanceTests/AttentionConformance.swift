import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Attention {
        enum Mask: String, CaseIterable {
            case none, padding, allowed, perHead, added, addedStepped
        }

        static let sizes: [(queries: Int, keys: Int)] = [
            (0, 3), (1, 1), (1, 7), (7, 1), (5, 5), (17, 33), (33, 17), (64, 64), (65, 65), (3, 300), (2, 0),
        ]

        /// Leading axes of 2 and 3.
        func mask(_ kind: Mask, _ shape: Shape, on bench: Workbench) throws -> TensorView? {
            func keeps(_ shape: Shape) throws -> TensorView {
                try bench.input(integerSamples(shape.elementCount, in: 0...1, seed: 5), shape, dtype: .uint8)
            }
            switch kind {
            case .none: return nil
            case .padding: return try keeps([shape[0], 1, 1, shape[3]]).broadcast(to: shape)
            case .allowed: return try keeps([shape[2], shape[3]]).broadcast(to: shape)
            case .perHead: return try keeps(shape)
            case .added:
                let values = samples(shape[2] * shape[3], seed: 6).map { $0 > 1.5 ? -Double.infinity : $0 }
                return try bench.input(values, [shape[2], shape[3]]).broadcast(to: shape)
            case .addedStepped: return try bench.input(samples(shape.elementCount, seed: 6), shape, .stepped)
            }
        }

        /// A probability errs relative to p (1 + |log p|), which is at most 1.
        @Test(arguments: BackendUnderTest.fused)
        func everyMaskAndSize(on subject: BackendUnderTest) throws {
            try withEvery("size", in: Self.sizes) { size in
                try withEvery("mask", in: Mask.allCases) { kind in
                    try withEvery("is causal", in: [false, true]) { isCausal in
                        let shape: Shape = [2, 3, size.queries, size.keys]
                        try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                            bench.backend.attentionSoftmax(
                                try bench.input(samples(shape.elementCount, in: -8...8), shape),
                                mask: try mask(kind, shape, on: bench), isCausal: isCausal,
                                out: try bench.output(shape))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func specialScores(on subject: BackendUnderTest) throws {
            let rows = Softmax.hardRows
            try withEvery("is causal", in: [false, true]) { isCausal in
                try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                    bench.backend.attentionSoftmax(
                        try bench.input(rows.flatMap { $0 }, [1, 1, rows.count, 4]), mask: nil, isCausal: isCausal,
                        out: try bench.output([1, 1, rows.count, 4]))
                }
            }
        }

        /// A row of NaN tells nothing about keys that are left out: they weigh 0 in it, and get no gradient.
        @Test(arguments: BackendUnderTest.fused)
        func whatIsLeftOutStaysOutOfRowsOfNaN(on subject: BackendUnderTest) throws {
            let size = 5
            let shape: Shape = [1, 1, size, size]
            let values = (0..<size * size).map { $0 / size == 2 ? Double.nan : Double($0 % 7) }
            try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                bench.backend.attentionSoftmax(
                    try bench.input(values, shape), mask: nil, isCausal: true, out: try bench.output(shape))
                // Nor is what a mask adds to such keys read.
                let added = try bench.input([0, 1, .nan, .infinity, 0], [size]).broadcast(to: shape)
                bench.backend.attentionSoftmax(
                    try bench.input(samples(size * size), shape), mask: added, isCausal: true,
                    out: try bench.output(shape, named: "with a mask"))
            }
            let weights = (0..<size * size).map { $0 % size > $0 / size ? 0 : $0 / size == 2 ? Double.nan : 0.2 }
            try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                bench.backend.attentionSoftmaxGradient(
                    try bench.input(weights, shape), outputGradient: try bench.input(samples(size * size), shape),
                    isCausal: true, out: try bench.output(shape))
            }
        }

        /// Scores that are left out are not read, whatever they are.
        @Test(arguments: BackendUnderTest.fused)
        func whatIsMaskedDoesNotCount(on subject: BackendUnderTest) throws {
            let size = 9
            let values = (0..<size * size).map { $0 % size > $0 / size ? Double.nan : Double($0 % 7) }
            try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                let scores = try bench.output([1, 1, size, size], initially: values)
                bench.backend.attentionSoftmax(scores, mask: nil, isCausal: true, out: scores)
            }
            try expectConformance(of: subject, within: .elementwise.relative(to: 1)) { bench in
                bench.backend.attentionSoftmax(
                    try bench.input(values, [1, 1, size, size]),
                    mask: try bench.input(values.map { $0.isNaN ? 0 : 1 }, [1, 1, size, size], dtype: .uint8),
                    isCausal: false, out: try bench.output([1, 1, size, size]))
            }
        }

        /// Differences that cancel, relative to gradients of at most 2.
        @Test(arguments: BackendUnderTest.fused)
        func gradient(on subject: BackendUnderTest) throws {
            try withEvery("size", in: Self.sizes) { size in
                try withEvery("is causal", in: [false, true]) { isCausal in
                    try withEvery("in place", in: [false, true]) { isInPlace in
                        let shape: Shape = [2, 3, size.queries, size.keys]
                        let count = shape.elementCount
                        let weights = samples(count, in: 0...1).enumerated().map { index, value -> Double in
                            guard isCausal else { return value }
                            return index % size.keys > index / size.keys % size.queries ? 0 : value
                        }
                        let arrived = samples(count, seed: 3)
                        try expectConformance(of: subject, within: .elementwise.relative(to: 2 * Double(size.keys))) {
                            bench in
                            let out = try bench.output(shape, initially: isInPlace ? arrived : nil)
                            bench.backend.attentionSoftmaxGradient(
                                try bench.input(weights, shape),
                                outputGradient: isInPlace ? out : try bench.input(arrived, shape),
                                isCausal: isCausal, out: out)
                        }
                    }
                }
            }
        }
    }
}
