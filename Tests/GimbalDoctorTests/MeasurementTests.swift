import Foundation
import GimbalDoctor
import GimbalTestSupport
import GimbalTrain
import Testing

/// What the doctor measures on request.
@Suite("Measurements") struct MeasurementTests {
    private static let devices = BackendUnderTest.all

    @Test("Singular values of a linear map are those of its matrix", arguments: devices)
    func singularValues(_ subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            // Q · diag(3, 2, 0.5) · R with rotations Q and R by 30 and 50 degrees of the first two axes.
            func rotation(_ degrees: Double) -> Tensor {
                let (c, s) = (cos(degrees * .pi / 180), sin(degrees * .pi / 180))
                return Tensor([c, -s, 0, s, c, 0, 0, 0, 1], [3, 3])
            }
            let matrix = rotation(30).matrixMultiplied(by: Tensor([3, 0, 0, 0, 2, 0, 0, 0, 0.5], [3, 3]))
                .matrixMultiplied(by: rotation(50))
            let values = try JacobianSpectrum.largestValues(
                of: { $0.matrixMultiplied(by: matrix) }, at: Tensor.normal([1, 3]), count: 3)
            for (value, expected) in zip(values, [3, 2, 0.5]) {
                #expect(abs(value - expected) < 1e-3 * expected, "\(values)")
            }
        }
    }

    @Test("Of a function that bends, where it is asked") func bending() throws {
        try withDevice(.cpu) {
            let x = Tensor([0, 1, 2] as [Float])
            let values = try JacobianSpectrum.largestValues(of: { $0.tanh() }, at: x, count: 5)
            #expect(values.count == 3)
            for (value, at) in zip(values, [0.0, 1, 2]) { #expect(abs(value - (1 - tanh(at) * tanh(at))) < 1e-4) }
            #expect(try JacobianSpectrum.largestValues(of: { $0 * 0 + 1 }, at: x) == [0])
            #expect(try JacobianSpectrum.largestValues(of: { _ in Tensor.ones([3]) }, at: x) == [0])
        }
    }

    /// A loss whose gradient for a sample is the sample.
    private final class Plane: Module {
        let weight = Parameter(Tensor.zeros([20, 1]))
    }

    @Test("The noise of gradients is that of the samples", arguments: devices)
    func noise(_ subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            try withGenerator(RandomGenerator(seed: 5)) {
                let model = Plane()
                let batches = (0..<200).map { _ in Tensor.normal([8, 20]) * 2 + 0.5 }
                let noise = try #require(
                    try GradientNoiseScale.measure(model, on: batches, samples: 8) {
                        $0.matrixMultiplied(by: model.weight.value).mean()
                    })
                // The mean of 1,600 samples is known to a twentieth of a deviation, its squared norm to 5 % in one of three draws.
                #expect(abs(noise.squaredNorm / (20 * 0.25) - 1) < 0.2, "\(noise)")
                #expect(abs(noise.variance / (20 * 4) - 1) < 0.1, "\(noise)")
                #expect(abs(noise.scale / 16 - 1) < 0.25)
                #expect(model.weight.gradient == nil)
                let drowned = try GradientNoiseScale.measure(
                    model, on: [Tensor.ones([1, 20]), -Tensor.ones([1, 20])], samples: 1
                ) {
                    $0.matrixMultiplied(by: model.weight.value).mean()
                }
                #expect(drowned?.scale == .infinity)
            }
        }
    }

    @Test("Measuring the noise of gradients leaves statistics, random numbers and gradients as they were")
    func noiseLeavesNoTrace() throws {
        try withDevice(.cpu) {
            let generator = RandomGenerator(seed: 5)
            try withGenerator(generator) {
                let model = Sequential {
                    Linear(4, 6)
                    BatchNorm1d(6)
                    Dropout(0.5)
                    Linear(6, 1)
                }
                let batches = (0..<4).map { _ in Tensor.normal([8, 4]) }
                func state() throws -> [[Double]] {
                    let all = model.stateDictionary()
                    return try all.names.map { try all[$0]?.doubles() ?? [] }
                }
                let before = (state: try state(), random: generator.state)
                let noise = try GradientNoiseScale.measure(model, on: batches, samples: 8) { model($0).square().mean() }
                #expect(noise != nil)
                #expect(try state() == before.state && generator.state == before.random)
                #expect(model.parameters.allSatisfy { $0.gradient == nil })
            }
        }
    }

    @Test("The sharpness of a parabola is its curvature, and the largest rate follows from it") func sharpness() throws
    {
        try withDevice(.cpu) {
            let model = Plane()
            model.weight.assign(Tensor.ones([20, 1]))
            let scales = Tensor((0..<20).map { Double($0 + 1) }, [20, 1])
            let optimizer = SGD(model.parameters, learningRate: 0.01, momentum: 0.9)
            let found = try #require(
                try Sharpness.measure(model, optimizer, iterations: 100) {
                    (model.weight.value.square() * scales).sum() * 0.5
                })
            // It ends when it changes by less than a fiftieth, which is not yet where it is.
            #expect(abs(found.eigenvalue / 20 - 1) < 0.1, "\(found)")
            #expect(abs(try #require(found.largestRate) - 3.8 / found.eigenvalue) < 1e-9)
        }
    }
}
