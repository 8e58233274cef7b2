import Foundation
import Gimbal
import GimbalCPU
import Testing

/// Threads of the CPU backend that have nothing to do.
@Suite struct IdleThreadTests {
    @Test func threadsThatHaveNothingToDoSleep() async {
        await #expect(processExitsWith: .success) {
            func processorSeconds() -> Double {
                var time = timespec()
                clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
                return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
            }
            let x = Tensor.ones([1 << 20], device: Device(backend: CPUBackend(threads: 4)))
            let sum = try (x + x).sum().item()
            precondition(sum == Float(1 << 21))
            usleep(100_000)
            let before = processorSeconds()
            usleep(500_000)
            // Three that look for work all the time would take half a second and more.
            precondition(processorSeconds() - before < 0.2)
        }
    }
}
