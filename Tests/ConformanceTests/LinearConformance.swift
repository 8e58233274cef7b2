import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct LinearLayers {
        func expectWeightGradient(
            of subject: BackendUnderTest, rows: Int, inputs: Int, outputs: Int, x: Layout = .contiguous,
            outputGradient: Layout = .contiguous, special: Double? = nil, addsToWeight: Bool = false,
            addsToBias: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            try expectConformance(
                of: subject, within: .dotProduct(terms: rows), sourceLocation: sourceLocation
            ) { bench in
                func destination(_ shape: Shape, _ name: String, _ accumulates: Bool) throws -> TensorView {
                    let count = shape.elementCount
                    let before = accumulates ? samples(count, seed: 7) : Array(repeating: .nan, count: count)
                    return try bench.output(shape, named: name, initially: before)
                }
                var gradient = samples(rows * outputs, seed: 2)
                if let special { gradient[gradient.count / 2] = special }
                bench.backend.linearWeightGradient(
                    try bench.input(samples(rows * inputs), [rows, inputs], x),
                    outputGradient: try bench.input(gradient, [rows, outputs], outputGradient),
                    weightGradient: (
                        try destination([outputs, inputs], "weight gradient", addsToWeight), addsToWeight
                    ),
                    biasGradient: (try destination([outputs], "bias gradient", addsToBias), addsToBias))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func weightGradientOfEverySize(on subject: BackendUnderTest) throws {
            try withEvery("rows", in: [0, 1, 7, 33, 130]) { rows in
                try withEvery("inputs", in: [0, 1, 31, 65, 132]) { inputs in
                    try withEvery("outputs", in: [1, 16, 65, 130]) { outputs in
                        try expectWeightGradient(of: subject, rows: rows, inputs: inputs, outputs: outputs)
                    }
                }
            }
        }

        /// Long sums over few outputs, which GPUs share among groups.
        @Test(arguments: BackendUnderTest.fused)
        func weightGradientOfManyRows(on subject: BackendUnderTest) throws {
            try withEvery("inputs, outputs", in: [(12, 10), (64, 33)]) { inputs, outputs in
                try expectWeightGradient(of: subject, rows: 3000, inputs: inputs, outputs: outputs)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func weightGradientOfEveryLayout(on subject: BackendUnderTest) throws {
            try withEvery("x", in: Layout.allCases) { x in
                try withEvery("output gradient", in: Layout.allCases) { outputGradient in
                    try withEvery("accumulates", in: 0..<4) { bits in
                        try expectWeightGradient(
                            of: subject, rows: 40, inputs: 36, outputs: 20, x: x, outputGradient: outputGradient,
                            addsToWeight: bits & 1 != 0, addsToBias: bits & 2 != 0)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func nanAndInfinityReachTheirOutputOnly(on subject: BackendUnderTest) throws {
            try withEvery("special", in: [Double.nan, .infinity, -.infinity]) { special in
                try expectWeightGradient(of: subject, rows: 33, inputs: 20, outputs: 40, special: special)
            }
        }
    }
}
