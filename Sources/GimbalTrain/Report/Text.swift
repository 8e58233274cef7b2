/// `text` from a file as one line that a terminal shows as it is: control characters, line ends and marks that turn the
/// direction of writing stand as `\u{1b}`; what is longer than `limit` characters is cut in the middle.
package func printable(_ text: String, limit: Int = 200) -> String {
    let count = text.count
    let part = count > limit ? text.prefix(limit - limit / 3 - 1) + "…" + text.suffix(limit / 3) : text[...]
    return shown(part) { _ in false }
}

/// `text` as HTML shows it: with the characters that HTML gives a meaning replaced, and control characters as `printable`
/// has them.
/// - Parameter keepsLines: leaves line ends, for text in several lines.
package func escaped(_ text: String, keepsLines: Bool = false) -> String {
    let visible = shown(text[...]) { keepsLines && $0 == "\n" }
    // By scalars: a mark that combines with a quote must not hide it.
    return visible.unicodeScalars.reduce(into: "") { result, scalar in
        switch scalar {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        default: result.unicodeScalars.append(scalar)
        }
    }
}

private func shown(_ text: Substring, unless isKept: (Unicode.Scalar) -> Bool) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        let isHidden =
            switch scalar.value {
            case 0..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0xFEFF: true
            default: false
            }
        if isHidden && !isKept(scalar) {
            result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
        } else {
            result.append(scalar)
        }
    }
    return String(result)
}
