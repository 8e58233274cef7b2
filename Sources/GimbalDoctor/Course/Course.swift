/// How a run has gone so far, as rules look at it.
///
/// Losses are judged by medians, over which a NaN or a single hard batch has no power.
public struct Course: Sendable {
    /// What is known of a run before it begins.
    public struct Plan: Codable, Sendable, Equatable {
        /// Optimizer steps of the whole run; nil where that is not known.
        public var steps: Int?
        /// What the base rate is multiplied by over the run, at evenly spaced steps; empty where the length is not known.
        public var rateFactors: [Double] = []
        /// The limit on the norm of all gradients; nil for none.
        public var clipNorm: Double?
        /// What is added to the root of the second moment; nil where there is no such moment, so that a step has the size of
        /// the gradient.
        public var epsilon: Double?
        /// How much of its velocity a step keeps; 0 for none.
        public var momentum = 0.0
        /// The L2 penalty, as a factor of the weights in the gradient.
        public var weightDecay = 0.0
        /// Samples of the validation data; nil where that is not known.
        public var validationSamples: Int?
        /// Whether the loss is what all of the training aims at: not so for one of several, which pull against each other.
        public var isOnlyLoss = true
        /// Whether the optimizer goes back towards earlier weights now and then, as Lookahead does.
        public var goesBack = false

        /// A run of which nothing is known.
        public init() {}

        /// What the base rate is multiplied by at `step`; nil where that is not known.
        func rateFactor(at step: Int) -> Double? {
            guard let steps, steps > 0, !rateFactors.isEmpty else { return nil }
            return rateFactors[min(rateFactors.count - 1, max(0, step) * rateFactors.count / steps)]
        }
    }

    /// A step of training.
    public struct Step: Codable, Sendable, Equatable {
        /// Counted from 1.
        public var number: Int
        /// The mean loss of its samples before the step; may be NaN or infinite.
        public var loss: Double
        /// The rate that it was taken with.
        public var learningRate: Double
        /// The norm of all gradients before they were limited; nil where nobody computed it.
        public var gradientNorm: Double?

        /// A step.
        public init(number: Int, loss: Double, learningRate: Double, gradientNorm: Double? = nil) {
            self.number = number
            self.loss = loss
            self.learningRate = learningRate
            self.gradientNorm = gradientNorm
        }
    }

    /// What an epoch came to.
    public struct Epoch: Codable, Sendable, Equatable {
        /// Counted from 1.
        public var number: Int
        /// Steps taken until its end.
        public var step: Int
        /// The mean loss over its samples as they were met; nil where none was finite.
        public var trainLoss: Double?
        /// The loss on the validation data; nil where there is none.
        public var validationLoss: Double?
        /// The loss of one batch with the model as in training, and as in evaluation; nil where that was not compared.
        public var modes: Modes?

        /// The loss of the same batch in both modes of the model.
        public struct Modes: Codable, Sendable, Equatable {
            /// As in training.
            public var training: Double
            /// As in evaluation.
            public var evaluation: Double

            /// Two losses of one batch.
            public init(training: Double, evaluation: Double) {
                (self.training, self.evaluation) = (training, evaluation)
            }
        }

        /// An epoch.
        public init(
            number: Int, step: Int, trainLoss: Double? = nil, validationLoss: Double? = nil, modes: Modes? = nil
        ) {
            self.number = number
            self.step = step
            self.trainLoss = trainLoss
            self.validationLoss = validationLoss
            self.modes = modes
        }
    }

    /// The losses of `Course.blockLength` steps, one after another.
    public struct Block: Codable, Sendable, Equatable {
        /// The last of them.
        public var step: Int
        /// The median of those that are finite; nil where none is.
        public var median: Double?
        /// The median of their distances from the median.
        public var spread: Double
    }

    /// What is known of the run beforehand.
    public var plan = Plan()
    /// The newest steps, `keptSteps` at the most.
    public private(set) var steps: [Step] = []
    /// The losses of the whole run, by blocks.
    public private(set) var blocks: [Block] = []
    /// The first looks and the newest.
    public private(set) var looks: [HealthLook] = []
    /// All epochs.
    public private(set) var epochs: [Epoch] = []
    /// Single steps whose loss was far above those around it, the newest last.
    public private(set) var spikes: [Step] = []
    /// The loss that the run began with: the median of the first steps, or that of the first one where the next have made it
    /// smaller by half; nil before them.
    public private(set) var firstLoss: Double?
    /// The loss of the first batch, before any step; nil where it is not known.
    private(set) var startLoss: Double?
    /// The highest learning rate so far.
    public private(set) var peakRate = 0.0
    private var block: [Double] = []

    /// Steps of a block.
    public static let blockLength = 20
    /// Steps that are kept one by one.
    public static let keptSteps = 512

    /// A run that has not begun.
    public init(plan: Plan = Plan()) { self.plan = plan }

    /// Takes in a step.
    public mutating func add(_ step: Step) {
        if isSpike(step) { spikes.append(step) }
        steps.append(step)
        peakRate = max(peakRate, step.learningRate)
        if steps.count > 2 * Self.keptSteps { steps.removeFirst(steps.count - Self.keptSteps) }
        block.append(step.loss)
        if firstLoss == nil, block.count == 5, let median = block.median {
            let start = block[0].isFinite ? block[0] : median
            let next = block.dropFirst().filter(\.isFinite).min() ?? start
            // The first batch may have been an easy one: what the next all exceed is no loss to begin with.
            firstLoss = abs(median - start) < 0.5 * abs(start) ? median : max(start, next)
            startLoss = start
        }
        if block.count == Self.blockLength {
            let median = block.median
            blocks.append(
                Block(step: step.number, median: median, spread: median.map { block.spread(about: $0) } ?? 0))
            block = []
        }
    }

    /// Takes up a run that was begun by another process: its epochs, and the loss that it began with, about that of its first
    /// epoch.
    /// - Parameters:
    ///   - epochs: all so far.
    ///   - firstLoss: where no epoch has ended yet.
    public mutating func takeUp(_ epochs: [Epoch], firstLoss: Double?) {
        self.epochs = epochs + self.epochs
        self.firstLoss = epochs.first?.trainLoss ?? firstLoss ?? self.firstLoss
    }

    /// Takes in a look.
    public mutating func add(_ look: HealthLook) {
        looks.append(look)
        // The first ones say what the model began as.
        if looks.count > 64 { looks.remove(at: 4) }
    }

    /// Takes in the end of an epoch.
    public mutating func add(_ epoch: Epoch) { epochs.append(epoch) }

    /// Goes back to where the run was after step `step`, as after a recovery.
    public mutating func rewind(to step: Int) {
        steps.removeAll { $0.number > step }
        blocks.removeAll { $0.step > step }
        looks.removeAll { $0.step > step }
        epochs.removeAll { $0.step > step }
        spikes.removeAll { $0.number > step }
        block = steps.filter { $0.number > (blocks.last?.step ?? 0) }.map(\.loss)
        if step < 5 { (firstLoss, startLoss) = (nil, nil) }
    }

    /// Whether a loss is far above those of the 64 steps before: three times their median, half of what it was at first, and as
    /// far above the median as one in a billion would be, were they normal: 6 standard deviations, of which the median
    /// distance is 0.67. What follows close upon a spike is the same one, or a new level.
    private func isSpike(_ step: Step) -> Bool {
        // Sorting is for the few that are far above the newest block.
        guard let usual = recentLoss, step.loss > 2 * usual, let firstLoss, step.loss > 0.5 * firstLoss,
            step.number > (spikes.last?.number ?? .min) + Self.blockLength
        else { return false }
        let before = steps.suffix(64).map(\.loss)
        guard before.count >= 32, step.loss.isFinite, let median = before.median, median > 0 else { return false }
        let spread = before.spread(about: median)
        return step.loss > 3 * median && step.loss > median + 9 * spread
    }
}

extension Course {
    /// The rate that the schedule multiplies: the highest so far, where it is not known by what.
    var baseRate: Double {
        guard let last = steps.last, let factor = plan.rateFactor(at: last.number - 1), factor > 0.01 else {
            return peakRate
        }
        return last.learningRate / factor
    }

    /// The number of the newest step; 0 before the first.
    public var step: Int { steps.last?.number ?? 0 }
    /// The median loss of the newest block; nil before there is one with finite losses.
    public var recentLoss: Double? { blocks.last?.median }
    /// The least median of all blocks.
    public var bestLoss: Double? { blocks.compactMap(\.median).min() }

    /// Whether the loss is hardly better than that of the first steps, or much worse than it once was: what the model does
    /// with the signal is then more than a habit of healthy nets. False while there is no block.
    public var isInTrouble: Bool {
        guard let recentLoss, let firstLoss, let bestLoss else { return blocks.last.map { $0.median == nil } ?? false }
        // Losses may be negative, as log-likelihoods are: distances are taken in units of the first.
        let unit = max(abs(firstLoss), 1e-30)
        return recentLoss > firstLoss - 0.1 * unit || recentLoss > bestLoss + max(0.5 * abs(bestLoss), 0.25 * unit)
    }

    /// The newest rows of one kind, and those of the look before for the same places.
    func latest(_ kind: HealthRow.Kind) -> [HealthRow] { looks.last?.rows(kind) ?? [] }
}

extension Collection<Double> {
    /// Of the finite elements; nil of none.
    package var median: Double? {
        let sorted = filter(\.isFinite).sorted()
        guard !sorted.isEmpty else { return nil }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    /// The median distance of the finite elements from `center`.
    func spread(about center: Double) -> Double { filter(\.isFinite).map { abs($0 - center) }.median ?? 0 }

    /// The median of the slopes between all pairs (Theil 1950, Sen 1968); nil of less than two finite elements.
    var slope: Double? {
        let points = enumerated().filter { $0.element.isFinite }
        guard points.count > 1 else { return nil }
        var slopes: [Double] = []
        for (index, first) in points.enumerated() {
            for second in points[(index + 1)...] {
                slopes.append((second.element - first.element) / Double(second.offset - first.offset))
            }
        }
        return slopes.median
    }
}
