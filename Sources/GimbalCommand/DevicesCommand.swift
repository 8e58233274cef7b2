import ArgumentParser
import GimbalOpenCL
import GimbalTrain

struct DevicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices", abstract: "Lists the devices that --device takes.")

    @Flag(help: "Print one JSON object per device.")
    var json = false

    func run() throws {
        try requirePretendedGPU()
        let (devices, reason) = Device.available()
        let standard = try DeviceOptions.standard().id
        for device in devices {
            if json {
                try printJSON(device)
                continue
            }
            try printLine(
                """
                \(device.id)  \(device.name)\(device.id == standard ? "  (default)" : "")
                    backend \(device.backend), vendor \(device.vendor), driver \(device.driver)
                    memory \(device.memoryBytes / (1 << 20)) MiB, compute units \(device.computeUnits)\
                \(device.architecture.map { ", architecture \($0)" } ?? "")
                """)
            for note in device.notes { try printLine("    note: \(note)") }
        }
        for (id, failure) in Device.refused {
            printNotice("\(id) cannot be used: \(failure)")
        }
        if let reason { printNotice("no OpenCL device: \(reason)") }
    }
}
