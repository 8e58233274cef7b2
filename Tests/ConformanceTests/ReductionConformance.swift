import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Reductions {
        /// Every set of axes of a tensor.
        static func subsets(rank: Int) -> [[Int]] {
            (0..<(1 << rank)).map { bits in (0..<rank).filter { bits >> $0 & 1 == 1 } }
        }

        /// A product of n factors has n roundings, so n units are its bound in either direction.
        static func tolerance(_ reduction: Reduction, count: Int) -> Tolerance {
            switch reduction {
            case .sum: .sum
            case .product: Tolerance(relative: Double(max(count, 1)) * 0x1p-23)
            case .maximum, .minimum: .exact
            }
        }

        func expectReduction(
            of subject: BackendUnderTest, _ reduction: Reduction, _ values: [Double], _ shape: Shape, axes: [Int],
            _ layout: Layout = .contiguous, out outLayout: Layout = .contiguous,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let reduced = shape.reducing(axes)
            let count = shape.elementCount / max(reduced.elementCount, 1)
            try expectConformance(
                of: subject, within: Self.tolerance(reduction, count: count), sourceLocation: sourceLocation
            ) { bench in
                let x = try bench.input(values, shape, layout)
                // What the result held before must not matter.
                let before = [Double](repeating: .nan, count: reduced.elementCount)
                bench.backend.reduce(
                    reduction, x, out: try bench.output(reduced, outLayout, initially: before), accumulates: false)
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func everySetOfAxes(on subject: BackendUnderTest) throws {
            let shapes: [Shape] = [
                [], [5], [3, 4], [33, 65], [2, 3, 5], [7, 1, 33], [2, 3, 4, 5], [2, 3, 1, 2, 4], [2, 2, 2, 2, 2],
            ]
            try withEvery("shape", in: shapes) { shape in
                try withEvery("axes", in: Self.subsets(rank: shape.rank)) { axes in
                    try withEvery("reduction", in: Reduction.allCases) { reduction in
                        try withEvery("layout", in: Layout.allCases) { layout in
                            try expectReduction(
                                of: subject, reduction, samples(shape.elementCount, in: -1.5...1.5), shape, axes: axes,
                                layout, out: layout == .reversed ? .stepped : layout)
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func everySizeAlongRowsAndColumns(on subject: BackendUnderTest) throws {
            try withEvery("size", in: edgeSizes + [1023, 1025, 4099]) { size in
                try withEvery("others", in: [1, 3, 33, 64, 129]) { others in
                    try withEvery("reduction", in: Reduction.allCases) { reduction in
                        let values = samples(size * others, in: 0.9...1.1)
                        try expectReduction(of: subject, reduction, values, [others, size], axes: [1])
                        try expectReduction(of: subject, reduction, values, [size, others], axes: [0])
                        try expectReduction(of: subject, reduction, values, [size, others], axes: [0, 1])
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func emptyAxesGiveTheIdentity(on subject: BackendUnderTest) throws {
            let cases: [(Shape, [Int])] = [
                ([0], [0]), ([3, 0], [1]), ([0, 3], [0]), ([0, 3], [1]), ([2, 0, 3], [1, 2]),
            ]
            try withEvery("shape and axes", in: cases) { shape, axes in
                try withEvery("reduction", in: Reduction.allCases) { reduction in
                    try expectReduction(of: subject, reduction, [], shape, axes: axes)
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func nanAndInfinityReachTheResult(on subject: BackendUnderTest) throws {
            let specials: [[Double]] = [
                [.nan], [.infinity], [-.infinity], [.infinity, -.infinity], [.nan, .infinity], [0, .infinity],
            ]
            try withEvery("specials", in: specials) { specials in
                try withEvery("size", in: [2, 33, 64, 257, 5000]) { size in
                    try withEvery("place", in: [0, size / 2, size - specials.count]) { place in
                        try withEvery("reduction", in: Reduction.allCases) { reduction in
                            var values = samples(size * 3, in: 0.99...1.01)
                            for (index, special) in specials.enumerated() { values[size + place + index] = special }
                            try expectReduction(of: subject, reduction, values, [3, size], axes: [1])
                            try expectReduction(of: subject, reduction, values, [3, size], axes: [0])
                            try expectReduction(of: subject, reduction, values, [3, size], axes: [0, 1])
                            try expectReduction(of: subject, reduction, values, [3, size], axes: [1], .transposed)
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func sumsAddToWhatTheResultHolds(on subject: BackendUnderTest) throws {
            let shapes: [(Shape, [Int])] = [
                ([5], [0]), ([33, 65], [0]), ([33, 65], [1]), ([2, 3, 4], [0, 2]), ([0, 3], [0]),
            ]
            try withEvery("shape and axes", in: shapes) { shape, axes in
                try withEvery("layout", in: Layout.allCases) { layout in
                    try expectConformance(of: subject, within: .sum) { bench in
                        let reduced = shape.reducing(axes)
                        let out = try bench.output(reduced, layout, initially: samples(reduced.elementCount, seed: 2))
                        bench.backend.reduce(
                            .sum, try bench.input(samples(shape.elementCount), shape, layout), out: out,
                            accumulates: true)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func repeatedElementsCountEachTime(on subject: BackendUnderTest) throws {
            try withEvery("axes", in: Self.subsets(rank: 3)) { axes in
                try expectConformance(of: subject, within: .sum) { bench in
                    let shape: Shape = [4, 33, 5]
                    let x = try bench.input(samples(33), [33, 1]).broadcast(to: shape)
                    bench.backend.reduce(.sum, x, out: try bench.output(shape.reducing(axes)), accumulates: false)
                }
            }
        }

        /// A running float32 sum of a million ones-or-so would lose three digits.
        @Test(arguments: BackendUnderTest.all)
        func longSumsKeepTheirPrecision(on subject: BackendUnderTest) throws {
            let cases: [(Shape, [Int])] = [
                ([1_000_000], [0]), ([1000, 1000], [0]), ([1000, 1000], [1]), ([250_000, 4], [0]), ([4, 250_000], [1]),
                ([100, 100, 100], [0, 2]),
            ]
            let values = samples(1_000_000, in: 0...1)
            try withEvery("shape and axes", in: cases) { shape, axes in
                try expectReduction(of: subject, .sum, values, shape, axes: axes)
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func argMaximumFindsTheFirstLargest(on subject: BackendUnderTest) throws {
            try withEvery("size", in: edgeSizes.dropFirst() + [4099]) { size in
                try withEvery("rows", in: [0, 1, 3, 65]) { rows in
                    try withEvery("layout", in: Layout.allCases) { layout in
                        try expectConformance(of: subject) { bench in
                            // Few distinct values, so that the largest comes up more than once.
                            let x = try bench.input(integerSamples(rows * size, in: -3...3), [rows, size], layout)
                            bench.backend.argMaximum(x, out: try bench.output([rows], layout, dtype: .int32))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func argMaximumTakesNaNForTheLargest(on subject: BackendUnderTest) throws {
            let rows: [[Double]] = [
                [1, .nan, 3, .nan], [.nan, .nan, .nan, .nan], [-.infinity, -.infinity, -.infinity, -.infinity],
                [.infinity, 1, .infinity, 2], [.infinity, 2, 3, .nan], [-0.0, 0, -0.0, 0], [-5, -4, -4, -9],
            ]
            try expectConformance(of: subject) { bench in
                let x = try bench.input(rows.flatMap { $0 }, [rows.count, 4])
                bench.backend.argMaximum(x, out: try bench.output([rows.count], dtype: .int32))
            }
            try expectConformance(of: subject) { bench in
                let x = try bench.input(rows.flatMap { $0 + samples(1000) }, [rows.count, 1004])
                bench.backend.argMaximum(x, out: try bench.output([rows.count], dtype: .int32))
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func argMaximumKeepsTheOtherAxes(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject) { bench in
                let x = try bench.input(samples(2 * 3 * 4 * 5), [2, 3, 4, 5], .transposed)
                bench.backend.argMaximum(x, out: try bench.output([2, 3, 4], .stepped, dtype: .int32))
            }
        }
    }
}
