/// Looks for one kind of illness.
///
/// ```swift
/// let tooManyClasses = Rule("too many classes") { context in
///     guard let outputs = context.examination.output.predictions?.shape.last, outputs > 10_000 else { return [] }
///     return [Finding(.unfittingLoss, "a softmax over \(outputs) classes; sample them")]
/// }
/// let doctor = Doctor(rules: Rule.standard + [tooManyClasses])
/// ```
public struct Rule: Sendable {
    /// What it is called.
    public let name: String
    /// Gives the causes found, none in a healthy model.
    public let look: @Sendable (RuleContext) -> [Finding]

    /// A rule of one's own.
    public init(_ name: String, look: @escaping @Sendable (RuleContext) -> [Finding]) {
        self.name = name
        self.look = look
    }

    /// All that Gimbal knows, in the order in which causes work: what is wrong with the data shows itself in the layers,
    /// and what is wrong with the layers in the loss.
    public static let standard: [Rule] = data + output + wiring + recurrence + firstWeights + rate
}

/// What a rule may look at.
public struct RuleContext: Sendable {
    /// What was measured.
    public let examination: Examination
    /// The signs that were seen.
    public let signs: [SeenSign]
    /// What the rules before have found.
    public let found: [Finding]
    /// From where on something counts.
    public let thresholds: Thresholds

    init(_ examination: Examination, _ signs: [SeenSign], _ found: [Finding], _ thresholds: Thresholds) {
        self.examination = examination
        self.signs = signs
        self.found = found
        self.thresholds = thresholds
    }

    /// The sign, where it was seen.
    public func seen(_ sign: Sign) -> SeenSign? { signs.first { $0.sign == sign } }
    /// Whether any of `signs` was seen.
    public func hasSeen(_ signs: Sign...) -> Bool { signs.contains { seen($0) != nil } }
}
