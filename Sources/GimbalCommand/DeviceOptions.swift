import ArgumentParser
import Foundation
import GimbalCPU
import GimbalTrain

/// Which device to compute on.
struct DeviceOptions: ParsableArguments {
    @Option(
        help: "cpu, gpu, or an OpenCL device such as opencl:0. (default: $GIMBAL_DEVICE, else the first GPU, else cpu)",
        completion: .devices)
    var device: String?

    /// - Throws: `GimbalError.noDevice`, also for a name from the environment; `GimbalError.deviceFailed`;
    ///   `GimbalError.invalidSetting` for a number of threads that is none.
    func chosen() throws -> Device { try Self.chosen(device) }

    /// - Parameter device: its name; nil for the usual one.
    static func chosen(_ device: String?) throws -> Device {
        try requireThreads()
        return try device.map { try Device.named($0) } ?? standard()
    }

    /// Makes sure that the environment asks for a number of threads, where it asks for any. The library takes its own number
    /// instead, with a note; here it is the user's mistake.
    /// - Throws: `GimbalError.invalidSetting`.
    static func requireThreads() throws {
        let environment = ProcessInfo.processInfo.environment
        guard let asked = environment["GIMBAL_THREADS"], !asked.isEmpty else { return }
        guard CPUSettings.threads(in: environment) != nil else {
            throw GimbalError.invalidSetting(
                name: "GIMBAL_THREADS", reason: "must be a number from 1 to 1024, not '\(shown(asked))'")
        }
    }

    /// The device that is taken unless one is named.
    /// - Throws: as `chosen()`.
    static func standard() throws -> Device {
        // `Device.default` stops the program over a wrong name, as a library has to; here it is the user's mistake.
        if let named = ProcessInfo.processInfo.environment["GIMBAL_DEVICE"], !named.isEmpty {
            return try Device.named(named)
        }
        return .best()
    }
}
