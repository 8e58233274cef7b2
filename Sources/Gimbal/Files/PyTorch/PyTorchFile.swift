import GimbalBackend

/// What `torch.save` wrote (`.pt`, `.pth`, `.bin`): named tensors, each read when it is asked for. Nothing in the file is
/// run.
///
/// Read are state dictionaries, and dictionaries and lists of whatever depth that hold them, of the format of PyTorch 1.6
/// and of the one before. A tensor within others has their names before its own, as in `model.fc1.weight`; the index is
/// the name in a list. A file that needs Python's code to be loaded, as a whole model does, is refused.
///
/// A model takes one up by its path, as any file of weights:
/// ```swift
/// try model.load(from: "resnet18.pt")
/// try model.load(from: "checkpoint.pt", mapping: ["model_state_dict.*": "*", "*": nil])
/// ```
public final class PyTorchFile: Sendable {
    /// One tensor of a file.
    public struct Entry: Sendable, Equatable {
        /// The tensor's name.
        public let name: String
        /// The type of its elements.
        public let type: SafeTensors.ElementType
        /// Its shape; [] for a single number.
        public let shape: Shape

        fileprivate let width: Int
        fileprivate let storage: String
        /// Counted in elements of the storage.
        fileprivate let start: Int
        fileprivate let strides: [Int]
    }

    /// The path that the file was opened at.
    public let path: String
    /// All tensors, in the order of the file.
    public let entries: [Entry]
    /// What else it holds by name, such as the epoch of a checkpoint; long lists as what they are.
    public let values: [(name: String, value: String)]
    /// Tensors of kinds that are not read, such as sparse ones, and why.
    public let unreadTensors: [(name: String, reason: String)]

    private let memory: any PyTorchMemory
    private let positions: [ExactText: Int]

    /// Opens a file and reads its description.
    /// - Throws: `GimbalError.fileSystem` where it cannot be read, `GimbalError.invalidFile` where torch.save did not
    ///   write it, it is damaged, or it holds more than data.
    public convenience init(path: String) throws {
        let file = try FileReader(path: path, format: "a file of PyTorch")
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        let start = try file.start(PyTorchLegacyFile.startLength)
        if PyTorchLegacyFile.begins(with: start) {
            try self.init(legacy: file)
        } else if start.starts(with: Array("PK".utf8)) {
            try self.init(path: path, archive: ZipArchive(path: path))
        } else if start.first == 0x80 {
            throw invalid("a pickle of Python that torch.save did not write")
        } else {
            let reason = try ForeignFile.reason(file, notA: "a file of PyTorch")
            throw invalid(reason ?? "no file that torch.save wrote, or its start is damaged")
        }
    }

    /// A file of the format before PyTorch 1.6.
    convenience init(legacy file: FileReader) throws {
        let heap = PickleHeap()
        let legacy = try PyTorchLegacyFile(file, heap: heap)
        try self.init(path: file.path, legacy, legacy.root, heap)
    }

    /// A file of the format since PyTorch 1.6, whose archive is `archive`.
    convenience init(path: String, archive: ZipArchive) throws {
        let heap = PickleHeap()
        let memory = try PyTorchArchive(archive, path: path)
        let root = try Pickle.value(from: PickleSource(memory.description, path: path), heap: heap) {
            .storage(try PyTorchStorage($0, heap) { .invalidFile(path: path, reason: $0) })
        }
        try self.init(path: path, memory, root, heap)
    }

    private init(path: String, _ memory: any PyTorchMemory, _ root: PickleValue, _ heap: PickleHeap) throws {
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        self.path = path
        self.memory = memory
        let content = try PyTorchContent(of: root, on: heap, invalid)
        values = content.values
        unreadTensors = content.unread
        entries = try content.tensors.map { try Entry($0.name, $0.tensor, memory, invalid) }
        positions = Dictionary(
            entries.enumerated().map { (ExactText($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        if positions.count < entries.count {
            var seen: Set<ExactText> = []
            let twice = entries.first { !seen.insert(ExactText($0.name)).inserted }
            throw invalid("two tensors are called '\(shown(twice?.name ?? ""))'")
        }
    }

    /// The tensor of this name, or `nil`.
    public subscript(name: String) -> Entry? { positions[ExactText(name)].map { entries[$0] } }

    /// The elements of a tensor, little-endian, row-major.
    /// - Throws: `GimbalError.invalidFile` where the file is damaged, the elements are of a type that is not read or
    ///   truth values are neither 0 nor 1; `GimbalError.fileSystem`.
    public func bytes(of entry: Entry) throws -> [UInt8] {
        guard entry.type.isRead else {
            throw GimbalError.invalidFile(
                path: path, reason: "'\(shown(entry.name))' is \(entry.type.reasonAgainstReading)")
        }
        guard entry.shape.elementCount > 0 else { return [] }
        let (start, span, width) = (entry.start * entry.width, entry.span * entry.width, entry.width)
        let extract = try memory.bytes(of: entry.storage, start..<start + span)
        let bytes = gathered(extract, entry.shape.sizes, entry.strides, width: width)
        if let wrong = entry.type.firstUntrue(bytes) {
            throw GimbalError.invalidFile(
                path: path, reason: "element \(wrong) of '\(shown(entry.name))' is \(bytes[wrong]), which is no bool")
        }
        return bytes
    }
}

extension PyTorchFile.Entry {
    /// Checks that the tensor lies within its storage.
    fileprivate init(
        _ name: String, _ tensor: PyTorchTensor, _ memory: any PyTorchMemory, _ invalid: (String) -> GimbalError
    ) throws {
        self.name = name
        type = tensor.element.type
        width = tensor.element.byteCount
        storage = tensor.storage.key
        strides = tensor.strides
        shape = Shape(tensor.sizes)

        func beyond() -> GimbalError { invalid("tensor '\(shown(name))', \(tensor.sizes), exceeds its storage") }
        guard let available = memory.byteCount(of: storage) else {
            // Nothing need be stored of nothing.
            guard tensor.sizes.contains(0) else {
                throw invalid("the storage '\(shown(storage))' of tensor '\(shown(name))' is missing")
            }
            start = 0
            return
        }
        // An archive may unpack to a thousand times its size.
        if memory.holdsWhatIsDescribed, let described = tensor.storage.byteCount, described != available {
            throw invalid(
                "the storage '\(shown(storage))' of tensor '\(shown(name))' takes \(described) bytes by its description, but "
                    + "\(available) in the archive")
        }
        let (begin, overflows) = tensor.offset.addingReportingOverflow(tensor.storage.start)
        guard !overflows else { throw beyond() }
        start = begin
        guard !tensor.sizes.contains(0) else { return }
        var (end, bytes) = (begin, width)
        for (size, stride) in zip(tensor.sizes, tensor.strides) {
            let (reach, overflows) = (size - 1).multipliedReportingOverflow(by: stride)
            guard !overflows, reach <= available, end <= available else { throw beyond() }
            end += reach
            let (product, exceeds) = bytes.multipliedReportingOverflow(by: size)
            guard !exceeds else { throw beyond() }
            bytes = product
        }
        guard end < available / width else { throw beyond() }
        // One element may be repeated to a whole tensor by strides of 0, but not to more than any memory.
        guard bytes <= max(available, 1 << 32) else { throw beyond() }
    }

    /// Elements of the storage from the first to the last.
    fileprivate var span: Int { zip(shape.sizes, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 } }
}
