extension Module {
    /// Everything that makes up the model's state, by path: parameters, buffers and counters, as PyTorch's `state_dict`.
    package var stateParts: [(path: String, part: ModulePart)] {
        var found: [(String, ModulePart)] = []
        forEachPart { path, part in
            if case .module = part { return }
            found.append((path, part))
        }
        return found
    }

    /// Writes the model's state to a safetensors file under PyTorch's names, wholly or not at all.
    /// - Throws: `GimbalError.fileSystem`; the old file is then untouched.
    public func save(to path: String, metadata: [String: String] = [:]) throws {
        try SafeTensors.write(stateParts.map { SafeTensors.Item($0.path, $0.part) }, metadata: metadata, to: path)
    }

    /// Takes up the state of a safetensors file, as PyTorch writes it too.
    /// - Throws: `GimbalError.weightMismatch`, which lists every name that is missing, unexpected or of another shape; the
    ///   model is then unchanged. `GimbalError.invalidFile` and `GimbalError.fileSystem`.
    public func load(from path: String) throws {
        let file = try SafeTensors(path: path)
        let parts = stateParts
        let expected = Dictionary(parts.map { ($0.path, $0.part) }) { first, _ in first }
        let missing = parts.map(\.path).filter { file[$0] == nil }
        let unexpected = file.entries.map(\.name).filter { expected[$0] == nil }
        let misshaped = file.entries.compactMap { entry -> String? in
            guard let shape = expected[entry.name]?.stateShape, shape != entry.shape else { return nil }
            return "\(entry.name) (\(entry.shape) in the file, \(shape) in the model)"
        }
        guard missing.isEmpty && unexpected.isEmpty && misshaped.isEmpty else {
            throw GimbalError.weightMismatch(
                path: path, missing: missing, unexpected: unexpected, misshaped: misshaped)
        }
        for (path, part) in parts {
            guard let entry = file[path] else { continue }
            switch part {
            case .parameter(_, let parameter): parameter.assign(try file.tensor(entry, like: parameter.value))
            case .buffer(_, let buffer):
                buffer.value.backend.copy(try file.tensor(entry, like: buffer.value).view, to: buffer.value.view)
            case .counter(_, let counter): counter.value = try file.integer(of: entry)
            case .module: break
            }
        }
    }
}

extension ModulePart {
    fileprivate var stateShape: Shape {
        switch self {
        case .parameter(_, let parameter): parameter.shape
        case .buffer(_, let buffer): buffer.value.shape
        case .counter, .module: []
        }
    }
}

extension SafeTensors.Item {
    fileprivate init(_ path: String, _ part: ModulePart) {
        switch part {
        case .parameter(_, let parameter): self.init(name: path, parameter.value)
        case .buffer(_, let buffer): self.init(name: path, buffer.value)
        case .counter(_, let counter):
            self.init(name: path, type: .int64, shape: []) {
                withUnsafeBytes(of: Int64(counter.value).littleEndian) { [UInt8]($0) }
            }
        case .module: stop("save", "\(path) is a module, not a tensor")
        }
    }

    /// An item that reads the tensor from its device when its turn comes.
    package init(name: String, _ tensor: Tensor) {
        let tensor = tensor.detached()
        self.init(name: name, type: .init(tensor.dtype), shape: tensor.shape) { try tensor.bytes() }
    }
}

extension SafeTensors {
    /// The single whole number of an entry.
    fileprivate func integer(of entry: Entry) throws -> Int {
        guard entry.type == .int64 else { return Int(try floats(of: entry)[0]) }
        return Int(try bytes(of: entry).withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) })
    }

    /// The tensor of an entry, with the dtype and on the device of `model`.
    package func tensor(_ entry: Entry, like model: Tensor) throws -> Tensor {
        if let dtype = entry.type.dtype {
            return try bytes(of: entry).withUnsafeBytes { bytes in
                Tensor(copying: bytes, entry.shape, dtype, model.device).cast(to: model.dtype)
            }
        }
        return Tensor(try floats(of: entry), entry.shape, device: model.device).cast(to: model.dtype)
    }
}
