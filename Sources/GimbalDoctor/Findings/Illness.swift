/// The cause of a sick run.
public enum Illness: String, Codable, Sendable, CaseIterable {
    // Data
    /// An input or target is NaN or infinite.
    case nonFiniteInput
    /// Inputs far from mean 0 and deviation 1.
    case inputScale
    /// Targets of a regression far from what a new model gives.
    case targetScale
    /// All targets are the same.
    case constantTargets
    /// Classes so unequal that the rare ones have next to no part in the loss.
    case classImbalance
    /// Samples that come in the order of their classes.
    case orderedData
    /// The same samples several times in a batch, or in two parts of the data.
    case repeatedSamples
    /// A batch that the model cannot learn by heart.
    case unlearnableBatch
    /// An input that gives the target away.
    case leakedTarget
    // Output and loss
    /// A softmax over one unit, which is 1 whatever comes in.
    case softmaxOfOne
    /// A softmax or sigmoid in front of a loss that applies it itself.
    case doubleSoftmax
    /// A softmax over the samples of the batch.
    case softmaxOverBatch
    /// A logarithm of what may be 0.
    case unsafeLogarithm
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
    /// An operation that is not defined for what it is given, forward or backward, such as a root of 0.
    case undefinedOperation
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
    /// Dropout that leaves hardly any signal.
    case excessiveDropout
    /// A batch too small for the statistics that the model takes of it.
    case smallBatch
    /// Many normalised layers without shortcuts past them.
    case depthWithoutShortcuts
    /// A recurrent net whose state fades.
    case fadingMemory
    /// A recurrent net whose state feeds on itself.
    case unstableRecurrence
    /// Forget gates that are shut.
    case closedForgetGates
    // Optimizer
    /// Residual branches that are normalised behind their sums, trained at the full rate from the first step.
    case missingWarmup
    /// Steps too long for the curvature of the loss.
    case learningRateTooHigh
    /// Steps too short to get anywhere.
    case learningRateTooLow
    /// A momentum that makes steps many times as long as the rate says.
    case momentumTooHigh
    /// Steps that go up the gradient.
    case ascent
    /// Gradients of earlier steps that are never forgotten, so that steps get longer and longer.
    case unclearedGradients
    /// Gradients that are always clipped to next to nothing.
    case clippingTooTight
    /// An epsilon far above the gradients, which swallows them.
    case epsilonTooLarge
    /// A penalty on the weights that outweighs the data.
    case penaltyTooStrong
    /// A schedule that is over long before the run is, or still warming up when it ends.
    case scheduleOutOfStep
    // Course
    /// A batch unlike all others, which has spoilt the weights or the optimizer's moments.
    case poisonedBatch
    /// What is learnt is the training data, not what lies behind it.
    case overfitting
    /// A model that computes something else in evaluation than in training.
    case modesDiffer
    /// Targets that have nothing to do with the inputs.
    case unrelatedTargets
    /// A sign that nothing known explains.
    case unexplained

    /// As a few words.
    public var title: String {
        switch self {
        case .nonFiniteInput: "NaN or infinity in the data"
        case .inputScale: "inputs of a wrong scale"
        case .targetScale: "targets of a wrong scale"
        case .constantTargets: "constant targets"
        case .classImbalance: "unequal classes"
        case .orderedData: "data in order of class"
        case .repeatedSamples: "repeated samples"
        case .unlearnableBatch: "a batch that cannot be learnt by heart"
        case .leakedTarget: "an input that gives the target away"
        case .softmaxOfOne: "softmax over one unit"
        case .doubleSoftmax: "softmax twice"
        case .softmaxOverBatch: "softmax over the batch"
        case .unsafeLogarithm: "a logarithm of what may be 0"
        case .rectifiedOutput: "rectified output"
        case .boundedOutput: "bounded output"
        case .unfittingLoss: "a loss that does not fit"
        case .summedLoss: "a loss summed over the batch"
        case .unheldParameters: "parameters that no optimizer holds"
        case .unreachedParameters: "parameters that get no gradient"
        case .undefinedOperation: "an operation where it is not defined"
        case .zeroWeights: "weights of 0"
        case .identicalUnits: "units that are all the same"
        case .smallWeights: "first weights too small"
        case .largeWeights: "first weights too large"
        case .lowBiases: "biases that switch units off"
        case .narrowLayers: "layers too narrow"
        case .residualGrowth: "branches that add up"
        case .saturatingActivations: "saturating activations at depth"
        case .excessiveDropout: "too much dropout"
        case .smallBatch: "a batch too small to normalise by"
        case .depthWithoutShortcuts: "depth without shortcuts"
        case .fadingMemory: "memory that fades"
        case .unstableRecurrence: "a recurrence that feeds on itself"
        case .closedForgetGates: "shut forget gates"
        case .missingWarmup: "no warmup"
        case .learningRateTooHigh: "learning rate too high"
        case .learningRateTooLow: "learning rate too low"
        case .momentumTooHigh: "momentum too high"
        case .ascent: "steps up the gradient"
        case .unclearedGradients: "gradients that are never cleared"
        case .clippingTooTight: "clipping too tight"
        case .epsilonTooLarge: "epsilon too large"
        case .penaltyTooStrong: "penalty too strong"
        case .scheduleOutOfStep: "a schedule out of step"
        case .poisonedBatch: "a poisoned batch"
        case .overfitting: "overfitting"
        case .modesDiffer: "training and evaluation differ"
        case .unrelatedTargets: "targets unrelated to inputs"
        case .unexplained: "an unexplained sign"
        }
    }

    /// The signs that the illness produces, so that they need no cause of their own.
    ///
    /// This is the whole model of what causes what: a wrong scale far upstream shows itself in most of the signs, a
    /// mistake at the output in few.
    public var explains: Set<Sign> {
        switch self {
        case .nonFiniteInput: [.nonFinite, .noProgress]
        case .inputScale:
            [
                .saturatedUnits, .explodingSignal, .vanishingSignal, .vanishingGradient, .explodingGradient,
                .highFirstLoss,
                .nonFinite, .zeroGradient, .deadUnits, .divergingLoss, .noProgress,
            ]
        case .targetScale: [.highFirstLoss, .explodingGradient, .divergingLoss, .deadUnits, .nonFinite]
        case .constantTargets: [.noProgress]
        case .classImbalance, .orderedData, .leakedTarget, .unlearnableBatch: []
        // Of samples that are all the same, what differs among them is what rounding left.
        case .repeatedSamples:
            [.vanishingSignal, .explodingSignal, .vanishingGradient, .explodingGradient, .zeroGradient, .deadUnits]
        case .softmaxOfOne: [.zeroGradient, .vanishingGradient, .noProgress]
        case .doubleSoftmax, .softmaxOverBatch: [.noProgress]
        case .unfittingLoss: [.highFirstLoss, .divergingLoss, .noProgress, .nonFinite]
        case .unsafeLogarithm: [.nonFinite, .divergingLoss]
        case .rectifiedOutput: [.deadUnits, .zeroGradient, .highFirstLoss, .nonFinite, .noProgress]
        case .boundedOutput: [.highFirstLoss, .zeroGradient, .saturatedUnits, .noProgress]
        case .summedLoss: [.highFirstLoss, .divergingLoss, .explodingGradient, .deadUnits, .nonFinite]
        case .unheldParameters: [.noProgress]
        case .unreachedParameters: []
        case .undefinedOperation: [.nonFinite, .divergingLoss, .noProgress]
        case .zeroWeights: [.vanishingSignal, .vanishingGradient, .zeroGradient, .deadUnits, .noProgress]
        case .identicalUnits: [.deadUnits, .noProgress]
        case .smallWeights:
            [.vanishingSignal, .vanishingGradient, .zeroGradient, .deadUnits, .vanishingInTime, .noProgress]
        case .largeWeights:
            [
                .explodingSignal, .explodingGradient, .saturatedUnits, .highFirstLoss, .nonFinite, .vanishingGradient,
                .deadUnits, .zeroGradient, .explodingInTime, .divergingLoss, .noProgress,
            ]
        case .lowBiases, .narrowLayers:
            [.deadUnits, .zeroGradient, .vanishingSignal, .vanishingGradient, .noProgress]
        case .residualGrowth: [.explodingSignal, .explodingGradient, .highFirstLoss, .nonFinite, .divergingLoss]
        case .saturatingActivations: [.vanishingGradient, .vanishingSignal, .zeroGradient, .noProgress]
        case .excessiveDropout: [.noProgress]
        case .smallBatch: [.divergingLoss, .noProgress]
        case .depthWithoutShortcuts: [.explodingGradient]
        case .missingWarmup: [.divergingLoss, .noProgress]
        case .fadingMemory, .closedForgetGates: [.vanishingInTime, .vanishingSignal]
        case .unstableRecurrence:
            [
                .explodingInTime, .explodingSignal, .explodingGradient, .nonFinite, .highFirstLoss, .divergingLoss,
                .deadUnits,
            ]
        case .learningRateTooHigh: [.divergingLoss, .deadUnits, .nonFinite, .saturatedUnits, .noProgress]
        case .learningRateTooLow, .clippingTooTight, .epsilonTooLarge, .scheduleOutOfStep: [.noProgress]
        case .momentumTooHigh: [.divergingLoss, .deadUnits, .nonFinite, .saturatedUnits, .noProgress]
        case .unclearedGradients:
            [.divergingLoss, .deadUnits, .nonFinite, .saturatedUnits, .explodingGradient, .noProgress]
        case .ascent: [.divergingLoss, .nonFinite, .explodingGradient, .saturatedUnits, .deadUnits]
        case .penaltyTooStrong: [.noProgress, .vanishingSignal, .vanishingGradient, .divergingLoss, .deadUnits]
        case .poisonedBatch: [.divergingLoss, .noProgress, .deadUnits, .nonFinite]
        case .overfitting, .modesDiffer: []
        case .unrelatedTargets: [.noProgress]
        case .unexplained: Set(Sign.allCases)
        }
    }
}
