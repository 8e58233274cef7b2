// Text that comes from a file, a folder's name or a command line, made safe to show.

/// `text` as a message, a table or a terminal may show it: control characters, line ends and what turns the direction of
/// writing escaped, and cut in the middle beyond `limit` characters.
package func shown(_ text: String, limit: Int = 60) -> String {
    // A field may be as large as its file: no more of it is looked at than can be shown.
    let (scalars, most) = (text.unicodeScalars, 4 * limit + 4)
    let head = scalars.prefix(most)
    let isWhole = head.endIndex == scalars.endIndex
    let result = visible(head)
    guard result.count > limit || !isWhole else { return result }
    let tail = isWhole ? result : visible(scalars.suffix(10))
    return "\(result.prefix(max(limit - 13, 1)))…\(tail.suffix(10))"
}

/// Names from a file one after another, each as `shown` gives it, at most `limit` of them and then "and N more".
package func listed(_ names: some Collection<String>, limit: Int = 8, length: Int = 40) -> String {
    let head = names.prefix(limit).map { shown($0, limit: length) }.joined(separator: ", ")
    return names.count > limit ? "\(head) and \(names.count - limit) more" : head
}

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
        case _ where scalar.isControl: result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

extension Unicode.Scalar {
    /// Whether a terminal would obey it, or show what stands around it in another place, rather than show it.
    package var isControl: Bool {
        switch value {
        case 0x00...0x1F, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }
}

/// A count with what is counted: "1 row", "2 rows".
/// - Parameters:
///   - count: how many there are.
///   - noun: of one.
///   - plural: of several; with an s unless given.
package func counted(_ count: Int, _ noun: String, _ plural: String? = nil) -> String {
    "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
}
