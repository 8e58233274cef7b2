/// `text` from a file as a message or a table may show it: control characters, line ends and what turns the direction of
/// writing escaped, and cut in the middle beyond `limit` characters.
package func shown(_ text: String, limit: Int = 60) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(4 * limit + 4) {
        switch scalar.value {
        case 0x09: result += "\\t"
        case 0x0A: result += "\\n"
        case 0x0D: result += "\\r"
        case 0x00...0x1F, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069:
            let digits = String(scalar.value, radix: 16, uppercase: true)
            result += "\\u{\(digits)}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    let isWhole =
        text.unicodeScalars.index(
            text.unicodeScalars.startIndex, offsetBy: 4 * limit + 4, limitedBy: text.unicodeScalars.endIndex
        )
        .map { $0 == text.unicodeScalars.endIndex } ?? true
    guard result.count > limit || !isWhole else { return result }
    let head = result.prefix(max(limit - 13, 1))
    let tail = isWhole ? String(result.suffix(10)) : shownEnd(of: text)
    return "\(head)…\(tail)"
}

private func shownEnd(of text: String) -> String {
    String(shown(String(String.UnicodeScalarView(text.unicodeScalars.suffix(10)))).suffix(10))
}

/// Names from a file one after another, each as `shown` gives it, at most `limit` of them and then "and N more".
package func listed(_ names: some Collection<String>, limit: Int = 8, length: Int = 40) -> String {
    let head = names.prefix(limit).map { shown($0, limit: length) }.joined(separator: ", ")
    return names.count > limit ? "\(head) and \(names.count - limit) more" : head
}
