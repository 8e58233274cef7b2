/// What one optimizer does in a training step: zero gradients, loss, backward, clip, update.
///
/// Most trainings have one phase. A GAN has two, in this order in every step:
/// ```swift
/// let generator = Sequential { Linear(32, 64) }
/// let critic = Sequential { Linear(64, 1) }
/// let phases: [Phase<Batch>] = [
///     Phase("critic", Adam(critic.parameters)) { batch in
///         let fake = withoutGradients { generator(.normal([batch.count, 32])) }
///         return (critic(fake) - critic(batch.inputs)).mean()
///     },
///     Phase("generator", Adam(generator.parameters)) { batch in
///         -critic(generator(.normal([batch.count, 32]))).mean()
///     },
/// ]
/// ```
public struct Phase<Batch> {
    /// What the phase is called, in reports and in checkpoints; each phase of a trainer has its own name.
    public var name: String
    /// The optimizer whose parameters the phase trains. Its learning rate is what `schedule` multiplies.
    public var optimizer: any Optimizer
    /// The mean loss of a batch: a tensor of no axes, or a `WeightedLoss`.
    public var loss: (_ batch: Batch) throws -> any TrainingLoss
    /// Gives the schedule of the learning rate, once it is known how long the run is.
    public var schedule: (_ length: RunLength) -> Schedule
    /// What limits the gradients, in the order in which it is applied.
    public var clipping: [GradientClipping]
    /// What is done about gradients that are NaN or infinite, before they are limited. With `.skip` and `.zero`, a loss
    /// that is not finite does not end the run.
    public var nonFinite: NonFiniteGradients
    /// What is added to the gradients for the size of the weights.
    public var penalty: WeightPenalty?
    /// What is added to the gradients at random.
    public var noise: GradientNoise?
    /// What weights must fulfil after each step; `.maxNorm` and the others look at the parameters of two axes and more.
    public var constraint: WeightConstraint?
    /// Steps of the trainer between two of this phase, which takes part in the first.
    public var interval: Int

    /// - Parameters:
    ///   - name: what the phase is called, in reports and in checkpoints.
    ///   - optimizer: over the parameters that the phase trains, at the rate that `schedule` multiplies.
    ///   - schedule: gives the schedule of the learning rate, once it is known how long the run is.
    ///   - clipping: what limits the gradients, in the order in which it is applied.
    ///   - nonFinite: what is done about gradients that are NaN or infinite.
    ///   - penalty: what is added to the gradients for the size of the weights.
    ///   - noise: what is added to the gradients at random.
    ///   - constraint: what weights of two axes and more must fulfil after each step.
    ///   - interval: steps of the trainer between two of this phase.
    ///   - loss: the mean loss of a batch.
    public init(
        _ name: String, _ optimizer: any Optimizer,
        schedule: @escaping (_ length: RunLength) -> Schedule = { _ in .constant }, clipping: [GradientClipping] = [],
        nonFinite: NonFiniteGradients = .pass, penalty: WeightPenalty? = nil, noise: GradientNoise? = nil,
        constraint: WeightConstraint? = nil, interval: Int = 1,
        loss: @escaping (_ batch: Batch) throws -> any TrainingLoss
    ) {
        require(interval > 0, "Phase", "an interval of \(interval) steps")
        self.name = name
        self.optimizer = optimizer
        self.schedule = schedule
        self.clipping = clipping
        self.nonFinite = nonFinite
        self.penalty = penalty
        self.noise = noise
        self.constraint = constraint
        self.interval = interval
        self.loss = loss
    }
}

/// What a loss closure gives: the mean over what it counts, as a tensor of no axes through which gradients flow.
public protocol TrainingLoss {
    /// The mean loss.
    var meanLoss: Tensor { get }
    /// Over how much it is the mean; nil for the samples of the batch.
    var lossWeight: Double? { get }
}

extension Tensor: TrainingLoss {
    /// The tensor itself.
    public var meanLoss: Tensor { self }
    /// Nil: it is the mean over the samples of its batch.
    public var lossWeight: Double? { nil }
}

/// A mean over something else than the samples of a batch, such as its tokens.
///
/// ```swift
/// let loss = WeightedLoss(crossEntropy(logits, nextTokens), count: nextTokens.elementCount)
/// ```
/// Batches whose gradients are added up for one step, and means over an epoch, are weighted by it.
public struct WeightedLoss: TrainingLoss {
    public let meanLoss: Tensor
    /// What the mean is over: a number of things, or the sum of their weights.
    public let weight: Double

    /// The mean over `count` things; one over none is passed over.
    public init(_ meanLoss: Tensor, count: Int) { self.init(meanLoss, weight: Double(count)) }

    /// The mean over things whose weights sum to `weight`; one over a weight of 0 is passed over.
    public init(_ meanLoss: Tensor, weight: Double) {
        require(weight >= 0 && weight.isFinite, "WeightedLoss", "a weight of \(weight)")
        self.meanLoss = meanLoss
        self.weight = weight
    }

    /// What the mean is over.
    public var lossWeight: Double? { weight }
}
