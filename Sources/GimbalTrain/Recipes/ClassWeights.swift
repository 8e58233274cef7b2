/// What the examples of each class count for in the loss: a rare class may count for more.
///
/// With them, the loss of a batch is Σ w loss / Σ w over its examples, as PyTorch's, and that of a step likewise over all
/// examples of its batches: where a step has a single example, its weight has no effect.
/// ```swift
/// var settings = TrainingSettings()
/// settings.classWeights = .balanced
/// settings.classWeights = ClassWeights([("default", 20), ("no default", 1)])
/// ```
public struct ClassWeights: Codable, Sendable, Equatable {
    /// A class and what it counts for.
    public struct Weight: Codable, Sendable, Equatable {
        /// The class, exact to the byte.
        public var name: String
        /// What its examples count for; at least 0.
        public var weight: Double
    }

    /// Whether the weights follow from the examples that are trained on: see `balanced`.
    public var isBalanced = false
    /// The weights of classes by name; a class that is not among them counts for 1. Of balanced ones they are filled in
    /// when a run is made.
    public var weights: [Weight] = []

    /// Every class as much as any other: examples / (classes x examples of the class), as scikit-learn's "balanced".
    public static let balanced = {
        var weights = ClassWeights([])
        weights.isBalanced = true
        return weights
    }()

    /// Weights by the names of classes; those that are not named count for 1.
    public init(_ weights: [(name: String, weight: Double)]) {
        self.weights = weights.map { Weight(name: $0.name, weight: $0.weight) }
    }

    /// What a weight may be, unless it is 0: sums of them over a batch, and products with losses, stay numbers in float32.
    static let range = 1e-6...1e6

    /// Checks each weight by itself.
    /// - Throws: `GimbalError.invalidSetting`.
    public func validate() throws {
        for weight in weights {
            try checkSetting(
                weight.weight == 0 || Self.range.contains(weight.weight), "classWeights",
                "must be 0 or lie from \(Self.range.lowerBound) to \(Self.range.upperBound), not \(weight.weight) for "
                    + "'\(shown(weight.name))'")
        }
        try checkSetting(
            Set(weights.map { Array($0.name.utf8) }).count == weights.count, "classWeights", "has a class twice")
    }

    /// The weight of each class.
    /// - Parameter names: of the classes, in the order of their numbers.
    /// - Throws: `GimbalError.invalidSetting` for a weight of another class, or where all are 0.
    func values(for names: [String]) throws -> [Double] {
        var places: [[UInt8]: Int] = [:]
        for (place, name) in names.enumerated() { places[Array(name.utf8)] = place }
        var values = [Double](repeating: 1, count: names.count)
        for weight in weights {
            guard let place = places[Array(weight.name.utf8)] else {
                throw GimbalError.invalidSetting(
                    name: "classWeights",
                    reason: "there is no class '\(shown(weight.name))'; the classes are \(listed(names))")
            }
            values[place] = weight.weight
        }
        try checkSetting(values.contains { $0 > 0 }, "classWeights", "are 0 for every class")
        return values
    }

    /// The same weights with numbers in them: balanced ones follow from `counts`, the examples of each class. A class
    /// without examples counts for 1.
    func filled(counts: [Int], names: [String]) -> ClassWeights {
        guard isBalanced else { return self }
        var filled = self
        filled.weights = zip(names, Self.balanced(counts)).map { Weight(name: $0, weight: $1 ?? 1) }
        return filled
    }

    /// The balanced weight of each class by the examples of each; nil for one without.
    static func balanced(_ counts: [Int]) -> [Double?] {
        let (all, present) = (counts.reduce(0, +), counts.count { $0 > 0 })
        return counts.map { $0 > 0 ? Double(all) / Double(present * $0) : nil }
    }
}

extension ClassWeights: CustomStringConvertible {
    /// As `gimbal train --class-weights` takes it.
    public var description: String {
        isBalanced ? "balanced" : weights.map { "\($0.name)=\($0.weight)" }.joined(separator: ",")
    }
}

extension [Double] {
    /// The weights of examples of these classes together.
    func sum(over classes: [Int32]) -> Double { classes.reduce(0) { $0 + self[Int($1)] } }
}
