import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Elementwise {
        /// Every kind, with parameters that no default hides.
        static let unary: [UnaryOperation] = UnaryOperation.Kind.allCases.flatMap { kind -> [UnaryOperation] in
            switch kind {
            case .affine: [UnaryOperation(kind, a: 1.5, b: -0.25), UnaryOperation(kind, a: -3, b: 0)]
            case .clamp: [UnaryOperation(kind, a: -0.5, b: 1.25), UnaryOperation(kind, a: 1, b: .infinity)]
            case .power: [-1, 0.5, 2, 3, 2.5].map { UnaryOperation(kind, a: $0) }
            case .leakyReLU: [UnaryOperation(kind, a: 0.01)]
            case .elu, .celu: [UnaryOperation(kind, a: 1.5)]
            case .hardShrink, .softShrink: [UnaryOperation(kind, a: 0.5)]
            case .threshold: [UnaryOperation(kind, a: 0.1, b: 20)]
            default: [UnaryOperation(kind)]
            }
        }

        static let binary: [BinaryOperation] = BinaryOperation.Kind.allCases.map { kind in
            switch kind {
            case .leakyReLUGradient: BinaryOperation(kind, a: 0.01)
            case .eluGradient, .celuGradient: BinaryOperation(kind, a: 1.5)
            case .insideGradient, .outsideGradient: BinaryOperation(kind, a: -0.5, b: 2)
            default: BinaryOperation(kind)
            }
        }

        /// Those that act on whole numbers too.
        static let arithmetic = BinaryOperation.Kind.allCases.filter(\.takesWholeNumbers)
        static let comparisons: [BinaryOperation.Kind] = [
            .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual,
        ]

        /// The accuracy that the formula of `operation` allows at each x.
        static func tolerance(_ operation: UnaryOperation, _ values: [Double]) -> Tolerance {
            func absolute(_ magnitude: (Double) -> Double) -> Tolerance {
                .elementwise.relative(to: values.map { max(magnitude($0), abs(operation.reference($0))) })
            }
            return switch operation.kind {
            case .negate, .absolute, .sign, .clamp, .isFinite, .relu, .hardShrink, .threshold: .exact
            case .power: .power
            // a x and b may cancel.
            case .affine: absolute { abs(operation.a * $0) + abs(operation.b) }
            // Sine and cosine near their zeros are as good as the reduction of x by multiples of π, measured against 1.
            case .sine, .cosine: absolute { _ in 1 }
            // exp(x) - 1 near 0 cancels, 1 + erf and 1 + tanh cancel in the lower tail: the error is one of a or of x.
            case .elu: absolute { _ in operation.a }
            case .gelu, .geluTanh: absolute { abs($0) }
            // exp(-x) overflows where the result is x times a number near the smallest normal one.
            case .silu, .mish: absolute { 2e-32 * abs($0) }
            default: .elementwise
            }
        }

        /// The accuracy that the formula of `operation` allows at each pair.
        static func tolerance(_ operation: BinaryOperation, _ x: [Double], _ y: [Double]) -> Tolerance {
            func absolute(_ magnitude: (Double, Double) -> Double) -> Tolerance {
                .elementwise.relative(
                    to: zip(x, y).map { max(magnitude($0, $1), abs(operation.reference($0, $1))) })
            }
            return switch operation.kind {
            case .maximum, .minimum, .reluGradient, .insideGradient, .outsideGradient, .preluSlope: .exact
            case .power: .power
            // 1 - x and 1 - x² cancel towards 1; the sums in the others cancel where the derivative crosses 0 and in the
            // lower tail. The error is one of the arriving gradient, times x where the formula multiplies by it.
            case .sigmoidGradient, .tanhGradient, .hardSwishGradient: absolute { _, y in abs(y) }
            case .siluGradient, .geluGradient, .geluTanhGradient, .mishGradient:
                absolute { x, y in abs(y) * (1 + min(abs(x), 10)) }
            // exp(x) may fall below the smallest normal number, and lose digits or vanish, before y raises it again.
            case .eluGradient, .softplusGradient, .seluGradient, .logSigmoidGradient:
                absolute { _, y in 2e-32 * abs(y) }
            // The rounding of x / a is multiplied by x / a in the exponential.
            case .celuGradient:
                absolute { x, y in
                    2e-32 * abs(y) + abs(operation.reference(x, y)) * (1 + min(abs(x), 200) / operation.a)
                }
            default: .elementwise
            }
        }

        /// Values that the first operand of `kind` can take: gradients that start from y see only the values of their
        /// activation.
        static func firstOperand(_ kind: BinaryOperation.Kind) -> [Double] {
            switch kind {
            case .sigmoidGradient: wideValues.filter { $0.isNaN || (0...1 ~= $0) }
            case .tanhGradient: wideValues.filter { $0.isNaN || (-1...1 ~= $0) }
            default: wideValues
            }
        }

        /// Values that the second operand of `kind` can take. An infinite gradient times a derivative that underflows is NaN
        /// in float32 and infinite in Double; both are right, so the gradients that have such tails do without.
        static func secondOperand(_ kind: BinaryOperation.Kind) -> [Double] {
            switch kind {
            case .eluGradient, .siluGradient, .geluGradient, .geluTanhGradient, .softplusGradient, .seluGradient,
                .celuGradient, .mishGradient, .logSigmoidGradient:
                wideValues.filter { !$0.isInfinite }
            default: wideValues
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func unaryFunctionsAreAccurateOverTheWholeRange(of subject: BackendUnderTest) throws {
            try withEvery("operation", in: Self.unary) { operation in
                let values =
                    wideValues + samples(1000, in: -10...10) + samples(500, in: -1e-3...1e-3, seed: 2)
                    + samples(500, in: -90...90, seed: 3) + samples(100, in: -1e5...1e5, seed: 4)
                try expectConformance(of: subject, within: Self.tolerance(operation, values)) { bench in
                    let x = try bench.input(values, [values.count])
                    let out = try bench.output([values.count])
                    bench.backend.unary(operation, x, out: out)
                }
            }
        }

        /// Functions that are smooth at 0, so that a device which takes denormals for 0 is right as well.
        @Test(arguments: BackendUnderTest.all)
        func unaryFunctionsTakeDenormals(on subject: BackendUnderTest) throws {
            let excluded: Set<UnaryOperation.Kind> = [
                .sign, .logarithm, .squareRoot, .reciprocalSquareRoot, .reciprocal, .power,
            ]
            try withEvery("operation", in: Self.unary.filter { !excluded.contains($0.kind) }) { operation in
                try expectConformance(of: subject) { bench in
                    let x = try bench.input(denormalValues, [denormalValues.count])
                    bench.backend.unary(operation, x, out: try bench.output([denormalValues.count]))
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func unaryTakesEverySizeAndLayout(on subject: BackendUnderTest) throws {
            let operation = UnaryOperation(.affine, a: 2, b: 1)
            try withEvery("size", in: edgeSizes) { size in
                try withEvery("x", in: Layout.allCases) { layout in
                    try withEvery("out", in: Layout.allCases) { outLayout in
                        try expectConformance(of: subject) { bench in
                            let x = try bench.input(samples(size), [size], layout)
                            bench.backend.unary(operation, x, out: try bench.output([size], outLayout))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func unaryTakesEveryRank(on subject: BackendUnderTest) throws {
            let shapes: [Shape] = [
                [], [7], [3, 5], [33, 65], [4, 1, 9], [2, 3, 4, 5], [3, 2, 1, 4, 5], [2, 2, 2, 2, 2, 2], [3, 0, 4],
                [2, 3, 2, 2, 3, 2, 2, 3],
            ]
            try withEvery("shape", in: shapes) { shape in
                try withEvery("x", in: Layout.allCases) { layout in
                    try withEvery("out", in: [Layout.contiguous, .transposed, .stepped]) { outLayout in
                        try expectConformance(of: subject) { bench in
                            let x = try bench.input(samples(shape.elementCount), shape, layout)
                            bench.backend.unary(.init(.square), x, out: try bench.output(shape, outLayout))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func unaryWorksInPlace(on subject: BackendUnderTest) throws {
            let values = samples(130)
            func expectInPlace(_ operation: UnaryOperation, _ layout: Layout) throws {
                try expectConformance(of: subject, within: Self.tolerance(operation, values)) { bench in
                    let x = try bench.output([2, 65], layout, initially: values)
                    bench.backend.unary(operation, x, out: x)
                }
            }
            try withEvery("operation", in: Self.unary) { try expectInPlace($0, .contiguous) }
            try withEvery("layout", in: Layout.allCases) { try expectInPlace(.init(.square), $0) }
        }

        @Test(arguments: BackendUnderTest.all)
        func binaryFunctionsAreAccurateOverTheWholeRange(of subject: BackendUnderTest) throws {
            try withEvery("operation", in: Self.binary) { operation in
                let first = Self.firstOperand(operation.kind)
                let second = Self.secondOperand(operation.kind)
                let x = first.flatMap { value in second.map { _ in value } }
                let y = first.flatMap { _ in second }
                try expectConformance(of: subject, within: Self.tolerance(operation, x, y)) { bench in
                    let shape: Shape = [first.count, second.count]
                    let x = try bench.input(first, [first.count, 1]).broadcast(to: shape)
                    let y = try bench.input(second, [1, second.count]).broadcast(to: shape)
                    bench.backend.binary(operation, x, y, out: try bench.output(shape))
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func infiniteGradientsPass(on subject: BackendUnderTest) throws {
            try withEvery("operation", in: Self.binary.filter { "\($0.kind)".hasSuffix("Gradient") }) { operation in
                try expectConformance(of: subject) { bench in
                    let x = try bench.input([0.25, 0.75, 0.25, 0.75, .nan], [5])
                    let y = try bench.input([.infinity, .infinity, -.infinity, -.infinity, .infinity], [5])
                    bench.backend.binary(operation, x, y, out: try bench.output([5]))
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func binaryFunctionsAreAccurateOnOrdinaryValues(of subject: BackendUnderTest) throws {
            try withEvery("operation", in: Self.binary) { operation in
                let isFromOutput = [.sigmoidGradient, .tanhGradient].contains(operation.kind)
                let x = samples(1000, in: isFromOutput ? 0...1 : -6...6)
                let y = samples(1000, in: -3...3, seed: 2)
                try expectConformance(of: subject, within: Self.tolerance(operation, x, y)) { bench in
                    bench.backend.binary(
                        operation, try bench.input(x, [1000]), try bench.input(y, [1000]),
                        out: try bench.output([1000]))
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func binaryTakesEverySizeAndLayout(on subject: BackendUnderTest) throws {
            try withEvery("size", in: edgeSizes) { size in
                try withEvery("layouts", in: Layout.allCases.flatMap { x in Layout.allCases.map { (x, $0) } }) { x, y in
                    try expectConformance(of: subject) { bench in
                        bench.backend.binary(
                            .init(.subtract), try bench.input(samples(size), [size], x),
                            try bench.input(samples(size, seed: 2), [size], y),
                            out: try bench.output([size], x == .stepped ? .reversed : x))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func binaryBroadcasts(on subject: BackendUnderTest) throws {
            let cases: [(Shape, Shape)] = [
                ([], []), ([5], []), ([33, 65], [65]), ([33, 65], [33, 1]), ([33, 1], [1, 65]), ([2, 3, 4], [3, 1]),
                ([4, 1, 3, 1], [2, 1, 5]), ([2, 1, 3, 1, 2], [1, 4, 1, 5, 1]), ([0, 3], [1, 3]), ([128, 129], [1]),
            ]
            try withEvery("shapes", in: cases) { first, second in
                let shape = try #require(first.broadcast(with: second))
                try withEvery("layout", in: Layout.allCases) { layout in
                    for swapsOperands in [false, true] {
                        try expectConformance(of: subject) { bench in
                            let x = try bench.input(samples(first.elementCount), first, layout).broadcast(to: shape)
                            let y = try bench.input(samples(second.elementCount, seed: 2), second).broadcast(to: shape)
                            bench.backend.binary(
                                .init(.subtract), swapsOperands ? y : x, swapsOperands ? x : y,
                                out: try bench.output(shape))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func binaryWorksInPlaceOfEitherOperandOrBoth(on subject: BackendUnderTest) throws {
            try withEvery("layout", in: Layout.allCases) { layout in
                try withEvery("operation", in: [.subtract, .divide] as [BinaryOperation.Kind]) { kind in
                    let (values, others) = (samples(195, in: 1...2), samples(195, in: 1...2, seed: 2))
                    try expectConformance(of: subject) { bench in
                        let x = try bench.output([3, 65], layout, initially: values)
                        bench.backend.binary(.init(kind), x, try bench.input(others, [3, 65]), out: x)
                    }
                    try expectConformance(of: subject) { bench in
                        let y = try bench.output([3, 65], layout, initially: others)
                        bench.backend.binary(.init(kind), try bench.input(values, [3, 65]), y, out: y)
                    }
                    try expectConformance(of: subject) { bench in
                        let x = try bench.output([3, 65], layout, initially: values)
                        bench.backend.binary(.init(kind), x, x, out: x)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func arithmeticAndComparisonsTakeWholeNumbers(on subject: BackendUnderTest) throws {
            // Beyond 2²⁴, where float32 would round.
            let x: [Double] = [0, 1, -1, 16_777_217, -16_777_219, 2_000_000_011, 7, -46_341]
            let y: [Double] = [0, -1, 1, 16_777_216, 3, 11, 7, 46_340]
            // Products stay within 32 bits.
            let factors: [Double] = [3, -5, 0, 100, -100, 1, -9, 46_340]
            func expectArithmetic(_ kind: BinaryOperation.Kind, _ layout: Layout) throws {
                try expectConformance(of: subject) { bench in
                    bench.backend.binary(
                        .init(kind), try bench.indices(x, [2, 4], layout),
                        try bench.indices(kind == .multiply ? factors : y, [2, 4]),
                        out: try bench.output([2, 4], layout, dtype: .int32))
                }
            }
            try withEvery("operation", in: Self.arithmetic) { try expectArithmetic($0, .contiguous) }
            try withEvery("layout", in: Layout.allCases) { try expectArithmetic(.subtract, $0) }
        }

        @Test(arguments: BackendUnderTest.all)
        func comparisonsWriteAnyType(on subject: BackendUnderTest) throws {
            func expectComparison(_ kind: BinaryOperation.Kind, to type: DType, _ layout: Layout) throws {
                try expectConformance(of: subject, within: .exact) { bench in
                    let x = try bench.input([1, 2, .nan, -0.0, .infinity, -3, 5, 0, 2], [3, 3], layout)
                    let y = try bench.input([1, 3, .nan, 0, .infinity, -4, .nan, 1, 1], [3, 3])
                    bench.backend.binary(.init(kind), x, y, out: try bench.output([3, 3], layout, dtype: type))
                }
                try expectConformance(of: subject, within: .exact) { bench in
                    let x = try bench.indices([1, 2, 16_777_217, -1], [2, 2], layout)
                    let y = try bench.indices([1, 3, 16_777_216, -2], [2, 2])
                    bench.backend.binary(.init(kind), x, y, out: try bench.output([2, 2], layout, dtype: type))
                }
            }
            try withEvery("operation", in: Self.comparisons) { try expectComparison($0, to: .uint8, .contiguous) }
            try withEvery("out", in: [.float32, .float16, .bfloat16, .int32] as [DType]) { type in
                try expectComparison(.greater, to: type, .contiguous)
            }
            try withEvery("layout", in: Layout.allCases) { try expectComparison(.less, to: .uint8, $0) }
        }
    }
}
