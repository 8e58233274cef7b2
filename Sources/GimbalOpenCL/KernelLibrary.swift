import COpenCL
import Foundation
import GimbalBackend
import GimbalKernels

/// Builds kernels when they are first wanted and keeps them: in memory by key, and their programs on disk, so that the
/// next start compiles nothing. Not thread-safe; its owner locks it.
struct KernelLibrary {
    private let device: OpenCLDevice
    private let context: cl_context
    private let cache: CacheFolder
    /// Makes a program missing from the cache an error, by which tests prove that a start compiles nothing.
    private let forbidsCompilation: Bool
    /// Options that every program is built with.
    private let commonOptions: String
    private var kernels: [KernelKey: PreparedKernel] = [:]
    /// Users' kernels.
    private var customKernels: [CustomKernelSource.Key: PreparedKernel] = [:]
    /// Programs built from source so far, as opposed to loaded from the cache.
    private(set) var programsCompiled = 0

    init(device: OpenCLDevice, context: cl_context, cache: CacheFolder, forbidsCompilation: Bool) {
        self.device = device
        self.context = context
        self.cache = cache
        self.forbidsCompilation = forbidsCompilation
        // Nothing that would let the compiler assume away NaN or infinity.
        commonOptions =
            "-cl-std=CL1.2" + (device.roundsDivisionsCorrectly ? " -cl-fp32-correctly-rounded-divide-sqrt" : "")
    }

    /// The kernel of `key`, built if it is new.
    /// - Throws: `GimbalError.kernelBuildFailed`.
    mutating func kernel(_ key: KernelKey) throws -> PreparedKernel {
        if let kernel = kernels[key] { return kernel }
        let options = ([commonOptions] + key.settings.compactMap(\.option)).joined(separator: " ")
        let kernel = try prepared(name: key.name.rawValue, source: key.source, options: options)
        kernels[key] = kernel
        return kernel
    }

    /// A user's kernel, built if it is new.
    /// - Throws: `GimbalError.kernelBuildFailed`.
    mutating func kernel(_ kernel: CustomKernel, _ source: CustomKernelSource) throws -> PreparedKernel {
        if let kernel = customKernels[source.key] { return kernel }
        let prepared = try prepared(name: kernel.name, source: source.text, options: commonOptions)
        customKernels[source.key] = prepared
        return prepared
    }

    private mutating func prepared(name: String, source: String, options: String) throws -> PreparedKernel {
        PreparedKernel(device.isDry ? nil : try build(name: name, source: source, options: options), name: name)
    }

    /// Builds one kernel of a program: out of the cache if it is there, else from source.
    mutating func build(name: String, source: String, options: String) throws -> cl_kernel {
        let key = [
            source, options, device.description.name, device.description.driver, device.platformVersion,
        ].joined(separator: "\n\u{1F}\n")
        if let binary = cache.read(key, kind: "program"), let kernel = load(name: name, binary: binary) {
            return kernel
        }
        if forbidsCompilation {
            throw buildFailure(
                name: name, options: options,
                log: "the program is not in the cache folder \(cache.path), and GIMBAL_FORBID_COMPILATION is set")
        }
        let program = try compile(name: name, source: source, options: options)
        defer { clReleaseProgram(program) }
        programsCompiled += 1
        if let binary = device.turns.whileNoneRuns({ binary(of: program) }) {
            // What the compiler's target lacks is added to its text.
            if device.compilesPTX, let edited = PTXEdit.edited(binary) {
                guard let kernel = load(name: name, binary: edited) else {
                    throw buildFailure(name: name, options: options, log: "the driver refuses the edited program")
                }
                cache.write(edited, key: key, kind: "program")
                return kernel
            }
            cache.write(binary, key: key, kind: "program")
        }
        do { return try createKernel(name, program) } catch GimbalError.deviceFailed(_, _, "CL_INVALID_KERNEL_NAME") {
            throw buildFailure(name: name, options: options, log: "the program has no kernel of this name")
        }
    }

    private func compile(name: String, source: String, options: String) throws -> cl_program {
        var code: cl_int = 0
        let program = source.withCString { text in
            var text: UnsafePointer<CChar>? = text
            return clCreateProgramWithSource(context, 1, &text, nil, &code)
        }
        try check(code, "creation of the program of '\(name)'", on: device.description.id)
        guard let program else { throw buildFailure(name: name, options: options, log: "there is no program") }
        code = build(program, options: options)
        // A compiler that has no memory says nothing of the source.
        if code == CL_OUT_OF_HOST_MEMORY || code == CL_OUT_OF_RESOURCES {
            clReleaseProgram(program)
            try check(code, "compilation of '\(name)'", on: device.description.id)
        }
        guard code == CL_SUCCESS else {
            let log = try? readText("clGetProgramBuildInfo(CL_PROGRAM_BUILD_LOG)", of: device.description.id) {
                clGetProgramBuildInfo(program, device.id, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
            }
            clReleaseProgram(program)
            throw buildFailure(name: name, options: options, log: "\(nameOfOpenCLError(code))\n\(log ?? "")")
        }
        return program
    }

    private func load(name: String, binary: [UInt8]) -> cl_kernel? {
        var code: cl_int = 0
        var status: cl_int = 0
        var size = binary.count
        var id: cl_device_id? = device.id
        let program = binary.withUnsafeBufferPointer { bytes in
            var bytes = bytes.baseAddress
            return clCreateProgramWithBinary(context, 1, &id, &size, &bytes, &status, &code)
        }
        guard let program, code == CL_SUCCESS else { return nil }
        defer { clReleaseProgram(program) }
        guard build(program, options: "") == CL_SUCCESS else { return nil }
        return try? createKernel(name, program)
    }

    private func build(_ program: cl_program, options: String) -> cl_int {
        var id: cl_device_id? = device.id
        return clBuildProgram(program, 1, &id, options, nil, nil)
    }

    private func createKernel(_ name: String, _ program: cl_program) throws -> cl_kernel {
        var code: cl_int = 0
        let kernel = clCreateKernel(program, name, &code)
        try check(code, "creation of the kernel '\(name)'", on: device.description.id)
        return kernel!
    }

    private func binary(of program: cl_program) -> [UInt8]? {
        var size = 0
        guard
            clGetProgramInfo(
                program, cl_program_info(CL_PROGRAM_BINARY_SIZES), MemoryLayout<Int>.size, &size, nil) == CL_SUCCESS,
            size > 0
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        let code = bytes.withUnsafeMutableBufferPointer { buffer in
            var pointer = buffer.baseAddress
            return clGetProgramInfo(
                program, cl_program_info(CL_PROGRAM_BINARIES), MemoryLayout<UnsafeMutablePointer<UInt8>?>.size,
                &pointer,
                nil)
        }
        return code == CL_SUCCESS ? bytes : nil
    }

    private func buildFailure(name: String, options: String, log: String) -> GimbalError {
        .kernelBuildFailed(
            kernel: name, options: options, device: device.description.name,
            log: log.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// Launches so far, by the kernels' names.
    var launches: [String: Int] {
        Dictionary(allKernels.map { ($0.name, $0.launches) }, uniquingKeysWith: +)
            .filter { $0.value > 0 }
    }

    private var allKernels: [PreparedKernel] { [PreparedKernel](kernels.values) + customKernels.values }

    /// Gives the kernels back. The queue must be empty.
    mutating func release() {
        for kernel in allKernels { clReleaseKernel(kernel.kernel) }
        kernels = [:]
        customKernels = [:]
    }
}

/// The text of a file of `Kernels`.
func kernelText(_ file: String) -> String {
    for source in UnsafeBufferPointer(start: gimbalKernelSources, count: Int(gimbalKernelSourceCount))
    where String(cString: source.name) == file {
        return String(cString: source.text)
    }
    preconditionFailure("the kernel file \(file) is not embedded; Sources/GimbalKernels lists what is")
}
