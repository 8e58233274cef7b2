import COpenCL
import GimbalBackend

/// The OpenCL devices of this machine.
public enum OpenCLDevices {
    /// Finds the devices of all platforms: GPUs first, then accelerators, then CPUs, numbered `opencl:0`, `opencl:1`, ….
    /// - Returns: the devices and, where there is none, a sentence that says why and what to install.
    public static func available() -> (devices: [DeviceDescription], reasonForNone: String?) {
        (found.devices.map(\.description), found.reasonForNone)
    }

    /// Opens a device by its id, such as `opencl:0`, with the standard settings of `OpenCLBackend`.
    /// - Throws: `GimbalError.noDevice`, which lists those that exist and says why there are none;
    ///   `GimbalError.deviceFailed` where the driver refuses.
    public static func backend(_ id: String) throws -> OpenCLBackend {
        try OpenCLBackend(id: id)
    }

    static func find(_ id: String) throws -> OpenCLDevice {
        if let device = found.devices.first(where: { $0.description.id == id }) { return device }
        throw GimbalError.noDevice(
            requested: id, available: found.devices.map(\.description.id), reason: found.reasonForNone)
    }

    /// Looked for once per process and by one thread: PoCL's first answers to several at a time are wrong, or a crash.
    private static let found = find()

    private static func find() -> (devices: [OpenCLDevice], reasonForNone: String?) {
        var platformCount: cl_uint = 0
        let code = clGetPlatformIDs(0, nil, &platformCount)
        guard code == CL_SUCCESS, platformCount > 0 else {
            return ([], reasonForNone(code: code, platformCount: 0))
        }
        var platforms = [cl_platform_id?](repeating: nil, count: Int(platformCount))
        clGetPlatformIDs(platformCount, &platforms, nil)

        var devices: [OpenCLDevice] = []
        for type in [CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR, CL_DEVICE_TYPE_CPU] {
            for platform in platforms.compactMap({ $0 }) {
                var count: cl_uint = 0
                let type = cl_device_type(type)
                guard clGetDeviceIDs(platform, type, 0, nil, &count) == CL_SUCCESS, count > 0 else { continue }
                var ids = [cl_device_id?](repeating: nil, count: Int(count))
                clGetDeviceIDs(platform, type, count, &ids, nil)
                for id in ids.compactMap({ $0 }) {
                    // A driver may list one device under several types.
                    if devices.contains(where: { $0.id == id }) { continue }
                    let device = OpenCLDevice(id: id, platform: platform, number: devices.count)
                    if device.isUsable { devices.append(device) }
                }
            }
        }
        let reason = devices.isEmpty ? reasonForNone(code: CL_SUCCESS, platformCount: Int(platformCount)) : nil
        return (devices, reason)
    }

    package static func reasonForNone(
        code: Int32, platformCount: Int, brokenDrivers: [String] = VendorFiles.standard.brokenDrivers()
    ) -> String {
        if platformCount > 0 {
            return "OpenCL has \(platformCount) platform\(platformCount == 1 ? "" : "s") but no device with a compiler"
        }
        let cause = code == CL_SUCCESS || code == -1001 ? "" : " (\(nameOfOpenCLError(code)))"
        let broken = brokenDrivers.isEmpty ? "" : ", as " + brokenDrivers.joined(separator: ", and ")
        return
            "the OpenCL loader found no driver\(cause)\(broken); NVIDIA's comes with its display driver (libnvidia-opencl "
            + "and an entry in /etc/OpenCL/vendors), one for CPUs with the package pocl-opencl-icd"
    }
}

/// A device as OpenCL knows it, and what the launches ask about it.
struct OpenCLDevice: @unchecked Sendable {
    let id: cl_device_id
    let platform: cl_platform_id
    let description: DeviceDescription
    let platformVersion: String
    let turns: QueueTurns
    /// Whether launches are planned for a CPU; not where a GPU is pretended on one.
    let isCPU: Bool
    /// Of an NVIDIA GPU, or of the one that is pretended.
    let capability: ComputeCapability?
    /// Whether the compiler is NVIDIA's, which takes PTX; it sets `__NVPTX__`.
    let compilesPTX: Bool
    /// Whether kernels are only counted, neither compiled nor run.
    let isDry: Bool
    let supportsFloat64: Bool
    let roundsDivisionsCorrectly: Bool
    /// Bytes of the largest single buffer.
    let largestAllocation: Int
    let largestWorkGroup: Int
    let localMemoryBytes: Int
    /// Floats in a native vector register; 1 on GPUs.
    let nativeVectorLength: Int
    let isUsable: Bool

    init(id: cl_device_id, platform: cl_platform_id, number: Int) {
        func query<Value: FixedWidthInteger>(_ parameter: cl_int, _ type: Value.Type) -> Value {
            var value: Value = 0
            clGetDeviceInfo(id, cl_device_info(parameter), MemoryLayout<Value>.size, &value, nil)
            return value
        }
        func text(_ parameter: cl_int) -> String {
            readText { clGetDeviceInfo(id, cl_device_info(parameter), $0, $1, $2) }
        }
        let type = query(CL_DEVICE_TYPE, cl_device_type.self)
        let extensions = text(CL_DEVICE_EXTENSIONS).split(separator: " ")
        let memory = Int(clamping: query(CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong.self))
        self.id = id
        self.platform = platform
        platformVersion = readText {
            clGetPlatformInfo(platform, cl_platform_info(CL_PLATFORM_VERSION), $0, $1, $2)
        }
        turns = QueueTurns(platformVersion: platformVersion)
        let isGPU = type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0
        // Oclgrind's device is of every type; what it is there to check are the kernels for GPUs.
        let isOnCPU = type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 && !isGPU
        let pretended = PretendedGPU.wanted
        isCPU = isOnCPU && pretended == nil
        // CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV and _MINOR_NV of the extension cl_nv_device_attribute_query.
        compilesPTX = extensions.contains("cl_nv_device_attribute_query")
        isDry = pretended?.isDry ?? false
        let found =
            compilesPTX
            ? ComputeCapability(major: Int(query(0x4000, cl_uint.self)), minor: Int(query(0x4001, cl_uint.self))) : nil
        capability = pretended?.capability ?? found
        supportsFloat64 = extensions.contains("cl_khr_fp64")
        let rounding = query(CL_DEVICE_SINGLE_FP_CONFIG, cl_device_fp_config.self)
        roundsDivisionsCorrectly = rounding & cl_device_fp_config(CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0
        largestAllocation = Int(clamping: query(CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong.self))
        largestWorkGroup = query(CL_DEVICE_MAX_WORK_GROUP_SIZE, Int.self)
        localMemoryBytes = Int(clamping: query(CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong.self))
        nativeVectorLength = Int(query(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint.self))
        isUsable =
            query(CL_DEVICE_AVAILABLE, cl_bool.self) != 0 && query(CL_DEVICE_COMPILER_AVAILABLE, cl_bool.self) != 0
            && largestWorkGroup >= 256
        description = DeviceDescription(
            id: "opencl:\(number)", backend: "opencl",
            kind: isGPU || pretended != nil ? .gpu : isCPU ? .cpu : .accelerator,
            // What is kept on disk goes by the name.
            name: text(CL_DEVICE_NAME) + (pretended.map { " as \($0)" } ?? ""),
            vendor: text(CL_DEVICE_VENDOR), driver: text(CL_DRIVER_VERSION),
            memoryBytes: memory,
            computeUnits: pretended?.units ?? Int(query(CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint.self)),
            architecture: capability?.description,
            notes: isOnCPU ? ["OpenCL runs on a CPU here; the backend `cpu` is faster there."] : [])
    }

    /// Whether as many groups as the device has units run at the same time, so that they may wait for each other.
    var runsGroupsAtOnce: Bool { compilesPTX || isDry }
}

/// Reads a string by one of OpenCL's two-call queries; empty where it fails.
func readText(_ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int) -> String {
    var size = 0
    guard query(0, nil, &size) == CL_SUCCESS, size > 0 else { return "" }
    var bytes = [UInt8](repeating: 0, count: size)
    let code = bytes.withUnsafeMutableBytes { query(size, $0.baseAddress, nil) }
    guard code == CL_SUCCESS else { return "" }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}
