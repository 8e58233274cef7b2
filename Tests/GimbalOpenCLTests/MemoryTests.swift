import GimbalBackend
import GimbalOpenCL
import Testing

@Suite(.needsOpenCL) struct Memory {
    @Test func thePoolIsTrimmedBeforeMemoryRunsOut() throws {
        let backend = try OpenCLBackend(id: firstDevice, memoryLimitBytes: 1_000_000)
        _ = try backend.allocate(byteCount: 600_000)
        #expect(backend.memoryUsage.pooled >= 600_000)

        // Of another size class, and too large to stand beside the pooled buffer.
        let large = try backend.allocate(byteCount: 800_000)
        #expect(backend.memoryUsage.pooled == 0)
        #expect(backend.memoryUsage.inUse == 800_000)

        #expect(
            throws: GimbalError.outOfMemory(device: firstDevice, requestedBytes: 300_000, usedBytes: 800_000)
        ) { try backend.allocate(byteCount: 300_000) }
        withExtendedLifetime(large) {}
    }

    @Test func aBufferIsReusedForItsSize() throws {
        let backend = try OpenCLBackend(id: firstDevice)
        let handle = try backend.allocate(byteCount: 10_000).handle
        let again = try backend.allocate(byteCount: 10_001)
        #expect(again.handle == handle)
        #expect(backend.memoryUsage.pooled == 0)
        #expect(backend.memoryUsage.peak == 10_001)
    }

    @Test(arguments: [1 << 50, Int.max / 2, Int.max])
    func whatNoDeviceHasIsOutOfMemory(byteCount: Int) throws {
        let backend = try OpenCLBackend(id: firstDevice)
        #expect(throws: GimbalError.outOfMemory(device: firstDevice, requestedBytes: byteCount, usedBytes: 0)) {
            try backend.allocate(byteCount: byteCount)
        }
    }

    @Test func zeroBytesAreAllowed() throws {
        let backend = try OpenCLBackend(id: firstDevice)
        let view = try backend.allocate([0, 5])
        backend.fill(view, with: 1)
        backend.unary(.init(.relu), view, out: view)
        #expect(try backend.floats(view) == [])
    }

    @Test func trimmingGivesPooledMemoryBack() throws {
        let backend = try OpenCLBackend(id: firstDevice)
        _ = try backend.allocate(byteCount: 4096)
        #expect(backend.memoryUsage.pooled == 4096)
        backend.trimMemory()
        #expect(backend.memoryUsage.pooled == 0)
    }

    /// More than all staging memory together, so that its blocks are used again while uploads are under way.
    @Test func hostMemoryMayChangeAfterAnUpload() throws {
        let backend = try OpenCLBackend(id: firstDevice)
        let count = 3 << 20
        let views = try (0..<3).map { _ in try backend.allocate([count]) }
        var values = [Float](repeating: 0, count: count)
        for (number, view) in views.enumerated() {
            for i in 0..<count { values[i] = Float(i + number) }
            values.withUnsafeBytes { backend.upload($0, to: view.storage, byteOffset: 0) }
        }
        values = [Float](repeating: -1, count: count)
        for (number, view) in views.enumerated() {
            #expect(try backend.floats(view) == (0..<count).map { Float($0 + number) })
        }
    }

    @Test func partsOfAStorageAreUploadedAndDownloaded() throws {
        let backend = try OpenCLBackend(id: firstDevice)
        let view = try backend.uploaded([1, 2, 3, 4])
        [Float(9)].withUnsafeBytes { backend.upload($0, to: view.storage, byteOffset: 8) }
        #expect(try backend.floats(view.sliced(axis: 0, 1..<4)) == [2, 9, 4])
    }

    /// What an operation cannot throw is thrown at the next wait, once.
    @Test func aFailureIsThrownAtTheNextWait() throws {
        let backend = try OpenCLBackend(id: firstDevice)
        let integers = try backend.allocate([4, 4], .int32)
        backend.softmax(integers, out: integers, isLogarithmic: false)
        #expect(
            throws: GimbalError.deviceFailed(
                device: firstDevice, operation: "fused operation", reason: "wants real numbers, not int32")
        ) { try backend.synchronize() }
        #expect(throws: Never.self) { try backend.synchronize() }
    }
}
