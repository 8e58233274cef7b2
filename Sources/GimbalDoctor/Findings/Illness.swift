/// The cause of a sick run.
public enum Illness: String, Codable, Sendable, CaseIterable {
    // Data
    /// An input is NaN or infinite.
    case nonFiniteInput
    /// Inputs far from mean 0 and deviation 1.
    case inputScale
    /// Targets of a regression far from what a new model gives.
    case targetScale
    /// All targets are the same.
    case constantTargets
    // Output and loss
    /// A softmax over one unit, which is 1 whatever comes in.
    case softmaxOfOne
    /// A softmax in front of a loss that takes logits.
    case doubleSoftmax
    /// A rectifier on the outputs, which the targets do not agree with.
    case rectifiedOutput
    /// Outputs that cannot reach the targets.
    case boundedOutput
    /// A loss that does not fit the outputs and targets.
    case unfittingLoss
    /// A loss that is a sum over the batch, so that the batch multiplies the rate.
    case summedLoss
    // Wiring
    /// Parameters that are trained and that no optimizer holds.
    case unheldParameters
    /// Parameters that the loss does not depend on.
    case unreachedParameters
    // First weights
    /// A layer whose weights are all 0, so that its units stay the same.
    case zeroWeights
    /// A layer whose units all have the same weights.
    case identicalUnits
    /// Weights too small for the depth.
    case smallWeights
    /// Weights too large for the depth.
    case largeWeights
    /// Biases that switch all units off.
    case lowBiases
    /// Layers so narrow that all their units can be off at once.
    case narrowLayers
    /// Branches that add up to ever larger sums.
    case residualGrowth
    // Architecture
    /// Functions that saturate, in too many layers one after the other.
    case saturatingActivations
    /// A recurrent net whose state fades.
    case fadingMemory
    /// A recurrent net whose state feeds on itself.
    case unstableRecurrence
    /// A sign that nothing known explains.
    case unexplained

    /// As a few words.
    public var title: String {
        switch self {
        case .nonFiniteInput: "NaN or infinity in the input"
        case .inputScale: "inputs of a wrong scale"
        case .targetScale: "targets of a wrong scale"
        case .constantTargets: "constant targets"
        case .softmaxOfOne: "softmax over one unit"
        case .doubleSoftmax: "softmax twice"
        case .rectifiedOutput: "rectified output"
        case .boundedOutput: "bounded output"
        case .unfittingLoss: "a loss that does not fit"
        case .summedLoss: "a loss summed over the batch"
        case .unheldParameters: "parameters that no optimizer holds"
        case .unreachedParameters: "parameters that get no gradient"
        case .zeroWeights: "weights of 0"
        case .identicalUnits: "units that are all the same"
        case .smallWeights: "first weights too small"
        case .largeWeights: "first weights too large"
        case .lowBiases: "biases that switch units off"
        case .narrowLayers: "layers too narrow"
        case .residualGrowth: "branches that add up"
        case .saturatingActivations: "saturating activations at depth"
        case .fadingMemory: "memory that fades"
        case .unstableRecurrence: "a recurrence that feeds on itself"
        case .unexplained: "an unexplained sign"
        }
    }

    /// The signs that the illness produces, so that they need no cause of their own.
    ///
    /// This is the whole model of what causes what: a wrong scale far upstream shows itself in most of the signs, a
    /// mistake at the output in few.
    public var explains: Set<Sign> {
        switch self {
        case .nonFiniteInput: [.nonFinite]
        case .inputScale:
            [
                .saturatedUnits, .explodingSignal, .vanishingSignal, .vanishingGradient, .explodingGradient, .highFirstLoss,
                .nonFinite, .zeroGradient, .deadUnits,
            ]
        case .targetScale: [.highFirstLoss, .explodingGradient]
        case .constantTargets: []
        case .softmaxOfOne: [.zeroGradient, .vanishingGradient]
        case .doubleSoftmax, .unfittingLoss: []
        case .rectifiedOutput: [.deadUnits, .zeroGradient, .highFirstLoss, .nonFinite]
        case .boundedOutput: [.highFirstLoss, .zeroGradient]
        case .summedLoss: [.highFirstLoss]
        case .unheldParameters, .unreachedParameters: []
        case .zeroWeights: [.vanishingSignal, .vanishingGradient, .zeroGradient, .deadUnits]
        case .identicalUnits: [.deadUnits]
        case .smallWeights: [.vanishingSignal, .vanishingGradient, .zeroGradient, .deadUnits, .vanishingInTime]
        case .largeWeights:
            [
                .explodingSignal, .explodingGradient, .saturatedUnits, .highFirstLoss, .nonFinite, .vanishingGradient,
                .deadUnits, .zeroGradient, .explodingInTime,
            ]
        case .lowBiases, .narrowLayers: [.deadUnits, .zeroGradient, .vanishingSignal, .vanishingGradient]
        case .residualGrowth: [.explodingSignal, .explodingGradient, .highFirstLoss, .nonFinite]
        case .saturatingActivations: [.vanishingGradient, .vanishingSignal, .zeroGradient]
        case .fadingMemory: [.vanishingInTime, .vanishingSignal]
        case .unstableRecurrence: [.explodingInTime, .explodingSignal, .explodingGradient, .nonFinite, .highFirstLoss]
        case .unexplained: Set(Sign.allCases)
        }
    }
}
