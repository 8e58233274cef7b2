import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Statistics {
        func expectStatistics(
            of subject: BackendUnderTest, _ values: [Double], segments: [Range<Int>], layout: Layout = .contiguous,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            // The mean cancels, so it is measured against the mean of |x|; the deviation against itself and, like the
            // mean, against what float32 can resolve about a mean of this size. The others have no such excuse.
            let magnitudes = segments.flatMap { segment -> [Double] in
                let finite = values[segment].filter(\.isFinite)
                let count = Double(max(finite.count, 1))
                let mean = finite.reduce(0, +) / count
                let meanMagnitude = finite.map { abs($0) }.reduce(0, +) / count
                let deviation = (finite.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / count).squareRoot()
                let norm = finite.map { $0 * $0 }.reduce(0, +).squareRoot()
                return Statistic.allCases.map { statistic in
                    switch statistic {
                    case .mean: meanMagnitude
                    case .standardDeviation: max(deviation, abs(mean) * 1e-3)
                    case .norm: norm
                    default: 0
                    }
                }
            }
            let tolerance = Tolerance(relative: 32 * 0x1p-23).relative(to: magnitudes)
            try expectConformance(of: subject, within: tolerance, sourceLocation: sourceLocation) { bench in
                let bounds = segments.flatMap { [Double($0.lowerBound), Double($0.count)] }
                bench.backend.statistics(
                    try bench.input(values, [values.count], layout),
                    segments: try bench.indices(bounds, [segments.count, 2]),
                    out: try bench.output([segments.count, Statistic.allCases.count], layout))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everySize(on subject: BackendUnderTest) throws {
            try withEvery("size", in: edgeSizes + [4099, 30_011]) { size in
                try withEvery("layout", in: Layout.rowMajor) { layout in
                    try expectStatistics(of: subject, samples(size), segments: [0..<size], layout: layout)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func segmentsAreSeparate(on subject: BackendUnderTest) throws {
            var values = samples(3000)
            for place in stride(from: 100, to: 900, by: 7) { values[place] = 0 }
            // Touching, apart, overlapping, empty, in any order.
            let segments = [
                0..<100, 100..<900, 899..<900, 2000..<3000, 950..<1950, 500..<500, 3000..<3000, 0..<3000, 1..<34,
            ]
            try expectStatistics(of: subject, values, segments: segments)
            try expectStatistics(of: subject, values, segments: [])
            try expectStatistics(of: subject, values, segments: (0..<200).map { 15 * $0..<15 * $0 + $0 % 16 })
        }

        @Test(arguments: BackendUnderTest.fused)
        func nonFiniteElementsAreCountedAndLeftOut(on subject: BackendUnderTest) throws {
            var values = samples(700)
            for place in stride(from: 3, to: 300, by: 11) { values[place] = .nan }
            for place in stride(from: 5, to: 300, by: 13) { values[place] = .infinity }
            for place in stride(from: 6, to: 300, by: 17) { values[place] = -.infinity }
            for place in stride(from: 8, to: 300, by: 5) { values[place] = place % 2 == 0 ? 0 : -0.0 }
            for place in 400..<450 { values[place] = place % 2 == 0 ? .nan : -.infinity }
            try expectStatistics(of: subject, values, segments: [0..<300, 0..<700, 400..<450, 449..<451, 300..<400])
        }

        @Test(arguments: BackendUnderTest.fused)
        func aLargeOffsetCostsTheDeviationNothing(on subject: BackendUnderTest) throws {
            let values = samples(5000, in: -1...1).map { roundedToFloat($0 + 1e4) }
            try expectStatistics(of: subject, values, segments: [0..<5000, 0..<1000, 4000..<4002])
        }

        /// The mean that a backend finds of all values.
        private func foundMean(of values: [Double], on subject: BackendUnderTest) throws -> Double {
            let bench = Workbench(subject.backend)
            bench.backend.statistics(
                try bench.input(values, [values.count]),
                segments: try bench.indices([0, Double(values.count)], [1, 2]),
                out: try bench.output([1, Statistic.allCases.count]))
            return try bench.results().outputs[0].values[Statistic.allCases.firstIndex(of: .mean)!]
        }

        /// Means are sums about the first element: far from it, what rounding left of a sum is to be made up for.
        @Test(arguments: BackendUnderTest.fused)
        func aFirstElementFarFromTheRestCostsTheMeanNothing(on subject: BackendUnderTest) throws {
            let values = [0] + [Double](repeating: roundedToFloat(1000.3), count: 20_000)
            let found = try foundMean(of: values, on: subject)
            let mean = values.reduce(0, +) / Double(values.count)
            #expect(abs(found - mean) <= 32 * Double(Float(mean).ulp), "\(found), not \(mean)")
        }

        /// All that one work-item of a GPU takes at once: about the first element the ones are lost beside 2²⁴, three units of
        /// the mean's last place.
        @Test(arguments: BackendUnderTest.fused)
        func smallElementsBesideALargeOneCountInTheMean(on subject: BackendUnderTest) throws {
            for count in 7...8 {
                let values = [0, 0x1p24] + [Double](repeating: 1, count: count - 2)
                let found = try foundMean(of: values, on: subject)
                let mean = values.reduce(0, +) / Double(count)
                #expect(abs(found - mean) <= 2 * Double(Float(mean).ulp), "\(found), not \(mean)")
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func constantAndTinyAndNegativeValues(on subject: BackendUnderTest) throws {
            try expectStatistics(of: subject, [Double](repeating: 0, count: 130), segments: [0..<130])
            try expectStatistics(of: subject, [Double](repeating: -2, count: 130), segments: [0..<130])
            try expectStatistics(of: subject, samples(130, in: -1e-15...1e-15), segments: [0..<130])
            try expectStatistics(of: subject, samples(130, in: -9 ... -8), segments: [0..<65, 65..<130])
        }

        @Test(arguments: BackendUnderTest.fused)
        func aMillionElements(on subject: BackendUnderTest) throws {
            try expectStatistics(of: subject, samples(1_000_000, in: 0...1), segments: [0..<1_000_000, 10..<999_999])
        }
    }
}
