/// A pattern over dotted names, such as those of parameters: `*` stands for any run of Unicode scalars, none and dots
/// included, `?` for exactly one; every other scalar stands for itself. A pattern matches whole names only.
///
/// ```swift
/// NamePattern("encoder.*.weight").matches("encoder.layers.0.weight")  // true
/// ```
public struct NamePattern: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The pattern as it was written.
    public let text: String
    private let characters: [Unicode.Scalar]

    /// Any text is a pattern; wildcards cannot be escaped.
    public init(_ text: String) {
        self.text = text
        characters = [Unicode.Scalar](text.unicodeScalars)
    }

    public init(stringLiteral text: String) { self.init(text) }

    public var description: String { text }

    /// Number of wildcards.
    package var wildcardCount: Int { characters.count { $0 == "*" || $0 == "?" } }

    /// Whether the pattern stands for `name`, upper and lower case told apart.
    public func matches(_ name: String) -> Bool { captures(in: name) != nil }

    /// What each wildcard stands for in `name`, from left to right; nil where the pattern does not match. A `*` takes as
    /// little as the rest allows.
    package func captures(in name: String) -> [String]? {
        let name = [Unicode.Scalar](name.unicodeScalars)
        var position = 0
        var part = 0
        // Where each wildcard passed so far began and ended in the name, and the last star, which may still grow: giving
        // an earlier star more could not help, since the last one can take whatever that would skip.
        var ranges: [Range<Int>] = []
        var star: (part: Int, wildcard: Int)?
        while position < name.count || part < characters.count {
            if part < characters.count {
                switch characters[part] {
                case "*":
                    star = (part, ranges.count)
                    ranges.append(position..<position)
                    part += 1
                    continue
                case "?" where position < name.count:
                    ranges.append(position..<position + 1)
                    (position, part) = (position + 1, part + 1)
                    continue
                case let character where position < name.count && character == name[position]:
                    (position, part) = (position + 1, part + 1)
                    continue
                default: break
                }
            }
            guard let star, ranges[star.wildcard].upperBound < name.count else { return nil }
            ranges.removeLast(ranges.count - star.wildcard - 1)
            position = ranges[star.wildcard].upperBound + 1
            ranges[star.wildcard] = ranges[star.wildcard].lowerBound..<position
            part = star.part + 1
        }
        return ranges.map { String(String.UnicodeScalarView(name[$0])) }
    }
}

extension Parameter {
    /// Whether the parameter's name fits `pattern`.
    ///
    /// ```swift
    /// model.parameters.filter { $0.matches("*.bias") }
    /// ```
    public func matches(_ pattern: NamePattern) -> Bool { pattern.matches(name) }
}
