import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct ElementFunctions {
        struct Case: Sendable, CustomStringConvertible {
            let description: String
            let function: ElementFunction
            var numbers: [Double] = []
        }

        static let cases: [Case] = [
            Case(description: "identity", function: ElementFunction { x in x }),
            Case(description: "square", function: ElementFunction { x in x * x }),
            Case(description: "swish", function: ElementFunction { x in x * x.sigmoid() }),
            Case(description: "leaky", function: ElementFunction { x in .select(x .< 0, 0.1 * x, x) }),
            Case(description: "constant", function: ElementFunction { x in 2 }),
            Case(description: "gate", function: ElementFunction { x, y in x * y.tanh() + (1 - y) * x.square() }),
            Case(description: "choice", function: ElementFunction { x, y, z in .select(x .> y, z, .maximum(x, y)) }),
            Case(
                description: "numbers",
                function: ElementFunction(inputs: 1, numbers: 2) { x, n in [n[0] * x[0] + n[1] * n[0].exp()] },
                numbers: [0.5, -2]),
            Case(
                description: "three outputs",
                function: ElementFunction(inputs: 2) { x, _ in
                    let sum = x[0] + x[1]
                    return [sum * sum.tanh(), x[0], sum - x[1].absolute()]
                }),
            Case(
                description: "outputs exchanged", function: ElementFunction(inputs: 2) { x, _ in [x[1], x[0]] }),
            Case(
                description: "one output twice",
                function: ElementFunction(inputs: 1) { x, _ in [x[0].tanh(), x[0].tanh()] }),
        ]

        /// Sums of differing sign may cancel.
        static let tolerance = Tolerance.elementwise.relative(to: 4)

        static func run(_ item: Case, _ bench: Workbench, _ inputs: [TensorView], out: [TensorView]) {
            bench.backend.elementwise(item.function, inputs, numbers: item.numbers, out: out)
        }

        @Test(arguments: BackendUnderTest.fused)
        func formulasTakeEverySizeAndLayout(on subject: BackendUnderTest) throws {
            try withEvery("formula", in: Self.cases) { item in
                try withEvery("size", in: edgeSizes + [1537]) { size in
                    try withEvery("layout", in: Layout.allCases) { layout in
                        try expectConformance(of: subject, within: Self.tolerance) { bench in
                            let inputs = try (0..<item.function.inputCount).map {
                                try bench.input(
                                    samples(size, in: -2...2, seed: UInt64($0 + 1)), [size],
                                    $0 == 1 ? .contiguous : layout)
                            }
                            let out = try (0..<item.function.outputCount).map {
                                try bench.output([size], $0 == 1 ? layout : .contiguous, named: "out \($0)")
                            }
                            Self.run(item, bench, inputs, out: out)
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func inputsBroadcast(on subject: BackendUnderTest) throws {
            let shapes: [Shape] = [
                [33, 65], [1, 65], [33, 1], [1, 1], [2, 1, 3, 1, 2], [1, 4, 1, 5, 1], [2, 3, 2, 2, 3, 2, 2, 3, 2, 2],
            ]
            try withEvery("formula", in: Self.cases.filter { $0.function.inputCount > 1 }) { item in
                try withEvery("shapes", in: shapes.flatMap { x in shapes.map { (x, $0) } }) { first, second in
                    guard let shape = first.broadcast(with: second) else { return }
                    try expectConformance(of: subject, within: Self.tolerance) { bench in
                        let inputs = try (0..<item.function.inputCount).map { index in
                            let own = index == 0 ? first : second
                            return try bench.input(
                                samples(own.elementCount, in: -2...2, seed: UInt64(index + 1)), own
                            ).broadcast(to: shape)
                        }
                        let out = try (0..<item.function.outputCount).map {
                            try bench.output(shape, named: "out \($0)")
                        }
                        Self.run(item, bench, inputs, out: out)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func outputsMayBeInputs(on subject: BackendUnderTest) throws {
            try withEvery("formula", in: Self.cases) { item in
                try withEvery("layout", in: Layout.allCases) { layout in
                    try expectConformance(of: subject, within: Self.tolerance) { bench in
                        let views = try (0..<max(item.function.inputCount, item.function.outputCount)).map {
                            try bench.output(
                                [2, 650], layout, named: "view \($0)",
                                initially: samples(1300, in: -2...2, seed: UInt64($0 + 1)))
                        }
                        Self.run(
                            item, bench, Array(views.prefix(item.function.inputCount)),
                            out: Array(views.prefix(item.function.outputCount)))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused, StorageUnderTest.all)
        func anyRealStorage(on subject: BackendUnderTest, _ storage: StorageUnderTest) throws {
            try StorageUnderTest.$current.withValue(storage.allowing(roundings: 1)) {
                // On the primitives, each step is stored.
                try withEvery("formula", in: Self.cases) { item in
                    try withEvery("size", in: [1, 63, 64, 1000]) { size in
                        try expectConformance(of: subject, within: Self.tolerance) { bench in
                            let inputs = try (0..<item.function.inputCount).map {
                                try bench.input(samples(size, in: -2...2, seed: UInt64($0 + 1)), [size])
                            }
                            let out = try (0..<item.function.outputCount).map {
                                try bench.output([size], named: "out \($0)")
                            }
                            Self.run(item, bench, inputs, out: out)
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func wholeNumbersGoInAndOut(on subject: BackendUnderTest) throws {
            let function = ElementFunction(inputs: 3) { x, _ in [x[0] + x[1] * x[2], x[0] .> x[2], x[1] * x[1]] }
            try expectConformance(of: subject, within: Self.tolerance) { bench in
                let size = 700
                let masks = (0..<size).map { Double($0 % 3) }
                bench.backend.elementwise(
                    function,
                    [
                        try bench.input(samples(size), [size]), try bench.input(masks, [size], dtype: .uint8),
                        try bench.indices((0..<size).map { Double($0 % 7 - 3) }),
                    ], numbers: [],
                    out: [
                        try bench.output([size]), try bench.output([size], named: "mask", dtype: .uint8),
                        try bench.output([size], named: "whole", dtype: .int32),
                    ])
            }
        }

        /// Each function alone, over the whole range.
        @Test(arguments: BackendUnderTest.all)
        func everyFunctionIsThatOfTheLibrary(on subject: BackendUnderTest) throws {
            try withEvery("operation", in: Elementwise.unary) { operation in
                let values = wideValues + samples(500, in: -10...10)
                let function = ElementFunction { x in x.applying(operation) }
                try expectConformance(of: subject, within: Elementwise.tolerance(operation, values)) { bench in
                    bench.backend.elementwise(
                        function, [try bench.input(values, [values.count])], numbers: [],
                        out: [try bench.output([values.count])])
                }
            }
            try withEvery("operation", in: Elementwise.binary) { operation in
                let first = Elementwise.firstOperand(operation.kind)
                let second = Elementwise.secondOperand(operation.kind)
                let x = first.flatMap { value in second.map { _ in value } }
                let y = first.flatMap { _ in second }
                let function = ElementFunction { x, y in x.applying(operation, y) }
                try expectConformance(of: subject, within: Elementwise.tolerance(operation, x, y)) { bench in
                    let shape: Shape = [first.count, second.count]
                    bench.backend.elementwise(
                        function,
                        [
                            try bench.input(first, [first.count, 1]).broadcast(to: shape),
                            try bench.input(second, [1, second.count]).broadcast(to: shape),
                        ], numbers: [], out: [try bench.output(shape)])
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func longFormulasOfManyTensors(on subject: BackendUnderTest) throws {
            let function = ElementFunction(inputs: 17) { x, _ in
                // All are alive until the end, and each is used again.
                let terms = x.enumerated().map { index, x in (0.1 * Double(index + 1) * x).tanh() }
                let sum = terms.dropFirst().reduce(terms[0]) { $0 + $1 }
                return [terms.reversed().reduce(sum) { $0 + $1 * 0.5 }, sum]
            }
            try expectConformance(of: subject, within: Tolerance.elementwise.relative(to: 30)) { bench in
                let inputs = try (0..<17).map { try bench.input(samples(600, seed: UInt64($0)), [600]) }
                bench.backend.elementwise(
                    function, inputs, numbers: [],
                    out: [try bench.output([600]), try bench.output([600], named: "sum")])
            }
        }

        /// Large enough to be divided among threads.
        @Test(arguments: BackendUnderTest.fused)
        func largeTensors(on subject: BackendUnderTest) throws {
            try withEvery("formula", in: Self.cases) { item in
                try expectConformance(of: subject, within: Self.tolerance) { bench in
                    let inputs = try (0..<item.function.inputCount).map {
                        try bench.input(
                            samples(301 * 333, in: -2...2, seed: UInt64($0 + 1)), [301, 333],
                            $0 == 1 ? .transposed : .contiguous)
                    }
                    let out = try (0..<item.function.outputCount).map {
                        try bench.output([301, 333], named: "out \($0)")
                    }
                    Self.run(item, bench, inputs, out: out)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func nanAndInfinityPass(on subject: BackendUnderTest) throws {
            let values: [Double] = [.nan, .infinity, -.infinity, 0, -0.0, 1]
            try withEvery("formula", in: Self.cases) { item in
                try expectConformance(of: subject, within: Self.tolerance) { bench in
                    let x = values.flatMap { value in values.map { _ in value } }
                    let y = values.flatMap { _ in values }
                    let inputs = try [x, y, x].prefix(item.function.inputCount).map { try bench.input($0, [36]) }
                    Self.run(
                        item, bench, inputs,
                        out: try (0..<item.function.outputCount).map { try bench.output([36], named: "out \($0)") })
                }
            }
        }
    }
}
