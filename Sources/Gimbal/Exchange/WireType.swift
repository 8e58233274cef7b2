/// The type in which gradients go from rank to rank. A narrower one halves the bytes; sums are made in float32.
public enum WireType: String, Codable, Sendable, CaseIterable {
    /// As they are computed.
    case float32
    /// The range of float32, with 8 bits of precision.
    case bfloat16
    /// Up to 65,504, with 11 bits of precision; larger ones become infinite.
    case float16
}
