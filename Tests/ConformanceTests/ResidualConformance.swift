import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    /// What a residual block does beside its branch.
    @Suite struct Residual {
        static let shapes: [Shape] = [[0, 3], [1, 1], [5, 7], [9, 64], [70, 33], [3, 600], [2, 2100]]

        @Test(arguments: BackendUnderTest.fused)
        func normOfASum(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: Self.shapes) { shape in
                try withEvery("centers", in: [false, true]) { centers in
                    let (rows, width) = (shape[0], shape[1])
                    // A width of 1 leaves nothing about the mean; what rounding left of it is divided by √ε.
                    let near = Tolerance.elementwise.relative(to: 64)
                    try expectConformance(of: subject, within: near) { bench in
                        bench.backend.layerNorm(
                            try bench.input(samples(shape.elementCount), shape),
                            adding: try bench.input(samples(shape.elementCount, seed: 2), shape),
                            sum: try bench.output(shape, named: "sum"),
                            scale: centers ? try bench.input(samples(width, seed: 3), [width]) : nil,
                            shift: centers ? try bench.input(samples(width, seed: 4), [width]) : nil, epsilon: 0.1,
                            centers: centers, out: try bench.output(shape),
                            mean: try bench.output([rows], named: "mean"),
                            inverseDeviation: try bench.output([rows], named: "inverse deviation"))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func normGradientAddsWhatPassesIt(on subject: BackendUnderTest) throws {
            try withEvery(
                "shape", in: [[0, 3], [1, 1], [5, 7], [9, 64], [70, 33], [3, 600], [2, 2100]] as [Shape]
            ) { shape in
                try withEvery("scale, destinations, accumulates", in: [0, 7, 11, 15]) { bits in
                    let (rows, width) = (shape[0], shape[1])
                    let sums = Tolerance.elementwise.relative(to: 4 + 6 * Double(rows).squareRoot())
                    try expectConformance(of: subject, within: sums) { bench in
                        func destination(_ isPresent: Bool, _ name: String) throws -> (
                            view: TensorView, accumulates: Bool
                        )? {
                            guard isPresent else { return nil }
                            let before = samples(width, seed: 7)
                            return (try bench.output([width], named: name, initially: before), bits & 8 != 0)
                        }
                        bench.backend.layerNormGradient(
                            try bench.input(samples(shape.elementCount), shape),
                            outputGradient: try bench.input(samples(shape.elementCount, seed: 2), shape),
                            passingGradient: try bench.input(samples(shape.elementCount, seed: 6), shape),
                            scale: bits & 1 != 0 ? try bench.input(samples(width, seed: 3), [width]) : nil,
                            centers: bits != 7, mean: try bench.input(samples(rows, in: -0.2...0.2, seed: 4), [rows]),
                            inverseDeviation: try bench.input(samples(rows, in: 0.5...1, seed: 5), [rows]),
                            inputGradient: try bench.output(
                                shape, named: "input gradient", within: .elementwise.relative(to: 64)),
                            scaleGradient: try destination(bits & 2 != 0, "scale gradient"),
                            shiftGradient: try destination(bits & 4 != 0, "shift gradient"))
                    }
                }
            }
        }
    }
}
