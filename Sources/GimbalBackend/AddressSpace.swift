import Foundation

/// A limit on what this process may map into its memory, set by `ulimit`.
package struct MappingLimit {
    /// The flag of `ulimit` that sets it.
    package let flag: String
    /// The most bytes.
    package let byteCount: Int
    /// The place of what it counts among the numbers of /proc/self/statm.
    private let place: Int

    /// Those that are set: of all addresses, and of data, which for Linux is all that can be written.
    package static var all: [MappingLimit] {
        [("-v", RLIMIT_AS, 0), ("-d", RLIMIT_DATA, 5)].compactMap { flag, resource, place in
            var limit = rlimit()
            guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0, limit.rlim_cur < rlim_t(Int.max)
            else {
                return nil
            }
            return MappingLimit(flag: flag, byteCount: Int(limit.rlim_cur), place: place)
        }
    }

    /// The bytes that may be mapped yet; nil where the system does not tell.
    fileprivate var leftByteCount: Int? {
        mappedByteCounts().flatMap { $0.indices.contains(place) ? byteCount - $0[place] : nil }
    }
}

/// The numbers of /proc/self/statm, in bytes: what is mapped, what of that is resident, what of that lies in files or is shared, and
/// so on; nil where the system does not tell.
func mappedByteCounts() -> [Int]? {
    systemFileText("/proc/self/statm").map { text in
        text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.map { $0 * sysconf(Int32(_SC_PAGESIZE)) }
    }
}

/// Whether the process may have so many bytes more and still has some for what cannot be refused without ending the program:
/// objects of Swift's runtime, which are small, and the stacks of threads. Whether there is memory to write to them, as
/// `hasHostMemory(for:held:)` tells, is another matter.
package func hasAddressSpace(for byteCount: Int) -> Bool {
    // Small blocks come out of what the process has.
    guard byteCount >= 1 << 14 else { return true }
    return MappingLimit.all.allSatisfy { limit in limit.leftByteCount.map { byteCount <= $0 - 32 << 20 } ?? true }
}

/// Whether the process may have so many bytes more, to write to.
/// - Parameter held: as of `HostMemory.hasRoom(for:held:)`.
package func hasHostMemory(for byteCount: Int, held: Int = 0) -> Bool {
    byteCount < 1 << 14 || hasAddressSpace(for: byteCount) && HostMemory.hasRoom(for: byteCount, held: held)
}

/// Makes sure that there are so many bytes, before Swift's runtime is asked for them, which ends the program where there are
/// not.
/// - Parameter place: what asks for them, as messages say it.
/// - Throws: `GimbalError.outOfMemory`.
package func requireHostMemory(for byteCount: Int, _ place: @autoclosure () -> String? = nil) throws {
    // Also what the system refuses for reasons of its own.
    guard hasHostMemory(for: byteCount), byteCount < 1 << 20 || canAllocate(byteCount) else {
        throw GimbalError.outOfMemory(device: "host", requestedBytes: byteCount, usedBytes: 0, place: place())
    }
}

private func canAllocate(_ byteCount: Int) -> Bool {
    guard let memory = malloc(byteCount) else { return false }
    free(memory)
    return true
}
