import GimbalNN
import GimbalTestSupport
import Testing

/// Zeros around an input meet an infinite weight in the outputs, and an infinite gradient in that of the weight, as in
/// PyTorch; nothing else is spoilt by a number that it has no part in.
@Suite struct InfiniteConvolutionTests {
    static let geometries: [(shape: Shape, outputs: Int, geometry: ConvolutionGeometry)] = [
        ([2, 2, 4, 4], 2, ConvolutionGeometry(kernel: [3, 3], padding: [1, 1])),
        ([1, 2, 5, 4], 3, ConvolutionGeometry(kernel: [3, 2], stride: [2, 1], padding: [1, 1])),
        ([2, 2, 5, 5], 2, ConvolutionGeometry(kernel: [3, 3], padding: [2, 2], dilation: [2, 2])),
        ([2, 2, 4, 4], 4, ConvolutionGeometry(kernel: [3, 3], padding: [1, 1], groups: 2)),
        ([2, 16, 6, 6], 16, ConvolutionGeometry(kernel: [3, 3], padding: [1, 1])),
        ([2, 4, 6, 6], 4, ConvolutionGeometry(kernel: [1, 1])),
        ([2, 3, 9], 2, ConvolutionGeometry(kernel: [4], stride: [3], padding: [2])),
        ([1, 2, 3, 4, 3], 2, ConvolutionGeometry(kernel: [2, 3, 2], padding: [1, 1, 0])),
    ]

    /// The output and both gradients, one of which is added to, with `bad` in one place.
    private func results(
        on backend: any Backend, _ index: Int, _ operand: Int, isLast: Bool, _ bad: Float
    ) throws -> [[Float]] {
        try withDevice(Device(backend: backend)) {
            let (shape, outputs, geometry) = Self.geometries[index]
            let weightShape = Shape([outputs, shape[1] / geometry.groups] + geometry.kernel)
            let outputShape = Shape([shape[0], outputs] + geometry.outputSizes([Int](shape.sizes.dropFirst(2))))
            let operands = [shape, weightShape, outputShape].enumerated().map { place, shape in
                var values = (0..<shape.elementCount).map { Float(($0 + place) % 7) * 0.25 - 0.5 }
                if place == operand { values[isLast ? values.count - 1 : 0] = bad }
                return Tensor(values, shape)
            }
            let (x, w) = (operands[0].requiringGradient(), operands[1].requiringGradient())
            let y = x.convolved(weight: w, geometry)
            let once = try gradient(of: (y * operands[2]).sum(), withRespectTo: [x, w])
            for _ in 0..<2 { try (x.convolved(weight: w, geometry) * operands[2]).sum().backward() }
            return try [y, once[0], once[1], x.gradient!, w.gradient!].map { try $0.floats() }
        }
    }

    @Test(arguments: BackendUnderTest.all, 0..<geometries.count)
    func whatHasNoPartInItIsNotSpoilt(on subject: BackendUnderTest, index: Int) throws {
        for operand in 0..<3 {
            for isLast in [false, true] {
                for bad in [Float.infinity, .nan] {
                    let expected = try results(on: ReferenceBackend(), index, operand, isLast: isLast, bad)
                    let found = try results(on: subject.backend, index, operand, isLast: isLast, bad)
                    for (part, (x, y)) in zip(["output", "dx", "dw", "dx twice", "dw twice"], zip(expected, found)) {
                        let isAlike = zip(x, y).allSatisfy {
                            $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) <= 1e-4 * (1 + abs($0))
                        }
                        #expect(isAlike, "\(bad) in \(operand), last: \(isLast), \(part): \(x), \(y)")
                    }
                }
            }
        }
    }
}
