import GimbalBackend

// What the types of elements are called in files, and how their numbers are read.

extension SafeTensors.ElementType: RawRepresentable, CaseIterable {
    /// All types that Gimbal reads and writes.
    public static let allCases: [Self] = [
        .float64, .float32, .float16, .bfloat16, .int64, .uint64, .int32, .uint32, .int16, .uint16, .int8, .uint8,
        .bool,
    ]

    /// The type's name in a safetensors file.
    public var rawValue: String {
        switch self {
        case .float64: "F64"
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .int64: "I64"
        case .uint64: "U64"
        case .int32: "I32"
        case .uint32: "U32"
        case .int16: "I16"
        case .uint16: "U16"
        case .int8: "I8"
        case .uint8: "U8"
        case .bool: "BOOL"
        case .unread(let name): name
        }
    }

    /// The type of this name in a safetensors file; `unread` where Gimbal does not read it.
    public init(rawValue: String) { self = Self.allCases.first { $0.rawValue == rawValue } ?? .unread(rawValue) }
}

extension SafeTensors.ElementType {
    /// What is said where elements of an unread type are asked for.
    package var reasonAgainstReading: String {
        "of type \(rawValue), which Gimbal does not read; convert it to one of "
            + Self.allCases.map(\.rawValue).joined(separator: ", ")
    }

    /// The first of `bytes` that is no truth value though it must be one; nil where there is none, and of other types.
    func firstUntrue(_ bytes: [UInt8]) -> Int? { self == .bool ? bytes.firstIndex { $0 > 1 } : nil }

    /// Little-endian elements as `Float`, each rounded once.
    package func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
        switch self {
        case .float64: Self.convert(bytes) { (value: Double) in Float(value) }
        case .float32: Self.convert(bytes) { (value: Float) in value }
        case .float16: Self.convert(bytes) { (value: Float16) in Float(value) }
        case .bfloat16: Self.convert(bytes) { (value: UInt16) in Float(bitPattern: UInt32(value) << 16) }
        case .int64: Self.convert(bytes) { (value: Int64) in Float(value) }
        case .uint64: Self.convert(bytes) { (value: UInt64) in Float(value) }
        case .int32: Self.convert(bytes) { (value: Int32) in Float(value) }
        case .uint32: Self.convert(bytes) { (value: UInt32) in Float(value) }
        case .int16, .uint16, .int8, .uint8, .bool, .unread: doubles(bytes).map { Float($0) }
        }
    }

    /// Little-endian elements as `Double`.
    package func doubles(_ bytes: UnsafeRawBufferPointer) -> [Double] {
        switch self {
        case .float64: Self.convert(bytes) { (value: Double) in value }
        case .float32, .float16, .bfloat16: floats(bytes).map { Double($0) }
        case .int64: Self.convert(bytes) { (value: Int64) in Double(value) }
        case .uint64: Self.convert(bytes) { (value: UInt64) in Double(value) }
        case .int32: Self.convert(bytes) { (value: Int32) in Double(value) }
        case .uint32: Self.convert(bytes) { (value: UInt32) in Double(value) }
        case .int16: Self.convert(bytes) { (value: Int16) in Double(value) }
        case .uint16: Self.convert(bytes) { (value: UInt16) in Double(value) }
        case .int8: Self.convert(bytes) { (value: Int8) in Double(value) }
        case .uint8, .bool: Self.convert(bytes) { (value: UInt8) in Double(value) }
        case .unread(let name): stop("ElementType", "Gimbal does not read elements of type \(name)")
        }
    }

    /// Little-endian elements as whole numbers; `failure` makes the error for one that is none.
    package func integers(
        _ bytes: UnsafeRawBufferPointer, _ failure: (any CustomStringConvertible) -> GimbalError
    ) throws -> [Int] {
        switch self {
        case .int64: return Self.convert(bytes) { (value: Int64) in Int(value) }
        case .uint64:
            return try Self.convert(bytes) { (value: UInt64) in
                guard let number = Int(exactly: value) else { throw failure(value) }
                return number
            }
        default:
            return try doubles(bytes).map { value in
                guard let number = Int(exactly: value) else { throw failure(value) }
                return number
            }
        }
    }

    private static func convert<Stored: BitwiseCopyable, Result>(
        _ bytes: UnsafeRawBufferPointer, _ body: (Stored) throws -> Result
    ) rethrows -> [Result] {
        try stride(from: 0, to: bytes.count, by: MemoryLayout<Stored>.size).map {
            try body(bytes.loadUnaligned(fromByteOffset: $0, as: Stored.self))
        }
    }
}
