import Foundation
import Synchronization

/// The memory that this process may have.
package enum HostMemory {
    /// Bytes in all: the machine's, or less where a control group (a container's, a job's) or `ulimit` allows less.
    package static let byteCount: Int = {
        let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        return (ControlGroup.own.map(\.byteCount) + MappingLimit.all.map(\.byteCount) + [machine]).min()!
    }()

    /// The most that is read of one file at once: while it grows an array holds its bytes twice, and what becomes of them needs
    /// room too.
    package static let mostReadBytes = byteCount / 4

    /// Bytes that were asked for since it was last asked how many are left.
    private static let unasked = Atomic(0)

    /// Whether there is room for so many bytes more, by what the machine and the control groups say is left. Where there is
    /// not, the system does not refuse them, but ends a process as it writes to them.
    ///
    /// What is left is asked for every 16 MiB.
    /// - Parameter held: bytes that were given out before, and may not all have been written to: until then the system does
    ///   not count them.
    package static func hasRoom(for byteCount: Int, held: Int = 0) -> Bool {
        guard unasked.add(byteCount, ordering: .relaxed).newValue >= 16 << 20 else { return true }
        let unwritten = max(held - (writtenByteCount ?? held), 0)
        guard let left = leftByteCount, byteCount > left - unwritten - min(32 << 20, Self.byteCount / 16) else {
            unasked.store(0, ordering: .relaxed)
            return true
        }
        return false
    }

    /// Bytes of this process's own that it has written to; nil where the system does not tell.
    private static var writtenByteCount: Int? {
        // What is resident, but for what lies in files or is shared.
        mappedByteCounts().flatMap { $0.count > 2 ? $0[1] - $0[2] : nil }
    }

    /// The least that is left on the machine and in each control group that has a limit; nil where the system does not tell.
    private static var leftByteCount: Int? {
        let machine = namedNumbers(in: "/proc/meminfo").flatMap { numbers in
            numbers["MemAvailable:"].map { ($0 + (numbers["SwapFree:"] ?? 0)) << 10 }
        }
        return (ControlGroup.own.map(\.leftByteCount) + [machine]).compactMap { $0 }.min()
    }

    /// The numbers of a file that has a name and a number on each line; nil where it cannot be read.
    static func namedNumbers(in path: String) -> [String: Int]? {
        guard let text = systemFileText(path) else { return nil }
        return Dictionary(
            text.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                return words.count > 1 ? Int(words[1]).map { (String(words[0]), $0) } : nil
            }, uniquingKeysWith: { first, _ in first })
    }
}
