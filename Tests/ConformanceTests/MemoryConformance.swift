import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Memory {
        @Test(arguments: BackendUnderTest.all)
        func bytesComeBackAsTheyWent(on subject: BackendUnderTest) throws {
            let backend = subject.backend
            try withEvery("bytes", in: [0, 1, 3, 64, 1001, 1 << 20, 5_000_003]) { count in
                var generator = SampleGenerator(seed: UInt64(count))
                let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
                let storage = try backend.allocate(byteCount: count)
                #expect(storage.byteCount == count)
                // The host's memory is overwritten as soon as the upload returns.
                var source = bytes
                source.withUnsafeBytes { backend.upload($0, to: storage, byteOffset: 0) }
                for place in source.indices { source[place] = 0 }
                var result = [UInt8](repeating: 0, count: count)
                try result.withUnsafeMutableBytes { try backend.download(storage, byteOffset: 0, into: $0) }
                #expect(result == bytes)
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func transfersTouchOnlyTheirPart(on subject: BackendUnderTest) throws {
            let backend = subject.backend
            let storage = try backend.allocate(byteCount: 100)
            [UInt8](repeating: 7, count: 100).withUnsafeBytes { backend.upload($0, to: storage, byteOffset: 0) }
            [1, 2, 3].withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
                backend.upload(UnsafeRawBufferPointer(rebasing: bytes[0..<8]), to: storage, byteOffset: 12)
            }
            var part = [UInt8](repeating: 0, count: 10)
            try part.withUnsafeMutableBytes { try backend.download(storage, byteOffset: 11, into: $0) }
            #expect(part == [7, 1, 0, 0, 0, 0, 0, 0, 0, 7])
        }

        /// A storage may go while operations that use it are still under way, and its memory to the next one.
        @Test(arguments: BackendUnderTest.all)
        func releasedStoragesLastUntilTheirOperationsAreDone(on subject: BackendUnderTest) throws {
            let backend = subject.backend
            let sum = try backend.allocate([])
            backend.fill(sum, with: 0)
            for round in 1...50 {
                let temporary = try backend.allocate([10_000])
                backend.fill(temporary, with: Double(round))
                backend.reduce(.sum, temporary, out: sum.reshaped([1]), accumulates: true)
            }
            var result: Float = 0
            try withUnsafeMutableBytes(of: &result) {
                try backend.download(sum.storage, byteOffset: sum.byteOffset, into: $0)
            }
            #expect(result == 10_000 * (50 * 51 / 2))
        }

        @Test(arguments: BackendUnderTest.all)
        func usageCountsLiveStorages(on subject: BackendUnderTest) throws {
            let backend = subject.backend
            let before = backend.memoryUsage.inUse
            do {
                let storage = try backend.allocate(byteCount: 1 << 20)
                #expect(backend.memoryUsage.inUse >= before + storage.byteCount)
                #expect(backend.memoryUsage.peak >= backend.memoryUsage.inUse)
            }
            #expect(backend.memoryUsage.inUse == before)
            #expect(backend.memoryUsage.peak >= before + 1 << 20)
            try backend.synchronize()
            backend.trimMemory()
            #expect(backend.memoryUsage.pooled == 0)
        }

        @Test(arguments: BackendUnderTest.all)
        func absurdSizesAreOutOfMemory(on subject: BackendUnderTest) throws {
            let request = 1 << 46
            do {
                _ = try subject.backend.allocate(byteCount: request)
                Issue.record("64 TiB were handed out")
            } catch let error as GimbalError {
                guard case .outOfMemory(let device, let requested, _, _, _) = error else { throw error }
                #expect(device == subject.backend.device.id)
                #expect(requested == request)
            }
            // The backend goes on.
            let storage = try subject.backend.allocate(byteCount: 4)
            #expect(storage.byteCount == 4)
        }

        @Test(arguments: BackendUnderTest.all)
        func aReportedErrorIsThrownOnceAtTheNextWait(on subject: BackendUnderTest) throws {
            let backend = subject.backend
            let error = GimbalError.deviceFailed(device: backend.device.id, operation: "test", reason: "on purpose")
            backend.errors.report(error)
            #expect(throws: error) { try backend.synchronize() }
            try backend.synchronize()
            backend.errors.report(error)
            let storage = try backend.allocate(byteCount: 4)
            var bytes = [UInt8](repeating: 0, count: 4)
            #expect(throws: error) {
                try bytes.withUnsafeMutableBytes { try backend.download(storage, byteOffset: 0, into: $0) }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func callsFromSeveralThreadsDoNotDisturbEachOther(on subject: BackendUnderTest) async throws {
            let backend = subject.backend
            let sums = try await withThrowingTaskGroup(of: Float.self) { group in
                for task in 1...4 {
                    group.addTask {
                        let x = try backend.allocate([257, 65])
                        let sum = try backend.allocate([1, 1])
                        for _ in 0..<25 {
                            backend.fill(x, with: Double(task))
                            backend.unary(.init(.affine, a: 2, b: 0), x, out: x)
                            backend.reduce(.sum, x, out: sum, accumulates: false)
                        }
                        var result: Float = 0
                        try withUnsafeMutableBytes(of: &result) {
                            try backend.download(sum.storage, byteOffset: 0, into: $0)
                        }
                        return result / Float(task)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(sums == [Float](repeating: 2 * 257 * 65, count: 4))
        }
    }
}
