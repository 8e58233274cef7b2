/// Named tensors, from which a model's state can be taken: those of a `WeightFile`, a `StateDictionary`, or of one's own.
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
        try stored(try entry(name)).tensor(like: model)
    }

    public func integer(named name: String) throws -> Int { try stored(try entry(name)).integer() }

    private func entry(_ name: String) throws -> Entry {
        guard let entry = self[name] else { throw GimbalError.invalidFile(path: path, reason: "it has no '\(name)'") }
        return entry
    }

    private func stored(_ entry: Entry) throws -> StoredElements {
        StoredElements(
            path: path, name: entry.name, type: entry.type, shape: entry.shape, bytes: try elements(of: entry))
    }

    /// The tensor of an entry, with the dtype and on the device of `model`.
    package func tensor(_ entry: Entry, like model: Tensor) throws -> Tensor { try stored(entry).tensor(like: model) }
}

extension NumPyArchive: StoredTensors {
    public var contents: [(name: String, shape: Shape)] { entries.map { ($0.name, $0.shape) } }

    public var unreadable: [(name: String, reason: String)] {
        entries.filter { !$0.type.isRead }.map { ($0.name, NumPyHeader.reasonAgainstReading($0.type)) }
    }

    public func tensor(named name: String, like model: Tensor) throws -> Tensor {
        try stored(name).tensor(like: model)
    }

    public func integer(named name: String) throws -> Int { try stored(name).integer() }

    private func stored(_ name: String) throws -> StoredElements {
        let array = try array(name)
        return StoredElements(path: path, name: name, type: array.type, shape: array.shape, bytes: array.bytes)
    }
}

extension WeightFile: StoredTensors {
    public var contents: [(name: String, shape: Shape)] { entries.map { ($0.name, $0.shape) } }

    public func tensor(named name: String, like model: Tensor) throws -> Tensor {
        try stored(name).tensor(like: model)
    }

    public func integer(named name: String) throws -> Int { try stored(name).integer() }

    private func stored(_ name: String) throws -> StoredElements {
        guard let entry = self[name] else { throw GimbalError.invalidFile(path: path, reason: "it has no '\(name)'") }
        return StoredElements(
            path: path, name: name, type: entry.type, shape: entry.shape, bytes: try bytes(of: entry))
    }
}
