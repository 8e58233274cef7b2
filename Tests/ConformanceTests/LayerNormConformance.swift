import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct LayerNorm {
        static let widths = [1, 2, 5, 31, 64, 65, 255, 257, 1000]
        static let rowCounts = [0, 1, 3, 64, 65, 130]

        /// Values are of order 1, and a deviation of order 1 divides by at least √ε: differences of a unit in the last
        /// place of the inputs, divided by the least deviation of the rows.
        func expectForward(
            of subject: BackendUnderTest, _ values: [Double], _ shape: Shape, hasScale: Bool = true,
            hasShift: Bool = true, centers: Bool = true, magnitude: Double = 64,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let (rows, width) = (shape[0], shape[1])
            try expectConformance(
                of: subject, within: .elementwise.relative(to: magnitude), sourceLocation: sourceLocation
            ) { bench in
                bench.backend.layerNorm(
                    try bench.input(values, shape),
                    scale: hasScale ? try bench.input(samples(width, seed: 2), [width]) : nil,
                    shift: hasShift ? try bench.input(samples(width, seed: 3), [width]) : nil, epsilon: 1e-2,
                    centers: centers, out: try bench.output(shape),
                    mean: try bench.output([rows], named: "mean"),
                    inverseDeviation: try bench.output([rows], named: "inverse deviation"))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everySize(on subject: BackendUnderTest) throws {
            try withEvery("width", in: Self.widths) { width in
                try withEvery("rows", in: Self.rowCounts) { rows in
                    try withEvery("centers", in: [false, true]) { centers in
                        try expectForward(of: subject, samples(rows * width), [rows, width], centers: centers)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func parametersMayBeAbsent(on subject: BackendUnderTest) throws {
            try withEvery("scale and shift", in: 0..<4) { bits in
                try expectForward(
                    of: subject, samples(7 * 33), [7, 33], hasScale: bits & 1 != 0, hasShift: bits & 2 != 0)
            }
        }

        /// An offset of 1000 leaves float32 a unit of 6e-5, which the deviation of 1.2 and the scale of 2 turn into 1e-4.
        @Test(arguments: BackendUnderTest.fused)
        func largeOffsetsCostNoMoreThanTheirRounding(on subject: BackendUnderTest) throws {
            let values = samples(5 * 300).map { roundedToFloat($0 + 1000) }
            try expectForward(of: subject, values, [5, 300], magnitude: 1000)
        }

        @Test(arguments: BackendUnderTest.fused)
        func nanAndInfinityStayInTheirRow(on subject: BackendUnderTest) throws {
            try withEvery("special", in: [Double.nan, .infinity, -.infinity]) { special in
                try withEvery("centers", in: [false, true]) { centers in
                    var values = samples(9 * 70)
                    values[4 * 70 + 11] = special
                    try expectForward(of: subject, values, [9, 70], centers: centers)
                }
            }
        }

        func expectGradient(
            of subject: BackendUnderTest, _ gradient: [Double], _ shape: Shape, centers: Bool = true,
            hasScale: Bool = true, hasInput: Bool = true, hasScaleGradient: Bool = true,
            hasShiftGradient: Bool = true, accumulates: Bool = false,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let (rows, width) = (shape[0], shape[1])
            // Sums over the rows of terms of at most 2 · 3, and means over the columns of such.
            let sums = Tolerance.elementwise.relative(to: 4 + 6 * Double(rows).squareRoot())
            let input = Tolerance.elementwise.relative(to: 64)
            try expectConformance(of: subject, within: sums, sourceLocation: sourceLocation) { bench in
                func destination(_ isPresent: Bool, _ name: String) throws -> (view: TensorView, accumulates: Bool)? {
                    guard isPresent else { return nil }
                    let before = accumulates ? samples(width, seed: 7) : Array(repeating: .nan, count: width)
                    return (try bench.output([width], named: name, initially: before), accumulates)
                }
                bench.backend.layerNormGradient(
                    try bench.input(samples(shape.elementCount), shape),
                    outputGradient: try bench.input(gradient, shape),
                    scale: hasScale ? try bench.input(samples(width, seed: 3), [width]) : nil, centers: centers,
                    mean: try bench.input(samples(rows, in: -0.2...0.2, seed: 4), [rows]),
                    inverseDeviation: try bench.input(samples(rows, in: 0.5...1, seed: 5), [rows]),
                    inputGradient: hasInput ? try bench.output(shape, named: "input gradient", within: input) : nil,
                    scaleGradient: try destination(hasScaleGradient, "scale gradient"),
                    shiftGradient: try destination(hasShiftGradient, "shift gradient"))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientOfEverySize(on subject: BackendUnderTest) throws {
            try withEvery("width", in: Self.widths) { width in
                try withEvery("rows", in: Self.rowCounts) { rows in
                    try withEvery("centers", in: [false, true]) { centers in
                        try expectGradient(
                            of: subject, samples(rows * width, seed: 2), [rows, width], centers: centers)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientWritesWhatIsAskedFor(on subject: BackendUnderTest) throws {
            try withEvery("scale, destinations, accumulates", in: 0..<32) { bits in
                try expectGradient(
                    of: subject, samples(70 * 33, seed: 2), [70, 33], hasScale: bits & 1 != 0,
                    hasInput: bits & 2 != 0, hasScaleGradient: bits & 4 != 0, hasShiftGradient: bits & 8 != 0,
                    accumulates: bits & 16 != 0)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func gradientKeepsNaNInItsRow(on subject: BackendUnderTest) throws {
            var gradient = samples(9 * 70, seed: 2)
            gradient[4 * 70 + 11] = .nan
            try expectGradient(of: subject, gradient, [9, 70])
        }
    }
}
