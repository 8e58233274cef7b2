/// How finely a device computes products of float32 matrices. Sums are float32 in any case.
public enum ProductPrecision: String, Sendable, Hashable, Codable, CaseIterable {
    /// As float32 arithmetic has it.
    case float32
    /// Operands may be rounded to TF32, the 11 significant bits that NVIDIA's tensor cores read of a float32.
    case tf32
    /// Operands may be rounded to bfloat16.
    case bfloat16
    /// Operands may be rounded to float16, beyond whose range they become infinite.
    case float16
}
