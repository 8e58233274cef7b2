import GimbalBackend

/// What `torch.save` wrote (`.pt`, `.pth`, `.bin`): named tensors, each read when it is asked for. Nothing in the file is
/// run.
///
/// Read are state dictionaries, and dictionaries and lists of whatever depth that hold them, of the format of PyTorch 1.6
/// and of the one before. A tensor within others has their names before its own, as in `model.fc1.weight`; the index is
/// the name in a list. A file that needs Python's code to be loaded, as a whole model does, is refused.
///
/// ```swift
/// try model.load(from: PyTorchFile(path: "resnet18.pt"))
/// try model.load(from: PyTorchFile(path: "checkpoint.pt"), mapping: ["model_state_dict.*": "*"], isStrict: false)
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
    public init(path: String) throws {
        self.path = path
        let file = try FileReader(path: path, format: "a file of PyTorch")
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        let count = min(try file.size() ?? 0, 32)
        let start = try [UInt8](count: count) { try file.read(at: 0, into: UnsafeMutableRawBufferPointer($0)) }
        let heap = PickleHeap()
        let root: PickleValue
        if PyTorchLegacyFile.begins(with: start) {
            let legacy = try PyTorchLegacyFile(file, heap: heap)
            (memory, root) = (legacy, legacy.root)
        } else if start.starts(with: Array("PK".utf8)) {
            let archive = try PyTorchArchive(path: path)
            memory = archive
            root = try Pickle.value(from: PickleSource(archive.description, path: path), heap: heap) {
                .storage(try Self.storage($0, heap, invalid))
            }
        } else if start.first == 0x80 {
            throw invalid("a pickle of Python that torch.save did not write")
        } else {
            let reason = try ForeignFile.reason(file, notA: "a file of PyTorch")
            throw invalid(reason ?? "no file that torch.save wrote, or its start is damaged")
        }
        let content = try PyTorchContent(of: root, on: heap, invalid)
        values = content.values
        unreadTensors = content.unread
        let memory = memory
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
        let bytes = entry.isContiguous ? extract : gathered(extract, entry.shape.sizes, entry.strides, width: width)
        if entry.type == .bool, let wrong = bytes.firstIndex(where: { $0 > 1 }) {
            throw GimbalError.invalidFile(
                path: path, reason: "element \(wrong) of '\(shown(entry.name))' is \(bytes[wrong]), which is no bool")
        }
        return bytes
    }

    /// What the tuple stands for that `torch.save` writes in place of a storage: its class, its key, where it was and how
    /// many elements it has, and, in the old format, which of them are meant.
    static func storage(
        _ number: PickleValue, _ heap: PickleHeap, _ invalid: (String) -> GimbalError
    ) throws -> PyTorchStorage {
        guard case .sequence(let index) = number, case let parts = heap.sequences[index], parts.count >= 5,
            parts[0].asText == "storage", case .global(let global) = parts[1], let key = parts[2].asText
        else { throw invalid("what stands in place of a tensor's memory is damaged") }
        let kind = PyTorchGlobals.storage(global)
        guard kind != nil || PyTorchGlobals.isUntyped(global) else {
            throw invalid("a storage in it is of class '\(shown("\(global)"))'")
        }
        var start = 0
        if parts.count > 5, case .sequence(let view) = parts[5] {
            guard heap.sequences[view].count == 3, let offset = heap.sequences[view][1].asInteger, offset >= 0 else {
                throw invalid("a view of a storage in it is damaged")
            }
            start = offset
        }
        return PyTorchStorage(key: key, kind: kind, start: start)
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

    fileprivate var isContiguous: Bool {
        var expected = 1
        for (size, stride) in zip(shape.sizes, strides).reversed() where size != 1 {
            if stride != expected { return false }
            expected *= size
        }
        return true
    }
}

/// Elements of `width` bytes at `strides`, in row-major order.
private func gathered(_ bytes: [UInt8], _ sizes: [Int], _ strides: [Int], width: Int) -> [UInt8] {
    var place = [Int](repeating: 0, count: sizes.count)
    var source = 0
    return [UInt8](count: sizes.reduce(width, *)) { result in
        for start in stride(from: 0, to: result.count, by: width) {
            for byte in 0..<width { result[start + byte] = bytes[source + byte] }
            for axis in sizes.indices.reversed() {
                place[axis] += 1
                source += strides[axis] * width
                if place[axis] < sizes[axis] { break }
                source -= strides[axis] * sizes[axis] * width
                place[axis] = 0
            }
        }
    }
}
