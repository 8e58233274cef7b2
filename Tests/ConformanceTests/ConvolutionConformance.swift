import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Convolution {
        /// The shape of an input, the channels of the output, and how the kernel moves.
        struct Case: CustomStringConvertible {
            var x: Shape
            var outputs: Int
            var geometry: ConvolutionGeometry
            var description: String { "\(x) to \(outputs) by \(geometry)" }

            var weight: Shape { Shape([outputs, x[1] / geometry.groups] + geometry.kernel) }
            var out: Shape { Shape([x[0], outputs] + geometry.outputSizes([Int](x.sizes.dropFirst(2)))) }

            init(
                _ x: Shape, _ outputs: Int, _ kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil,
                dilation: [Int]? = nil, groups: Int = 1
            ) {
                self.x = x
                self.outputs = outputs
                geometry = ConvolutionGeometry(
                    kernel: kernel, stride: stride, padding: padding, dilation: dilation, groups: groups)
            }
        }

        /// Every kernel, stride, padding and dilation up to 3 on one axis, where they can be told apart.
        static let line: [Case] = (1...5).flatMap { kernel in
            (1...3).flatMap { stride in
                [0, 1, 3].flatMap { padding in
                    (1...3).map {
                        Case([2, 3, 17], 5, [kernel], stride: [stride], padding: [padding], dilation: [$0])
                    }
                }
            }
        }

        static let others: [Case] = [
            Case([1, 1, 1, 1], 1, [1, 1]), Case([3, 2, 5, 7], 9, [3, 3], padding: [1, 1]),
            Case([2, 16, 8, 8], 16, [3, 3], padding: [1, 1]), Case([70, 3, 4, 4], 2, [3, 3], padding: [1, 1]),
            Case([5, 4, 9, 6], 13, [2, 3], stride: [2, 1], padding: [0, 2]),
            Case([2, 6, 11, 10], 4, [3, 2], stride: [3, 2], padding: [2, 1], dilation: [2, 1], groups: 2),
            Case([2, 5, 13, 9], 5, [3, 3], stride: [2, 2], padding: [1, 1], groups: 5),
            Case([1, 4, 40, 33], 8, [5, 5], padding: [2, 2], groups: 4), Case([3, 7, 6, 6], 33, [1, 1]),
            Case([2, 8, 7, 5], 17, [1, 1], stride: [2, 2]),
            Case([1, 3, 19, 18], 4, [7, 7], stride: [2, 2], padding: [3, 3]),
            Case([2, 2, 4, 4], 3, [2, 2], stride: [5, 5]), Case([1, 2, 3, 3], 2, [1, 1], padding: [2, 2]),
            Case([2, 3, 4, 5, 6], 4, [3, 2, 3], stride: [1, 2, 2], padding: [1, 1, 0]),
            Case([1, 4, 5, 4, 3], 6, [2, 3, 1], stride: [2, 1, 1], dilation: [2, 1, 1], groups: 2),
            Case([0, 2, 5, 5], 3, [3, 3]), Case([1, 70, 3, 3], 66, [3, 3], padding: [1, 1]),
            Case([5, 17, 6, 10], 64, [3, 3], padding: [1, 1]),
            Case([2, 64, 9, 9], 130, [3, 3], stride: [2, 2], padding: [1, 1]),
            Case([3, 32, 8, 8], 16, [3, 3], padding: [2, 2], dilation: [2, 2]),
            Case([1, 130, 7, 7], 17, [1, 1], stride: [2, 2]), Case([5, 64, 4, 4], 130, [1, 1]),
            Case([2, 16, 13, 11], 17, [5, 5], stride: [3, 3], padding: [2, 2]),
            Case([2, 16, 11, 11], 8, [3, 3], stride: [3, 2], padding: [1, 3], dilation: [2, 4]),
            Case([2, 24, 7, 6], 36, [3, 3], padding: [1, 1], groups: 3),
            Case([3, 6, 9, 8], 12, [3, 3], stride: [2, 1], padding: [1, 1], dilation: [1, 2], groups: 6),
            Case([2, 3, 5, 4, 6], 6, [2, 3, 2], stride: [2, 1, 2], padding: [1, 1, 0], groups: 3),
            Case([2, 4, 9], 4, [3], padding: [1], groups: 4),
            Case([2, 20, 5, 6, 4], 18, [2, 2, 2], stride: [1, 2, 1]),
        ]

        /// Sums of at most this many products, relative to their magnitudes.
        static func tolerance(_ terms: Int) -> Tolerance { .dotProduct(terms: terms) }

        func expectForward(of subject: BackendUnderTest, _ given: Case, hasBias: Bool) throws {
            let terms = given.weight.sizes.dropFirst().reduce(1, *)
            try expectConformance(of: subject, within: Self.tolerance(terms + 1)) { bench in
                bench.backend.convolution(
                    try bench.input(samples(given.x.elementCount), given.x),
                    weight: try bench.input(samples(given.weight.elementCount, seed: 2), given.weight),
                    bias: hasBias ? try bench.input(samples(given.outputs, seed: 3), [given.outputs]) : nil,
                    given.geometry, out: try bench.output(given.out, .offset))
            }
        }

        func expectGradients(of subject: BackendUnderTest, _ given: Case, accumulates: Bool) throws {
            let terms = given.outputs / given.geometry.groups * given.geometry.kernelCount
            try expectConformance(of: subject, within: Self.tolerance(terms + 1)) { bench in
                bench.backend.convolutionInputGradient(
                    try bench.input(samples(given.out.elementCount, seed: 4), given.out),
                    weight: try bench.input(samples(given.weight.elementCount, seed: 2), given.weight), given.geometry,
                    out: try bench.output(
                        given.x, .offset, named: "input gradient",
                        initially: accumulates ? samples(given.x.elementCount, seed: 5) : nil),
                    accumulates: accumulates)
            }
            let positions = given.out.elementCount / given.outputs
            try expectConformance(of: subject, within: Self.tolerance(positions + 1)) { bench in
                bench.backend.convolutionWeightGradient(
                    try bench.input(samples(given.x.elementCount), given.x),
                    outputGradient: try bench.input(samples(given.out.elementCount, seed: 4), given.out),
                    given.geometry,
                    out: try bench.output(
                        given.weight, .offset, named: "weight gradient",
                        initially: accumulates ? samples(given.weight.elementCount, seed: 6) : nil),
                    accumulates: accumulates)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyStepOnOneAxis(on subject: BackendUnderTest) throws {
            try withEvery("case", in: Self.line) { given in
                try expectForward(of: subject, given, hasBias: true)
                try expectGradients(of: subject, given, accumulates: false)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyNumberOfAxes(on subject: BackendUnderTest) throws {
            try withEvery("case", in: Self.others) { given in
                try withEvery("has bias, accumulates", in: [false, true]) { flag in
                    try expectForward(of: subject, given, hasBias: flag)
                    try expectGradients(of: subject, given, accumulates: flag)
                }
            }
        }

        /// A NaN reaches those outputs whose window holds it, and no others.
        @Test(arguments: BackendUnderTest.fused)
        func nanStaysWithinItsWindows(on subject: BackendUnderTest) throws {
            let given = Case([2, 3, 6, 7], 4, [3, 3], stride: [1, 2], padding: [1, 1])
            try withEvery("special", in: [Double.nan, .infinity]) { special in
                var x = samples(given.x.elementCount, in: 0.5...2)
                x[60] = special
                let weight = samples(given.weight.elementCount, in: 0.5...2, seed: 2)
                try expectConformance(of: subject, within: Self.tolerance(28)) { bench in
                    bench.backend.convolution(
                        try bench.input(x, given.x), weight: try bench.input(weight, given.weight), bias: nil,
                        given.geometry, out: try bench.output(given.out))
                }
                var gradient = samples(given.out.elementCount, in: 0.5...2)
                gradient[50] = special
                try expectConformance(of: subject, within: Self.tolerance(40)) { bench in
                    bench.backend.convolutionInputGradient(
                        try bench.input(gradient, given.out), weight: try bench.input(weight, given.weight),
                        given.geometry, out: try bench.output(given.x), accumulates: false)
                }
            }
        }
    }
}
