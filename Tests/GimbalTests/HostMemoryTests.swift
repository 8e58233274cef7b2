import Foundation
import GimbalBackend
import GimbalTestSupport
import Testing

@Suite struct HostMemoryTests {
    /// Calls `body` with the root of a tree of control groups that has these files, by path.
    private func withGroups<Result>(_ files: [String: String], _ body: (_ root: String) throws -> Result) throws
        -> Result
    {
        try withTemporaryFolder { root in
            for (path, text) in files {
                let file = URL(filePath: "\(root)/\(path)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data("\(text)\n".utf8).write(to: file)
            }
            return try body(root)
        }
    }

    private func limit(_ groups: String, _ limits: [String: String]) throws -> Int? {
        try withGroups(limits) { ControlGroup.limited(groups, root: $0).map(\.byteCount).min() }
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

    private func left(_ groups: String, _ files: [String: String]) throws -> [Int?] {
        try withGroups(files) { ControlGroup.limited(groups, root: $0).map(\.leftByteCount) }
    }

    @Test func pagesOfFilesCountAsFree() throws {
        let second = [
            "memory.max": "max", "a/memory.max": "3000", "a/memory.current": "2500",
            "a/memory.stat": "anon 1100\nfile 1400\ninactive_file 1000\nactive_file 300",
        ]
        #expect(try left("0::/a\n", second) == [1800])
        let first = [
            "memory/job/memory.limit_in_bytes": "8192", "memory/job/memory.usage_in_bytes": "8000",
            "memory/job/memory.stat": "inactive_file 1\ntotal_inactive_file 4000\ntotal_active_file 96",
        ]
        #expect(try left("5:memory:/job\n", first) == [4288])
        #expect(try left("5:memory:/job\n", ["memory/job/memory.limit_in_bytes": "8192"]) == [nil])
    }

    @Test("A file of the system is read to its end", arguments: [0, 1, 1023, 1024, 1025, 5000])
    func systemFile(byteCount: Int) throws {
        let text = String(repeating: "a", count: byteCount)
        let read = try withGroups(["file": text]) { systemFileText($0 + "/file") }
        #expect(read == text + "\n")
    }

    @Test func whatIsNoFileHasNoText() throws {
        try withTemporaryFolder { folder in
            #expect(systemFileText(folder) == nil)
            #expect(systemFileText(folder + "/none") == nil)
        }
    }

    @Test func moreThanTheMachineHasIsRefused() throws {
        #expect(HostMemory.hasRoom(for: 1 << 20) && !HostMemory.hasRoom(for: HostMemory.byteCount))
        // What was given out and not yet written to is not free.
        #expect(!HostMemory.hasRoom(for: 16 << 20, held: 2 * HostMemory.byteCount))
        #expect(HostMemory.hasRoom(for: 16 << 20))
        #expect(throws: GimbalError.self) { try [UInt8](refusable: 1 << 60) { _ in } }
        #expect(throws: GimbalError.self) { try requireHostMemory(for: HostMemory.byteCount) }
    }

    @Test func thereIsNoMoreThanTheMachineHas() {
        #expect(HostMemory.byteCount > 1 << 24)
        #expect(HostMemory.byteCount <= Int(clamping: ProcessInfo.processInfo.physicalMemory))
    }
}
