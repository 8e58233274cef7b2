import Foundation
import GimbalBackend
import GimbalCPU
import GimbalOpenCL
import Testing

/// A backend that the conformance suite holds against the reference.
public struct BackendUnderTest: Sendable, CustomStringConvertible, CustomTestStringConvertible {
    public let description: String
    public let backend: any Backend

    public init(description: String, backend: any Backend) {
        self.description = description
        self.backend = backend
    }

    public var testDescription: String { description }

    /// The CPU and every OpenCL device, each opened once per process.
    public static let all = cpu + openCL

    /// The CPU as users get it, and with the loops for older processors on one thread and on an odd number of threads.
    public static let cpu = [
        BackendUnderTest(description: "cpu", backend: CPUBackend()),
        BackendUnderTest(description: "cpu at baseline, 1 thread", backend: CPUBackend(threads: 1, level: "baseline")),
        BackendUnderTest(description: "cpu at avx2, 3 threads", backend: CPUBackend(threads: 3, level: "avx2")),
    ]

    /// All, and the defaults of the fused operations over the primitives of the CPU and of an OpenCL device.
    public static let fused =
        all
        + (cpu.prefix(1) + openCL.prefix(1)).map {
            BackendUnderTest(description: "\($0)'s primitives", backend: PrimitivesOnly($0.backend))
        }

    /// Whether the OpenCL devices begin with a GPU, and not a pretended one.
    public static let hasGPU =
        OpenCLDevices.available().devices.first?.kind == .gpu
        && ProcessInfo.processInfo.environment["GIMBAL_PRETEND_GPU"] == nil

    /// Every OpenCL device; none, said in one line, where there is none.
    ///
    /// A device that is listed but does not open is a failure: tests that silently test nothing pass.
    public static let openCL: [BackendUnderTest] = {
        let (devices, reasonForNone) = OpenCLDevices.available()
        if let reasonForNone { print("skipped: OpenCL conformance, as \(reasonForNone)") }
        return devices.map { device in
            do {
                return BackendUnderTest(description: device.id, backend: try OpenCLBackend(id: device.id))
            } catch {
                stop("conformance", "\(device.id) (\(device.name)) does not open: \(error)")
            }
        }
    }()
}
