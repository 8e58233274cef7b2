import Foundation
import Gimbal
import GimbalCPU
import GimbalTestSupport
import Testing

/// A model of more cores than there are, which `gimbal bench --model-threads` times steps with.
@Suite struct ModelledThreadsTests {
    @Test func partsCountAsIfCoresSharedThem() throws {
        /// Seconds that are saved by so many cores, of a product in as many parts.
        func saved(_ count: Int) throws -> (seconds: Double, meetings: Int) {
            let model = ModelledThreads(count: count)
            let device = Device(backend: CPUBackend(modelled: model))
            #expect(device.description.computeUnits == count)
            try withDevice(device) {
                let (x, y) = (Tensor(samples(256 * 256), [256, 256]), Tensor(samples(256 * 256), [256, 256]))
                _ = try x.matrixMultiplied(by: y).doubles()
            }
            return (model.savedSeconds, model.meetings)
        }
        let one = try saved(1)
        #expect(one.seconds == 0 && one.meetings == 0)
        let (four, sixteen) = (try saved(4), try saved(16))
        #expect(four.seconds > 0 && four.meetings > 0)
        #expect(sixteen.seconds > 0 && sixteen.meetings == four.meetings)
    }

    @Test func resultsAreThoseOfThreads() throws {
        func bits(_ backend: CPUBackend) throws -> [Double] {
            try withDevice(Device(backend: backend)) {
                let x = Tensor(samples(8 * 16 * 12 * 12), [8, 16, 12, 12]).requiringGradient()
                let weight = Tensor(samples(32 * 16 * 9), [32, 16, 3, 3]).requiringGradient()
                let y = x.convolved(weight: weight, ConvolutionGeometry(kernel: [3, 3], padding: [1, 1]))
                try (y * y).sum().backward()
                return try y.doubles() + x.gradient!.doubles() + weight.gradient!.doubles()
            }
        }
        let threads = try bits(CPUBackend(threads: 3))
        for count in [3, 16] {
            let modelled = try bits(CPUBackend(modelled: ModelledThreads(count: count)))
            #expect(modelled == threads, "\(count)")
        }
    }
}
