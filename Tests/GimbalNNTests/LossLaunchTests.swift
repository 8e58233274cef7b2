import GimbalNN
import GimbalOpenCL
import GimbalTestSupport
import Testing

/// How many launches losses take: in small nets, that number decides the time.
@Suite struct LossLaunchTests {
    /// Leaving out the rows of `ignoredIndex`, which is on by default, is part of the kernels.
    @Test(arguments: [LossReduction.mean, .sum, .none])
    func ignoringCostsNoLaunch(_ reduction: LossReduction) throws {
        guard let id = OpenCLDevices.available().devices.first?.id else { return }
        let device = Device(backend: try OpenCLBackend(id: id))
        try withDevice(device) {
            let logits = Tensor.uniform([6, 3]).requiringGradient()
            let targets = Tensor([0, 2, -100, 1, 2, 0] as [Int32])
            func launches(_ ignoredIndex: Int?) throws -> Int {
                let before = try #require(device.launchRecord)
                let loss = crossEntropy(logits, targets, ignoredIndex: ignoredIndex, reduction: reduction)
                try (reduction == .none ? loss.sum() : loss).backward()
                return (try #require(device.launchRecord) - before).launches
            }
            _ = try launches(nil)  // Makes the gradient that later ones are added to.
            let (plain, ignoring) = (try launches(nil), try launches(-100))
            #expect(ignoring == plain)
            // The loss; the gradient of it that arrives, and that of the logits; its addition; a sum, and its gradient.
            #expect(ignoring <= (reduction == .mean ? 4 : 6))
        }
    }
}
