import Foundation
import GimbalBackend
import Synchronization

/// The memory that OpenBLAS takes for itself: a buffer for each thread that multiplies, which it keeps.
///
/// Where the system refuses it, as under `ulimit -v`, OpenBLAS asks again and again, and never returns. So it is asked for here
/// before, and OpenBLAS made to take it at once, while it is there.
enum BLASMemory {
    /// Of a thread's buffer, in OpenBLAS 0.3 on x86-64: BUFFER_SIZE, 32 << 22, and what it is aligned by.
    private static let bytes = 129 << 20

    /// Threads that may be multiplying now, on all devices of the process.
    private static let multiplying = Atomic(0)
    /// For how many there are buffers, which only grows.
    private static let buffers = Atomic(0)
    private static let growing = Lock(())

    /// Runs `body`, in which `count` threads multiply.
    /// - Throws: `GimbalError.outOfMemory`.
    static func with<Result>(
        threads count: Int, on backend: CPUBackend, _ body: () throws -> Result
    ) throws -> Result {
        let wanted = multiplying.add(count, ordering: .relaxed).newValue
        defer { multiplying.subtract(count, ordering: .relaxed) }
        if wanted > buffers.load(ordering: .acquiring) {
            try growing.withLock { _ in try reserve(wanted, on: backend) }
        }
        return try body()
    }

    private static func reserve(_ count: Int, on backend: CPUBackend) throws {
        let known = buffers.load(ordering: .relaxed)
        guard count > known else { return }
        let wanted = (count - known) * bytes
        let memory =
            hasAddressSpace(for: wanted)
            ? mmap(nil, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : nil
        guard let memory, memory != MAP_FAILED else {
            throw GimbalError.outOfMemory(
                device: backend.device.id, requestedBytes: wanted, usedBytes: backend.memoryUsage.inUse,
                place: "matrix products for \(counted(count, "thread"))"
                    + (count > 1 ? " (GIMBAL_THREADS=1 needs less)" : ""))
        }
        munmap(memory, wanted)
        takeBuffers(count)
        buffers.store(count, ordering: .releasing)
    }

    /// Has OpenBLAS map buffers for so many threads at once, where it can be told to; else each is mapped with the first product that
    /// needs it.
    private static func takeBuffers(_ count: Int) {
        typealias Take = @convention(c) (CInt) -> UnsafeMutableRawPointer?
        typealias GiveBack = @convention(c) (UnsafeMutableRawPointer?) -> Void
        guard let take = dlsym(nil, "blas_memory_alloc"), let giveBack = dlsym(nil, "blas_memory_free") else { return }
        let taken = (0..<count).map { _ in unsafeBitCast(take, to: Take.self)(0) }
        for buffer in taken { unsafeBitCast(giveBack, to: GiveBack.self)(buffer) }
    }
}
