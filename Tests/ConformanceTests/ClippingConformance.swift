import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Clipping {
        static let orders: [Double] = [1, 2, 3, 0.5, .infinity]

        /// Σ|x|ᵖ is a sum of positive terms; raising to p and 1/p adds the error of `pow`.
        static let tolerance = Tolerance(relative: 32 * 0x1p-23)

        func expectNorm(
            of subject: BackendUnderTest, _ parts: [[Double]], layout: Layout = .contiguous,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            try withEvery("p", in: Self.orders) { p in
                try expectConformance(of: subject, within: Self.tolerance, sourceLocation: sourceLocation) { bench in
                    let views = try parts.map { try bench.input($0, [$0.count], layout) }
                    bench.backend.norm(views, p: p, out: try bench.output([]))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func normOfOneTensor(on subject: BackendUnderTest) throws {
            try withEvery("size", in: edgeSizes + [30_011]) { size in
                try withEvery("layout", in: Layout.rowMajor) { layout in
                    try expectNorm(of: subject, [samples(size)], layout: layout)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func normOverManyTensors(on subject: BackendUnderTest) throws {
            try Trace.adding("no tensors") { try expectNorm(of: subject, []) }
            try Trace.adding("empty tensors") { try expectNorm(of: subject, [[], []]) }
            try Trace.adding("some empty") { try expectNorm(of: subject, [[], samples(33), [], samples(1)]) }
            try Trace.adding("many") {
                try expectNorm(of: subject, (0..<40).map { samples(1 + 37 * $0, in: -1...1, seed: UInt64($0)) })
            }
            try Trace.adding("the largest in any") {
                try expectNorm(of: subject, [samples(65), [-100] + samples(30), samples(300)])
            }
        }

        /// Squares that overflow float32 or vanish in it.
        @Test(arguments: BackendUnderTest.fused)
        func euclideanNormOfExplodedAndVanishedValues(on subject: BackendUnderTest) throws {
            let scales = [1e-37, 1e-30, 1e-20, 1e-15, 1e-10, 1, 1e10, 1e15, 1e20, 1e30]
            try withEvery("scale", in: scales) { scale in
                try withEvery("beside", in: [0, 1e-25, 1, 1e25]) { other in
                    let values = samples(777).map { roundedToFloat($0 * scale) } + [roundedToFloat(other)]
                    try expectConformance(of: subject, within: Self.tolerance) { bench in
                        bench.backend.norm([try bench.input(values, [778])], p: 2, out: try bench.output([]))
                    }
                }
            }
        }

        /// Powers that overflow float32, or vanish in it, of a norm that does not.
        @Test(arguments: BackendUnderTest.fused)
        func normsOfExplodedAndVanishedValues(on subject: BackendUnderTest) throws {
            let scales = [1e-37, 1e-30, 1e-20, 1e-10, 1, 1e10, 1e20, 1e30, 1e34]
            try withEvery("p", in: [1, 1.5, 3, 10, 0.5, .infinity]) { p in
                try withEvery("scale", in: scales) { scale in
                    let values = (0..<100).map { roundedToFloat($0 % 3 == 2 ? -scale : scale) }
                    try expectConformance(of: subject, within: Self.tolerance) { bench in
                        let views = [try bench.input(values, [100]), try bench.input([roundedToFloat(scale / 7)], [1])]
                        bench.backend.norm(views, p: p, out: try bench.output([]))
                    }
                    try expectConformance(of: subject, within: Self.tolerance) { bench in
                        bench.backend.segmentNorms(
                            try bench.input(values, [100]),
                            segments: try bench.indices([0, 70, 70, 1, 71, 29], [3, 2]),
                            p: p, out: try bench.output([3]))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func normOfNaNAndInfinity(on subject: BackendUnderTest) throws {
            try withEvery("special", in: [Double.nan, .infinity, -.infinity]) { special in
                try withEvery("place", in: [0, 33, 1000]) { place in
                    var values = samples(1001)
                    values[place] = special
                    try expectNorm(of: subject, [samples(10), values, samples(10)])
                    // NaN wins over infinity, wherever each stands.
                    try expectNorm(of: subject, [[.infinity], values, samples(10)])
                    try expectNorm(of: subject, [values, [.infinity], [.nan]])
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func normOfAMillionElements(on subject: BackendUnderTest) throws {
            let values = samples(1_000_000)
            try expectConformance(of: subject, within: Self.tolerance) { bench in
                bench.backend.norm([try bench.input(values, [values.count])], p: 2, out: try bench.output([]))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func clipScalesToTheMaximum(on subject: BackendUnderTest) throws {
            try withEvery("norm", in: [0, 0.5, 1, 2, 1e10, .infinity, .nan]) { norm in
                try withEvery("maximum", in: [1, 0.001, 100]) { maximum in
                    try withEvery("sizes", in: [[], [0], [1], [33, 0, 1000], [64, 65]]) { sizes in
                        try expectConformance(of: subject) { bench in
                            let views = try sizes.map {
                                try bench.output([$0], .offset, initially: samples($0), within: .elementwise)
                            }
                            bench.backend.clip(
                                views, norm: try bench.input([norm], []), maxNorm: maximum)
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func clipOfNaNAndInfinity(on subject: BackendUnderTest) throws {
            try withEvery("norm", in: [0.5, 2, .infinity, .nan]) { norm in
                try expectConformance(of: subject) { bench in
                    let x = try bench.output([wideValues.count], initially: wideValues)
                    bench.backend.clip([x], norm: try bench.input([norm], []), maxNorm: 1)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func clippedGradientHasTheMaximumNorm(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject, within: Self.tolerance) { bench in
                let views = [
                    try bench.output([129], initially: samples(129)), try bench.output([5, 7], initially: samples(35)),
                ]
                let norm = try bench.output([], named: "norm")
                bench.backend.norm(views, p: 2, out: norm)
                bench.backend.clip(views, norm: norm, maxNorm: 1)
            }
        }
    }
}
