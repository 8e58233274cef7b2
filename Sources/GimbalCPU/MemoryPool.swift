import Foundation
import GimbalBackend

/// Host memory in blocks of graded sizes, kept for reuse when they are given back.
///
/// A training step asks for the same sizes as the step before it. Fresh memory from the system costs a page fault for
/// every 4 KiB, which can take longer than the operation that writes to it; a kept block costs nothing. What is kept is
/// bounded: blocks in use and kept blocks together never exceed the highest use so far by more than an eighth and 32 MiB.
final class MemoryPool: Sendable {
    private struct State {
        var inUse = 0
        var peak = 0
        var pooled = 0
        /// Highest sum of block sizes in use.
        var peakBlocks = 0
        var blocksInUse = 0
        /// Kept blocks by their size.
        var kept: [Int: [UInt]] = [:]
    }

    private let state = Lock(State())
    private let device: String
    private let limit: Int

    static let alignment = 64

    /// - Parameter limit: bytes beyond which nothing is given out.
    init(device: String, limit: Int) {
        self.device = device
        self.limit = limit
    }

    deinit { trim() }

    /// The size of the block that holds `byteCount` bytes: four sizes to each power of two.
    static func blockSize(_ byteCount: Int) -> Int {
        let needed = max(byteCount, alignment)
        let step = max(alignment, 1 << (Int.bitWidth - 1 - needed.leadingZeroBitCount - 2))
        return (needed + step - 1) / step * step
    }

    func allocate(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
        try state.withLock { state in
            guard byteCount >= 0, byteCount <= limit, state.inUse <= limit - byteCount else {
                throw GimbalError.outOfMemory(device: device, requestedBytes: byteCount, usedBytes: state.inUse)
            }
            let size = Self.blockSize(byteCount)
            let pointer: UnsafeMutableRawPointer
            if let kept = state.kept[size]?.popLast(), let block = UnsafeMutableRawPointer(bitPattern: kept) {
                pointer = block
                state.pooled -= size
            } else {
                let wanted = state.blocksInUse + size
                let bound = max(wanted, state.peakBlocks)
                release(&state, untilPooledAtMost: bound + bound / 8 + 32 << 20 - wanted)
                guard let fresh = newBlock(size, held: state.blocksInUse + state.pooled) ?? retrying(&state, size)
                else {
                    throw GimbalError.outOfMemory(device: device, requestedBytes: byteCount, usedBytes: state.inUse)
                }
                pointer = fresh
            }
            state.inUse += byteCount
            state.peak = max(state.peak, state.inUse)
            state.blocksInUse += size
            state.peakBlocks = max(state.peakBlocks, state.blocksInUse)
            return pointer
        }
    }

    func deallocate(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let size = Self.blockSize(byteCount)
        state.withLock { state in
            state.inUse -= byteCount
            state.blocksInUse -= size
            state.pooled += size
            state.kept[size, default: []].append(UInt(bitPattern: pointer))
        }
    }

    func trim() { state.withLock { release(&$0, untilPooledAtMost: 0) } }

    var usage: MemoryUsage {
        state.withLock { MemoryUsage(inUse: $0.inUse, peak: $0.peak, pooled: $0.pooled) }
    }

    /// - Parameter held: bytes of all other blocks.
    private func newBlock(_ size: Int, held: Int) -> UnsafeMutableRawPointer? {
        hasHostMemory(for: size, held: held) ? aligned_alloc(Self.alignment, size) : nil
    }

    /// Once more, after giving back all that is kept.
    private func retrying(_ state: inout State, _ size: Int) -> UnsafeMutableRawPointer? {
        release(&state, untilPooledAtMost: 0)
        return newBlock(size, held: state.blocksInUse)
    }

    /// Gives kept blocks back to the system, the largest first.
    private func release(_ state: inout State, untilPooledAtMost bound: Int) {
        guard state.pooled > bound else { return }
        for size in state.kept.keys.sorted(by: >) {
            while state.pooled > bound, let block = state.kept[size]?.popLast() {
                free(UnsafeMutableRawPointer(bitPattern: block))
                state.pooled -= size
            }
        }
    }
}
