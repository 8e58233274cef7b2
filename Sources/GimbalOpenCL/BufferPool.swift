import COpenCL
import GimbalBackend

/// Device memory, kept for reuse after it is given back.
///
/// Sizes are rounded up to classes no more than an eighth apart, so that a training step finds the buffers of the step before.
/// The queue runs in order: a buffer given back by the host may be handed out at once, as whatever still uses it is
/// queued before whatever will. Not thread-safe; its owner locks it.
struct BufferPool: @unchecked Sendable {
    private let device: OpenCLDevice
    private let context: cl_context
    /// Bytes that live and pooled buffers may occupy together.
    private let limit: Int
    private var free: [Int: [cl_mem]] = [:]
    private var occupied = 0
    /// Changes when buffers go back to the driver, whose addresses it may then give to others.
    private(set) var generation = 0
    private(set) var usage = MemoryUsage(inUse: 0, peak: 0, pooled: 0)

    init(device: OpenCLDevice, context: cl_context, limit: Int) {
        self.device = device
        self.context = context
        self.limit = limit
    }

    /// The size of the buffer that holds `byteCount` bytes.
    static func sizeClass(_ byteCount: Int) -> Int {
        let smallest = 512
        if byteCount <= smallest { return smallest }
        let eighth = Swift.max(smallest, 1 << (Int.bitWidth - 1 - byteCount.leadingZeroBitCount - 3))
        let (sum, overflows) = byteCount.addingReportingOverflow(eighth - 1)
        return overflows ? byteCount : sum / eighth * eighth
    }

    mutating func allocate(byteCount: Int) throws -> cl_mem {
        let size = Self.sizeClass(byteCount)
        if let buffer = free[size]?.popLast() {
            usage.pooled -= size
            count(byteCount)
            return buffer
        }
        guard size <= device.largestAllocation else { throw outOfMemory(byteCount) }
        if size > limit - occupied { trim() }
        guard size <= limit - occupied else { throw outOfMemory(byteCount) }
        var buffer = create(size)
        if buffer == nil {
            trim()
            buffer = create(size)
        }
        guard let buffer else { throw outOfMemory(byteCount) }
        occupied += size
        count(byteCount)
        return buffer
    }

    mutating func deallocate(_ buffer: cl_mem, byteCount: Int) {
        let size = Self.sizeClass(byteCount)
        free[size, default: []].append(buffer)
        usage.pooled += size
        usage.inUse -= byteCount
    }

    /// Gives the pooled buffers back to the driver.
    mutating func trim() {
        generation += 1
        for (size, buffers) in free {
            for buffer in buffers { clReleaseMemObject(buffer) }
            occupied -= size * buffers.count
        }
        free = [:]
        usage.pooled = 0
    }

    private mutating func count(_ byteCount: Int) {
        usage.inUse += byteCount
        usage.peak = Swift.max(usage.peak, usage.inUse)
    }

    private func create(_ size: Int) -> cl_mem? {
        // A CPU's buffers are of the host's memory, which its driver takes as if there were no end of it.
        if device.isCPU, !hasHostMemory(for: size) { return nil }
        var code: cl_int = 0
        let buffer = clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE), size, nil, &code)
        return code == CL_SUCCESS ? buffer : nil
    }

    private func outOfMemory(_ byteCount: Int) -> GimbalError {
        .outOfMemory(device: device.description.id, requestedBytes: byteCount, usedBytes: usage.inUse)
    }
}
