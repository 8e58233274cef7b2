import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    /// Scans, sorting, and elements by number along the last axis, and their defaults over the other primitives.
    @Suite struct Along {
        static let rows: [[Int]] = [[], [1], [3], [2, 3], [0]]
        static let sizes = [0, 1, 2, 33, 255, 256, 257, 700]

        @Test(arguments: BackendUnderTest.fused)
        func scanSums(on subject: BackendUnderTest) throws {
            try withEvery("rows", in: Self.rows) { rows in
                try withEvery("size", in: Self.sizes + [1500]) { size in
                    try withEvery("layout", in: Layout.allCases) { layout in
                        let shape = Shape(rows + [size])
                        let values = samples(shape.elementCount, in: 0...1)
                        try expectConformance(of: subject, within: .dotProduct(terms: size)) { bench in
                            bench.backend.scan(
                                factors: nil, terms: try bench.input(values, shape, layout),
                                out: try bench.output(shape, layout))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func scanSumsWholeNumbers(on subject: BackendUnderTest) throws {
            try withEvery("size", in: Self.sizes) { size in
                try expectConformance(of: subject, within: .exact) { bench in
                    bench.backend.scan(
                        factors: nil,
                        terms: try bench.input(
                            integerSamples(3 * size, in: -2_000_000_000...2_000_000_000), [3, size], dtype: .int32),
                        out: try bench.output([3, size], dtype: .int32))
                }
            }
        }

        /// Factors below 1 keep what is said of one step true of all.
        @Test(arguments: BackendUnderTest.fused)
        func scanFollowsALinearRecurrence(on subject: BackendUnderTest) throws {
            try withEvery("rows", in: Self.rows) { rows in
                try withEvery("size", in: Self.sizes) { size in
                    try withEvery("layout", in: Layout.allCases) { layout in
                        let shape = Shape(rows + [size])
                        try expectConformance(of: subject, within: .dotProduct(terms: 64)) { bench in
                            bench.backend.scan(
                                factors: try bench.input(samples(shape.elementCount, in: -0.9...0.9), shape, layout),
                                terms: try bench.input(samples(shape.elementCount, seed: 2), shape, layout),
                                out: try bench.output(shape, layout))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func scanPassesSpecialValues(on subject: BackendUnderTest) throws {
            let values: [Double] = [1, .infinity, 2, -.infinity, 3, 1, 2, .nan, 3, 4]
            try expectConformance(of: subject) { bench in
                bench.backend.scan(
                    factors: nil, terms: try bench.input(values, [2, 5]), out: try bench.output([2, 5], named: "sums"))
                // The first factor is not read: NaN would reach all.
                bench.backend.scan(
                    factors: try bench.input([.nan, 2, .infinity, 1, 1, .nan, 0, 1, .nan, 2], [2, 5]),
                    terms: try bench.input([1, 0, 1, 2, 3, 4, 5, 0, 1, 2], [2, 5]),
                    out: try bench.output([2, 5], named: "recurrence"))
            }
        }

        /// Of few different values, so that keeping the order of equals shows.
        @Test(arguments: BackendUnderTest.fused)
        func argSortIsStable(on subject: BackendUnderTest) throws {
            // The default compares each element with all others, those of long rows block by block.
            let isDefault = subject.backend is PrimitivesOnly
            try withEvery("rows", in: Self.rows) { rows in
                try withEvery("size", in: isDefault ? [0, 1, 2, 33, 900] : Self.sizes + [1025]) { size in
                    try withEvery("layout", in: isDefault && size > 33 ? [.contiguous] : Layout.allCases) { layout in
                        try withEvery("descending", in: [false, true]) { isDescending in
                            let shape = Shape(rows + [size])
                            let values = integerSamples(shape.elementCount, in: -9...9).map { $0 / 4 }
                            try expectConformance(of: subject, within: .exact) { bench in
                                bench.backend.argSort(
                                    try bench.input(values, shape, layout), isDescending: isDescending,
                                    out: try bench.output(shape, layout, dtype: .int32))
                            }
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func argSortOrdersSpecialValues(on subject: BackendUnderTest) throws {
            let values = wideValues + [-0.0, .nan, 0] + denormalValues.map { $0 * 1e10 } + wideValues.reversed()
            try withEvery("descending", in: [false, true]) { isDescending in
                try expectConformance(of: subject, within: .exact) { bench in
                    bench.backend.argSort(
                        try bench.input(values, [values.count]), isDescending: isDescending,
                        out: try bench.output([values.count], dtype: .int32))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func argSortTellsLargeWholeNumbersApart(on subject: BackendUnderTest) throws {
            let values: [Double] = [2_147_483_647, 2_147_483_646, -2_147_483_648, 0, -2_147_483_647, 2_147_483_646]
            try withEvery("descending", in: [false, true]) { isDescending in
                try expectConformance(of: subject, within: .exact) { bench in
                    bench.backend.argSort(
                        try bench.input(values, [6], dtype: .int32), isDescending: isDescending,
                        out: try bench.output([6], dtype: .int32))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func elementsAreFoundByNumber(on subject: BackendUnderTest) throws {
            try withEvery("rows", in: Self.rows) { rows in
                try withEvery("size", in: [0, 1, 5, 300]) { size in
                    try withEvery("count", in: [0, 1, 7, 257]) { count in
                        try withEvery("layout", in: Layout.allCases) { layout in
                            let (table, chosen) = (Shape(rows + [size]), Shape(rows + [count]))
                            let indices = integerSamples(chosen.elementCount, in: -2...size + 1)
                            try expectConformance(of: subject, within: .dotProduct(terms: count)) { bench in
                                bench.backend.gatherAlong(
                                    try bench.input(samples(table.elementCount), table, layout),
                                    indices: try bench.indices(indices, chosen, layout),
                                    out: try bench.output(chosen, layout, named: "gathered", within: .exact))
                                for accumulates in [false, true] {
                                    bench.backend.scatterAlong(
                                        try bench.input(samples(chosen.elementCount), chosen, layout),
                                        indices: try bench.indices(indices, chosen, layout),
                                        into: try bench.output(
                                            table, layout, named: accumulates ? "added" : "put",
                                            initially: samples(table.elementCount, seed: 2),
                                            within: accumulates ? nil : .exact),
                                        accumulates: accumulates)
                                }
                            }
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func wholeNumbersAreFoundByNumber(on subject: BackendUnderTest) throws {
            try withEvery("dtype", in: [.int32, .uint8] as [DType]) { dtype in
                try expectConformance(of: subject, within: .exact) { bench in
                    let indices: [Double] = [0, -1, 3, 4, 2_147_483_647, 3]
                    bench.backend.gatherAlong(
                        try bench.input(integerSamples(4, in: 1...100), [4], dtype: dtype),
                        indices: try bench.indices(indices), out: try bench.output([6], dtype: dtype))
                    for accumulates in [false, true] {
                        bench.backend.scatterAlong(
                            try bench.input(integerSamples(6, in: 1...100), [6], dtype: dtype),
                            indices: try bench.indices(indices),
                            into: try bench.output(
                                [4], named: accumulates ? "added" : "put", dtype: dtype, initially: [1, 2, 3, 4]),
                            accumulates: accumulates)
                    }
                }
            }
        }
    }
}
