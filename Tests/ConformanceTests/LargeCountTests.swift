import Gimbal
import GimbalBackend
import GimbalCPU
import GimbalTestSupport
import Testing

/// What is counted in 32 bits where that is enough: counts beyond go by other methods. Here 32 bits count to 20.
@Suite struct LargeCountTests {
    private static let usual = Device(backend: CPUBackend(threads: 1))
    private static let limited = Device(backend: CPUBackend(threads: 2, mostCount: 20))

    private func expectSame(_ compute: (Device) throws -> [Tensor], _ location: SourceLocation = #_sourceLocation)
        throws
    {
        let (expected, found) = (try compute(Self.usual), try compute(Self.limited))
        for (one, other) in zip(expected, found) {
            // Sums of products in another order, and by Winograd's: rounding goes by the largest of them.
            let (a, b) = (try one.doubles(), try other.doubles())
            let largest = a.reduce(0) { max($0, abs($1)) }
            let difference = zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(difference <= 1e-5 * largest && largest > 0, sourceLocation: location)
        }
    }

    private func numbers(_ shape: Shape, _ device: Device, seed: UInt64) -> Tensor {
        withDevice(device) { Tensor.normal(shape, generator: RandomGenerator(seed: seed)) }
    }

    @Test(arguments: [(1, 50, 1), (1, 50, 3), (40, 3, 2), (2, 3, 40), (130, 21, 5), (3, 21, 1)])
    func products(rows: Int, depth: Int, columns: Int) throws {
        try expectSame { device in
            let x = self.numbers([rows, depth], device, seed: 1)
            let y = self.numbers([depth, columns], device, seed: 2)
            let bias = self.numbers([columns], device, seed: 3)
            let batch = self.numbers([2, rows, depth], device, seed: 4)
            return [
                x.matrixMultiplied(by: y), y.transposed().matrixMultiplied(by: x.transposed()),
                x.linear(weight: y.transposed(), bias: bias), batch.matrixMultiplied(by: y),
            ]
        }
    }

    @Test func convolutions() throws {
        try expectSame { device in
            let x = self.numbers([2, 16, 9, 9], device, seed: 1).requiringGradient()
            let weight = self.numbers([16, 16, 3, 3], device, seed: 2).requiringGradient()
            let y = x.convolved(weight: weight, bias: nil, ConvolutionGeometry(kernel: [3, 3], padding: [1, 1]))
            try (y * y).sum().backward()
            return [y, x.gradient!, weight.gradient!]
        }
    }

    /// The error names the shape, not an overflow of arithmetic.
    @Test func shapesOfTooManyElementsAreRefused() async {
        let output = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1 << 32, 1 << 32])
        }
        let text = String(decoding: output?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("Shape: [4294967296, 4294967296] has more elements than any device holds"), "\(text)")
    }
}
