import Foundation
import GimbalBackend
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct RunLockTests {
    /// What is said to a second run while `path` is locked; `body` is given the file of the lock.
    private func refusal(_ body: (_ path: String) throws -> Void) throws -> String {
        try withTemporaryFolder { folder in
            let path = folder + "/run.lock"
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            defer { close(descriptor) }
            try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            try body(path)
            let error = #expect(throws: GimbalError.self) { _ = try RunFolder(path: folder) }
            return try #require(error?.description)
        }
    }

    @Test func whoHasJustGotTheLockIsWaitedFor() throws {
        let said = try refusal { path in
            Thread.detachNewThread {
                usleep(5000)
                try? Data("process 77 on there\n".utf8).write(to: URL(fileURLWithPath: path))
            }
        }
        #expect(said.contains("another run is using it (process 77 on there)"), "\(said)")
    }

    @Test func whoNeverSaysItIsAnotherProcess() throws {
        let said = try refusal { _ in }
        #expect(said.contains("another run is using it (another process)"), "\(said)")
    }
}
