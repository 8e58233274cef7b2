extension Module {
    /// Everything that makes up the model's state, by path from this module: parameters, persistent buffers and
    /// counters, as PyTorch's `state_dict`.
    package var stateParts: [(path: String, part: ModulePart)] {
        tree.parts.filter { _, part in
            switch part {
            case .parameter, .counter: true
            case .buffer(_, let buffer): buffer.isPersistent
            case .module: false
            }
        }
    }

    /// Writes the model's state to a safetensors file under PyTorch's names, wholly or not at all, with `metadata` as
    /// the file's own table of texts.
    /// - Throws: `GimbalError.fileSystem`; the old file is then untouched.
    public func save(to path: String, metadata: [String: String] = [:]) throws {
        try SafeTensors.write(stateParts.map { SafeTensors.Item($0.path, $0.part) }, metadata: metadata, to: path)
    }

    /// Takes up the state of a safetensors file, as PyTorch writes it too; see `load(from:mapping:isStrict:forgiving:)`
    /// for what the arguments mean.
    /// - Throws: what that does, `GimbalError.invalidFile` and `GimbalError.fileSystem`.
    @discardableResult
    public func load(
        from path: String, mapping: NameMap = .identity, isStrict: Bool = true, forgiving: [NamePattern] = []
    ) throws -> LoadReport {
        try load(from: SafeTensors(path: path), mapping: mapping, isStrict: isStrict, forgiving: forgiving)
    }

    /// Takes up the state of a file, wholly or in part.
    ///
    /// To put a new head on a trained backbone, make the model with the new head and forgive what does not fit there:
    /// ```swift
    /// let report = try model.load(from: "resnet18.safetensors", forgiving: ["fc.*"])
    /// print(report)
    /// ```
    /// - Parameters:
    ///   - file: where the state comes from, such as `SafeTensors`.
    ///   - mapping: what the file's tensors are called in the model.
    ///   - isStrict: whether file and model must have the same names. Where they need not, a tensor of another shape is
    ///     still an error, as in PyTorch.
    ///   - forgiving: names in the model that may be missing in the file, unexpected or of another shape in any case;
    ///     the model then keeps its values.
    /// - Returns: an account of every name.
    /// - Throws: `GimbalError.weightMismatch`, which lists every name that is missing, unexpected or of another shape,
    ///   and `GimbalError.invalidSetting` where the map gives two tensors one name; the model is then unchanged. Also
    ///   what reading `file` throws.
    @discardableResult
    public func load(
        from file: some StoredTensors, mapping: NameMap = .identity, isStrict: Bool = true,
        forgiving: [NamePattern] = []
    ) throws -> LoadReport {
        var report = LoadReport(path: file.path)
        var stored: [String: (name: String, shape: Shape)] = [:]
        for (name, shape) in file.contents {
            guard let target = mapping.name(for: name) else {
                report.leftOut.append(name)
                continue
            }
            if target != name { report.renamed.append(.init(inFile: name, inModel: target)) }
            if let other = stored.updateValue((name, shape), forKey: target) {
                throw GimbalError.invalidSetting(
                    name: "mapping", reason: "'\(other.name)' and '\(name)' of \(file.path) both become '\(target)'")
            }
        }
        let parts = stateParts
        let expected = Set(parts.map(\.path))
        report.unexpected = file.contents.map(\.name).filter { name in
            mapping.name(for: name).map { !expected.contains($0) } ?? false
        }
        for (path, part) in parts {
            if let entry = stored[path] {
                if entry.shape == part.stateShape {
                    report.loaded.append(path)
                } else {
                    report.misshaped.append("\(path) (\(entry.shape) in the file, \(part.stateShape) in the model)")
                }
            } else {
                report.missing.append(path)
            }
        }
        try report.check(isStrict: isStrict, forgiving: forgiving, mapping: mapping)

        for (path, part) in parts {
            guard let entry = stored[path], entry.shape == part.stateShape else { continue }
            switch part {
            case .parameter(_, let parameter):
                parameter.assign(try file.tensor(named: entry.name, like: parameter.value))
            case .buffer(_, let buffer):
                let value = try file.tensor(named: entry.name, like: buffer.value)
                buffer.value.backend.copy(value.view, to: buffer.value.view)
            case .counter(_, let counter): counter.value = try file.integer(named: entry.name)
            case .module: break
            }
        }
        return report
    }
}

extension LoadReport {
    /// Throws what is not forgiven.
    fileprivate func check(isStrict: Bool, forgiving: [NamePattern], mapping: NameMap) throws {
        func unforgiven(_ names: [String], _ name: (String) -> String) -> [String] {
            names.filter { each in !forgiving.contains { $0.matches(name(each)) } }
        }
        let missing = isStrict ? unforgiven(missing) { $0 } : []
        let unexpected = isStrict ? unforgiven(unexpected) { mapping.name(for: $0) ?? $0 } : []
        // The name ends where the shapes begin.
        let misshaped = unforgiven(misshaped) { String($0.prefix { $0 != " " }) }
        try NameMatch(missing: missing, unexpected: unexpected, misshaped: misshaped).check(path)
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
        case .counter(_, let counter): self.init(name: path, counter: counter.value)
        case .module: stop("save", "\(path) is a module, not a tensor")
        }
    }

    /// An item that holds a whole number.
    package init(name: String, counter: Int) {
        self.init(name: name, type: .int64, shape: []) {
            withUnsafeBytes(of: Int64(counter).littleEndian) { [UInt8]($0) }
        }
    }

    /// An item that reads the tensor from its device when its turn comes.
    package init(name: String, _ tensor: Tensor) {
        let tensor = tensor.detached()
        self.init(name: name, type: .init(tensor.dtype), shape: tensor.shape) { try tensor.bytes() }
    }
}
