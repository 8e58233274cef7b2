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

    @Test("A pretended GPU that is none is refused by every command that looks for devices")
    func pretendedGPU() throws {
        for text in ["nonsense", "-1", "sm_90:0", "sm_99999999999999999999"] {
            for command in [
                ["devices"], ["train", "--data", "digits", "--device", "cpu"], ["bench", "--only", "sum"],
            ] {
                try Gimbal.run(command, environment: ["GIMBAL_PRETEND_GPU": text])
                    .failed(["GIMBAL_PRETEND_GPU: '\(text)' is no GPU"])
            }
        }
    }

    @Test(
        "Devices of one driver have numbers of their own",
        .enabled(
            if: FileManager.default.fileExists(atPath: "/etc/OpenCL/vendors/pocl.icd") && !Gimbal.openCLDevices.isEmpty,
            "PoCL is not in /etc/OpenCL/vendors, or not looked for there"))
    func numbers() throws {
        // Both of PoCL are this processor.
        let outcome = try Gimbal.run(["devices", "--json"], environment: ["POCL_DEVICES": "pthread basic"]).succeeded()
        let ids = try outcome.decoded(Line.self).map(\.id)
        #expect(ids.count >= 3 && ids.dropFirst() == ids.indices.dropLast().map { "opencl:\($0)" }[...], "\(ids)")
    }

    @Test("The CPU computes with the newest instructions that the processor has")
    func instructions() throws {
        let lines = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).split(separator: "\n")
        let flags = Set(lines.first { $0.hasPrefix("flags") }?.split(separator: " ").map(String.init) ?? [])
        let hasAVX2 = flags.isSuperset(of: ["avx2", "fma"])
        let hasAVX512 = hasAVX2 && flags.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl"])
        let best = hasAVX512 ? "avx512" : hasAVX2 ? "avx2" : "baseline"
        // An empty level is none that there is.
        for (asked, given) in [("", best), ("avx2", hasAVX2 ? "avx2" : "baseline"), ("baseline", "baseline")] {
            let outcome = try Gimbal.run(["devices", "--json"], environment: ["GIMBAL_CPU_LEVEL": asked]).succeeded()
            #expect(try outcome.decoded(Line.self).first?.name.hasSuffix(" (\(given))") == true, "\(outcome.output)")
        }
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
