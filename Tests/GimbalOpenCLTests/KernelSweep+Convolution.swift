import GimbalBackend
import GimbalOpenCL
import Testing

extension KernelSweep {
    @Test func convolutionColumns() throws {
        let geometry = ConvolutionGeometry(kernel: [3, 2], stride: [2, 1], padding: [1, 1], groups: 2)
        let x = try input([2, 4, 9, 7]), weight = try input([6, 2, 3, 2])
        let out = try backend.allocate([2, 6, 5, 8])
        backend.convolutionColumns(x, weight: weight, bias: try input([6]), geometry, out: out)
        for accumulates in [false, true] {
            backend.convolutionColumnsInputGradient(
                out, weight: weight, geometry, out: x, accumulates: accumulates)
            backend.convolutionColumnsWeightGradient(
                x, outputGradient: out, geometry, out: weight, accumulates: accumulates)
        }
        try backend.synchronize()
    }

    /// Strided and grouped, with a table, as vectors, over three axes, and depthwise.
    @Test func convolutionProducts() throws {
        let cases: [(Shape, Int, ConvolutionGeometry)] = [
            ([2, 34, 5, 7], 6, .init(kernel: [3, 3], stride: [2, 1], padding: [1, 1], groups: 2)),
            ([2, 3, 7, 6], 17, .init(kernel: [3, 2], padding: [1, 0])),
            ([1, 20, 2, 6], 36, .init(kernel: [1, 1])),
            ([1, 2, 3, 4, 3], 3, .init(kernel: [2, 2, 2], stride: [1, 2, 1], padding: [0, 1, 0])),
            ([2, 3, 7, 6], 6, .init(kernel: [3, 3], stride: [2, 2], padding: [1, 1], groups: 3)),
            ([2, 3, 7], 3, .init(kernel: [3], padding: [1], groups: 3)),
        ]
        for (shape, outputs, geometry) in cases {
            let x = try input(shape)
            let weight = try input(Shape([outputs, shape[1] / geometry.groups] + geometry.kernel))
            let out = try backend.allocate(
                Shape([shape[0], outputs] + geometry.outputSizes([Int](shape.sizes.dropFirst(2)))))
            backend.convolution(x, weight: weight, bias: try input([outputs]), geometry, out: out)
            for accumulates in [false, true] {
                backend.convolutionInputGradient(out, weight: weight, geometry, out: x, accumulates: accumulates)
                backend.convolutionWeightGradient(
                    x, outputGradient: out, geometry, out: weight, accumulates: accumulates)
            }
        }
        try backend.synchronize()
    }
}
