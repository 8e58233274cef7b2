import ArgumentParser
import Foundation
import GimbalCPU
import GimbalOpenCL
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

    /// - Parameters:
    ///   - device: its name; nil for the usual one.
    ///   - start: of a run that is gone on with, as a rule on the device that it was on; where that is not there, or another
    ///     is asked for, a note says that other bits come of it.
    static func chosen(_ device: String?, continuing start: RunRecord.Start? = nil) throws -> Device {
        try requireEnvironment()
        let asked = try device.map { try Device.named($0) } ?? named()
        let chosen = asked ?? start.flatMap { try? Device.named($0.device) } ?? Device.best()
        if let start, chosen.id != start.device {
            printNotice(
                "note: the run was on \(shown(start.device)) (\(shown(start.deviceName))) so far; on \(chosen.id) it goes on "
                    + "with other bits")
        }
        return chosen
    }

    /// Makes sure that the environment asks for a number of threads, and for a pretended GPU, where it asks for any. The library
    /// takes its own number instead, with a note, or stops; here it is the user's mistake.
    /// - Throws: `GimbalError.invalidSetting`.
    static func requireEnvironment() throws {
        let environment = ProcessInfo.processInfo.environment
        if let asked = environment["GIMBAL_THREADS"], !asked.isEmpty, CPUSettings.threads(in: environment) == nil {
            throw GimbalError.invalidSetting(
                name: "GIMBAL_THREADS", reason: "must be a number from 1 to 1024, not '\(shown(asked))'")
        }
        try requirePretendedGPU()
    }

    /// The device that is taken unless one is named.
    /// - Throws: as `chosen()`.
    static func standard() throws -> Device { try named() ?? .best() }

    /// The device that the environment names.
    private static func named() throws -> Device? {
        // `Device.default` stops the program over a wrong name, as a library has to; here it is the user's mistake.
        let name = ProcessInfo.processInfo.environment["GIMBAL_DEVICE"] ?? ""
        return name.isEmpty ? nil : try Device.named(name)
    }
}
