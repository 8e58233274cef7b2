import Foundation
import GimbalBackend
import Synchronization

/// The memory that OpenBLAS takes for itself: a buffer for each thread that multiplies, with its first product.
///
/// Where the system refuses it, as under `ulimit -v`, OpenBLAS asks again and again, and never returns. So it is asked for here
/// before.
enum BLASMemory {
    /// Of a thread's buffer, in OpenBLAS 0.3 on x86-64: BUFFER_SIZE, 32 << 22, and what it is aligned by.
    private static let bytes = 129 << 20

    /// For how many threads there was enough.
    private static let threads = Atomic(0)

    /// Makes sure that `count` threads can multiply.
    /// - Throws: `GimbalError.outOfMemory`.
    static func reserve(for count: Int, on backend: CPUBackend) throws {
        let known = threads.load(ordering: .relaxed)
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
        threads.store(count, ordering: .relaxed)
    }
}
