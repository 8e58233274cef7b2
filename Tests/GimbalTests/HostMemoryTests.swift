import Foundation
import GimbalBackend
import GimbalTestSupport
import Testing

@Suite struct HostMemoryTests {
    /// A tree of control groups with these limits, by path.
    private func limit(_ groups: String, _ limits: [String: String]) throws -> Int? {
        try withTemporaryFolder { root in
            for (path, text) in limits {
                let file = URL(filePath: "\(root)/\(path)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data("\(text)\n".utf8).write(to: file)
            }
            return HostMemory.limit(ofGroups: groups, root: root)
        }
    }

    @Test func theLeastOfAProcessesControlGroupsCounts() throws {
        let second = ["memory.max": "max", "a/memory.max": "3000", "a/b/memory.max": "5000", "c/memory.max": "7"]
        #expect(try limit("0::/a/b\n", second) == 3000)
        #expect(try limit("0::/\n", second) == nil)
        // In a container: the path of the machine outside, and the container's own limit at the root.
        #expect(try limit("0::/docker/1234\n", ["memory.max": "9000"]) == 9000)
        let first = ["memory/memory.limit_in_bytes": "9223372036854771712", "memory/job/memory.limit_in_bytes": "8192"]
        #expect(try limit("5:cpu,memory:/job\n3:cpuset:/\n0::/\n", first) == 8192)
        #expect(try limit("", first) == nil)
        #expect(try limit("nonsense\n::\n", first) == nil)
    }

    @Test func thereIsNoMoreThanTheMachineHas() {
        #expect(HostMemory.byteCount > 1 << 24)
        #expect(HostMemory.byteCount <= Int(clamping: ProcessInfo.processInfo.physicalMemory))
    }
}
