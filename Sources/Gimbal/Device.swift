import Foundation
import GimbalCPU
import GimbalOpenCL

/// Where tensors live and are computed.
public struct Device: Sendable {
    public let backend: any Backend

    public init(backend: any Backend) { self.backend = backend }

    /// What `--device` and `GIMBAL_DEVICE` take: `cpu`, `opencl:0`.
    public var id: String { backend.device.id }
    public var description: DeviceDescription { backend.device }

    /// The CPU, by OpenBLAS and vectorised C.
    public static let cpu = Device(backend: CPUBackend())

    /// What new tensors and layers are made on: the device of the innermost `withDevice`, else `Device.default`.
    public static var current: Device { chosen ?? .default }

    @TaskLocal static var chosen: Device?

    /// The device named by the environment variable `GIMBAL_DEVICE`, else the first GPU that OpenCL knows, else the CPU.
    public static let `default`: Device = {
        if let id = ProcessInfo.processInfo.environment["GIMBAL_DEVICE"], !id.isEmpty {
            do {
                return try Device.named(id)
            } catch {
                stop("GIMBAL_DEVICE", "\(error)")
            }
        }
        return best()
    }()

    /// The first OpenCL GPU that works, else the CPU.
    public static func best() -> Device {
        let gpu = OpenCLDevices.available().devices.first { $0.kind == .gpu }
        return gpu.flatMap { try? named($0.id) } ?? .cpu
    }

    /// The device of this id.
    /// - Throws: `GimbalError.noDevice`, naming the ids there are; `GimbalError.deviceFailed` where a driver refuses.
    public static func named(_ id: String) throws -> Device {
        if id == "cpu" { return .cpu }
        return try opened.withLock { opened in
            if let backend = opened[id] { return Device(backend: backend) }
            do {
                let backend = try OpenCLBackend(id: id)
                opened[id] = backend
                return Device(backend: backend)
            } catch GimbalError.noDevice(let requested, let available, let reason) {
                throw GimbalError.noDevice(requested: requested, available: ["cpu"] + available, reason: reason)
            }
        }
    }

    /// Every device of this machine, and why OpenCL has none where it has none.
    public static func available() -> (devices: [DeviceDescription], reasonForNoOpenCL: String?) {
        let (devices, reason) = OpenCLDevices.available()
        return ([Device.cpu.description] + devices, reason)
    }

    /// Backends opened so far, so that one name always gives one backend.
    private static let opened = Lock<[String: any Backend]>([:])
}

/// Runs `body` with new tensors and layers made on `device`.
public func withDevice<Result>(_ device: Device, _ body: () throws -> Result) rethrows -> Result {
    try Device.$chosen.withValue(device, operation: body)
}

extension Device {
    /// Whether products of float32 matrices may round their operands to TF32, the 11 significant bits that tensor cores of
    /// NVIDIA GPUs read of a float32: several times as fast there, without effect elsewhere. Off unless set, or unless the
    /// environment variable `GIMBAL_ALLOW_TF32` is 1.
    public var allowsTF32: Bool {
        get { (backend as? OpenCLBackend)?.productPrecision == .tf32 }
        nonmutating set { (backend as? OpenCLBackend)?.productPrecision = newValue ? .tf32 : .float32 }
    }

    /// Looks for the fastest way this device has of doing its heaviest operations, checks it, and keeps it on disk for
    /// later runs. Devices with nothing to tune do nothing.
    /// - Parameter report: called with a line for each way that was tried.
    public func tune(report: (String) -> Void = { _ in }) throws {
        _ = try (backend as? OpenCLBackend)?.tuneMatrixMultiply(report: report)
    }

    /// What has been asked of the device since it was opened; nil for one that has no launches, such as the CPU.
    public var launchRecord: LaunchRecord? { (backend as? OpenCLBackend)?.launchRecord }
}
