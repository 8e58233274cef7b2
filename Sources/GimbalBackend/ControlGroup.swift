import Foundation

/// A control group of Linux, a container's or a job's, that has a limit of memory.
package struct ControlGroup {
    /// The most bytes that its processes may have together.
    package let byteCount: Int
    /// The file that tells what is in use, and its folder.
    private let usage: String
    private let folder: String

    /// Those that this process is in.
    static let own = limited(systemFileText("/proc/self/cgroup") ?? "")

    /// Those of a process that have a limit.
    /// - Parameters:
    ///   - groups: what /proc/self/cgroup says.
    ///   - root: where the groups are mounted.
    package static func limited(_ groups: String, root: String = "/sys/fs/cgroup") -> [ControlGroup] {
        groups.split(separator: "\n").flatMap { line -> [ControlGroup] in
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
    ) -> [ControlGroup] {
        var folder = root
        return ([""] + path.split(separator: "/")).compactMap { part in
            if !part.isEmpty { folder += "/" + part }
            // No limit is "max", or of version 1 a number near 2⁶³.
            return number(in: "\(folder)/\(limit)").flatMap { number in
                number < 1 << 60 ? ControlGroup(byteCount: number, usage: usage, folder: folder) : nil
            }
        }
    }

    /// Bytes that are left: pages of files that the group holds are given up as soon as memory is short. Nil where the system
    /// does not tell.
    package var leftByteCount: Int? {
        guard let used = Self.number(in: "\(folder)/\(usage)") else { return nil }
        let pages = HostMemory.namedNumbers(in: "\(folder)/memory.stat") ?? [:]
        // Of version 1 those of all groups below count as well.
        let files = ["inactive_file", "active_file"].reduce(0) { $0 + (pages["total_\($1)"] ?? pages[$1] ?? 0) }
        return byteCount - max(used - files, 0)
    }

    private static func number(in path: String) -> Int? {
        systemFileText(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
}
