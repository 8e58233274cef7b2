import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    /// Convolutions of each channel by kernels of its own, around the widths of vectors, with planes in several bands.
    @Suite struct Depthwise {
        static let cases: [Convolution.Case] =
            [1, 2, 7, 8, 9, 15, 16, 17, 31, 33].flatMap { width in
                [(3, 1, 1, 1), (3, 2, 1, 1), (5, 1, 2, 1), (2, 2, 0, 1), (3, 3, 2, 2), (7, 2, 3, 1)].compactMap {
                    kernel, stride, padding, dilation in
                    guard width + 2 * padding > dilation * (kernel - 1) else { return nil }
                    return .init(
                        [3, 5, width + dilation * (kernel - 1), width], 5, [kernel, kernel], stride: [stride, stride],
                        padding: [padding, padding], dilation: [dilation, dilation], groups: 5)
                }
            } + [
                // Several kernels for each channel, one axis, and padding beyond the kernel.
                .init([2, 6, 9, 10], 18, [3, 3], padding: [1, 1], groups: 6),
                .init([2, 4, 9, 10], 16, [3, 2], stride: [2, 1], padding: [1, 1], groups: 4),
                .init([3, 4, 61], 4, [5], stride: [2], padding: [2], groups: 4),
                .init([3, 4, 200], 8, [31], padding: [15], groups: 4),
                .init([2, 3, 5, 5], 3, [3, 3], padding: [4, 5], groups: 3),
                .init([2, 3, 4, 4], 3, [2, 2], stride: [3, 3], groups: 3),
                .init([2, 3, 5, 6], 3, [1, 1], stride: [2, 2], groups: 3),
                .init([2, 3, 2, 2], 3, [3, 3], stride: [4, 4], padding: [2, 2], groups: 3),
                // Bands of rows, and of more sums than are made in single precision.
                .init([1, 3, 190, 130], 3, [3, 3], padding: [1, 1], groups: 3),
                .init([1, 3, 190, 131], 3, [3, 3], stride: [2, 2], padding: [1, 1], groups: 3),
                // What goes another way: kernels, strides and rows that are too large, and three axes.
                .init([1, 2, 14, 14], 2, [12, 12], padding: [2, 2], groups: 2),
                .init([1, 2, 20, 20], 2, [5, 5], stride: [5, 5], groups: 2),
                .init([1, 2, 140_000], 2, [3], padding: [1], groups: 2),
                .init([1, 2, 3, 3], 2, [2, 2], stride: [20, 17], padding: [1, 1], groups: 2),
                .init(
                    [1, 2, 3, 3], 2, [2, 2], stride: [1, 1 << 18], padding: [1, 1 << 18], dilation: [1, 1 << 18],
                    groups: 2),
                .init([2, 3, 4, 5, 6], 3, [3, 3, 3], padding: [1, 1, 1], groups: 3),
            ]

        @Test(arguments: BackendUnderTest.all)
        func sizesAroundVectors(on subject: BackendUnderTest) throws {
            try withEvery("case", in: Self.cases) { given in
                try expectConformance(of: subject, within: .dotProduct(terms: given.geometry.kernelCount + 1)) {
                    bench in
                    let x = try bench.input(samples(given.x.elementCount), given.x)
                    let weight = try bench.input(samples(given.weight.elementCount, seed: 2), given.weight)
                    let bias = try bench.input(samples(given.outputs, seed: 3), [given.outputs])
                    let gradient = try bench.input(samples(given.out.elementCount, seed: 4), given.out)
                    let output = try bench.output(given.out, named: "output")
                    let terms = given.outputs / given.geometry.groups * given.geometry.kernelCount
                    let inputGradient = try bench.output(
                        given.x, named: "input gradient", initially: samples(given.x.elementCount, seed: 5),
                        within: .dotProduct(terms: terms + 1))
                    let weightGradient = try bench.output(
                        given.weight, named: "weight gradient", initially: samples(given.weight.elementCount, seed: 6),
                        within: .dotProduct(terms: given.out.elementCount / given.outputs + 1))
                    bench.backend.convolution(x, weight: weight, bias: bias, given.geometry, out: output)
                    bench.backend.convolutionInputGradient(
                        gradient, weight: weight, given.geometry, out: inputGradient, accumulates: true)
                    bench.backend.convolutionWeightGradient(
                        x, outputGradient: gradient, given.geometry, out: weightGradient, accumulates: true)
                }
            }
        }
    }
}
