import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Pooling {
        /// A regular geometry with each of its sizes.
        static func windows(
            _ shape: Shape, _ kernel: [Int], stride: [Int], padding: [Int], dilation: [Int]? = nil,
            roundsUp: Bool = false
        ) -> (Shape, PoolingGeometry) {
            let geometry = PoolingGeometry(
                inputSizes: [Int](shape.sizes.dropFirst(2)), kernel: kernel, stride: stride, padding: padding,
                dilation: dilation ?? kernel.map { _ in 1 }, roundsUp: roundsUp)
            return (shape, geometry)
        }

        static func parts(_ shape: Shape, _ sizes: [Int]) -> (Shape, PoolingGeometry) {
            (shape, PoolingGeometry(inputSizes: [Int](shape.sizes.dropFirst(2)), outputSizes: sizes))
        }

        static let regular: [(Shape, PoolingGeometry)] = [
            windows([2, 3, 8, 8], [2, 2], stride: [2, 2], padding: [0, 0]),
            windows([1, 2, 7, 9], [3, 3], stride: [2, 2], padding: [1, 1]),
            windows([3, 1, 7, 10], [3, 2], stride: [2, 3], padding: [1, 1], roundsUp: true),
            windows([2, 2, 9, 9], [2, 3], stride: [1, 2], padding: [0, 1], dilation: [3, 2]),
            windows([2, 5, 33], [5], stride: [1], padding: [2]),
            windows([1, 3, 10], [2], stride: [3], padding: [0], roundsUp: true),
            windows([2, 2, 5, 4, 6], [2, 3, 2], stride: [2, 1, 2], padding: [1, 1, 0], roundsUp: true),
            windows([1, 1, 1, 1], [1, 1], stride: [1, 1], padding: [0, 0]),
            windows([0, 2, 4, 4], [2, 2], stride: [2, 2], padding: [0, 0]),
            windows([2, 3, 6, 6], [1, 1], stride: [2, 2], padding: [0, 0]),
        ]

        static let adaptive: [(Shape, PoolingGeometry)] = [
            parts([2, 3, 8, 8], [1, 1]), parts([1, 2, 7, 5], [3, 4]), parts([2, 1, 10, 3], [4, 5]),
            parts([2, 2, 13], [5]), parts([1, 2, 4, 5, 6], [3, 2, 4]),
        ]

        func expectMaximum(of subject: BackendUnderTest, _ shape: Shape, _ geometry: PoolingGeometry, _ x: [Double])
            throws
        {
            let out = Shape([shape[0], shape[1]] + geometry.outputSizes)
            try expectConformance(of: subject, within: .exact) { bench in
                let indices = try bench.output(out, named: "indices", dtype: .int32)
                bench.backend.maxPool(
                    try bench.input(x, shape), geometry, out: try bench.output(out, .offset), indices: indices)
            }
            try expectConformance(of: subject, within: .sum) { bench in
                let indices = try bench.backend.allocate(out, .int32)
                bench.backend.maxPool(
                    try bench.input(x, shape), geometry, out: try bench.backend.allocate(out), indices: indices)
                bench.backend.maxPoolGradient(
                    try bench.input(samples(out.elementCount, seed: 2), out), indices: indices, geometry,
                    out: try bench.output(shape, .offset))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func maximumOfEveryWindow(on subject: BackendUnderTest) throws {
            try withEvery("case", in: Self.regular + Self.adaptive) { shape, geometry in
                // The magnitudes of all inputs must lie in the order of their values: the indices depend on it.
                try expectMaximum(
                    of: subject, shape, geometry, samples(shape.elementCount, in: 0.1...2))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func firstOfEqualsAndNaN(on subject: BackendUnderTest) throws {
            let shape: Shape = [1, 2, 6, 6]
            let geometry = PoolingGeometry(
                inputSizes: [6, 6], kernel: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1])
            try expectMaximum(of: subject, shape, geometry, [Double](repeating: 1, count: 72))
            var values = integerSamples(72, in: 0...3)
            values[20] = .nan
            values[21] = .nan
            values[50] = .infinity
            try expectMaximum(of: subject, shape, geometry, values)
            try withEvery("infinity", in: [-Double.infinity]) { infinity in
                let out: Shape = [1, 2, 3, 3]
                try expectConformance(of: subject, within: .exact) { bench in
                    bench.backend.maxPool(
                        try bench.input([Double](repeating: infinity, count: 72), shape), geometry,
                        out: try bench.output(out), indices: try bench.output(out, named: "indices", dtype: .int32))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func averageOfEveryWindow(on subject: BackendUnderTest) throws {
            let cases = Self.regular.filter { $1.axes.allSatisfy { $0.dilation == 1 } } + Self.adaptive
            try withEvery("case", in: cases) { shape, geometry in
                try withEvery("counts padding", in: [false, true]) { countsPadding in
                    let out = Shape([shape[0], shape[1]] + geometry.outputSizes)
                    try expectConformance(of: subject, within: .sum) { bench in
                        bench.backend.averagePool(
                            try bench.input(samples(shape.elementCount), shape), geometry,
                            countsPadding: countsPadding, out: try bench.output(out, .offset))
                        bench.backend.averagePoolGradient(
                            try bench.input(samples(out.elementCount, seed: 2), out), geometry,
                            countsPadding: countsPadding, out: try bench.output(shape, .offset, named: "gradient"))
                    }
                }
            }
        }
    }
}
