import COpenCL
import GimbalBackend

/// Lets the kernels of one queue at a time run in this process, for the drivers that need it.
///
/// PoCL before 7.0 loads a kernel once for each local size and width of the grid, and gives it back by the local size
/// alone (`pocl_release_dlhandle_cache`): where two queues run a kernel over grids of different widths at once, the wrong
/// one is given back, and the process aborts ("found->ref_count > 0") or runs what was unloaded. So it does where a kernel
/// with a fixed local size ends after the binary of its program was asked for, which loads it once more. A queue in order,
/// alone, never does.
package struct QueueTurns: Sendable {
    /// The queue whose kernels may still run, by its address.
    private static let last = Lock<UInt?>(nil)

    package let areNeeded: Bool

    /// - Parameter platformVersion: CL_PLATFORM_VERSION, such as `OpenCL 3.0 PoCL 3.1  Linux, …`.
    package init(platformVersion: String) {
        guard let name = platformVersion.range(of: "PoCL ") else {
            areNeeded = false
            return
        }
        let version = Int(platformVersion[name.upperBound...].prefix { $0.isNumber })
        areNeeded = version.map { $0 < 7 } ?? true
    }

    /// Queues a kernel, once those of all other queues have ended.
    func take(_ queue: cl_command_queue, _ enqueue: () -> cl_int) -> cl_int {
        guard areNeeded else { return enqueue() }
        return Self.last.withLock { last in
            if let other = last, other != UInt(bitPattern: queue) { clFinish(cl_command_queue(bitPattern: other)) }
            last = UInt(bitPattern: queue)
            return enqueue()
        }
    }

    /// Asks for a program's binary, once the kernels of all queues have ended; none starts meanwhile.
    func whileNoneRuns<Value>(_ body: () -> Value) -> Value {
        guard areNeeded else { return body() }
        return Self.last.withLock { last in
            if let last { clFinish(cl_command_queue(bitPattern: last)) }
            return body()
        }
    }

    /// Forgets a queue that is about to be released.
    func end(_ queue: cl_command_queue) {
        guard areNeeded else { return }
        Self.last.withLock { if $0 == UInt(bitPattern: queue) { $0 = nil } }
    }
}
