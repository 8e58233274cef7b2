import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct SegmentOperations {
        /// Stretches of these lengths one after the other, each behind a gap that belongs to none.
        static func bounds(_ lengths: [Int]) -> [Double] {
            var start = 0
            return lengths.flatMap { length in
                defer { start += length + 3 }
                return [Double(start), Double(length)]
            }
        }

        static let lists: [[Int]] = [
            [1], [0, 5, 0], edgeSizes, Array(repeating: 3, count: 300), [10_000, 2], Array(repeating: 5000, count: 3),
        ]

        @Test(arguments: BackendUnderTest.fused)
        func normsOfStretches(on subject: BackendUnderTest) throws {
            try withEvery("lengths", in: Self.lists) { lengths in
                let count = lengths.reduce(0) { $0 + $1 + 3 }
                try withEvery("p", in: Clipping.orders) { p in
                    try expectConformance(of: subject, within: Clipping.tolerance) { bench in
                        bench.backend.segmentNorms(
                            try bench.input(samples(count), [count], .offset),
                            segments: try bench.indices(Self.bounds(lengths), [lengths.count, 2]), p: p,
                            out: try bench.output([lengths.count]))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func aNormKeepsItsStretchesNaNAndInfinity(on subject: BackendUnderTest) throws {
            var values = samples(60)
            (values[7], values[25], values[40]) = (.nan, .infinity, -.infinity)
            try withEvery("p", in: Clipping.orders) { p in
                try expectConformance(of: subject, within: Clipping.tolerance) { bench in
                    bench.backend.segmentNorms(
                        try bench.input(values, [60]),
                        segments: try bench.indices([0, 7, 7, 1, 5, 9, 20, 10, 35, 15, 5, 25], [6, 2]), p: p,
                        out: try bench.output([6]))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func stretchesAreScaledEachByItsFactor(on subject: BackendUnderTest) throws {
            try withEvery("lengths", in: Self.lists) { lengths in
                let count = lengths.reduce(0) { $0 + $1 + 3 }
                try expectConformance(of: subject) { bench in
                    bench.backend.scaleSegments(
                        try bench.output([count], .offset, initially: samples(count)),
                        segments: try bench.indices(Self.bounds(lengths), [lengths.count, 2]),
                        by: try bench.input(samples(lengths.count, seed: 2), [lengths.count]))
                }
            }
        }
    }
}
