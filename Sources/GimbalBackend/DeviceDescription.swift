/// What a backend runs on.
public struct DeviceDescription: Sendable, Hashable, Codable {
    /// What sort of processor a device is.
    public enum Kind: String, Sendable, Codable {
        /// The processor of the host.
        case cpu
        /// A graphics processor.
        case gpu
        /// Anything else that OpenCL calls a device.
        case accelerator
    }

    /// What names the device to a user, as `--device` takes it: `cpu`, `opencl:0`.
    public var id: String
    /// The backend's name: `cpu`, `opencl`.
    public var backend: String
    /// What sort of processor the device is.
    public var kind: Kind
    /// The device's name as its maker has it.
    public var name: String
    /// Who made it.
    public var vendor: String
    /// Name and version of what drives it: the OpenCL driver, or the library for matrix products on the CPU.
    public var driver: String
    /// The memory that the device has, in bytes.
    public var memoryBytes: Int
    /// Cores of a CPU, streaming multiprocessors or their like of a GPU.
    public var computeUnits: Int
    /// The generation of an NVIDIA GPU, such as `sm_90`; nil elsewhere.
    public var architecture: String?
    /// Anything a user should know about how the device runs now, one sentence each.
    public var notes: [String]

    /// The description of a device, as its backend makes it.
    public init(
        id: String, backend: String, kind: Kind = .cpu, name: String, vendor: String, driver: String,
        memoryBytes: Int, computeUnits: Int, architecture: String? = nil, notes: [String] = []
    ) {
        self.id = id
        self.backend = backend
        self.kind = kind
        self.name = name
        self.vendor = vendor
        self.driver = driver
        self.memoryBytes = memoryBytes
        self.computeUnits = computeUnits
        self.architecture = architecture
        self.notes = notes
    }
}

/// Device memory held by tensors, in bytes.
public struct MemoryUsage: Sendable, Hashable {
    /// Bytes in live storages.
    public var inUse: Int
    /// The highest `inUse` so far.
    public var peak: Int
    /// Bytes kept by the backend's pool for reuse, in no storage now.
    public var pooled: Int

    /// The memory held now, as a backend counts it.
    public init(inUse: Int, peak: Int, pooled: Int) {
        self.inUse = inUse
        self.peak = peak
        self.pooled = pooled
    }
}
