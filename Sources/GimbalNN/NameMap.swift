/// What the tensors of a file are called in a model: rules of patterns, of which the first that matches a name renames
/// it.
///
/// The wildcards of a rule's right side stand, from left to right, for what those of its left side found. A right side
/// of nil leaves the tensor out. A name that no rule matches stays.
///
/// ```swift
/// let map: NameMap = ["backbone.*": "*", "projector.*": nil, "*.gamma": "*.weight", "*.beta": "*.bias"]
/// map.name(for: "backbone.conv1.weight")  // conv1.weight
/// ```
public struct NameMap: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// Leaves every name as it is.
    public static let identity: NameMap = [:]

    private struct Rule: Sendable, Equatable {
        let pattern: NamePattern
        let replacement: String?
    }

    private let rules: [Rule]

    public init(dictionaryLiteral rules: (NamePattern, String?)...) { self.init(rules) }

    /// Rules of a pattern and the name it is changed to, tried in order. A right side has no more wildcards than its
    /// left side; nil leaves the tensor out.
    public init(_ rules: [(NamePattern, String?)]) {
        self.rules = rules.map { pattern, replacement in
            let wanted = NamePattern(replacement ?? "").wildcardCount
            require(
                wanted <= pattern.wildcardCount, "NameMap",
                "'\(replacement ?? "")' has \(wanted) wildcards, '\(pattern)' only \(pattern.wildcardCount)")
            return Rule(pattern: pattern, replacement: replacement)
        }
    }

    /// Takes away a prefix where there is one, such as the `module.` of PyTorch's `DataParallel`.
    public static func removing(prefix: String) -> NameMap { NameMap([(NamePattern(prefix + "*"), "*")]) }

    /// Puts a prefix before every name.
    public static func adding(prefix: String) -> NameMap { NameMap([("*", prefix + "*")]) }

    /// The name in the model, nil where the tensor is left out.
    public func name(for name: String) -> String? {
        for rule in rules {
            guard let found = rule.pattern.captures(in: name) else { continue }
            guard let replacement = rule.replacement else { return nil }
            var captures = found[...]
            return replacement.unicodeScalars.reduce(into: "") { result, character in
                if character == "*" || character == "?" {
                    result += captures.removeFirst()
                } else {
                    result.unicodeScalars.append(character)
                }
            }
        }
        return name
    }
}
