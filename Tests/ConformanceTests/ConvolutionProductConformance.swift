import GimbalBackend
import GimbalOpenCL
import GimbalTestSupport
import Testing

extension Conformance {
    /// Implicit products of every tile that a GPU's plans may choose, on any OpenCL device.
    @Suite struct ConvolutionProduct {
        typealias Case = Convolution.Case

        /// With steps of whole channels, with a table of all elements, with vectors.
        static let cases: [Case] = [
            Case([3, 33, 9, 7], 37, [3, 3], stride: [2, 2], padding: [1, 1]),
            Case([2, 3, 11, 9], 70, [5, 5], padding: [1, 2]),
            Case([3, 36, 4, 6], 132, [1, 1]),
        ]

        @Test(arguments: BackendUnderTest.openCL)
        func everyTile(on subject: BackendUnderTest) throws {
            try expectProducts(of: subject, Self.cases, ConvolutionTile.candidates)
        }

        /// Three axes, that all pad and spread; and planes that end within a vector, after which another channel begins.
        @Test(arguments: BackendUnderTest.openCL)
        func everyAxis(on subject: BackendUnderTest) throws {
            let cases = [
                Case([2, 3, 5, 4, 6], 20, [3, 3, 3], padding: [1, 1, 2], dilation: [1, 1, 2]),
                Case([2, 33, 4, 5, 7], 18, [3, 2, 3], stride: [2, 1, 1], padding: [1, 1, 1], dilation: [1, 2, 2]),
                Case([3, 36, 2, 5], 132, [1, 1]),
            ]
            try expectProducts(of: subject, cases, [ConvolutionTile.candidates.last!])
        }

        private func expectProducts(of subject: BackendUnderTest, _ cases: [Case], _ tiles: [ConvolutionTile]) throws {
            try withEvery("tile", in: tiles) { tile in
                try withEvery("case", in: cases) { given in
                    let terms = given.weight.sizes.dropFirst().reduce(1, *)
                    try expectConformance(of: subject, within: .dotProduct(terms: terms + 1)) { bench in
                        let x = try bench.input(samples(given.x.elementCount), given.x)
                        let weight = try bench.input(samples(given.weight.elementCount, seed: 2), given.weight)
                        let bias = try bench.input(samples(given.outputs, seed: 3), [given.outputs])
                        let out = try bench.output(given.out)
                        guard let backend = bench.backend as? OpenCLBackend else {
                            return bench.backend.convolution(
                                x, weight: weight, bias: bias, given.geometry, out: out)
                        }
                        backend.convolutionProduct(
                            x, weight: weight, bias: bias, given.geometry, out: out, tile: tile)
                    }
                    try expectGradients(of: subject, given, tile)
                }
            }
        }

        func expectGradients(of subject: BackendUnderTest, _ given: Case, _ tile: ConvolutionTile) throws {
            let terms = given.outputs * given.geometry.kernelCount
            try expectConformance(of: subject, within: .dotProduct(terms: terms + 1)) { bench in
                let arriving = try bench.input(samples(given.out.elementCount, seed: 4), given.out)
                let weight = try bench.input(samples(given.weight.elementCount, seed: 2), given.weight)
                let out = try bench.output(given.x, initially: samples(given.x.elementCount, seed: 5))
                guard let backend = bench.backend as? OpenCLBackend else {
                    return bench.backend.convolutionInputGradient(
                        arriving, weight: weight, given.geometry, out: out, accumulates: true)
                }
                backend.convolutionProductInputGradient(
                    arriving, weight: weight, given.geometry, out: out, accumulates: true, tile: tile)
            }
            let positions = given.out.elementCount / given.outputs
            try expectConformance(of: subject, within: .dotProduct(terms: positions + 1)) { bench in
                let x = try bench.input(samples(given.x.elementCount), given.x)
                let arriving = try bench.input(samples(given.out.elementCount, seed: 4), given.out)
                let out = try bench.output(given.weight, initially: samples(given.weight.elementCount, seed: 6))
                guard let backend = bench.backend as? OpenCLBackend else {
                    return bench.backend.convolutionWeightGradient(
                        x, outputGradient: arriving, given.geometry, out: out, accumulates: true)
                }
                // Several parts, the last of which is not full.
                backend.convolutionProductWeightGradient(
                    x, outputGradient: arriving, given.geometry, out: out, accumulates: true, tile: (tile, 32))
            }
        }

        /// The same numbers in a narrow type and in float32.
        struct Pair {
            var narrow: TensorView
            var wide: TensorView

            init(_ backend: OpenCLBackend, _ shape: Shape, _ dtype: DType, seed: UInt64) throws {
                narrow = try backend.allocate(shape, dtype)
                wide = try backend.allocate(shape)
                samples(shape.elementCount, seed: seed).map { Float($0) }.withUnsafeBytes {
                    backend.upload($0, to: wide.storage, byteOffset: 0)
                }
                backend.copy(wide, to: narrow)
                backend.copy(narrow, to: wide)
            }
        }

        /// Narrow types are widened as they are read and rounded as they are written, and nothing else.
        @Test(arguments: BackendUnderTest.openCL)
        func everyStorageType(on subject: BackendUnderTest) throws {
            let backend = try #require(subject.backend as? OpenCLBackend)
            let depthwise = Case([2, 6, 5, 7], 12, [3, 3], stride: [2, 1], padding: [1, 1], groups: 6)
            // On CPUs columns serve them, which take float32 only.
            let cases = Self.cases + (backend.device.kind == .cpu ? [] : [depthwise])
            try withEvery("type", in: [DType.float16, .bfloat16]) { dtype in
                try withEvery("case", in: cases) { given in
                    func pair(_ shape: Shape, seed: UInt64) throws -> Pair {
                        try Pair(backend, shape, dtype, seed: seed)
                    }
                    let x = try pair(given.x, seed: 1), weight = try pair(given.weight, seed: 2)
                    let bias = try pair([given.outputs], seed: 3), arriving = try pair(given.out, seed: 4)
                    let out = try pair(given.out, seed: 5), xGradient = try pair(given.x, seed: 6)
                    let weightGradient = try pair(given.weight, seed: 7)
                    func run(_ of: (Pair) -> TensorView) {
                        let geometry = given.geometry
                        guard geometry.groups == 1 else {
                            backend.convolution(
                                of(x), weight: of(weight), bias: of(bias), geometry, out: of(out))
                            backend.convolutionInputGradient(
                                of(arriving), weight: of(weight), geometry, out: of(xGradient), accumulates: true)
                            return backend.convolutionWeightGradient(
                                of(x), outputGradient: of(arriving), geometry, out: of(weightGradient),
                                accumulates: true)
                        }
                        let tile = ConvolutionTile.candidates.last!
                        backend.convolutionProduct(
                            of(x), weight: of(weight), bias: of(bias), geometry, out: of(out), tile: tile)
                        backend.convolutionProductInputGradient(
                            of(arriving), weight: of(weight), geometry, out: of(xGradient), accumulates: true,
                            tile: tile)
                        backend.convolutionProductWeightGradient(
                            of(x), outputGradient: of(arriving), geometry, out: of(weightGradient),
                            accumulates: true, tile: (tile, 1 << 20))
                    }
                    run(\.narrow)
                    run(\.wide)
                    for result in [out, xGradient, weightGradient] {
                        let rounded = try backend.allocate(result.wide.shape, dtype)
                        backend.copy(result.wide, to: rounded)
                        #expect(try backend.bytes(rounded) == backend.bytes(result.narrow))
                    }
                }
            }
        }
    }
}

extension OpenCLBackend {
    fileprivate func bytes(_ view: TensorView) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: view.elementCount * view.dtype.byteCount)
        try bytes.withUnsafeMutableBytes { try download(view.storage, byteOffset: view.byteOffset, into: $0) }
        return bytes
    }
}
