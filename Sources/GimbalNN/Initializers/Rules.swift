/// What `Module.initialize` did: which initializer filled each parameter, and which rules fitted nothing.
public struct InitializationAccount: Sendable, CustomStringConvertible {
    /// What became of one parameter.
    public struct Entry: Sendable {
        /// The parameter's name, as the model spells it.
        public let parameter: String
        /// The parameter's shape.
        public let shape: Shape
        /// The pattern and the initializer's name; nil where no rule fitted and the parameter is as it was.
        public let rule: (pattern: String, initializer: String)?
    }

    /// What became of each parameter, in the order of the model's.
    public let entries: [Entry]
    /// Patterns that filled no parameter: perhaps misspelled, or overridden altogether.
    public let unusedPatterns: [String]

    public var description: String {
        let width = entries.map(\.parameter.count).max() ?? 0
        let lines = entries.map { entry in
            let name = entry.parameter + String(repeating: " ", count: width - entry.parameter.count)
            return "\(name)  \(entry.rule.map { "\($0.initializer) by \($0.pattern)" } ?? "as it was")  \(entry.shape)"
        }
        return (lines + unusedPatterns.map { "\($0) filled nothing" }).joined(separator: "\n")
    }
}

extension Module {
    /// Fills parameters by rules over their names.
    ///
    /// ```swift
    /// print(model.initialize([("*.weight", .heNormal()), ("*.bias", .zeros), ("fc2.weight", .orthogonal())]))
    /// ```
    /// In a pattern, `*` stands for any characters and `?` for one. Of the rules that match a name, the last holds, so
    /// that exceptions follow what they except from. A rule is passed over where its initializer cannot fill the
    /// parameter, as one that looks at fans cannot fill the [channels] of a batch normalisation.
    /// - Returns: an account of what was filled by what.
    @discardableResult
    public func initialize(
        _ rules: [(pattern: String, initializer: Initializer)], generator: RandomGenerator = .current
    ) -> InitializationAccount {
        var used: Set<Int> = []
        let entries = parameters.map { parameter in
            let index = rules.lastIndex {
                parameter.matches(NamePattern($0.pattern)) && $0.initializer.ranks.contains(parameter.shape.rank)
            }
            guard let index else {
                return InitializationAccount.Entry(parameter: parameter.name, shape: parameter.shape, rule: nil)
            }
            used.insert(index)
            let (pattern, initializer) = rules[index]
            parameter.assign(initializer.make(parameter.shape, generator: generator, device: parameter.device))
            return InitializationAccount.Entry(
                parameter: parameter.name, shape: parameter.shape, rule: (pattern, initializer.name))
        }
        return InitializationAccount(
            entries: entries, unusedPatterns: rules.indices.filter { !used.contains($0) }.map { rules[$0].pattern })
    }
}
