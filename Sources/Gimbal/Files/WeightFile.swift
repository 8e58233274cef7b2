import Foundation
import GimbalBackend

/// Named tensors in a file of whichever format: safetensors, PyTorch's own, or NumPy's. Which it is, its bytes tell, not its
/// name.
///
/// ```swift
/// let file = try WeightFile(path: "resnet18.pth")
/// for entry in file.entries { print(entry.name, entry.type, entry.shape) }
/// try WeightFile.write(file.items, as: .safeTensors, to: "resnet18.safetensors")
/// ```
public struct WeightFile: Sendable {
    /// How tensors are put into files.
    public enum Format: String, Sendable, CaseIterable {
        /// Hugging Face's: a header in JSON, then the tensors.
        case safeTensors = "safetensors"
        /// What `torch.save` writes.
        case pyTorch = "pt"
        /// NumPy's archive of arrays.
        case npz
        /// One array of NumPy, without a name.
        case npy

        /// The format that a path's extension stands for; nil where it stands for none.
        public init?(path: String) {
            switch URL(fileURLWithPath: path).pathExtension.lowercased() {
            case "safetensors": self = .safeTensors
            case "pt", "pth", "bin", "ckpt": self = .pyTorch
            case "npz": self = .npz
            case "npy": self = .npy
            default: return nil
            }
        }
    }

    /// One tensor of a file.
    public struct Entry: Sendable, Equatable {
        /// The tensor's name; that of a lone array is "array".
        public let name: String
        /// The type of its elements.
        public let type: SafeTensors.ElementType
        /// Its shape; [] for a single number.
        public let shape: Shape
    }

    /// The path that the file was opened at.
    public let path: String
    /// How it is written.
    public let format: Format
    /// All tensors in the order of the file.
    public let entries: [Entry]
    /// What else it says: the metadata of safetensors, the numbers and texts beside PyTorch's tensors.
    public let notes: [(name: String, value: String)]
    /// Other names of tensors, as the metadata of safetensors have them for a tensor that a model has under several: each
    /// with the one that the tensor is stored under.
    public let otherNames: [(name: String, entry: Entry)]
    /// What cannot be read, and why.
    public let unreadable: [(name: String, reason: String)]

    private let positions: [ExactText: Int]
    private let read: @Sendable (_ name: String) throws -> [UInt8]

    /// Opens a file and reads what it says of its tensors.
    /// - Throws: `GimbalError.fileSystem` where it cannot be read, `GimbalError.invalidFile` where it is of no such format
    ///   or damaged.
    public init(path: String) throws {
        self.path = path
        let file = try FileReader(path: path, format: "a file of weights")
        let start = try file.start(PyTorchLegacyFile.startLength)
        let archive = start.starts(with: Array("PK".utf8)) ? try ZipArchive(path: path) : nil
        if start.starts(with: NumPyHeader.magic) {
            let array = try NumPyArray(path: path)
            format = .npy
            entries = [Entry(name: "array", type: array.type, shape: array.shape)]
            (notes, unreadable) = ([], [])
            read = { _ in array.bytes }
        } else if let archive, !PyTorchArchive.isOne(archive) {
            let file = try NumPyArchive(path: path, archive: archive)
            format = .npz
            entries = file.entries.map { Entry(name: $0.name, type: $0.type, shape: $0.shape) }
            notes = []
            unreadable =
                file.packedArrays
                + file.entries.filter { !$0.type.isRead }.map { ($0.name, NumPyHeader.reasonAgainstReading($0.type)) }
            read = { try file.array($0).bytes }
        } else if archive != nil || PyTorchLegacyFile.begins(with: start) {
            let file = try archive.map { try PyTorchFile(path: path, archive: $0) } ?? PyTorchFile(legacy: file)
            format = .pyTorch
            entries = file.entries.map { Entry(name: $0.name, type: $0.type, shape: $0.shape) }
            notes = file.values
            unreadable = Self.unread(entries) + file.unreadTensors
            read = { name in try file[name].map { try file.bytes(of: $0) } ?? [] }
        } else {
            // Behind the length of its header, safetensors begin with a brace.
            if start.dropFirst(8).first != UInt8(ascii: "{"),
                let reason = try ForeignFile.reason(file, notA: "a file of weights")
            {
                throw GimbalError.invalidFile(path: path, reason: reason)
            }
            let file = try SafeTensors(path: path)
            format = .safeTensors
            entries = file.entries.map { Entry(name: $0.name, type: $0.type, shape: $0.shape) }
            notes = file.metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            unreadable = Self.unread(entries)
            read = { name in try file[name].map { try file.elements(of: $0) } ?? [] }
        }
        let positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { (ExactText($1.name), $0) })
        self.positions = positions
        let stored = entries
        otherNames =
            format != .safeTensors
            ? []
            : notes.compactMap { name, value in
                // What all files say, whatever a tensor is called.
                guard name != "format", positions[ExactText(name)] == nil else { return nil }
                return positions[ExactText(value)].map { (name, stored[$0]) }
            }
    }

    /// The tensor of this name, or `nil`.
    public subscript(name: String) -> Entry? { positions[ExactText(name)].map { entries[$0] } }

    /// The elements of a tensor of this file, little-endian, row-major.
    /// - Throws: `GimbalError.invalidFile` where the file is damaged or its elements are of a type that is not read,
    ///   `GimbalError.fileSystem`.
    public func bytes(of entry: Entry) throws -> [UInt8] { try read(entry.name) }

    /// All tensors by all their names: `entries`, and `otherNames`.
    public var namedEntries: [(name: String, entry: Entry)] { entries.map { ($0.name, $0) } + otherNames }

    /// All tensors that can be read, by all their names, to be written elsewhere.
    public var items: [SafeTensors.Item] {
        namedEntries.filter(\.entry.type.isRead).map { name, entry in
            SafeTensors.Item(name: name, type: entry.type, shape: entry.shape) { try bytes(of: entry) }
        }
    }

    /// Writes tensors, wholly or not at all. NumPy has no bfloat16, which becomes float32 there.
    /// - Parameters:
    ///   - items: with distinct names; for `npy`, one.
    ///   - format: how they are written.
    ///   - metadata: free text to keep with the tensors, for which safetensors alone have room.
    ///   - path: of the file to write or replace.
    /// - Throws: `GimbalError.invalidSetting` where the format has no room for them, `GimbalError.fileSystem`, or what an
    ///   item's `contents` throws; an older file is then untouched.
    public static func write(
        _ items: [SafeTensors.Item], as format: Format, metadata: [String: String] = [:], to path: String
    ) throws {
        switch format {
        case .safeTensors:
            // A tensor of a file in another format may be called so.
            guard !items.contains(where: { $0.name == "__metadata__" }) else {
                throw GimbalError.invalidSetting(
                    name: "safetensors",
                    reason: "they keep '__metadata__' for themselves; give that tensor another name")
            }
            try SafeTensors.write(items, metadata: metadata.merging(["format": "pt"]) { $1 }, to: path)
        case .pyTorch: try PyTorchFile.write(items, to: path)
        case .npz: try NumPyArchive.write(items.map { item in (item.name, { try NumPyArray(item) }) }, to: path)
        case .npy:
            guard let only = items.first, items.count == 1 else {
                throw GimbalError.invalidSetting(
                    name: "npy", reason: "it holds one array, and there are \(items.count) tensors; .npz holds several")
            }
            try NumPyArray(only).write(to: path)
        }
    }

    private static func unread(_ entries: [Entry]) -> [(name: String, reason: String)] {
        entries.filter { !$0.type.isRead }.map { ($0.name, $0.type.reasonAgainstReading) }
    }
}

extension NumPyArray {
    /// - Throws: what the item's `contents` throws.
    init(_ item: SafeTensors.Item) throws {
        let bytes = try item.bytes()
        if item.type == .bfloat16 {
            try requireHostMemory(for: 8 * item.shape.elementCount)
            self.init(bytes.withUnsafeBytes { item.type.floats($0) }, item.shape)
        } else {
            self.init(shape: item.shape, type: item.type, bytes: bytes)
        }
    }
}
