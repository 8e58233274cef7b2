import Foundation
import GimbalCPU
import GimbalOpenCL

/// Where tensors live and are computed.
public struct Device: Sendable {
    /// What holds the device's memory and computes on it.
    public let backend: any Backend

    /// The device of any backend, such as one of your own; `register(_:open:)` gives it a name.
    public init(backend: any Backend) { self.backend = backend }

    /// What `--device` and `GIMBAL_DEVICE` take: `cpu`, `opencl:0`.
    public var id: String { backend.device.id }
    public var description: DeviceDescription { backend.device }

    /// The CPU, by vectorised C and OpenBLAS.
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
        for (id, failure) in refused { Warnings.say("\(id) is not used: \(failure)") }
        let gpu = OpenCLDevices.available().devices.first { $0.kind == .gpu }
        return gpu.flatMap { try? named($0.id) } ?? .cpu
    }

    /// Gives a backend of your own a name, by which `named(_:)` and the environment variable `GIMBAL_DEVICE` find it.
    ///
    /// ```swift
    /// Device.register("mine") { Device.cpu.backend }  // here one of your own
    /// let device = try Device.named("mine")
    /// ```
    /// - Parameters:
    ///   - id: any name but `cpu` and those that begin with `opencl:`.
    ///   - open: called when the device is first asked for.
    public static func register(_ id: String, open: @escaping @Sendable () throws -> any Backend) {
        require(
            id != "cpu" && !id.hasPrefix("opencl:") && !id.isEmpty, "Device.register",
            "'\(id)' is a name of Gimbal's own")
        registered.withLock { $0[id] = open }
    }

    /// The device of this name: its id in any case of letters, `gpu` for the first GPU that OpenCL knows, `opencl` for
    /// the only OpenCL device where there is one.
    /// - Throws: `GimbalError.noDevice`, naming the ids there are; `GimbalError.deviceFailed` where a driver refuses.
    public static func named(_ name: String) throws -> Device {
        let id = try id(named: name)
        if id == "cpu" { return .cpu }
        if let backend = opened.withLock({ $0[id] }) { return Device(backend: backend) }
        let registered = registered.withLock { $0 }
        // Opened outside of the lock: a backend may be made of another device's.
        let backend: any Backend
        do {
            backend = try registered[id]?() ?? OpenCLBackend(id: id)
        } catch GimbalError.noDevice(let requested, let available, let reason) {
            throw GimbalError.noDevice(
                requested: requested, available: ["cpu"] + registered.keys.sorted() + available, reason: reason)
        }
        return opened.withLock { opened in
            let first = opened[id] ?? backend
            opened[id] = first
            return Device(backend: first)
        }
    }

    /// The id that a name stands for; a name that stands for none is given back.
    private static func id(named name: String) throws -> String {
        if registered.withLock({ $0[name] }) != nil { return name }
        let lowercased = name.lowercased()
        guard ["gpu", "opencl"].contains(lowercased) else { return lowercased }
        let (devices, reason) = OpenCLDevices.available()
        let fitting = lowercased == "gpu" ? devices.filter { $0.kind == .gpu }.prefix(1) : devices[...]
        guard fitting.count == 1 else {
            throw GimbalError.noDevice(
                requested: name,
                available: ["cpu"] + registered.withLock { $0.keys.sorted() } + devices.map(\.id),
                reason: fitting.isEmpty ? reason ?? "there is no GPU" : "it stands for several")
        }
        return fitting[0].id
    }

    /// Every device of this machine, and why OpenCL has none where it has none.
    public static func available() -> (devices: [DeviceDescription], reasonForNoOpenCL: String?) {
        let (devices, reason) = OpenCLDevices.available()
        return ([Device.cpu.description] + devices, reason)
    }

    /// OpenCL devices that do not say what they are when they are asked, and what they fail with.
    public static var refused: [(id: String, failure: GimbalError)] { OpenCLDevices.refused }

    /// Users' backends by name.
    private static let registered = Lock<[String: @Sendable () throws -> any Backend]>([:])

    /// Backends opened so far, so that one name always gives one backend.
    private static let opened = Lock<[String: any Backend]>([:])
}

/// Runs `body` with new tensors and layers made on `device`.
public func withDevice<Result>(_ device: Device, _ body: () throws -> Result) rethrows -> Result {
    try Device.$chosen.withValue(device, operation: body)
}

extension Device {
    /// Whether there is never anything to wait for, as on the CPU: then reading a value costs nothing.
    package var isOnHost: Bool { backend.isOnHost }

    /// Whether products of float32 matrices may round their operands to TF32, the 11 significant bits that tensor cores of
    /// NVIDIA GPUs read of a float32: several times as fast there, without effect elsewhere. Off unless set, or unless the
    /// environment variable `GIMBAL_ALLOW_TF32` is 1.
    public var allowsTF32: Bool {
        get { backend.productPrecision == .tf32 }
        nonmutating set { backend.productPrecision = newValue ? .tf32 : .float32 }
    }

    /// Looks for the fastest way this device has of doing its heaviest operations, checks it, and keeps it on disk for
    /// later runs. Devices with nothing to tune do nothing.
    /// - Parameter report: called with a line for each way that was tried.
    public func tune(report: (String) -> Void = { _ in }) throws {
        try backend.tune(report: report)
    }

    /// What has been asked of the device since it was opened; nil for one that has no launches, such as the CPU.
    public var launchRecord: LaunchRecord? { backend.launchRecord }
}
