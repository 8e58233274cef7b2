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
        if let refused = found.refused.first(where: { $0.id == id }) { throw refused.failure }
        throw GimbalError.noDevice(
            requested: id, available: found.devices.map(\.description.id), reason: found.reasonForNone)
    }

    /// Devices that cannot be asked what they are, and are not used for that: why, by their ids. Where the platforms cannot be asked
    /// which devices they have, there is no telling which is `opencl:0`, so that none is used.
    public static var refused: [(id: String, failure: GimbalError)] { found.refused }

    /// Looked for once per process and by one thread: PoCL's first answers to several at a time are wrong, or a crash.
    private static let found = find()

    private struct Found {
        var devices: [OpenCLDevice] = []
        var refused: [(id: String, failure: GimbalError)] = []
        var reasonForNone: String?
    }

    private static func find() -> Found {
        do {
            return try list()
        } catch {
            return Found(reasonForNone: "\(error)")
        }
    }

    private static func list() throws -> Found {
        var platformCount: cl_uint = 0
        let code = clGetPlatformIDs(0, nil, &platformCount)
        guard code == CL_SUCCESS, platformCount > 0 else {
            return Found(reasonForNone: reasonForNone(code: code, platformCount: 0))
        }
        var platforms = [cl_platform_id?](repeating: nil, count: Int(platformCount))
        try check(clGetPlatformIDs(platformCount, &platforms, nil), "clGetPlatformIDs", on: "OpenCL")

        var (found, ids) = (Found(), [cl_device_id]())
        for type in [CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR, CL_DEVICE_TYPE_CPU] {
            for platform in platforms.compactMap({ $0 }) {
                // A driver may list one device under several types.
                for id in try devices(of: platform, cl_device_type(type)) where !ids.contains(id) {
                    let name = "opencl:\(ids.count)"
                    ids.append(id)
                    do {
                        let device = try OpenCLDevice(id: id, platform: platform, name: name)
                        if device.isUsable { found.devices.append(device) } else { ids.removeLast() }
                    } catch let error as GimbalError {
                        // Its number stays its own: the next device is not taken for it.
                        found.refused.append((name, error))
                    }
                }
            }
        }
        if found.devices.isEmpty {
            found.reasonForNone =
                found.refused.first.map { "\($0.failure)" }
                ?? reasonForNone(code: CL_SUCCESS, platformCount: Int(platformCount))
        }
        return found
    }

    private static func devices(of platform: cl_platform_id, _ type: cl_device_type) throws -> [cl_device_id] {
        var count: cl_uint = 0
        let code = clGetDeviceIDs(platform, type, 0, nil, &count)
        if code == CL_DEVICE_NOT_FOUND { return [] }
        try check(code, "clGetDeviceIDs", on: "OpenCL")
        guard count > 0 else { return [] }
        var ids = [cl_device_id?](repeating: nil, count: Int(count))
        try check(clGetDeviceIDs(platform, type, count, &ids, nil), "clGetDeviceIDs", on: "OpenCL")
        return ids.compactMap { $0 }
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

    /// - Throws: `GimbalError.deviceFailed` where a question is not answered: what is guessed wrongly trains wrongly.
    init(id: cl_device_id, platform: cl_platform_id, name: String) throws {
        func query<Value: FixedWidthInteger>(_ parameter: Int32, _ question: String, _ type: Value.Type) throws -> Value
        {
            var value: Value = 0
            try check(
                clGetDeviceInfo(id, cl_device_info(parameter), MemoryLayout<Value>.size, &value, nil),
                "clGetDeviceInfo(\(question))", on: name)
            return value
        }
        func text(_ parameter: Int32, _ question: String) throws -> String {
            try readText("clGetDeviceInfo(\(question))", of: name) {
                clGetDeviceInfo(id, cl_device_info(parameter), $0, $1, $2)
            }
        }
        let type = try query(CL_DEVICE_TYPE, "CL_DEVICE_TYPE", cl_device_type.self)
        let extensions = try text(CL_DEVICE_EXTENSIONS, "CL_DEVICE_EXTENSIONS").split(separator: " ")
        let memory = try query(CL_DEVICE_GLOBAL_MEM_SIZE, "CL_DEVICE_GLOBAL_MEM_SIZE", cl_ulong.self)
        self.id = id
        self.platform = platform
        platformVersion = try readText("clGetPlatformInfo(CL_PLATFORM_VERSION)", of: name) {
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
            try compilesPTX
            ? ComputeCapability(
                major: Int(query(0x4000, "CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV", cl_uint.self)),
                minor: Int(query(0x4001, "CL_DEVICE_COMPUTE_CAPABILITY_MINOR_NV", cl_uint.self))) : nil
        capability = pretended?.capability ?? found
        supportsFloat64 = extensions.contains("cl_khr_fp64")
        let rounding = try query(CL_DEVICE_SINGLE_FP_CONFIG, "CL_DEVICE_SINGLE_FP_CONFIG", cl_device_fp_config.self)
        roundsDivisionsCorrectly = rounding & cl_device_fp_config(CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0
        largestAllocation = Int(
            clamping: try query(CL_DEVICE_MAX_MEM_ALLOC_SIZE, "CL_DEVICE_MAX_MEM_ALLOC_SIZE", cl_ulong.self))
        largestWorkGroup = try query(CL_DEVICE_MAX_WORK_GROUP_SIZE, "CL_DEVICE_MAX_WORK_GROUP_SIZE", Int.self)
        localMemoryBytes = Int(clamping: try query(CL_DEVICE_LOCAL_MEM_SIZE, "CL_DEVICE_LOCAL_MEM_SIZE", cl_ulong.self))
        nativeVectorLength = Int(
            try query(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, "CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT", cl_uint.self))
        let isAvailable = try query(CL_DEVICE_AVAILABLE, "CL_DEVICE_AVAILABLE", cl_bool.self) != 0
        let hasCompiler = try query(CL_DEVICE_COMPILER_AVAILABLE, "CL_DEVICE_COMPILER_AVAILABLE", cl_bool.self) != 0
        isUsable = isAvailable && hasCompiler && largestWorkGroup >= 256
        let units = try query(CL_DEVICE_MAX_COMPUTE_UNITS, "CL_DEVICE_MAX_COMPUTE_UNITS", cl_uint.self)
        for (question, answer) in [
            ("CL_DEVICE_GLOBAL_MEM_SIZE", memory), ("CL_DEVICE_MAX_MEM_ALLOC_SIZE", cl_ulong(largestAllocation)),
            ("CL_DEVICE_MAX_COMPUTE_UNITS", cl_ulong(units)),
        ] where answer == 0 {
            throw GimbalError.deviceFailed(
                device: name, operation: "clGetDeviceInfo(\(question))", reason: "the driver says 0")
        }
        description = DeviceDescription(
            id: name, backend: "opencl",
            kind: isGPU || pretended != nil ? .gpu : isCPU ? .cpu : .accelerator,
            // What is kept on disk goes by the name.
            name: try text(CL_DEVICE_NAME, "CL_DEVICE_NAME") + (pretended.map { " as \($0)" } ?? ""),
            vendor: try text(CL_DEVICE_VENDOR, "CL_DEVICE_VENDOR"),
            driver: try text(CL_DRIVER_VERSION, "CL_DRIVER_VERSION"), memoryBytes: Int(clamping: memory),
            computeUnits: pretended?.units ?? Int(units), architecture: capability?.description,
            notes: isOnCPU ? ["OpenCL runs on a CPU here; the backend `cpu` is faster there."] : [])
    }

    /// Whether as many groups as the device has units run at the same time, so that they may wait for each other.
    var runsGroupsAtOnce: Bool { compilesPTX || isDry }
}

/// Reads a string by one of OpenCL's two-call queries.
/// - Throws: `GimbalError.deviceFailed` with the question.
func readText(
    _ question: String, of device: String,
    _ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int
) throws -> String {
    var size = 0
    try check(query(0, nil, &size), question, on: device)
    guard size > 0 else { return "" }
    var bytes = [UInt8](repeating: 0, count: size)
    try check(bytes.withUnsafeMutableBytes { query(size, $0.baseAddress, nil) }, question, on: device)
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}
