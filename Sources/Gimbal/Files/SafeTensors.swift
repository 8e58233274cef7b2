import GimbalBackend

/// A safetensors file open for reading: named tensors of any size, each read when it is asked for.
///
/// Opening reads and checks the header only. Nothing in the file is trusted: sizes, offsets, types and shapes must
/// agree with each other and with the length of the file, and the tensors must cover it without gap or overlap, as the
/// format requires (https://github.com/huggingface/safetensors).
///
/// ```swift
/// let file = try SafeTensors(path: "model.safetensors")
/// for entry in file.entries { print(entry.name, entry.type, entry.shape) }
/// let weight = try file.floats(of: file["fc1.weight"]!)
/// ```
public final class SafeTensors: Sendable {
    /// The element types of the format that Gimbal reads and writes, under the names they have in the file.
    public enum ElementType: String, Sendable, CaseIterable {
        /// IEEE 754 double precision.
        case float64 = "F64"
        /// IEEE 754 single precision.
        case float32 = "F32"
        /// IEEE 754 half precision.
        case float16 = "F16"
        /// The upper half of a float32: its range with 8 significant bits.
        case bfloat16 = "BF16"
        /// Signed integers of 64 bits, which no backend computes in.
        case int64 = "I64"
        /// Signed integers of 32 bits.
        case int32 = "I32"
        /// Bytes.
        case uint8 = "U8"
        /// Truth values, a byte each: 0 or 1.
        case bool = "BOOL"

        /// Bytes one element occupies.
        public var byteCount: Int {
            switch self {
            case .float64, .int64: 8
            case .float32, .int32: 4
            case .float16, .bfloat16: 2
            case .uint8, .bool: 1
            }
        }

        /// The type a tensor of such elements has; `nil` for `int64`, which no backend computes in.
        public var dtype: DType? {
            switch self {
            case .float64: .float64
            case .float32: .float32
            case .float16: .float16
            case .bfloat16: .bfloat16
            case .int64: nil
            case .int32: .int32
            case .uint8, .bool: .uint8
            }
        }

        /// The type a tensor of `dtype` is stored as.
        public init(_ dtype: DType) {
            switch dtype {
            case .float64: self = .float64
            case .float32: self = .float32
            case .float16: self = .float16
            case .bfloat16: self = .bfloat16
            case .int32: self = .int32
            case .uint8: self = .uint8
            }
        }
    }

    /// One tensor of a file.
    public struct Entry: Sendable, Equatable {
        /// The tensor's name in the file, such as `fc1.weight`.
        public let name: String
        /// The type of its elements.
        public let type: ElementType
        /// Its shape; [] for a single number.
        public let shape: Shape
        /// Where the tensor's bytes lie, counted from the start of the file.
        public let range: Range<Int>

        /// The length of the tensor in bytes.
        public var byteCount: Int { range.count }
    }

    /// The path that the file was opened at.
    public let path: String
    /// All tensors in the order of their bytes.
    public let entries: [Entry]
    /// The free text stored under `__metadata__`; PyTorch writes `format: pt`.
    public let metadata: [String: String]

    private let reader: FileReader
    private let positions: [String: Int]

    /// Opens a file and reads its header.
    /// - Throws: `GimbalError.fileSystem` where it cannot be read, `GimbalError.invalidFile` where it is no valid file.
    public init(path: String) throws {
        self.path = path
        reader = try FileReader(path: path)
        let header = try SafeTensorsHeader(reading: reader)
        entries = header.entries
        metadata = header.metadata
        positions = Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { ($1.name, $0) })
    }

    /// The tensor of this name, or `nil`.
    public subscript(name: String) -> Entry? { positions[name].map { entries[$0] } }

    /// Reads as many bytes of a tensor as `bytes` has room for; the tensor must have that many from `offset` on.
    /// - Parameters:
    ///   - entry: a tensor of this file.
    ///   - offset: bytes of the tensor to pass over, so that a huge one can be read in pieces.
    ///   - bytes: filled with the bytes from there on, little-endian, row-major.
    /// - Throws: `GimbalError.invalidFile` where the file has been cut since it was opened, `GimbalError.fileSystem`.
    public func read(_ entry: Entry, from offset: Int = 0, into bytes: UnsafeMutableRawBufferPointer) throws {
        require(
            offset >= 0 && offset + bytes.count <= entry.byteCount, "reading \(entry.name)",
            "bytes \(offset)..<\(offset + bytes.count) asked for, it has \(entry.byteCount)")
        try reader.read(at: entry.range.lowerBound + offset, into: bytes)
    }

    /// All bytes of a tensor, little-endian, row-major.
    /// - Throws: as `read(_:from:into:)`.
    public func bytes(of entry: Entry) throws -> [UInt8] {
        try [UInt8](count: entry.byteCount) { try read(entry, into: UnsafeMutableRawBufferPointer($0)) }
    }

    /// A tensor's elements as `Float`, rounded to nearest from `float64` and integers.
    /// - Throws: as `read(_:from:into:)`.
    public func floats(of entry: Entry) throws -> [Float] {
        let count = entry.shape.elementCount
        if entry.type == .float32 {
            return try [Float](count: count) { try read(entry, into: UnsafeMutableRawBufferPointer($0)) }
        }
        return try bytes(of: entry).withUnsafeBytes { bytes in
            func convert<Stored: BitwiseCopyable>(_: Stored.Type, _ toFloat: (Stored) -> Float) -> [Float] {
                bytes.bindMemory(to: Stored.self).map(toFloat)
            }
            return switch entry.type {
            case .float64: convert(Double.self) { Float($0) }
            case .float32: convert(Float.self) { $0 }
            case .float16: convert(Float16.self) { Float($0) }
            case .bfloat16: convert(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
            case .int64: convert(Int64.self) { Float($0) }
            case .int32: convert(Int32.self) { Float($0) }
            case .uint8, .bool: convert(UInt8.self) { Float($0) }
            }
        }
    }
}
