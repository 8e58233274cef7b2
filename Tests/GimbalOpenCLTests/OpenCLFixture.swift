import Foundation
import GimbalBackend
import GimbalOpenCL
import GimbalTestSupport
import Testing

/// The suites below run on the first OpenCL device, PoCL's CPU where there is no other.
let firstDevice = OpenCLDevices.available().devices.first?.id ?? ""

extension Trait where Self == ConditionTrait {
    /// Skips a suite where OpenCL has no device, and says why.
    static var needsOpenCL: Self {
        let reason = OpenCLDevices.available().reasonForNone
        return .enabled(if: reason == nil, Comment(rawValue: "no OpenCL device: \(reason ?? "")"))
    }
}

/// Whether every variant of the large kernels is to be tested: on a GPU. A CPU's compiler takes minutes for each, so there it is
/// done where `GIMBAL_ALL_CANDIDATES=1` asks for it.
let testsEveryVariant =
    ProcessInfo.processInfo.environment["GIMBAL_ALL_CANDIDATES"] == "1" || BackendUnderTest.hasGPU

extension Trait where Self == ConditionTrait {
    /// Skips a test that builds many variants of a large kernel where that takes minutes.
    static var buildsLargeKernels: Self {
        .enabled(if: testsEveryVariant, "takes minutes without a GPU; GIMBAL_ALL_CANDIDATES=1 runs it all the same")
    }
}

/// A folder for one test, removed after it.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "/gimbal-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
}

/// Runs a few operations and gives what they make: [2, 4, 6] for a backend that works.
func doubled(on backend: OpenCLBackend) throws -> [Float] {
    let x = try backend.uploaded([1, 2, 3])
    let out = try backend.allocate([3])
    backend.binary(.init(.add), x, x, out: out)
    return try backend.floats(out)
}

extension OpenCLBackend {
    func uploaded(_ values: [Float]) throws -> TensorView {
        let view = try allocate([values.count])
        values.withUnsafeBytes { upload($0, to: view.storage, byteOffset: 0) }
        return view
    }

    func floats(_ view: TensorView) throws -> [Float] {
        var values = [Float](repeating: 0, count: view.elementCount)
        try values.withUnsafeMutableBytes { try download(view.storage, byteOffset: view.byteOffset, into: $0) }
        return values
    }
}
