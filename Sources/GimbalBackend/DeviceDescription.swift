/// What a backend runs on.
public struct DeviceDescription: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Codable { case cpu, gpu, accelerator }

    /// What `--device` takes: `cpu`, `opencl:0`.
    public var id: String
    /// The backend's name: `cpu`, `opencl`.
    public var backend: String
    public var kind: Kind
    public var name: String
    public var vendor: String
    public var driver: String
    public var memoryBytes: Int
    /// Cores of a CPU, streaming multiprocessors or their like of a GPU.
    public var computeUnits: Int
    /// The generation of an NVIDIA GPU, such as `sm_90`; nil elsewhere.
    public var architecture: String?
    /// Anything a user should know about how the device runs now, one sentence each.
    public var notes: [String]

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

    public init(inUse: Int, peak: Int, pooled: Int) {
        self.inUse = inUse
        self.peak = peak
        self.pooled = pooled
    }
}
