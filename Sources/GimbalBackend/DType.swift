/// The type of one tensor element.
///
/// `float32` is the type every backend computes in. `float16` and `bfloat16` are storage formats: values are widened to
/// `float32` before arithmetic and rounded once when stored. `float64` exists for backends that check others.
public enum DType: UInt8, Sendable, Hashable, Codable, CaseIterable {
    /// IEEE 754 single precision: 24 significant bits, up to 3.4e38.
    case float32
    /// IEEE 754 half precision: 11 significant bits, up to 65504.
    case float16
    /// The upper half of a float32: 8 significant bits, up to 3.4e38.
    case bfloat16
    /// IEEE 754 double precision: 53 significant bits, up to 1.8e308.
    case float64
    /// Signed integers of 32 bits, such as classes and indices.
    case int32
    /// An unsigned byte; also the type of Boolean masks, where 0 is false and anything else true.
    case uint8

    /// Bytes one element occupies.
    public var byteCount: Int {
        switch self {
        case .float64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        case .uint8: 1
        }
    }

    /// Whether the type holds real numbers and so can carry a gradient.
    public var isFloatingPoint: Bool {
        switch self {
        case .float32, .float16, .bfloat16, .float64: true
        case .int32, .uint8: false
        }
    }
}

extension DType: CustomStringConvertible {
    public var description: String {
        switch self {
        case .float32: "float32"
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        case .float64: "float64"
        case .int32: "int32"
        case .uint8: "uint8"
        }
    }
}
