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
    /// The types of elements.
    public enum ElementType: Sendable, Hashable {
        /// IEEE 754 double precision.
        case float64
        /// IEEE 754 single precision.
        case float32
        /// IEEE 754 half precision.
        case float16
        /// The upper half of a float32: its range with 8 significant bits.
        case bfloat16
        /// Signed integers of 64 bits, which no backend computes in.
        case int64
        /// Integers of 64 bits without a sign, which no backend computes in.
        case uint64
        /// Signed integers of 32 bits.
        case int32
        /// Integers of 32 bits without a sign, which no backend computes in.
        case uint32
        /// Signed integers of 16 bits, which no backend computes in.
        case int16
        /// Integers of 16 bits without a sign, which no backend computes in.
        case uint16
        /// Signed integers of 8 bits, which no backend computes in.
        case int8
        /// Bytes.
        case uint8
        /// Truth values, a byte each: 0 or 1.
        case bool
        /// A type that Gimbal does not read, under the name it has in the file, such as `F8_E4M3`: such a tensor is no
        /// hindrance to the others, and its bytes can be had, but not its numbers.
        case unread(String)

        /// Bytes one element occupies; that of an `unread` type is not known, and asking for it stops the program.
        public var byteCount: Int {
            switch self {
            case .float64, .int64, .uint64: 8
            case .float32, .int32, .uint32: 4
            case .float16, .bfloat16, .int16, .uint16: 2
            case .int8, .uint8, .bool: 1
            case .unread(let name): stop("SafeTensors", "Gimbal does not know the size of elements of type \(name)")
            }
        }

        /// The type a tensor of such elements has; `nil` for those that no backend computes in.
        public var dtype: DType? {
            switch self {
            case .float64: .float64
            case .float32: .float32
            case .float16: .float16
            case .bfloat16: .bfloat16
            case .int32: .int32
            case .uint8, .bool: .uint8
            case .int64, .uint64, .uint32, .int16, .uint16, .int8, .unread: nil
            }
        }

        /// Whether Gimbal reads and writes elements of the type.
        public var isRead: Bool { if case .unread = self { false } else { true } }

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
    private let positions: [ExactText: Int]

    /// Opens a file and reads its header.
    /// - Throws: `GimbalError.fileSystem` where it cannot be read, `GimbalError.invalidFile` where it is no valid file.
    public init(path: String) throws {
        self.path = path
        reader = try FileReader(path: path, format: "safetensors")
        let header = try SafeTensorsHeader(reading: reader)
        entries = header.entries
        metadata = header.metadata
        positions = Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { (ExactText($1.name), $0) })
    }

    /// The tensor of this name, or `nil`.
    public subscript(name: String) -> Entry? { positions[ExactText(name)].map { entries[$0] } }

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
        try [UInt8](refusable: entry.byteCount, "reading '\(entry.name)'") {
            try read(entry, into: UnsafeMutableRawBufferPointer($0))
        }
    }

    /// A tensor's elements as `Float`, rounded to nearest from `float64` and integers.
    /// - Throws: as `read(_:from:into:)`, and `GimbalError.invalidFile` for elements of a type that is not read, and
    ///   truth values that are neither 0 nor 1.
    public func floats(of entry: Entry) throws -> [Float] {
        if entry.type == .float32 {
            return try [Float](refusable: entry.shape.elementCount, "reading '\(entry.name)'") {
                try read(entry, into: UnsafeMutableRawBufferPointer($0))
            }
        }
        let elements = try elements(of: entry)
        try requireHostMemory(for: 4 * entry.shape.elementCount)
        return elements.withUnsafeBytes { entry.type.floats($0) }
    }

    /// A tensor's elements as `Double`, rounded to nearest from integers beyond 2⁵³.
    /// - Throws: as `floats(of:)`.
    public func doubles(of entry: Entry) throws -> [Double] {
        let elements = try elements(of: entry)
        try requireHostMemory(for: 8 * entry.shape.elementCount)
        return elements.withUnsafeBytes { entry.type.doubles($0) }
    }

    /// The elements of a tensor of whole numbers.
    /// - Throws: as `floats(of:)`, and `GimbalError.invalidFile` where one is no `Int`.
    public func integers(of entry: Entry) throws -> [Int] {
        try elements(of: entry).withUnsafeBytes { bytes in
            try entry.type.integers(bytes) { value in
                .invalidFile(path: path, reason: "'\(entry.name)' holds \(value), which is no whole number of 64 bits")
            }
        }
    }

    /// As `bytes(of:)`, of elements that are sure to be numbers of their type.
    package func elements(of entry: Entry) throws -> [UInt8] {
        guard entry.type.isRead else {
            throw GimbalError.invalidFile(path: path, reason: "'\(entry.name)' is \(entry.type.reasonAgainstReading)")
        }
        let bytes = try bytes(of: entry)
        if let wrong = entry.type.firstUntrue(bytes) {
            throw GimbalError.invalidFile(
                path: path, reason: "element \(wrong) of '\(entry.name)' is \(bytes[wrong]), which is no bool")
        }
        return bytes
    }
}
