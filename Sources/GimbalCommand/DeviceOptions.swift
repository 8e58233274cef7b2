import ArgumentParser
import Foundation
import GimbalTrain

/// Which device to compute on.
struct DeviceOptions: ParsableArguments {
    @Option(
        help: "cpu, gpu, or an OpenCL device such as opencl:0. (default: $GIMBAL_DEVICE, else the first GPU, else cpu)",
        completion: .devices)
    var device: String?

    /// - Throws: `GimbalError.noDevice`, also for a name from the environment; `GimbalError.deviceFailed`.
    func chosen() throws -> Device { try Self.chosen(device) }

    /// - Parameter device: its name; nil for the usual one.
    static func chosen(_ device: String?) throws -> Device {
        try device.map { try Device.named($0) } ?? standard()
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
