import Foundation
import GimbalTestSupport
import Testing

@Suite("gimbal devices")
struct DevicesTests {
    private struct Line: Decodable {
        var id, backend, name, vendor, driver: String
        var memoryBytes, computeUnits: Int
    }

    @Test("Each line of --json describes one device, the CPU first")
    func json() throws {
        let devices = try Gimbal.run("devices", "--json").succeeded().decoded(Line.self)
        #expect(devices.first?.id == "cpu")
        #expect(devices.dropFirst().map(\.id) == devices.indices.dropLast().map { "opencl:\($0)" })
        for device in devices {
            #expect(device.backend == device.id.split(separator: ":").first.map(String.init))
            #expect(device.name != "" && device.driver != "")
            #expect(device.memoryBytes > 1 << 20 && device.computeUnits > 0)
        }
    }

    @Test("Without --json it is a text for people, with the same ids")
    func text() throws {
        let ids = try Gimbal.run("devices", "--json").decoded(Line.self).map(\.id)
        let text = try Gimbal.run("devices").succeeded()
        #expect(text.lines.filter { !$0.hasPrefix(" ") }.map { String($0.split(separator: " ")[0]) } == ids)
        #expect(text.output.contains("MiB, compute units"))
    }

    @Test("One device is marked as the one that is taken, and a name in capitals is taken too")
    func standard() throws {
        let text = try Gimbal.run(["devices"], environment: ["GIMBAL_DEVICE": "CPU"]).succeeded()
        #expect(text.lines.filter { $0.hasSuffix("  (default)") }.map { $0.prefix(4) } == ["cpu "])
    }

    @Test("Where the loader finds no driver there is the CPU, and a word on why there is no more")
    func noPlatform() throws {
        try withTemporaryFolder { folder in
            let outcome = try Gimbal.run(["devices", "--json"], environment: ["OCL_ICD_VENDORS": folder]).succeeded()
            #expect(try outcome.decoded(Line.self).map(\.id) == ["cpu"])
            #expect(outcome.errors.hasPrefix("no OpenCL device: "))
            #expect(outcome.errors.count { $0 == "\n" } == 1)

            try Data("libgone.so".utf8).write(to: URL(fileURLWithPath: folder + "/gone.icd"))
            let broken = try Gimbal.run(["devices", "--json"], environment: ["OCL_ICD_VENDORS": folder]).succeeded()
            #expect(broken.errors.contains(folder + "/gone.icd"))
        }
    }
}
