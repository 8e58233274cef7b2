import COpenCL

/// Counters by which the last work-group of a launch finds out that it is the last: one buffer, zeroed once. Every launch
/// leaves them 0, and the queue runs in order, so that all launches share them. Not thread-safe; its owner locks it.
struct ArrivalCounters: @unchecked Sendable {
    private let context: cl_context
    private let queue: cl_command_queue
    private let deviceID: String
    private var buffer: cl_mem?
    private var capacity = 0

    init(context: cl_context, queue: cl_command_queue, deviceID: String) {
        self.context = context
        self.queue = queue
        self.deviceID = deviceID
    }

    /// A buffer of at least `count` zeros.
    mutating func buffer(_ count: Int) throws -> cl_mem {
        if let buffer, count <= capacity { return buffer }
        let wanted = max(4096, 2 * count)
        var code: cl_int = 0
        let new = clCreateBuffer(
            context, cl_mem_flags(CL_MEM_READ_WRITE), wanted * MemoryLayout<cl_uint>.size, nil, &code)
        try check(code, "creation of counters", on: deviceID)
        var zero: cl_uint = 0
        code = clEnqueueFillBuffer(
            queue, new!, &zero, MemoryLayout<cl_uint>.size, 0, wanted * MemoryLayout<cl_uint>.size, 0, nil, nil)
        if code != CL_SUCCESS { clReleaseMemObject(new) }
        try check(code, "fill of counters", on: deviceID)
        // Launches under way keep the old one alive.
        release()
        (buffer, capacity) = (new, wanted)
        return new!
    }

    mutating func release() {
        if let buffer { clReleaseMemObject(buffer) }
        (buffer, capacity) = (nil, 0)
    }
}
