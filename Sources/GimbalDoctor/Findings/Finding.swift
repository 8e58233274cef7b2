/// A cause of trouble that was found: what it is, where, what shows it and what helps.
public struct Finding: Codable, Sendable {
    /// What is wrong.
    public var illness: Illness
    /// In a sentence.
    public var summary: String
    /// The paths of the layers or parameters that it lies in, the worst first; empty for the model as a whole.
    public var layers: [String]
    /// The optimizer step before which it showed; 0 before the first.
    public var step: Int
    /// The figures that show it, a sentence each.
    public var evidence: [String]
    /// The signs that it explains.
    public var signs: [SeenSign]
    /// What helps, the first to be tried first.
    public var remedies: [Remedy]

    /// A finding before the first step, unless `step` says otherwise.
    public init(
        _ illness: Illness, _ summary: String, layers: [String] = [], step: Int = 0, evidence: [String] = [],
        signs: [SeenSign] = [], remedies: [Remedy] = []
    ) {
        self.illness = illness
        self.summary = summary
        self.layers = layers
        self.step = step
        self.evidence = evidence
        self.signs = signs
        self.remedies = remedies
    }
}
