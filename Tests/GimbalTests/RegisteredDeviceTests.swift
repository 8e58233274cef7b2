import Dispatch
import Foundation
import Gimbal
import GimbalCPU
import GimbalTestSupport
import Testing

/// Backends of one's own that are given a name.
@Suite struct RegisteredDeviceTests {
    @Test func aRegisteredNameIsADevice() throws {
        Device.register("of-this-test") { CPUBackend(threads: 1) }
        let device = try Device.named("of-this-test")
        #expect(try (Tensor([1, 2], device: device) * 3).doubles() == [3, 6])
        #expect(try device.backend === Device.named("of-this-test").backend)
        let error = #expect(throws: GimbalError.self) { try Device.named("of-no-test") }
        #expect("\(error!)".contains("of-this-test"), "\(error!)")
    }

    /// Tensors of two devices do not mix, so all are given the one that was opened first.
    @Test func threadsThatOpenADeviceAtOnceAreGivenTheSame() throws {
        Device.register("slow-to-open") {
            usleep(50_000)
            return CPUBackend(threads: 1)
        }
        let found = Lock<[Device]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            guard let device = try? Device.named("slow-to-open") else { return }
            found.withLock { $0.append(device) }
        }
        let devices = found.withLock { $0 }
        #expect(devices.count == 4 && devices.allSatisfy { $0.backend === devices[0].backend })
    }
}
