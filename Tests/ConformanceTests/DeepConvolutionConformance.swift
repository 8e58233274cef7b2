import GimbalBackend
import GimbalCPU
import GimbalTestSupport
import Testing

extension Conformance {
    /// The CPU's ways of computing convolutions, each around the edges of its blocks: channels side by side, in panels of 64, 16 or
    /// 8 lanes and tiles of up to 8 rows, and tiles of 2 x 2 outputs (Winograd).
    @Suite struct DeepConvolution {
        typealias Case = Convolution.Case

        static let cases: [Case] = [
            // Panels that are full, one lane more or fewer, and a last one of few vectors.
            Case([2, 63, 3, 4], 65, [3, 3], padding: [1, 1]), Case([3, 64, 5, 5], 64, [3, 3], padding: [1, 1]),
            Case([1, 16, 6, 5], 129, [3, 3], padding: [1, 1]), Case([2, 33, 2, 2], 48, [3, 3], padding: [1, 1]),
            Case([2, 8, 7, 7], 8, [3, 3], padding: [1, 1]),
            Case([1, 3, 12, 13], 32, [7, 7], stride: [2, 2], padding: [3, 3]),
            // Several blocks of channels, of rows of the weight's gradient, and tiles of images.
            Case([1, 300, 4, 3], 24, [3, 3], padding: [1, 1]), Case([2, 20, 5, 5], 200, [5, 5], padding: [2, 2]),
            Case([40, 32, 9, 9], 32, [3, 3], padding: [1, 1]), Case([9, 96, 12, 11], 40, [3, 3], padding: [1, 1]),
            // Positions that meet nothing, elements of the kernel that meet nothing, and padding beyond the kernel.
            Case([2, 16, 5, 5], 16, [2, 2], stride: [3, 3]), Case([2, 16, 1, 1], 32, [3, 3], padding: [1, 1]),
            Case([2, 16, 3, 3], 16, [3, 3], padding: [4, 4]), Case([2, 32, 6, 6], 32, [3, 3], padding: [0, 2]),
            // Kernels in several pieces, and planes in several bands.
            Case([2, 18, 9, 10], 20, [5, 5], padding: [2, 2]), Case([1, 16, 8, 11], 17, [4, 2], padding: [1, 1]),
            Case([1, 16, 40, 51], 24, [3, 3], padding: [1, 0]), Case([1, 16, 33, 30], 16, [5, 3], padding: [4, 2]),
            // Kernels whose last elements are one or two of three, and a single row or column.
            Case([2, 17, 11, 12], 18, [7, 4], padding: [3, 2]), Case([1, 16, 13, 9], 16, [4, 7], padding: [0, 6]),
            Case([2, 18, 19, 5], 16, [7, 1], padding: [3, 0]), Case([2, 16, 5, 19], 17, [1, 5], padding: [0, 2]),
            // Tiles whose outputs lie apart, whole and cut short.
            Case([3, 16, 70], 20, [7], padding: [9], dilation: [3]),
            Case([1, 33, 300], 16, [3], padding: [8], dilation: [8]),
            Case([2, 16, 21], 16, [4], padding: [0], dilation: [4]),
            Case([2, 16, 15, 14], 16, [3, 5], padding: [1, 6], dilation: [2, 3]),
            // Groups, dilation, one axis and three.
            Case([2, 64, 8, 6], 96, [3, 3], padding: [1, 1], groups: 2),
            Case([2, 32, 9, 7], 32, [3, 3], padding: [2, 2], dilation: [2, 2]),
            Case([3, 24, 50], 40, [5], padding: [2]), Case([2, 16, 3, 4, 5], 16, [3, 3, 3], padding: [1, 1, 1]),
        ]

        enum Method: CaseIterable {
            case shiftedPlanes, channelsLast, winograd

            /// Tiles of outputs on up to two axes by steps of one; where planes are hardly larger than a tile they are never chosen, and
            /// sums over few products have the errors of more.
            func takes(_ given: Case) -> Bool {
                let geometry = given.geometry
                return self != .winograd
                    || geometry.axes <= 2 && geometry.stride.allSatisfy { $0 == 1 }
                        && (0..<geometry.axes).allSatisfy { axis in
                            let reach = (geometry.kernel[axis] - 1) * geometry.dilation[axis]
                            return geometry.padding[axis] <= reach
                                && given.x.sizes[2 + axis] > 2 * geometry.dilation[axis]
                        }
            }
        }

        /// The output, and what is added to both gradients, by one method.
        private func compute(
            _ method: Method, on backend: CPUBackend, _ geometry: ConvolutionGeometry, x: TensorView,
            weight: TensorView,
            bias: TensorView, outputGradient: TensorView, into outputs: [TensorView]
        ) throws {
            switch method {
            case .shiftedPlanes:
                try backend.shiftedConvolution(x, weight: weight, bias: bias, geometry, out: outputs[0])
                try backend.shiftedInputGradient(
                    outputGradient, weight: weight, geometry, out: outputs[1], accumulates: true)
                try backend.shiftedWeightGradient(
                    x, outputGradient: outputGradient, geometry, out: outputs[2], accumulates: true)
            case .channelsLast:
                #expect(try backend.gatheredConvolution(x, weight: weight, bias: bias, geometry, out: outputs[0]))
                try backend.gatheredInputGradient(
                    outputGradient, weight: weight, geometry, out: outputs[1], accumulates: true)
                #expect(
                    try backend.gatheredWeightGradient(
                        x, outputGradient: outputGradient, geometry, out: outputs[2], accumulates: true))
            case .winograd:
                try backend.winogradConvolution(x, weight: weight, bias: bias, geometry, out: outputs[0])
                try backend.winogradInputGradient(
                    outputGradient, weight: weight, geometry, out: outputs[1], accumulates: true)
                try backend.winogradWeightGradient(
                    x, outputGradient: outputGradient, geometry, out: outputs[2], accumulates: true)
            }
        }

        @Test(arguments: BackendUnderTest.cpu, Method.allCases)
        func sizesAroundBlockEdges(on subject: BackendUnderTest, by method: Method) throws {
            try withEvery("case", in: Self.cases.filter { method.takes($0) }) { given in
                let terms = [
                    given.weight.elementCount / given.outputs,
                    given.outputs / given.geometry.groups * given.geometry.kernelCount,
                    given.out.elementCount / given.outputs,
                ]
                try expectConformance(of: subject, within: .dotProduct(terms: terms[0] + 1)) { bench in
                    let x = try bench.input(samples(given.x.elementCount), given.x)
                    let weight = try bench.input(samples(given.weight.elementCount, seed: 2), given.weight)
                    let bias = try bench.input(samples(given.outputs, seed: 3), [given.outputs])
                    let gradient = try bench.input(samples(given.out.elementCount, seed: 4), given.out)
                    let outputs = [
                        try bench.output(given.out, named: "output"),
                        try bench.output(
                            given.x, named: "input gradient", initially: samples(given.x.elementCount, seed: 5),
                            within: .dotProduct(terms: terms[1] + 1)),
                        try bench.output(
                            given.weight, named: "weight gradient",
                            initially: samples(given.weight.elementCount, seed: 6),
                            within: .dotProduct(terms: terms[2] + 1)),
                    ]
                    if let backend = bench.backend as? CPUBackend {
                        return try compute(
                            method, on: backend, given.geometry, x: x, weight: weight, bias: bias,
                            outputGradient: gradient, into: outputs)
                    }
                    bench.backend.convolution(x, weight: weight, bias: bias, given.geometry, out: outputs[0])
                    bench.backend.convolutionInputGradient(
                        gradient, weight: weight, given.geometry, out: outputs[1], accumulates: true)
                    bench.backend.convolutionWeightGradient(
                        x, outputGradient: gradient, given.geometry, out: outputs[2], accumulates: true)
                }
            }
        }

        /// Beside sums in double precision, the errors of tiles of outputs are at most twice those of single products.
        @Test(
            arguments: ["baseline", "avx2", "avx512"],
            [
                ConvolutionGeometry(kernel: [3, 3], padding: [1, 1]),
                ConvolutionGeometry(kernel: [5, 7], padding: [2, 3]),
                ConvolutionGeometry(kernel: [7, 1], padding: [6, 0], dilation: [2, 1]),
                ConvolutionGeometry(kernel: [1, 4], padding: [0, 2]),
            ])
        func errorsBesideDoublePrecision(level: String, geometry: ConvolutionGeometry) throws {
            let (images, channels, outputs, side) = (2, 48, 40, 11)
            let (kernel, dilation, padding) = (geometry.kernel, geometry.dilation, geometry.padding)
            let out = geometry.outputSizes([side, side])
            let shapes: [Shape] = [
                [images, channels, side, side], Shape([outputs, channels] + kernel), Shape([images, outputs] + out),
            ]
            let values = shapes.enumerated().map {
                samples($1.elementCount, seed: UInt64($0 + 1)).map { Double(Float($0)) }
            }
            var exact = [shapes[2], shapes[0], shapes[1]].map { [Double](repeating: 0, count: $0.elementCount) }
            func places(_ sizes: [Int]) -> [(Int, Int)] {
                (0..<sizes[0]).flatMap { a in (0..<sizes[1]).map { (a, $0) } }
            }
            // For each output and element of the kernel, the position of the input.
            let met = places(out).enumerated().flatMap { target, output in
                places(kernel).enumerated().compactMap { element, place -> (target: Int, element: Int, source: Int)? in
                    let row = output.0 + place.0 * dilation[0] - padding[0]
                    let column = output.1 + place.1 * dilation[1] - padding[1]
                    guard (0..<side).contains(row), (0..<side).contains(column) else { return nil }
                    return (target, element, row * side + column)
                }
            }
            for image in 0..<images {
                for output in 0..<outputs {
                    for channel in 0..<channels {
                        let (source, target) = (image * channels + channel, image * outputs + output)
                        let weight = (output * channels + channel) * geometry.kernelCount
                        for term in met {
                            let (x, w) = (source * side * side + term.source, weight + term.element)
                            let y = target * out[0] * out[1] + term.target
                            exact[0][y] += values[0][x] * values[1][w]
                            exact[1][x] += values[2][y] * values[1][w]
                            exact[2][w] += values[2][y] * values[0][x]
                        }
                    }
                }
            }
            let backend = CPUBackend(threads: 1, level: level)
            func errors(_ method: Method) throws -> [Double] {
                func tensor(_ shape: Shape, _ values: [Double]) throws -> TensorView {
                    let view = try backend.allocate(shape)
                    values.map(Float.init).withUnsafeBytes { backend.upload($0, to: view.storage, byteOffset: 0) }
                    return view
                }
                let inputs = try zip(shapes, values).map(tensor)
                let zeros = [shapes[2], shapes[0], shapes[1]].map {
                    ($0, [Double](repeating: 0, count: $0.elementCount))
                }
                let found = try zeros.map(tensor)
                try compute(
                    method, on: backend, geometry, x: inputs[0], weight: inputs[1],
                    bias: try tensor([outputs], [Double](repeating: 0, count: outputs)), outputGradient: inputs[2],
                    into: found)
                return try zip(found, exact).map { view, exact in
                    var values = [Float](repeating: 0, count: view.elementCount)
                    try values.withUnsafeMutableBytes { try backend.download(view.storage, byteOffset: 0, into: $0) }
                    return
                        (zip(values, exact).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
                        / Double(exact.count)).squareRoot()
                }
            }
            let (direct, tiles) = (try errors(.channelsLast), try errors(.winograd))
            for (part, (one, other)) in zip(["output", "input gradient", "weight gradient"], zip(direct, tiles)) {
                #expect(other <= 2 * one, "\(part): \(other), not by tiles \(one)")
            }
        }

        /// The output and both gradients, and the bytes of scratch memory that the hungriest of them took.
        private func results(_ given: Case, threads: Int, level: String) throws -> (values: [[Float]], scratch: Int) {
            let backend = CPUBackend(threads: threads, level: level)
            func tensor(_ shape: Shape, seed: UInt64) throws -> TensorView {
                let view = try backend.allocate(shape)
                let values = samples(shape.elementCount, seed: seed).map(Float.init)
                values.withUnsafeBytes { backend.upload($0, to: view.storage, byteOffset: 0) }
                return view
            }
            let (x, weight) = (try tensor(given.x, seed: 1), try tensor(given.weight, seed: 2))
            let (bias, gradient) = (try tensor([given.outputs], seed: 3), try tensor(given.out, seed: 4))
            let outputs = try [given.out, given.x, given.weight].map { try backend.allocate($0) }
            let before = backend.memoryUsage.inUse
            backend.convolution(x, weight: weight, bias: bias, given.geometry, out: outputs[0])
            backend.convolutionInputGradient(
                gradient, weight: weight, given.geometry, out: outputs[1], accumulates: false)
            backend.convolutionWeightGradient(
                x, outputGradient: gradient, given.geometry, out: outputs[2], accumulates: false)
            let values = try outputs.map { view in
                var values = [Float](repeating: 0, count: view.elementCount)
                try values.withUnsafeMutableBytes { try backend.download(view.storage, byteOffset: 0, into: $0) }
                return values
            }
            return (values, backend.memoryUsage.peak - before)
        }

        @Test(arguments: ["baseline", "avx2", "avx512"])
        func bitsOfAnyNumberOfThreads(level: String) throws {
            try withEvery("case", in: Self.cases) { given in
                let one = try results(given, threads: 1, level: level).values
                for threads in [2, 3, 5] {
                    #expect(try results(given, threads: threads, level: level).values == one, "\(threads) threads")
                }
            }
        }

        /// The weight laid out otherwise, up to 16/9 of it for tiles of outputs and with vectors filled up, and 3 MB for each thread.
        @Test func scratchMemoryIsBounded() throws {
            let cases: [Case] = [
                Case([32, 64, 16, 16], 64, [3, 3], padding: [1, 1]),
                Case([16, 512, 7, 7], 256, [3, 3], padding: [1, 1]),
                Case([64, 256, 14, 14], 64, [1, 1]), Case([2, 64, 112, 112], 64, [3, 3], padding: [1, 1]),
                Case([64, 32, 14, 14], 64, [5, 5], padding: [2, 2]),
                Case([16, 64, 14, 14], 64, [7, 7], padding: [3, 3]),
                Case([16, 64, 17, 17], 64, [1, 7], padding: [0, 3]),
                Case([16, 64, 512], 64, [7], padding: [12], dilation: [4]),
                Case([2, 16, 100_000], 16, [3], padding: [1]),
                Case([2, 32, 64, 64], 32, [3, 3], padding: [8, 8], dilation: [8, 8]),
                Case([8, 96, 112, 112], 96, [7, 7], padding: [3, 3], groups: 96),
                Case([2, 4, 100_000], 4, [3], padding: [1], groups: 4),
            ]
            try withEvery("case", in: cases) { given in
                for threads in [1, 4] {
                    let scratch = try results(given, threads: threads, level: "avx512").scratch
                    #expect(scratch <= 4 * given.weight.elementCount * 2 + threads * 3 << 20, "\(threads) threads")
                }
            }
        }
    }
}
