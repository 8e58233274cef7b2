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
    ///
    /// What has several names in the model is written once, under the first of them in the alphabet; under each of the
    /// others the metadata have that one, as `safetensors.torch.save_model` writes it and `load_model` reads it.
    /// - Throws: `GimbalError.fileSystem`; the old file is then untouched.
    public func save(to path: String, metadata: [String: String] = [:]) throws {
        let parts = stateParts
        let names = Dictionary(grouping: parts) { $0.part.identity }.mapValues { parts in
            parts.map(\.path).min { ExactText($0) < ExactText($1) }!
        }
        var metadata = metadata
        var items: [SafeTensors.Item] = []
        for (path, part) in parts {
            let name = names[part.identity]!
            if name == path {
                items.append(SafeTensors.Item(path, part))
            } else if metadata[path] == nil {
                metadata[path] = name
            }
        }
        try SafeTensors.write(items, metadata: metadata, to: path)
    }

    /// Takes up the state of a file: safetensors, what `torch.save` wrote, or an archive of NumPy; see `load(from:mapping:isStrict:forgiving:)`
    /// for what the arguments mean.
    /// - Throws: what that does, `GimbalError.invalidFile` and `GimbalError.fileSystem`.
    @discardableResult
    public func load(
        from path: String, mapping: NameMap = .identity, isStrict: Bool = true, forgiving: [NamePattern] = []
    ) throws -> LoadReport {
        try load(from: WeightFile(path: path), mapping: mapping, isStrict: isStrict, forgiving: forgiving)
    }

    /// Takes up the state of a file, wholly or in part.
    ///
    /// What has several names in the model, such as an embedding that is the head too, needs to be there under one of
    /// them. Where it is there under more, all must hold the same values.
    ///
    /// To put a new head on a trained backbone, make the model with the new head and forgive what does not fit there:
    /// ```swift
    /// let report = try model.load(from: "resnet18.safetensors", forgiving: ["fc.*"])
    /// print(report)
    /// ```
    /// - Parameters:
    ///   - file: where the state comes from, such as `SafeTensors`.
    ///   - mapping: what the file's tensors are called in the model.
    ///   - isStrict: whether file and model must have the same names, all of kinds that can be read. Where they need
    ///     not, a tensor of another shape is still an error, as in PyTorch.
    ///   - forgiving: names in the model that may be missing in the file, unexpected, of another shape or of a kind that
    ///     is not read in any case; the model then keeps its values.
    /// - Returns: an account of every name.
    /// - Throws: `GimbalError.weightMismatch`, which lists every name that is missing, unexpected or of another shape,
    ///   `GimbalError.invalidSetting` where the map gives two tensors one name, and `GimbalError.invalidFile` where a
    ///   tensor is of a kind that is not read, or two names of one parameter differ; the model is then unchanged. Also
    ///   what reading `file` throws: tensors are read one by one, so that a model takes its own memory once, and those
    ///   that were read before have changed it.
    @discardableResult
    public func load(
        from file: some StoredTensors, mapping: NameMap = .identity, isStrict: Bool = true,
        forgiving: [NamePattern] = []
    ) throws -> LoadReport {
        var report = LoadReport(path: file.path)
        var stored: [ExactText: (name: String, shape: Shape)] = [:]
        for (name, shape) in file.contents {
            guard let target = mapping.name(for: name) else {
                report.leftOut.append(name)
                continue
            }
            if target != name { report.renamed.append(.init(inFile: name, inModel: target)) }
            if let other = stored.updateValue((name, shape), forKey: ExactText(target)) {
                throw GimbalError.invalidSetting(
                    name: "mapping", reason: "'\(other.name)' and '\(name)' of \(file.path) both become '\(target)'")
            }
        }
        let parts = stateParts
        let expected = Set(parts.map { ExactText($0.path) })
        report.unexpected = file.contents.map(\.name).filter { name in
            mapping.name(for: name).map { !expected.contains(ExactText($0)) } ?? false
        }
        let unreadable = Dictionary(
            file.unreadable.map { (ExactText($0.name), $0.reason) }, uniquingKeysWith: { first, _ in first })
        /// The entries that can fill each part of the model, with its names.
        var sources: [ObjectIdentifier: [(path: String, name: String)]] = [:]
        for (path, part) in parts {
            guard let entry = stored[ExactText(path)], entry.shape == part.stateShape,
                unreadable[ExactText(entry.name)] == nil
            else { continue }
            sources[part.identity, default: []].append((path, entry.name))
        }
        for (path, part) in parts {
            if let entry = stored[ExactText(path)] {
                if let reason = unreadable[ExactText(entry.name)] {
                    report.unreadable.append("\(path) (\(reason))")
                } else if entry.shape == part.stateShape {
                    report.loaded.append(path)
                } else {
                    report.misshaped.append("\(path) (\(entry.shape) in the file, \(part.stateShape) in the model)")
                }
            } else if sources[part.identity] != nil {
                report.loaded.append(path)
            } else {
                report.missing.append(path)
            }
        }
        try report.check(isStrict: isStrict, forgiving: forgiving, mapping: mapping)
        // A name that is forgiven does not speak against one that is not.
        for (identity, names) in sources where names.count > 1 {
            let wanted = names.filter { each in !forgiving.contains { $0.matches(each.path) } }
            if !wanted.isEmpty { sources[identity] = wanted }
        }
        for (_, part) in parts {
            guard let names = sources[part.identity], names.count > 1 else { continue }
            for other in names.dropFirst() where try !part.isSame(names[0].name, other.name, in: file) {
                throw GimbalError.invalidFile(
                    path: file.path,
                    reason: "'\(names[0].name)' and '\(other.name)' differ, where the model has one "
                        + "\(part.kindName) under the names \(names[0].path) and \(other.path); load into a model where "
                        + "they are separate, or forgive one of the names")
            }
        }

        let chosen = parts.compactMap { path, part in
            sources[part.identity]?.first.flatMap { $0.path == path ? (part: part, name: $0.name) : nil }
        }
        // A counter may turn out to be no number, and takes no memory: all of them are read before anything changes.
        var counts: [() -> Void] = []
        for case (.counter(_, let counter), let name) in chosen {
            let value = try file.integer(named: name)
            counts.append { counter.value = value }
        }
        for (part, name) in chosen {
            switch part {
            case .parameter(_, let parameter):
                parameter.assign(try file.tensor(named: name, like: parameter.value))
            case .buffer(_, let buffer):
                let value = try file.tensor(named: name, like: buffer.value)
                buffer.value.view.take(value.view)
            case .counter, .module: break
            }
        }
        for count in counts { count() }
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
        // The name ends where the shapes or the reason begin.
        func name(_ text: String) -> String { String(text.prefix { $0 != " " }) }
        try NameMatch(missing: missing, unexpected: unexpected, misshaped: unforgiven(misshaped, name)).check(path)
        let unreadable = isStrict ? unforgiven(unreadable, name) : []
        guard unreadable.isEmpty else {
            throw GimbalError.invalidFile(
                path: path,
                reason: "it has what the model needs in kinds that are not read: "
                    + unreadable.joined(separator: ", "))
        }
    }
}

extension ModulePart {
    /// The same for all names of one part.
    fileprivate var identity: ObjectIdentifier {
        switch self {
        case .parameter(_, let parameter): ObjectIdentifier(parameter)
        case .buffer(_, let buffer): ObjectIdentifier(buffer)
        case .counter(_, let counter): ObjectIdentifier(counter)
        case .module(_, let module): ObjectIdentifier(module)
        }
    }

    fileprivate var kindName: String {
        switch self {
        case .parameter: "parameter"
        case .buffer: "buffer"
        case .counter: "counter"
        case .module: "module"
        }
    }

    /// Whether two tensors of `file` would fill this part with the same values.
    fileprivate func isSame(_ first: String, _ second: String, in file: some StoredTensors) throws -> Bool {
        func bytes(_ name: String, _ value: Tensor) throws -> [UInt8] {
            try file.tensor(named: name, like: value).bytes()
        }
        switch self {
        case .parameter(_, let parameter):
            return try bytes(first, parameter.value) == bytes(second, parameter.value)
        case .buffer(_, let buffer): return try bytes(first, buffer.value) == bytes(second, buffer.value)
        case .counter: return try file.integer(named: first) == file.integer(named: second)
        case .module: return true
        }
    }

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
}
