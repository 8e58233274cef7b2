import COpenCL
import Foundation
import GimbalBackend

/// Trains on an OpenCL device: one context, one in-order queue, and kernels specialised as they are first wanted.
///
/// Calls queue work and return; the host waits only in `download` and `synchronize`. Safe to use from several threads, whose
/// operations then run in the order in which they were called.
public final class OpenCLBackend: Backend, @unchecked Sendable {
    public let errors = ErrorLatch()
    public let realType = DType.float32
    public var device: DeviceDescription { openCLDevice.description }

    let openCLDevice: OpenCLDevice
    let cache: CacheFolder
    private let context: cl_context
    private let queue: cl_command_queue
    /// What a thread must hold to queue anything: a kernel's arguments belong to the kernel object.
    private let launching: Lock<Launching>
    private let pool: Lock<BufferPool>
    /// Which kernel serves which matrix product; see `tune`.
    let matrixPlans: Lock<MatrixPlans>
    let chosenPrecision = Lock(
        ProcessInfo.processInfo.environment["GIMBAL_ALLOW_TF32"] == "1" ? ProductPrecision.tf32 : .float32)
    /// Where the groups of a recurrent layer meet.
    let meetings = Lock(Meetings())

    private struct Launching: @unchecked Sendable {
        var library: KernelLibrary
        var staging: StagingRing
        var counters: ArrivalCounters
        var sinceFlush = 0
        /// Without the launches of kernels, which each kernel counts itself.
        var record = LaunchRecord()
    }

    /// Opens a device that `OpenCLDevices` found.
    /// - Parameters:
    ///   - id: such as `opencl:0`.
    ///   - memoryLimitBytes: how much device memory tensors may occupy; nil for 95 % of what the device has. Drivers
    ///     promise memory that they do not have, and fail when it is used; the limit fails in time.
    ///   - cachePath: the folder for built programs; nil for `$GIMBAL_CACHE_DIR`, `$XDG_CACHE_HOME/gimbal` or
    ///     `~/.cache/gimbal`.
    ///   - forbidsCompilation: whether a program missing from that folder is an error, by which tests prove that a start
    ///     compiles nothing; nil for whether the environment variable `GIMBAL_FORBID_COMPILATION` is 1.
    /// - Throws: `GimbalError.noDevice`, `GimbalError.deviceFailed`.
    public init(
        id: String, memoryLimitBytes: Int? = nil, cachePath: String? = nil, forbidsCompilation: Bool? = nil
    ) throws {
        let device = try OpenCLDevices.find(id)
        let cache = cachePath.map(CacheFolder.init(path:)) ?? .standard()
        let deviceID = device.description.id
        var code: cl_int = 0
        var id: cl_device_id? = device.id
        var properties: [cl_context_properties] = [
            cl_context_properties(CL_CONTEXT_PLATFORM), cl_context_properties(bitPattern: device.platform), 0,
        ]
        let context = clCreateContext(&properties, 1, &id, nil, nil, &code)
        try check(code, "creation of a context", on: deviceID)
        let queue = clCreateCommandQueue(context, device.id, 0, &code)
        if code != CL_SUCCESS { clReleaseContext(context) }
        try check(code, "creation of a queue", on: deviceID)

        self.openCLDevice = device
        self.cache = cache
        self.context = context!
        self.queue = queue!
        let forbidsCompilation =
            forbidsCompilation ?? (ProcessInfo.processInfo.environment["GIMBAL_FORBID_COMPILATION"] == "1")
        launching = Lock(
            Launching(
                library: KernelLibrary(
                    device: device, context: context!, cache: cache, forbidsCompilation: forbidsCompilation),
                staging: StagingRing(context: context!, queue: queue!, deviceID: deviceID),
                counters: ArrivalCounters(context: context!, queue: queue!, deviceID: deviceID)))
        let limit = memoryLimitBytes ?? device.description.memoryBytes / 20 * 19
        pool = Lock(BufferPool(device: device, context: context!, limit: limit))
        matrixPlans = Lock(MatrixPlans(device: device))
        useStoredPlans()
    }

    deinit {
        clFinish(queue)
        openCLDevice.turns.end(queue)
        launching.withLock {
            $0.staging.release()
            $0.counters.release()
            $0.library.release()
        }
        pool.withLock { $0.trim() }
        clReleaseCommandQueue(queue)
        clReleaseContext(context)
    }

    /// Programs compiled from source since this backend was opened; 0 where all came from the cache.
    public var programsCompiled: Int { launching.withLock { $0.library.programsCompiled } }

    /// What this backend has asked of the device since it was opened.
    public var launchRecord: LaunchRecord? {
        launching.withLock {
            var record = $0.record
            record.kernels = $0.library.launches
            return record
        }
    }

    /// Builds a kernel from any source, to see that it builds.
    /// - Throws: `GimbalError.kernelBuildFailed` with the compiler's log.
    package func checkBuild(kernel: String, source: String, options: String) throws {
        try launching.withLock { _ = try $0.library.build(name: kernel, source: source, options: options) }
    }

    // MARK: Memory

    public func allocate(byteCount: Int) throws -> Storage {
        let buffer = try pool.withLock { try $0.allocate(byteCount: byteCount) }
        return Storage(backend: self, handle: UnsafeMutableRawPointer(buffer), byteCount: byteCount)
    }

    public func deallocate(_ handle: UnsafeMutableRawPointer, byteCount: Int) {
        pool.withLock { $0.deallocate(cl_mem(handle), byteCount: byteCount) }
    }

    public var memoryUsage: MemoryUsage { pool.withLock { $0.usage } }

    public func trimMemory() { pool.withLock { $0.trim() } }

    public func upload(_ bytes: UnsafeRawBufferPointer, to storage: Storage, byteOffset: Int) {
        guard bytes.count > 0 else { return }
        // What lay there before must not be taken for what did not arrive.
        storage.written(byteOffset..<byteOffset + bytes.count, anew: true) {
            reportingErrors {
                try launching.withLock { state in
                    try state.staging.upload(bytes, to: storage.buffer, byteOffset: byteOffset)
                    state.record.uploadedBytes += bytes.count
                    try countLaunch(&state)
                }
            }
        }
    }

    public func download(_ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        guard bytes.count > 0 else { return try synchronize() }
        try storage.throwIfFailed(in: byteOffset..<byteOffset + bytes.count)
        launching.withLock {
            $0.record.waits += 1
            $0.record.downloadedBytes += bytes.count
        }
        let code = clEnqueueReadBuffer(
            queue, storage.buffer, cl_bool(CL_TRUE), byteOffset, bytes.count, bytes.baseAddress!, 0, nil, nil)
        // What failed first is the cause of what fails now.
        try errors.throwIfSet()
        try check(code, "download", on: device.id)
        try errors.runChecks()
    }

    public func beginDownload(
        _ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer
    ) throws -> @Sendable () throws -> Void {
        guard bytes.count > 0 else { return {} }
        try storage.throwIfFailed(in: byteOffset..<byteOffset + bytes.count)
        launching.withLock { $0.record.downloadedBytes += bytes.count }
        var event: cl_event?
        let code = clEnqueueReadBuffer(
            queue, storage.buffer, cl_bool(CL_FALSE), byteOffset, bytes.count, bytes.baseAddress!, 0, nil, &event)
        try check(code, "download", on: device.id)
        clFlush(queue)
        nonisolated(unsafe) let queued = event
        return { [id = device.id] in
            var arrival = queued
            let code = withUnsafePointer(to: &arrival) { clWaitForEvents(1, $0) }
            if let queued { clReleaseEvent(queued) }
            // Until now its memory must be no other's.
            withExtendedLifetime(storage) {}
            try check(code, "download", on: id)
        }
    }

    public func synchronize() throws {
        launching.withLock { $0.record.waits += 1 }
        let code = clFinish(queue)
        try errors.throwIfAnySet()
        try check(code, "synchronize", on: device.id)
        try errors.runChecks()
    }

    // MARK: Launches

    /// Queues a kernel. `groups` counts work-groups in up to three dimensions, `groupSize` the work-items of each.
    func launch(_ key: KernelKey, groups: (Int, Int, Int), groupSize: Int, _ arguments: [KernelArgument]) {
        enqueue(operation: key.name.rawValue, groups: groups, groupSize: groupSize, arguments) { try $0.kernel(key) }
    }

    private func enqueue(
        operation: String, groups: (Int, Int, Int), groupSize: Int, _ arguments: [KernelArgument],
        _ kernel: (inout KernelLibrary) throws -> PreparedKernel
    ) {
        reportingErrors {
            try launching.withLock { state in
                let kernel = try kernel(&state.library)
                let generation = pool.withLock { $0.generation }
                let (count, code) = try kernel.setArguments(
                    arguments, counters: &state.counters, generation: generation)
                state.record.argumentsSet += count
                try check(code, operation, on: device.id)
                try enqueue(kernel.kernel, groups: groups, groupSize: groupSize, operation: operation)
                kernel.launches += 1
                try countLaunch(&state)
            }
        }
    }

    /// Queues a user's kernel. What the driver says of its source is thrown at the next wait.
    public func run(_ kernel: CustomKernel, _ launch: CustomKernel.Launch) {
        guard launch.workItems.allSatisfy({ $0 > 0 }) else { return }
        var arguments: [KernelArgument] = []
        for view in launch.outputs + launch.inputs { arguments += [.view(view), .bits64(UInt64(view.elementCount))] }
        let source = CustomKernelSource(kernel, launch)
        arguments += source.shapes.map { .indices($0, isWide: false) }
        arguments += launch.numbers.map { .float($0) } + launch.integers.map { .int32($0) }
        var groups = launch.workItems + [1, 1]
        groups[0] = (groups[0] + kernel.groupSize - 1) / kernel.groupSize
        enqueue(
            operation: kernel.name, groups: (groups[0], groups[1], groups[2]), groupSize: kernel.groupSize, arguments
        ) { try $0.kernel(kernel, source) }
    }

    /// Queues a kernel over `count` work-items in groups of `groupSize`; nothing where there are none.
    func launch(_ key: KernelKey, count: Int, groupSize: Int = 256, _ arguments: [KernelArgument]) {
        guard count > 0 else { return }
        launch(key, groups: ((count + groupSize - 1) / groupSize, 1, 1), groupSize: groupSize, arguments)
    }

    /// Queues a copy of bytes between different buffers.
    func copyBytes(from source: Storage, at sourceOffset: Int, to target: Storage, at targetOffset: Int, count: Int) {
        reportingErrors {
            try launching.withLock { state in
                try check(
                    clEnqueueCopyBuffer(
                        queue, source.buffer, target.buffer, sourceOffset, targetOffset, count, 0, nil, nil),
                    "copy", on: device.id)
                state.record.copies += 1
                try countLaunch(&state)
            }
        }
    }

    private func enqueue(_ kernel: cl_kernel?, groups: (Int, Int, Int), groupSize: Int, operation: String) throws {
        guard let kernel else { return }
        let code = withUnsafeTemporaryAllocation(of: Int.self, capacity: 6) { sizes in
            (sizes[0], sizes[1], sizes[2]) = (groups.0 * groupSize, groups.1, groups.2)
            (sizes[3], sizes[4], sizes[5]) = (groupSize, 1, 1)
            return openCLDevice.turns.take(queue) {
                clEnqueueNDRangeKernel(
                    queue, kernel, 3, nil, sizes.baseAddress!, sizes.baseAddress! + 3, 0, nil, nil)
            }
        }
        try check(code, operation, on: device.id)
    }

    /// Hands queued commands to the device now and then, so that it does not idle until the host waits.
    private func countLaunch(_ state: inout Launching) throws {
        state.sinceFlush += 1
        guard state.sinceFlush >= 32 else { return }
        state.sinceFlush = 0
        try check(clFlush(queue), "flush", on: device.id)
    }
}

/// An argument of a kernel.
enum KernelArgument {
    /// A buffer and an offset in elements: two arguments.
    case view(Storage, Int)
    case buffer(Storage)
    /// A buffer of this many uint, 0 before every launch, which the kernel leaves 0: `is_last_group` in common.cl.
    case counters(Int)
    case int32(Int)
    case int64(Int)
    case bits64(UInt64)
    /// An INDEX or COUNT.
    case index(Int, isWide: Bool)
    /// A structure of INDEX.
    case indices([Int], isWide: Bool)
    case float(Double)
    case double(Double)
    /// A structure of float.
    case floats([Double])

    static func view(_ view: TensorView) -> KernelArgument { .view(view.storage, view.offset) }
}

extension Storage {
    /// The buffer behind a storage of an `OpenCLBackend`.
    var buffer: cl_mem { cl_mem(handle) }
}
