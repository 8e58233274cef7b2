import GimbalBackend

/// Where the bytes of a PyTorch file's storages lie.
protocol PyTorchMemory: Sendable {
    /// Bytes of a storage; nil where there is none of this key.
    func byteCount(of key: String) -> Int?
    /// Whether what descriptions say of a storage's size is all of it.
    var holdsWhatIsDescribed: Bool { get }
    /// Some bytes of a storage, which has them.
    func bytes(of key: String, _ range: Range<Int>) throws -> [UInt8]
}

/// A ZIP archive, as `torch.save` writes since PyTorch 1.6: one member for each storage.
final class PyTorchArchive: PyTorchMemory {
    private let archive: ZipArchive
    /// By the storage's key.
    private let members: [String: ZipArchive.Member]
    /// The storage read last: the weights of a recurrent net may all lie in one.
    private let latest = Lock<(key: String, bytes: [UInt8])?>(nil)
    /// The pickle that describes the tensors.
    let description: [UInt8]

    /// Whether a ZIP archive has what makes it a file of PyTorch.
    static func isOne(_ archive: ZipArchive) -> Bool { pickle(in: archive) != nil }

    private static func pickle(in archive: ZipArchive) -> ZipArchive.Member? {
        archive.members.first { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }
    }

    init(_ archive: ZipArchive, path: String) throws {
        self.archive = archive
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        guard let pickle = Self.pickle(in: archive) else {
            throw invalid("a ZIP archive that torch.save did not write: there is no data.pkl in it")
        }
        let folder = String(pickle.name.dropLast("data.pkl".count))
        if archive.members.contains(where: { $0.name.hasPrefix(folder + "code/") }) {
            throw invalid(
                "a TorchScript program, not weights alone; save those in Python by "
                    + "torch.save(torch.jit.load(path).state_dict(), other)")
        }
        guard pickle.byteCount <= 1 << 28 else { throw invalid("its data.pkl takes \(pickle.byteCount) bytes") }
        if let order = archive.members.first(where: { $0.name == folder + "byteorder" }),
            try archive.read(order, limit: 16) == Array("big".utf8)
        {
            throw invalid("written by a big-endian machine; load it there, and save it as safetensors")
        }
        let prefix = folder + "data/"
        members = Dictionary(
            archive.members.filter { $0.name.hasPrefix(prefix) }.map { (String($0.name.dropFirst(prefix.count)), $0) },
            uniquingKeysWith: { first, _ in first })
        description = try archive.read(pickle)
    }

    func byteCount(of key: String) -> Int? { members[key]?.byteCount }

    var holdsWhatIsDescribed: Bool { true }

    func bytes(of key: String, _ range: Range<Int>) throws -> [UInt8] {
        guard let member = members[key] else { return [] }
        if range == 0..<member.byteCount { return try archive.read(member) }
        return try latest.withLock { latest in
            if latest?.key != key { latest = (key, try archive.read(member)) }
            return Array(latest?.bytes[range] ?? [])
        }
    }
}

/// A file of several pickles and then the storages, as `torch.save` wrote before PyTorch 1.6.
final class PyTorchLegacyFile: PyTorchMemory {
    private let file: FileReader
    private let ranges: [String: Range<Int>]
    let root: PickleValue

    /// The whole number that the first pickle holds.
    private static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

    /// Bytes of a file that tell whether it is of this format.
    static let startLength = 32

    /// Whether a file that begins so is of this format: before the number stand only the pickle's protocol and frame.
    static func begins(with start: [UInt8]) -> Bool {
        start.first == 0x80 && !start.ranges(of: magic).isEmpty
    }

    init(_ file: FileReader, heap: PickleHeap) throws {
        self.file = file
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: file.path, reason: reason) }
        let source = try PickleSource(file, from: 0)
        _ = try Pickle.value(from: source, heap: heap)
        let version = try Pickle.value(from: source, heap: heap)
        guard version.asInteger == 1001 else {
            throw invalid("of version \(version.description ?? "?") of PyTorch's old format; 1001 is read")
        }
        if case .dictionary(let system) = try Pickle.value(from: source, heap: heap) {
            for (key, value) in heap.dictionaries[system] where key.asText == "little_endian" {
                guard case .truth(true) = value else {
                    throw invalid("written by a big-endian machine; load it there, and save it as safetensors")
                }
            }
        }
        var widths: [String: Int] = [:]
        root = try Pickle.value(from: source, heap: heap) { number in
            let storage = try PyTorchStorage(number, heap, invalid)
            widths[storage.key] = storage.kind?.byteCount ?? 1
            return .storage(storage)
        }
        guard case .sequence(let keys) = try Pickle.value(from: source, heap: heap) else {
            throw invalid("damaged: no list of storages follows its description")
        }
        let size = try file.size() ?? 0
        var place = source.place
        var ranges: [String: Range<Int>] = [:]
        for key in heap.sequences[keys] {
            guard let key = key.asText, let width = widths[key] else {
                throw invalid("damaged: a storage in it belongs to no tensor")
            }
            let count = try PickleSource(file, from: place).number(Int64.self)
            place += 8
            let (bytes, overflows) = Int(count).multipliedReportingOverflow(by: width)
            guard count >= 0, !overflows, bytes <= size - place else {
                throw invalid("truncated: storage '\(shown(key))' of \(count) elements ends beyond byte \(size)")
            }
            ranges[key] = place..<place + bytes
            place += bytes
        }
        self.ranges = ranges
    }

    func byteCount(of key: String) -> Int? { ranges[key]?.count }

    /// A view of a storage is described by its own size.
    var holdsWhatIsDescribed: Bool { false }

    func bytes(of key: String, _ range: Range<Int>) throws -> [UInt8] {
        guard let start = ranges[key]?.lowerBound else { return [] }
        return try [UInt8](refusable: range.count) {
            try file.read(at: start + range.lowerBound, into: UnsafeMutableRawBufferPointer($0))
        }
    }
}
