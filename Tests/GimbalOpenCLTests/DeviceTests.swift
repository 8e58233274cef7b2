import Foundation
import GimbalBackend
import GimbalOpenCL
import GimbalTestSupport
import Testing

@Suite struct Devices {
    @Test func withoutADriverTheReasonSaysWhatToInstall() {
        let notFound: Int32 = -1001
        let reason = OpenCLDevices.reasonForNone(code: notFound, platformCount: 0)
        #expect(reason.contains("found no driver"))
        #expect(reason.contains("pocl-opencl-icd"))
        #expect(reason.contains("libnvidia-opencl"))
    }

    @Test func anotherFailureOfTheLoaderIsNamed() {
        let outOfHostMemory: Int32 = -6
        #expect(OpenCLDevices.reasonForNone(code: outOfHostMemory, platformCount: 0).contains("CL_OUT_OF_HOST_MEMORY"))
    }

    @Test func platformsWithoutADeviceAreNotTakenForAMissingDriver() {
        let reason = OpenCLDevices.reasonForNone(code: 0, platformCount: 2)
        #expect(reason.contains("2 platforms"))
        #expect(!reason.contains("found no driver"))
    }

    /// The loader passes over such files without a word.
    @Test func aDriverThatCannotBeLoadedIsNamedWithItsFile() throws {
        try withTemporaryFolder { folder in
            #expect(VendorFiles(place: folder).brokenDrivers() == [])
            for (name, text) in [("good", "libm.so.6"), ("gone", "libgone.so\n"), ("empty", ""), ("none", "x")] {
                let path = name == "none" ? "\(folder)/readme" : "\(folder)/\(name).icd"
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            }
            let broken = VendorFiles(place: folder).brokenDrivers()
            #expect(broken.count == 2)
            #expect(broken.first == "\(folder)/empty.icd names no driver")
            #expect(
                broken.last?.contains("the driver libgone.so that \(folder)/gone.icd names cannot be loaded") == true)
            #expect(VendorFiles(place: folder + "/gone.icd").brokenDrivers() == Array(broken.suffix(1)))
            let reason = OpenCLDevices.reasonForNone(code: 0, platformCount: 0, brokenDrivers: broken)
            #expect(reason.contains("found no driver, as \(folder)/empty.icd"))
        }
    }

    @Test func devicesExistOrAReasonIsGiven() {
        let (devices, reason) = OpenCLDevices.available()
        #expect(devices.isEmpty == (reason != nil))
        #expect(devices.map(\.id) == devices.indices.map { "opencl:\($0)" })
    }

    @Test func anUnknownDeviceListsThoseThatExist() throws {
        let error = #expect(throws: GimbalError.self) { try OpenCLBackend(id: "opencl:77") }
        guard case .noDevice("opencl:77", let available, _) = error else {
            Issue.record("expected noDevice, not \(String(describing: error))")
            return
        }
        #expect(available == OpenCLDevices.available().devices.map(\.id))
    }

    /// PoCL before 7.0 aborts the process where queues run one kernel over grids of different widths; see `QueueTurns`.
    @Test(.needsOpenCL) func backendsRunTheSameKernelsAtOnce() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 1...6 {
                group.addTask {
                    let backend = try OpenCLBackend(id: firstDevice)
                    for launch in 1...300 {
                        let count = launch * 1_000 + thread
                        let x = try backend.uploaded([Float](repeating: Float(thread), count: count))
                        let out = try backend.allocate([count])
                        backend.binary(.init(.add), x, x, out: out)
                        if launch % 50 == 0 { #expect(try backend.floats(out).allSatisfy { $0 == Float(2 * thread) }) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// PoCL before 7.0 aborts the process where a kernel runs while the binary of its program is asked for.
    @Test(.needsOpenCL) func aProgramIsCompiledWhileItsKernelsRun() async throws {
        let isCompiling = Lock(true)
        // Of one size, and so of one program.
        let count = 1 << 20
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let backend = try OpenCLBackend(id: firstDevice)
                let x = try backend.uploaded([Float](repeating: 1, count: count))
                let out = try backend.allocate([count])
                while isCompiling.withLock({ $0 }) {
                    for _ in 0..<20 { backend.binary(.init(.add), x, x, out: out) }
                    try backend.synchronize()
                }
                #expect(try backend.floats(out).allSatisfy { $0 == 2 })
            }
            group.addTask {
                defer { isCompiling.withLock { $0 = false } }
                for _ in 0..<10 {
                    try withTemporaryFolder { folder in
                        let backend = try OpenCLBackend(id: firstDevice, cachePath: folder)
                        let x = try backend.uploaded([Float](repeating: 2, count: count))
                        let out = try backend.allocate([count])
                        backend.binary(.init(.add), x, x, out: out)
                        #expect(try backend.floats(out).allSatisfy { $0 == 4 })
                        #expect(backend.programsCompiled == 1)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test(arguments: [
        ("OpenCL 3.0 PoCL 3.1+debian  Linux, None+Asserts, RELOC, SPIR, LLVM 14.0.6", true),
        ("OpenCL 3.0 PoCL HSTR: unknown", true), ("OpenCL 3.0 PoCL 6.0  Linux", true),
        ("OpenCL 3.0 PoCL 7.0  Linux", false), ("OpenCL 3.0 PoCL 10.1", false), ("OpenCL 3.0 CUDA 12.4.131", false),
        ("OpenCL 1.2 Oclgrind 21.10", false), ("", false),
    ])
    func queuesTakeTurnsOnPoCLBefore7(version: String, taken: Bool) {
        #expect(QueueTurns(platformVersion: version).areNeeded == taken)
    }
}
