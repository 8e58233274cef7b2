import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Indexing {
        static let tails: [[Int]] = [[], [1], [33], [64], [129], [3, 5], [0]]

        /// Sums are float32 whatever holds them: were they rounded each time, ones would stop to count at 256 or 2048.
        @Test(arguments: BackendUnderTest.all)
        func sumsIntoANarrowTableAreRoundedOnce(on subject: BackendUnderTest) throws {
            let count = 4096
            try withEvery("dtype", in: [DType.float16, .bfloat16]) { dtype in
                try expectConformance(of: subject, within: .exact) { bench in
                    let ones = try bench.input([Double](repeating: 1, count: count), [count, 1], dtype: dtype)
                    let indices = try bench.indices([Double](repeating: 0, count: count))
                    let rows = try bench.output([2, 1], named: "rows", dtype: dtype, initially: [0, 1])
                    bench.backend.scatterAdd(ones, indices: indices, into: rows)
                    let places = try bench.output([1, 2], named: "places", dtype: dtype, initially: [0, 1])
                    bench.backend.scatterAlong(
                        ones.transposed, indices: indices.reshaped([1, count]), into: places, accumulates: true)
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func gatherCopiesRows(on subject: BackendUnderTest) throws {
            try withEvery("row", in: Self.tails) { tail in
                try withEvery("rows", in: [1, 7, 100]) { rows in
                    try withEvery("count", in: [0, 1, 33, 257]) { count in
                        try withEvery("layout", in: Layout.allCases) { layout in
                            try expectConformance(of: subject, within: .exact) { bench in
                                let table = Shape([rows] + tail)
                                bench.backend.gather(
                                    try bench.input(samples(table.elementCount), table, layout),
                                    indices: try bench.indices(integerSamples(count, in: 0...rows - 1), nil, layout),
                                    out: try bench.output(Shape([count] + tail), layout))
                            }
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func gatherMarksIndicesOutOfRange(on subject: BackendUnderTest) throws {
            let indices: [Double] = [0, -1, 3, 4, 2_147_483_647, -2_147_483_648, 2]
            try withEvery("dtype", in: [nil, .int32, .uint8] as [DType?]) { dtype in
                try expectConformance(of: subject, within: .exact) { bench in
                    bench.backend.gather(
                        try bench.input(integerSamples(4 * 5, in: 1...100), [4, 5], dtype: dtype),
                        indices: try bench.indices(indices), out: try bench.output([7, 5], dtype: dtype))
                }
            }
            try expectConformance(of: subject, within: .exact) { bench in
                bench.backend.gather(
                    try bench.input([], [0, 5]), indices: try bench.indices([0, 1]), out: try bench.output([2, 5]))
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func gatherPassesSpecialValues(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject, within: .exact) { bench in
                bench.backend.gather(
                    try bench.input(wideValues, [wideValues.count]),
                    indices: try bench.indices((0..<wideValues.count).reversed().map(Double.init)),
                    out: try bench.output([wideValues.count]))
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func scatterAddsRowsUnderOneIndex(on subject: BackendUnderTest) throws {
            try withEvery("row", in: Self.tails) { tail in
                try withEvery("rows", in: [1, 7, 100]) { rows in
                    try withEvery("count", in: [0, 1, 33, 257]) { count in
                        try withEvery("layout", in: Layout.allCases) { layout in
                            try expectConformance(of: subject, within: .dotProduct(terms: count)) { bench in
                                let (source, table) = (Shape([count] + tail), Shape([rows] + tail))
                                // A few indices out of range are passed over.
                                let indices = integerSamples(count, in: -2...rows + 1)
                                bench.backend.scatterAdd(
                                    try bench.input(samples(source.elementCount), source, layout),
                                    indices: try bench.indices(indices, nil, layout),
                                    into: try bench.output(
                                        table, layout, initially: samples(table.elementCount, seed: 2)))
                            }
                        }
                    }
                }
            }
        }

        /// Additions in the order of the indices: in any other, the small numbers would survive or vanish differently.
        @Test(arguments: BackendUnderTest.all)
        func scatterAddsInOrder(on subject: BackendUnderTest) throws {
            let source: [Double] = [1, 1e8, -1e8, 1e8, 1, -1e8]
            let table = subject.backend
            let bench = Workbench(table)
            let out = try bench.output([1, 3], initially: [0, 0, 0])
            table.scatterAdd(
                try bench.input(source.flatMap { [$0, -$0, $0] }, [6, 3]),
                indices: try bench.indices([Double](repeating: 0, count: 6)), into: out)
            var expected: Float = 0
            for value in source { expected += Float(value) }
            #expect(try bench.results().outputs[0].values == [Double(expected), -Double(expected), Double(expected)])
        }

        @Test(arguments: BackendUnderTest.all)
        func scatterAddPassesNaNToItsRowOnly(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject, within: .sum) { bench in
                bench.backend.scatterAdd(
                    try bench.input([1, .nan, 2, .infinity, 3, -.infinity], [3, 2]),
                    indices: try bench.indices([2, 0, 2]), into: try bench.output([4, 2], initially: samples(8)))
            }
        }
    }
}
