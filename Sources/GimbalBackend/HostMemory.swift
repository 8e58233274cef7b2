import Foundation

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

    /// The least that a process's control groups allow; nil where they allow all.
    /// - Parameters:
    ///   - groups: what /proc/self/cgroup says.
    ///   - root: where the groups are mounted.
    package static func limit(ofGroups groups: String, root: String = "/sys/fs/cgroup") -> Int? {
        groups.split(separator: "\n").compactMap { line in
            // Number, controllers and path; of version 2, which has one tree for all, no controllers.
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return nil }
            if parts[1].isEmpty { return least("memory.max", from: root, to: parts[2]) }
            guard parts[1].split(separator: ",").contains("memory") else { return nil }
            return least("memory.limit_in_bytes", from: root + "/memory", to: parts[2])
        }.min()
    }

    /// The least number in the files of this name on the way from a folder down to another; nil where there is none. In a
    /// container the path may be one of the machine outside, and its own group is the root.
    private static func least(_ name: String, from root: String, to path: Substring) -> Int? {
        var folder = root
        return ([""] + path.split(separator: "/")).compactMap { part in
            if !part.isEmpty { folder += "/" + part }
            let text = try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            // No limit is "max", or of version 1 a number near 2⁶³.
            return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }.min()
    }
}
