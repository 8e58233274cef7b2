/// `scalars` with an escape for each that does not show as itself, or what `replacement` gives for it.
package func visible(
    _ scalars: some Sequence<Unicode.Scalar>, replacement: (Unicode.Scalar) -> String? = { _ in nil }
) -> String {
    var result = ""
    for scalar in scalars {
        if let replacement = replacement(scalar) {
            result += replacement
            continue
        }
        switch scalar.value {
        case 0x09: result += "\\t"
        case 0x0A: result += "\\n"
        case 0x0D: result += "\\r"
        case 0x00...0x1F, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF:
            result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}
