/// Named tensors in a file, from which a model's state can be taken: a safetensors file or a NumPy archive.
public protocol StoredTensors {
    /// What messages call the source: the path of the file, as a rule.
    var path: String { get }
    /// Every tensor's name and shape, in the order of the file.
    var contents: [(name: String, shape: Shape)] { get }
    /// Each of `contents` whose numbers cannot be read, and why; none unless given.
    var unreadable: [(name: String, reason: String)] { get }
    /// The tensor of this name, which is one of `contents`, with the dtype and on the device of `model`.
    /// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    func tensor(named name: String, like model: Tensor) throws -> Tensor
    /// The whole number of this name, which is one of `contents` and has a single element.
    /// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    func integer(named name: String) throws -> Int
}

extension StoredTensors {
    public var unreadable: [(name: String, reason: String)] { [] }
}

extension SafeTensors: StoredTensors {
    public var contents: [(name: String, shape: Shape)] { entries.map { ($0.name, $0.shape) } }

    public var unreadable: [(name: String, reason: String)] {
        entries.filter { !$0.type.isRead }.map { ($0.name, $0.type.reasonAgainstReading) }
    }

    public func tensor(named name: String, like model: Tensor) throws -> Tensor {
        try tensor(try entry(name), like: model)
    }

    public func integer(named name: String) throws -> Int {
        let entry = try entry(name)
        if entry.type.isRead, entry.type.dtype?.isFloatingPoint != true { return try integers(of: entry)[0] }
        guard let value = Int(exactly: try doubles(of: entry)[0].rounded(.towardZero)) else {
            throw GimbalError.invalidFile(path: path, reason: "'\(name)' is no whole number")
        }
        return value
    }

    private func entry(_ name: String) throws -> Entry {
        guard let entry = self[name] else { throw GimbalError.invalidFile(path: path, reason: "it has no '\(name)'") }
        return entry
    }

    /// The tensor of an entry, with the dtype and on the device of `model`.
    package func tensor(_ entry: Entry, like model: Tensor) throws -> Tensor {
        if let dtype = entry.type.dtype {
            return try elements(of: entry).withUnsafeBytes { bytes in
                Tensor(copying: bytes, entry.shape, dtype, model.device).cast(to: model.dtype)
            }
        }
        switch model.dtype {
        case .int32, .uint8:
            let values = try integers(of: entry).map { value in
                guard let small = Int32(exactly: value) else {
                    throw GimbalError.invalidFile(
                        path: path, reason: "'\(entry.name)' holds \(value), which is beyond any int32")
                }
                return small
            }
            return Tensor(values, entry.shape, device: model.device).cast(to: model.dtype)
        case .float64: return Tensor(try doubles(of: entry), entry.shape, dtype: .float64, device: model.device)
        default: return Tensor(try floats(of: entry), entry.shape, device: model.device).cast(to: model.dtype)
        }
    }
}
