import Gimbal
import GimbalTestSupport
import Testing

/// Which types operations choose inside `withPrecision`, and what becomes of values and gradients.
@Suite struct PrecisionTests {
    static let narrow: [(Precision, DType)] = [(.float16, .float16), (.bfloat16, .bfloat16)]

    private func parameter(_ shape: Shape, seed: UInt64, on device: Device) -> Parameter {
        Parameter(Tensor(samples(shape.elementCount, in: -1...1, seed: seed), shape, device: device))
    }

    private func tensor(_ shape: Shape, seed: UInt64, on device: Device, _ dtype: DType = .float32) -> Tensor {
        Tensor(samples(shape.elementCount, in: -1...1, seed: seed), shape, device: device).cast(to: dtype)
    }

    @Test(arguments: narrow) func operationsChooseTheirTypesByTheirKind(_ precision: Precision, _ low: DType) {
        let device = Device.cpu
        let (x, y) = (tensor([4, 6], seed: 1, on: device), tensor([6, 4], seed: 2, on: device))
        let (h, image) = (tensor([4, 6], seed: 3, on: device, low), tensor([2, 3, 4, 4], seed: 4, on: device))
        let kernel = tensor([3, 3, 3, 3], seed: 5, on: device)
        let targets = Tensor([0, 1, 2, 3] as [Int32], device: device)
        let geometry = ConvolutionGeometry(kernel: [3, 3], padding: [1, 1])
        func check(_ name: String, _ dtype: DType, _ result: () -> Tensor) {
            let found = withPrecision(precision) { result().dtype }
            #expect(found == dtype, "\(name)")
        }
        check("product", low) { x.matrixMultiplied(by: y) }
        check("linear", low) { x.linear(weight: tensor([5, 6], seed: 6, on: device)) }
        check("convolution", low) { image.convolved(weight: kernel, geometry) }
        check("transposed convolution", low) { image.transposedConvolved(weight: kernel, geometry) }
        check("attention", low) {
            let q = tensor([1, 2, 4, 6], seed: 7, on: device)
            return scaledDotProductAttention(q, q, q)
        }
        for (name, function) in [
            ("softmax", { $0.softmax() }), ("log softmax", { $0.logSoftmax() }), ("exp", { $0.exp() }),
            ("log", { $0.log() }), ("power", { $0.power(2) }), ("power of", { $0.power($0) }),
            ("reciprocal", { $0.reciprocal() }), ("root", { $0.reciprocalSquareRoot() }),
            ("softplus", { $0.softplus() }), ("sum", { $0.sum() }), ("mean", { $0.mean([0]) }),
            ("variance", { $0.variance() }), ("layer norm", { $0.layerNormalized() }),
            ("cross-entropy", { $0.crossEntropies(targets) }),
        ] as [(String, (Tensor) -> Tensor)] {
            check(name, .float32) { function(h) }
            #expect(function(x).dtype == .float32)
        }
        for (name, function) in [
            ("relu", { $0.relu() }), ("gelu", { $0.gelu() }), ("tanh", { $0.tanh() }),
            ("dropout", { $0.droppedOut(probability: 0.5) }), ("scaling", { $0 * 3 + 1 }), ("sum of two", { $0 + $0 }),
            ("one number", { $0 * Tensor(2, device: device) }), ("slice", { $0.sliced(1..<3) }),
            (
                "batch norm",
                {
                    $0.batchNormalized(
                        scale: Tensor.ones([6], device: device), shift: nil, running: nil, momentum: 0.1, epsilon: 1e-5)
                }
            ),
            ("pooling", { $0.reshaped([1, 4, 6] as Shape).maxPooled(kernel: [2]) }),
            ("select", { Tensor.select($0.isLess(than: $0), $0, $0) }),
        ] as [(String, (Tensor) -> Tensor)] {
            check(name, low) { function(h) }
            check("\(name) of float32", .float32) { function(x) }
        }
        check("the wider of two", .float32) { h + x }
        check("the widest of several", .float32) { .concatenated([h, x, h]) }
        check("recurrent state", .float32) {
            let weights = RecurrentWeights(
                input: tensor([4, 6], seed: 8, on: device), hidden: tensor([4, 4], seed: 9, on: device))
            return h.reshaped([2, 2, 6] as Shape).recurrent(.tanh, weights).outputs
        }
        // Nothing is rounded outside, nor where float32 is asked for inside.
        #expect(x.matrixMultiplied(by: y).dtype == .float32)
        #expect(h.sum().dtype == low && h.softmax().dtype == low)
        check("an exception", .float32) { withPrecision(.float32) { x.matrixMultiplied(by: y) } }
    }

    /// Operands are rounded, sums are not: results are those of float32 on rounded operands, rounded once.
    @Test(arguments: BackendUnderTest.all) func aLayerRoundsOperandsAndItsResult(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        for (precision, low) in Self.narrow {
            let (weight, bias) = (parameter([5, 300], seed: 1, on: device), parameter([5], seed: 2, on: device))
            let x = tensor([7, 300], seed: 3, on: device).requiringGradient()
            let y = withPrecision(precision) { x.linear(weight: weight.value, bias: bias.value) }
            let arriving = tensor([7, 5], seed: 4, on: device, low)
            try y.backward(gradient: arriving)

            let rounded = (x: x.cast(to: low).cast(to: .float32), w: weight.value.cast(to: low).cast(to: .float32))
            let expected = rounded.x.linear(weight: rounded.w, bias: bias.value)
            let unit = low == .float16 ? 0x1p-11 : 0x1p-8
            func expectClose(_ a: Tensor, _ b: Tensor, _ unit: Double, _ name: String) throws {
                let (a, b) = (try a.doubles(), try b.doubles())
                let mismatch = Tolerance(relative: unit + 1e-5, scale: .largest).mismatch(a, expected: b)
                #expect(mismatch == nil, "\(name): \(mismatch ?? "")")
            }
            try expectClose(y.detached(), expected.detached(), unit, "result")
            let dy = arriving.cast(to: .float32)
            // Gradients are of the type of what they belong to: here float32, and not rounded.
            #expect(x.gradient?.dtype == .float32 && weight.gradient?.dtype == .float32)
            try expectClose(x.gradient!, dy.matrixMultiplied(by: rounded.w.detached()), 0, "input gradient")
            try expectClose(
                weight.gradient!, dy.transposed().matrixMultiplied(by: rounded.x.detached()), 0, "weight gradient")
            try expectClose(bias.gradient!, dy.sum([0]), 0, "bias gradient")
        }
    }

    @Test func aWeightIsRoundedOnceUntilItChanges() throws {
        let weights = [Shape([3, 2]), [5]].map { Parameter(.ones($0, device: .cpu)) }
        try ParameterArena.pack(weights)
        try withPrecision(.bfloat16) {
            let first = weights[0].value.productOperand()
            #expect(weights[0].value.productOperand().view.storage === first.view.storage)
            // Both lie in one arena, which is rounded as a whole.
            #expect(weights[1].value.productOperand().view.storage === first.view.storage)
            #expect(weights[1].value.productOperand().shape == [5])
            let second = try weights[1].value.productOperand().floats()
            #expect(second == [1, 1, 1, 1, 1])
            withPrecision(.bfloat16) {
                #expect(weights[0].value.productOperand().view.storage === first.view.storage)
            }
            weights[0].assign(.zeros([3, 2], device: .cpu))
            let (after, before) = (try weights[0].value.productOperand().floats(), try first.floats())
            #expect(after == [0, 0, 0, 0, 0, 0])
            #expect(before == [1, 1, 1, 1, 1, 1])
        }
        let outside = weights[0].value.productOperand()
        #expect(outside.dtype == .float32)
    }

    /// Where `backward()` is called does not matter; nor whether the forward pass is run twice.
    @Test func gradientsAreTheSameInsideOutsideAndRecomputed() throws {
        func gradients(_ kind: String) throws -> [[Float]] {
            let weights = (0..<2).map { parameter([6, 6], seed: UInt64($0), on: .cpu) }
            let x = tensor([4, 6], seed: 5, on: .cpu)
            func forward(_ x: Tensor) -> Tensor {
                x.linear(weight: weights[0].value).gelu().linear(weight: weights[1].value)
            }
            let loss = try withPrecision(.bfloat16) {
                let loss = (kind == "recomputed" ? checkpointed(x, forward) : forward(x)).square().sum()
                if kind == "inside" { try loss.backward() }
                return loss
            }
            if kind != "inside" { try loss.backward() }
            return try weights.map { try $0.gradient!.floats() }
        }
        let expected = try gradients("outside")
        #expect(try gradients("inside") == expected)
        #expect(try gradients("recomputed") == expected)
    }

    @Test func gradientsOfMixedOperandsTakeTheTypesOfTheirOwn() throws {
        let x = tensor([3, 4], seed: 1, on: .cpu, .bfloat16).requiringGradient()
        let w = tensor([4], seed: 2, on: .cpu).requiringGradient()
        let y = x * w + x
        #expect(y.dtype == .float32)
        try y.backward(gradient: .ones([3, 4], device: .cpu))
        #expect(x.gradient?.dtype == .bfloat16 && w.gradient?.dtype == .float32)
        let sums = try x.detached().cast(to: .float32).sum([0]).floats()
        #expect(try w.gradient!.floats() == sums)
        let expected = try w.detached().floats().map { $0 + 1 }
        for (found, expected) in zip(try x.gradient!.floats(), expected + expected + expected) {
            #expect(abs(found - expected) <= abs(expected) * 0x1p-7)
        }
    }

    @Test func aDoubleBackendStaysInDouble() {
        let device = Device(backend: ReferenceBackend())
        let x = Tensor([1, 2] as [Double], [1, 2], device: device)
        withPrecision(.bfloat16) { #expect(x.matrixMultiplied(by: x.transposed()).dtype == .float64) }
    }
}
