import COpenCL
import GimbalBackend

/// Host memory that uploads pass through: the caller's bytes are copied here at once, and travel to the device in their turn.
///
/// The memory is pinned, so that the device fetches it while the host goes on. It is made of a few blocks, filled one
/// after the other; before a block is filled again, the host waits for the last upload out of it, which has mostly
/// long happened. Not thread-safe; its owner locks it.
struct StagingRing {
    private struct Block {
        let buffer: cl_mem
        let bytes: UnsafeMutableRawPointer
        var used = 0
        /// The last upload out of this block.
        var lastUpload: cl_event?
    }

    static let blockSize = 4 << 20
    private static let blockCount = 4

    private let context: cl_context
    private let queue: cl_command_queue
    private let deviceID: String
    private var blocks: [Block] = []
    private var current = 0

    init(context: cl_context, queue: cl_command_queue, deviceID: String) {
        self.context = context
        self.queue = queue
        self.deviceID = deviceID
    }

    mutating func upload(_ source: UnsafeRawBufferPointer, to buffer: cl_mem, byteOffset: Int) throws {
        var done = 0
        while done < source.count {
            try advanceIfFull()
            let size = min(source.count - done, Self.blockSize - blocks[current].used)
            let staged = blocks[current].bytes + blocks[current].used
            staged.copyMemory(from: source.baseAddress! + done, byteCount: size)
            var event: cl_event?
            try check(
                clEnqueueWriteBuffer(
                    queue, buffer, cl_bool(CL_FALSE), byteOffset + done, size, staged, 0, nil, &event),
                "upload", on: deviceID)
            if let earlier = blocks[current].lastUpload { clReleaseEvent(earlier) }
            blocks[current].lastUpload = event
            // Uploads begin on cache lines.
            blocks[current].used = min((blocks[current].used + size + 63) / 64 * 64, Self.blockSize)
            done += size
        }
    }

    private mutating func advanceIfFull() throws {
        if blocks.isEmpty { try addBlock() }
        guard blocks[current].used == Self.blockSize else { return }
        if blocks.count < Self.blockCount {
            try addBlock()
            return
        }
        current = (current + 1) % blocks.count
        if var event = blocks[current].lastUpload as cl_event? {
            blocks[current].lastUpload = nil
            let code = withUnsafePointer(to: &event) { pointer in
                pointer.withMemoryRebound(to: cl_event?.self, capacity: 1) { clWaitForEvents(1, $0) }
            }
            clReleaseEvent(event)
            try check(code, "upload", on: deviceID)
        }
        blocks[current].used = 0
    }

    private mutating func addBlock() throws {
        var code: cl_int = 0
        let flags = cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR)
        guard let buffer = clCreateBuffer(context, flags, Self.blockSize, nil, &code), code == CL_SUCCESS else {
            throw GimbalError.outOfMemory(device: deviceID, requestedBytes: Self.blockSize, usedBytes: 0)
        }
        let bytes = clEnqueueMapBuffer(
            queue, buffer, cl_bool(CL_TRUE), cl_map_flags(CL_MAP_READ | CL_MAP_WRITE), 0, Self.blockSize, 0, nil, nil,
            &code)
        if code != CL_SUCCESS { clReleaseMemObject(buffer) }
        try check(code, "mapping of staging memory", on: deviceID)
        blocks.append(Block(buffer: buffer, bytes: bytes!))
        current = blocks.count - 1
    }

    /// Gives the memory back. The queue must be empty.
    mutating func release() {
        for block in blocks {
            if let event = block.lastUpload { clReleaseEvent(event) }
            clEnqueueUnmapMemObject(queue, block.buffer, block.bytes, 0, nil, nil)
            clReleaseMemObject(block.buffer)
        }
        blocks = []
    }
}
