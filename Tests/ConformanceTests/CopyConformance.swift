import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    /// Copying, converting, filling and selecting.
    @Suite struct Copying {
        static let shapes: [Shape] = [
            [], [0], [1], [33], [129], [3, 0], [33, 65], [2, 3, 4], [2, 1, 3, 5], [2, 2, 3, 2, 2],
        ]

        /// Values worth converting that both types can hold.
        static func values(from source: DType, to target: DType) -> [Double] {
            // Halfway cases of float16 and bfloat16, the largest float16 and beyond, a float16 below its normal range.
            let reals =
                wideValues + [
                    1 + 0x1p-8, 1 + 0x1.8p-7, 1 + 0x1p-11, 1 + 0x1.8p-10, 1 + 0x1.8p-11, 65504, 65519, 65520, 0x1p-15,
                    0x1.4p-24, 0x1p-25, 0x1.8p-25, -0x1p-24, 3.99, -3.99,
                ]
            let wholes: [Double] = [0, 1, -1, 2, 100, -100, 255, 2049, -16_777_217, 2_147_483_647, -2_147_483_648]
            let bytes = [0, 1, 2, 127, 128, 255].map(Double.init)
            switch (source, target) {
            case (.uint8, _), (.int32, .uint8): return bytes
            case (.int32, _): return wholes
            // What a conversion to an integer does with values out of its range is the device's affair.
            case (_, .int32): return reals.filter { abs($0) < 2e9 }
            case (_, .uint8): return reals.filter { $0 > -1 && $0 < 256 }
            default: return reals
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func copyConvertsBetweenAnyTwoTypes(on subject: BackendUnderTest) throws {
            try withEvery("source", in: DType.allCases) { source in
                try withEvery("target", in: DType.allCases) { target in
                    let values = Self.values(from: source, to: target)
                    try expectConformance(of: subject, within: .exact) { bench in
                        let x = try bench.input(values, [values.count], .offset, dtype: source)
                        bench.backend.copy(x, to: try bench.output([values.count], .offset, dtype: target))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func copyConvertsStridedAndRepeatedViews(on subject: BackendUnderTest) throws {
            let pairs: [(DType, DType)] = [
                (.float32, .float16), (.float32, .bfloat16), (.float16, .float32), (.float32, .uint8),
                (.int32, .float32),
            ]
            try withEvery("types", in: pairs) { source, target in
                try withEvery("layout", in: [Layout.transposed, .stepped, .reversed]) { layout in
                    let values = Self.values(from: source, to: target)
                    let shape: Shape = [3, values.count]
                    try expectConformance(of: subject, within: .exact) { bench in
                        let x = try bench.input(values + values + values, shape, layout, dtype: source)
                        bench.backend.copy(x, to: try bench.output(shape, dtype: target))
                    }
                    try expectConformance(of: subject, within: .exact) { bench in
                        let x = try bench.input(values, [1, values.count], dtype: source).broadcast(to: shape)
                        bench.backend.copy(x, to: try bench.output(shape, layout, dtype: target))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func copyTakesEveryShapeAndLayout(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: Self.shapes) { shape in
                try withEvery("source", in: Layout.allCases) { source in
                    try withEvery("target", in: Layout.allCases) { target in
                        try withEvery("dtype", in: [DType.float32, .float16, .uint8]) { dtype in
                            try expectConformance(of: subject, within: .exact) { bench in
                                let values = integerSamples(shape.elementCount, in: 0...255)
                                let x = try bench.input(values, shape, source, dtype: dtype)
                                bench.backend.copy(x, to: try bench.output(shape, target, dtype: dtype))
                            }
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func copyTransposes(on subject: BackendUnderTest) throws {
            try withEvery("rows", in: edgeSizes) { rows in
                try withEvery("columns", in: [1, 31, 32, 33, 65]) { columns in
                    try expectConformance(of: subject, within: .exact) { bench in
                        let x = try bench.input(samples(rows * columns), [rows, columns])
                        bench.backend.copy(x.transposed, to: try bench.output([columns, rows]))
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func fillSetsEveryElementOfAnyType(on subject: BackendUnderTest) throws {
            try withEvery("dtype", in: DType.allCases) { dtype in
                let values = dtype.isFloatingPoint ? [0, -2.5, 1.0 / 3, .nan, .infinity, -.infinity] : [0, 1, 200]
                try withEvery("value", in: values) { value in
                    try withEvery("shape", in: Self.shapes) { shape in
                        try withEvery("layout", in: Layout.allCases) { layout in
                            try expectConformance(of: subject) { bench in
                                bench.backend.fill(try bench.output(shape, layout, dtype: dtype), with: value)
                            }
                        }
                    }
                }
            }
        }

        /// Elements of a column-major view that has gaps between its columns: those in the gaps stay.
        @Test(arguments: BackendUnderTest.all)
        func fillLeavesGapsBetweenColumns(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject) { bench in
                let whole = try bench.output([4, 5])
                bench.backend.fill(whole, with: 3)
                bench.backend.fill(whole.sliced(axis: 1, 1..<4).transposed, with: -1)
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func fillHoldsLargeIntegersExactly(on subject: BackendUnderTest) throws {
            try withEvery("value", in: [16_777_217, -16_777_219, 2_147_483_647, -2_147_483_648]) { value in
                try expectConformance(of: subject) { bench in
                    bench.backend.fill(try bench.output([5], dtype: .int32), with: Double(value))
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func selectChooses(on subject: BackendUnderTest) throws {
            try withEvery("shape", in: Self.shapes) { shape in
                try withEvery("layout", in: Layout.allCases) { layout in
                    let count = shape.elementCount
                    // Anything but 0 is true.
                    let conditions = integerSamples(count, in: 0...3).map { $0 == 3 ? 255 : $0 }
                    try expectConformance(of: subject, within: .exact) { bench in
                        bench.backend.select(
                            try bench.input(conditions, shape, layout, dtype: .uint8),
                            try bench.input(samples(count), shape),
                            try bench.input(samples(count, seed: 2), shape, layout),
                            out: try bench.output(shape))
                    }
                    try expectConformance(of: subject, within: .exact) { bench in
                        let x = try bench.output(shape, layout, initially: samples(count))
                        bench.backend.select(
                            try bench.input(conditions, shape, dtype: .uint8), x,
                            try bench.input([.nan], []).broadcast(to: shape), out: x)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func selectBroadcastsAndPassesNaNOnlyWhereChosen(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject, within: .exact) { bench in
                bench.backend.select(
                    try bench.input([1, 0, 2], [3, 1], dtype: .uint8).broadcast(to: [3, 4]),
                    try bench.input([1, .infinity, -.infinity, 0], [4]).broadcast(to: [3, 4]),
                    try bench.input([.nan], [1, 1]).broadcast(to: [3, 4]), out: try bench.output([3, 4], .stepped))
            }
        }
    }
}
