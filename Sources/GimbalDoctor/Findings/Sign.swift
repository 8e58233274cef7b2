/// Something that can be seen of a sick run. It is not yet the cause: a sign is listed under the illness that explains it.
public enum Sign: String, Codable, Sendable, CaseIterable {
    /// What the layers compute depends less and less on the input.
    case vanishingSignal
    /// What the layers compute grows from layer to layer.
    case explodingSignal
    /// Hardly any gradient arrives at the first layers.
    case vanishingGradient
    /// The gradient grows from layer to layer on its way back.
    case explodingGradient
    /// Units that no sample switches on.
    case deadUnits
    /// Units that are driven to where their slope is next to nothing.
    case saturatedUnits
    /// Weights whose gradient is exactly 0.
    case zeroGradient
    /// The first loss is far above that of a guess.
    case highFirstLoss
    /// The loss, or a signal on the way to it, is NaN or infinite.
    case nonFinite
    /// The first steps make the loss much larger.
    case divergingLoss
    /// The first steps leave the loss as it is.
    case noProgress
    /// The gradient arrives at early time steps as next to nothing.
    case vanishingInTime
    /// The gradient grows from time step to time step on its way back.
    case explodingInTime

    /// As a few words.
    public var title: String {
        switch self {
        case .vanishingSignal: "the signal fades"
        case .explodingSignal: "the signal grows without bound"
        case .vanishingGradient: "the gradient vanishes"
        case .explodingGradient: "the gradient explodes"
        case .deadUnits: "units are dead"
        case .saturatedUnits: "units are saturated"
        case .zeroGradient: "gradients are exactly 0"
        case .highFirstLoss: "the first loss is far above a guess"
        case .nonFinite: "numbers are NaN or infinite"
        case .divergingLoss: "steps make the loss larger"
        case .noProgress: "the first steps change nothing"
        case .vanishingInTime: "the gradient vanishes over time"
        case .explodingInTime: "the gradient explodes over time"
        }
    }
}

/// A sign that was seen, and where.
public struct SeenSign: Codable, Sendable, Equatable {
    /// What was seen.
    public var sign: Sign
    /// The paths of the layers that show it, the one that shows it most first; empty for the model as a whole.
    public var layers: [String]
    /// The figures that show it, in a sentence.
    public var evidence: String

    /// A sign, where it was seen and the figures that show it.
    public init(_ sign: Sign, layers: [String] = [], evidence: String) {
        self.sign = sign
        self.layers = layers
        self.evidence = evidence
    }
}
