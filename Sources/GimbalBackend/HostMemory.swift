import Foundation
import Synchronization

/// The memory that this process may have.
package enum HostMemory {
    /// Bytes in all: the machine's, or less where a control group (a container's, a job's) or `ulimit` allows less.
    package static let byteCount: Int = {
        let groups = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
        let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        return min(machine, limit(ofGroups: groups) ?? .max, MappingLimit.all.map(\.byteCount).min() ?? .max)
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
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        // Pages that are resident, and of these what lies in files or is shared.
        let pages = text.split(separator: " ").compactMap { Int($0) }
        return pages.count > 2 ? (pages[1] - pages[2]) * sysconf(Int32(_SC_PAGESIZE)) : nil
    }

    /// The least that is left on the machine and in each control group that has a limit; nil where the system does not tell.
    private static var leftByteCount: Int? {
        let machine = numbers("/proc/meminfo").flatMap { numbers in
            numbers["MemAvailable:"].map { ($0 + (numbers["SwapFree:"] ?? 0)) << 10 }
        }
        return (limitedGroups.map { left(in: $0) } + [machine]).compactMap { $0 }.min()
    }

    /// A control group that has a limit.
    package struct LimitedGroup {
        let limit: Int
        /// The file that tells what is in use, and its folder.
        let usage: String
        let folder: String
    }

    private static let limitedGroups = limitedGroups(
        ofGroups: (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? "")

    /// What is left in a control group: pages of files that it holds are given up as soon as memory is short.
    package static func left(in group: LimitedGroup) -> Int? {
        guard let used = number(in: "\(group.folder)/\(group.usage)") else { return nil }
        let pages = numbers("\(group.folder)/memory.stat") ?? [:]
        // Of version 1 those of all groups below count as well.
        let files = ["inactive_file", "active_file"].reduce(0) { $0 + (pages["total_\($1)"] ?? pages[$1] ?? 0) }
        return group.limit - max(used - files, 0)
    }

    /// The numbers of a file that has a name and a number on each line.
    private static func numbers(_ path: String) -> [String: Int]? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        return Dictionary(
            text.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ", omittingEmptySubsequences: true)
                return words.count > 1 ? Int(words[1]).map { (String(words[0]), $0) } : nil
            }, uniquingKeysWith: { first, _ in first })
    }

    private static func number(in path: String) -> Int? {
        (try? String(contentsOfFile: path, encoding: .utf8))
            .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    /// The least that a process's control groups allow; nil where they allow all.
    /// - Parameters:
    ///   - groups: what /proc/self/cgroup says.
    ///   - root: where the groups are mounted.
    package static func limit(ofGroups groups: String, root: String = "/sys/fs/cgroup") -> Int? {
        limitedGroups(ofGroups: groups, root: root).map(\.limit).min()
    }

    /// A process's control groups that have a limit; the arguments as of `limit(ofGroups:root:)`.
    package static func limitedGroups(ofGroups groups: String, root: String = "/sys/fs/cgroup") -> [LimitedGroup] {
        groups.split(separator: "\n").flatMap { line -> [LimitedGroup] in
            // Number, controllers and path; of version 2, which has one tree for all, no controllers.
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return [] }
            if parts[1].isEmpty { return limited("memory.max", "memory.current", from: root, to: parts[2]) }
            guard parts[1].split(separator: ",").contains("memory") else { return [] }
            return limited("memory.limit_in_bytes", "memory.usage_in_bytes", from: root + "/memory", to: parts[2])
        }
    }

    /// Those on the way from a folder down to another. In a container the path may be one of the machine outside, and its
    /// own group is the root.
    private static func limited(
        _ limit: String, _ usage: String, from root: String, to path: Substring
    ) -> [LimitedGroup] {
        var folder = root
        return ([""] + path.split(separator: "/")).compactMap { part in
            if !part.isEmpty { folder += "/" + part }
            // No limit is "max", or of version 1 a number near 2⁶³.
            return number(in: "\(folder)/\(limit)").flatMap { number in
                number < 1 << 60 ? LimitedGroup(limit: number, usage: usage, folder: folder) : nil
            }
        }
    }
}
