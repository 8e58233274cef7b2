import GimbalBackend
import GimbalOpenCL
import Testing

@Suite struct Devices {
    @Test func withoutADriverTheReasonSaysWhatToInstall() {
        let notFound: Int32 = -1001
        let reason = OpenCLDevices.reasonForNone(code: notFound, platformCount: 0)
        #expect(reason.contains("found no driver"))
        #expect(reason.contains("pocl-opencl-icd"))
        #expect(reason.contains("libnvidia-opencl"))
    }

    @Test func anotherFailureOfTheLoaderIsNamed() {
        let outOfHostMemory: Int32 = -6
        #expect(OpenCLDevices.reasonForNone(code: outOfHostMemory, platformCount: 0).contains("CL_OUT_OF_HOST_MEMORY"))
    }

    @Test func platformsWithoutADeviceAreNotTakenForAMissingDriver() {
        let reason = OpenCLDevices.reasonForNone(code: 0, platformCount: 2)
        #expect(reason.contains("2 platforms"))
        #expect(!reason.contains("found no driver"))
    }

    @Test func devicesExistOrAReasonIsGiven() {
        let (devices, reason) = OpenCLDevices.available()
        #expect(devices.isEmpty == (reason != nil))
        #expect(devices.map(\.id) == devices.indices.map { "opencl:\($0)" })
    }

    @Test func anUnknownDeviceListsThoseThatExist() throws {
        let error = #expect(throws: GimbalError.self) { try OpenCLBackend(id: "opencl:77") }
        guard case .noDevice("opencl:77", let available, _) = error else {
            Issue.record("expected noDevice, not \(String(describing: error))")
            return
        }
        #expect(available == OpenCLDevices.available().devices.map(\.id))
    }
}
