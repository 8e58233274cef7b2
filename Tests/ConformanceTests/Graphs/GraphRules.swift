/// All that a graph's steps may do.
enum GraphRules {
    static let all =
        elementRules + reductionRules + viewRules + productRules + convolutionRules + normalizationRules + indexRules
        + lossRules + layerRules

    static let named = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// Every rule as many times as its weight says.
    static let weighted = all.flatMap { [GraphRule](repeating: $0, count: $0.weight) }
}
