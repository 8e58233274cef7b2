import GimbalBackend
import GimbalCPU
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct MatrixProducts {
        /// out = x · y on views of the given layouts.
        func expectProduct(
            of subject: BackendUnderTest, m: Int, k: Int, n: Int, batch: Shape = [],
            x: Layout = .contiguous, y: Layout = .contiguous, out: Layout = .contiguous,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            try expectConformance(of: subject, within: .dotProduct(terms: k), sourceLocation: sourceLocation) { bench in
                let (left, right) = (Shape(batch.sizes + [m, k]), Shape(batch.sizes + [k, n]))
                let result = Shape(batch.sizes + [m, n])
                bench.backend.matrixMultiply(
                    try bench.input(samples(left.elementCount), left, x),
                    try bench.input(samples(right.elementCount, seed: 2), right, y),
                    // What the result held before must not matter.
                    out: try bench.output(result, out, initially: Array(repeating: .nan, count: result.elementCount)),
                    .plain)
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func everySizeInTurn(on subject: BackendUnderTest) throws {
            try withEvery("size", in: edgeSizes) { size in
                try Trace.adding("as m") { try expectProduct(of: subject, m: size, k: 17, n: 33) }
                try Trace.adding("as k") { try expectProduct(of: subject, m: 9, k: size, n: 33) }
                try Trace.adding("as n") { try expectProduct(of: subject, m: 33, k: 17, n: size) }
                try Trace.adding("as m, k = 1") { try expectProduct(of: subject, m: size, k: 1, n: 5) }
                try Trace.adding("vector · matrix") { try expectProduct(of: subject, m: 1, k: 65, n: size) }
                try Trace.adding("matrix · vector") { try expectProduct(of: subject, m: size, k: 65, n: 1) }
                try Trace.adding("vector · vector") { try expectProduct(of: subject, m: 1, k: size, n: 1) }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func sizesAroundTileEdges(on subject: BackendUnderTest) throws {
            let sizes = [1, 31, 32, 33, 63, 64, 65, 127, 129]
            try withEvery("m", in: sizes) { m in
                try withEvery("n", in: sizes) { n in
                    try withEvery("k", in: [1, 7, 8, 9, 16, 33]) { k in
                        try expectProduct(of: subject, m: m, k: k, n: n)
                    }
                }
            }
        }

        /// The CPU lays operands out in strips of 6 or 8 rows and panels of a few vectors, in blocks of 64 or 48 rows, 960 columns and
        /// 512 elements of the depth.
        @Test(arguments: BackendUnderTest.cpu)
        func sizesAroundBlockEdges(on subject: BackendUnderTest) throws {
            let sizes = [
                (9, 511, 40), (7, 513, 48), (17, 1025, 49), (65, 20, 961), (129, 30, 97), (128, 30, 96),
                (30, 600, 1000),
            ]
            try withEvery("m, k, n", in: sizes) { m, k, n in
                try withEvery("x", in: [Layout.contiguous, .transposed]) { x in
                    try withEvery("y", in: [Layout.contiguous, .transposed]) { y in
                        try expectProduct(of: subject, m: m, k: k, n: n, x: x, y: y)
                    }
                }
                try withEvery("accumulates", in: [false, true]) { accumulates in
                    try expectEpilogue(of: subject, (m, k, n), scale: 3, accumulates: accumulates, bias: .contiguous)
                }
            }
        }

        @Test(arguments: ["avx2", "avx512"])
        func bitsOfAnyNumberOfThreads(level: String) throws {
            for (m, k, n) in [(30, 600, 1100), (30, 20_000, 10), (5, 300, 5000)] {
                func product(threads: Int) throws -> [Float] {
                    let backend = CPUBackend(threads: threads, level: level)
                    func tensor(_ shape: Shape, seed: UInt64) throws -> TensorView {
                        let view = try backend.allocate(shape)
                        let values = samples(shape.elementCount, seed: seed).map(Float.init)
                        values.withUnsafeBytes { backend.upload($0, to: view.storage, byteOffset: 0) }
                        return view
                    }
                    let out = try backend.allocate([m, n])
                    backend.matrixMultiply(try tensor([m, k], seed: 1), try tensor([k, n], seed: 2), out: out, .plain)
                    var values = [Float](repeating: 0, count: m * n)
                    try values.withUnsafeMutableBytes { try backend.download(out.storage, byteOffset: 0, into: $0) }
                    return values
                }
                let one = try product(threads: 1)
                for threads in [2, 3, 5] {
                    #expect(try product(threads: threads) == one, "\(threads) threads, \(m), \(k), \(n)")
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func layersOfRealNets(on subject: BackendUnderTest) throws {
            try Trace.adding("forward") { try expectProduct(of: subject, m: 64, k: 784, n: 512, y: .transposed) }
            try Trace.adding("weight gradient") {
                try expectProduct(of: subject, m: 512, k: 64, n: 784, x: .transposed)
            }
            try Trace.adding("input gradient") { try expectProduct(of: subject, m: 64, k: 512, n: 784) }
            try Trace.adding("classifier") { try expectProduct(of: subject, m: 64, k: 512, n: 10, y: .transposed) }
        }

        @Test(arguments: BackendUnderTest.all)
        func everyLayoutOfAllThree(on subject: BackendUnderTest) throws {
            try withEvery("x", in: Layout.allCases) { x in
                try withEvery("y", in: Layout.allCases) { y in
                    try withEvery("out", in: Layout.allCases) { out in
                        try withEvery("m, k, n", in: [(33, 65, 31), (5, 3, 129), (1, 33, 65), (33, 65, 1)]) { m, k, n in
                            try expectProduct(of: subject, m: m, k: k, n: n, x: x, y: y, out: out)
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func batches(on subject: BackendUnderTest) throws {
            try withEvery("batch", in: [[0], [1], [3], [17], [2, 3], [2, 0], [2, 1, 3]] as [Shape]) { batch in
                try withEvery("layouts", in: Layout.allCases) { layout in
                    try expectProduct(of: subject, m: 9, k: 17, n: 33, batch: batch, x: layout)
                    try expectProduct(of: subject, m: 9, k: 17, n: 33, batch: batch, y: layout)
                    try expectProduct(of: subject, m: 9, k: 17, n: 33, batch: batch, out: layout)
                    try expectProduct(of: subject, m: 4, k: 0, n: 3, batch: batch)
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func operandsSharedByABatch(on subject: BackendUnderTest) throws {
            try withEvery("m, k, n", in: [(4, 5, 6), (33, 17, 65), (1, 8, 3), (7, 8, 1)]) { m, k, n in
                try withEvery("transposed", in: [false, true]) { isTransposed in
                    try expectConformance(of: subject, within: .dotProduct(terms: k)) { bench in
                        let layout: Layout = isTransposed ? .transposed : .contiguous
                        let x = try bench.input(samples(m * k), [m, k], layout).broadcast(to: [2, 3, m, k])
                        let y = try bench.input(samples(3 * k * n), [3, k, n], layout).broadcast(to: [2, 3, k, n])
                        bench.backend.matrixMultiply(x, y, out: try bench.output([2, 3, m, n]), .plain)
                    }
                    try expectConformance(of: subject, within: .dotProduct(terms: k)) { bench in
                        let x = try bench.input(samples(2 * m * k), [2, 1, m, k], layout(isTransposed))
                            .broadcast(to: [2, 3, m, k])
                        let y = try bench.input(samples(k * n), [k, n]).broadcast(to: [2, 3, k, n])
                        bench.backend.matrixMultiply(x, y, out: try bench.output([2, 3, m, n]), .plain)
                    }
                }
            }
            func layout(_ isTransposed: Bool) -> Layout { isTransposed ? .transposed : .contiguous }
        }

        /// A row or column repeated by a stride of 0 within each matrix.
        @Test(arguments: BackendUnderTest.all)
        func repeatedRowsAndColumns(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject, within: .dotProduct(terms: 33)) { bench in
                let x = try bench.input(samples(33), [1, 33]).broadcast(to: [9, 33])
                let y = try bench.input(samples(33, seed: 2), [33, 1]).broadcast(to: [33, 17])
                bench.backend.matrixMultiply(x, y, out: try bench.output([9, 17]), .plain)
            }
        }

        func expectEpilogue(
            of subject: BackendUnderTest, _ size: (m: Int, k: Int, n: Int), scale: Double = 1,
            accumulates: Bool = false, bias: Layout? = nil, out: Layout = .contiguous,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let (m, k, n) = size
            try expectConformance(of: subject, within: .dotProduct(terms: k), sourceLocation: sourceLocation) { bench in
                var epilogue = Epilogue(scale: scale, accumulates: accumulates)
                epilogue.bias = try bias.map { try bench.input(samples(n, seed: 3), [n], $0) }
                if bench.measuresMagnitude { epilogue.scale = abs(scale) }
                bench.backend.matrixMultiply(
                    try bench.input(samples(m * k), [m, k]), try bench.input(samples(k * n, seed: 2), [k, n]),
                    out: try bench.output([m, n], out, initially: samples(m * n, seed: 4)), epilogue)
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func epilogueInEveryCombination(on subject: BackendUnderTest) throws {
            let sizes = [(33, 65, 31), (2, 0, 3), (1, 9, 65), (65, 9, 1), (0, 3, 2), (70, 20, 130)]
            try withEvery("m, k, n", in: sizes) { size in
                try withEvery("scale", in: [1, -0.5, 0]) { scale in
                    try withEvery("accumulates", in: [false, true]) { accumulates in
                        try withEvery("bias", in: [nil, .contiguous, .stepped] as [Layout?]) { bias in
                            try withEvery("out", in: [Layout.contiguous, .transposed, .stepped]) { out in
                                try expectEpilogue(
                                    of: subject, size, scale: scale, accumulates: accumulates, bias: bias, out: out)
                            }
                        }
                    }
                }
            }
        }

        /// Large enough to be cut among threads or tiles, by rows and by columns; each part must find its place in the bias.
        @Test(arguments: BackendUnderTest.all)
        func epilogueOfLargeProducts(on subject: BackendUnderTest) throws {
            try withEvery("m, k, n", in: [(64, 300, 515), (515, 300, 64), (301, 65, 303)]) { size in
                try withEvery("accumulates", in: [false, true]) { accumulates in
                    try withEvery("out", in: [Layout.contiguous, .transposed]) { out in
                        try expectEpilogue(
                            of: subject, size, scale: -0.5, accumulates: accumulates, bias: .contiguous, out: out)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func epilogueOfABatch(on subject: BackendUnderTest) throws {
            try withEvery("layout", in: Layout.allCases) { layout in
                try expectConformance(of: subject, within: .dotProduct(terms: 9)) { bench in
                    let bias = try bench.input(samples(33), [33])
                    bench.backend.matrixMultiply(
                        try bench.input(samples(5 * 7 * 9), [5, 7, 9]),
                        try bench.input(samples(5 * 9 * 33), [5, 9, 33]),
                        out: try bench.output([5, 7, 33], layout, initially: samples(5 * 7 * 33)),
                        Epilogue(scale: 0.5, accumulates: true, bias: bias))
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func nanAndInfinityReachTheirRowsAndColumnsOnly(on subject: BackendUnderTest) throws {
            try withEvery("special", in: [Double.nan, .infinity, -.infinity]) { special in
                try expectConformance(of: subject, within: .dotProduct(terms: 33)) { bench in
                    var x = samples(9 * 33)
                    var y = samples(33 * 17, seed: 2)
                    x[2 * 33 + 5] = special
                    y[20 * 17 + 3] = special
                    // Infinity times zero is NaN: no term may be skipped for being zero.
                    x[4 * 33 + 20] = 0
                    bench.backend.matrixMultiply(
                        try bench.input(x, [9, 33]), try bench.input(y, [33, 17]), out: try bench.output([9, 17]),
                        .plain)
                }
            }
        }
    }
}
