import Foundation

/// Figures measured on one part of the data, by name. What could not be measured, such as a mean over nothing, is absent.
public typealias Figures = [String: Double]

/// How far a run has come.
public struct TrainingProgress: Codable, Sendable, Equatable {
    /// Losses of an epoch's samples.
    struct LossSum: Codable, Sendable, Equatable {
        /// Sum over the samples; those whose batch's loss was not finite are left out where they are tolerated.
        var sum = 0.0
        /// Number of samples in the sum, or the sum of their weights.
        var count = 0.0
        /// Batches left out.
        var leftOut = 0

        /// Nil over none.
        var mean: Double? { count > 0 ? sum / count : nil }
    }

    /// Epochs finished.
    public var epoch = 0
    /// Batches of the current epoch that have been used.
    public var batch = 0
    /// Optimizer steps since the start.
    public var step = 0
    /// Results of each epoch finished, in order.
    public var history: [EpochResult] = []
    /// Where the best weights were found; nil where none are kept.
    public var best: ModelWeights.Best?
    /// What the lowering of rates on a plateau has seen; nil where there is none.
    public var plateau: ReduceOnPlateau?
    /// What early stopping has seen; nil without it.
    public var stopping: EarlyStopping.State?
    /// Whether early stopping has ended the run.
    public var hasStopped = false
    /// How often the moving average of the weights was updated; nil where none is kept.
    public var averageUpdates: Int?
    /// How the run was saved from divergence, in this order.
    public var recoveries: [Recovery] {
        get { heldRecoveries ?? [] }
        set { heldRecoveries = newValue }
    }
    /// Nil in what was saved before there were any.
    private var heldRecoveries: [Recovery]?
    /// Losses of the current epoch, by phase.
    var losses: [String: LossSum] = [:]
    /// Steps that the loss scale left out and that were taken off the optimizer's counts, by phase.
    var discountedSteps: [String: Int] = [:]

    /// The progress of a run that has not begun.
    public init() {}
}

/// What an epoch came to.
public struct EpochResult: Codable, Sendable, Equatable {
    /// The number of the epoch, counted from 1.
    public var epoch: Int
    /// Optimizer steps since the start of the run.
    public var step: Int
    /// Mean loss of the first phase over the samples of the epoch as they were met, while the weights changed; nil where
    /// none was finite.
    public var trainLoss: Double?
    /// The same for each phase, by name.
    public var trainLosses: [String: Double]
    /// Batches that were left out because their loss was not finite.
    public var leftOutBatches = 0
    /// What was measured on the validation data with the tested weights after the epoch, such as `loss` and `accuracy`;
    /// empty where there is none.
    public var validation: Figures
    /// Whether the tested weights are the best so far.
    public var isBest = false

    /// The result of epoch `epoch`, counted from 1.
    public init(epoch: Int, step: Int, trainLoss: Double?, trainLosses: [String: Double] = [:], validation: Figures) {
        self.epoch = epoch
        self.step = step
        self.trainLoss = trainLoss
        self.trainLosses = trainLosses
        self.validation = validation
    }
}

extension EpochResult: CustomStringConvertible {
    /// One line, with a dash for what was not measured.
    public var description: String {
        var parts = ["epoch \(epoch)", "trainLoss \(decimal(trainLoss))"]
        if trainLosses.count > 1 {
            parts = ["epoch \(epoch)"]
            parts += trainLosses.sorted { $0.key < $1.key }.map { "\($0.key)Loss \(decimal($0.value))" }
        }
        parts += validation.inOrder.map { "\(partName("validation", $0.name)) \(decimal($0.value))" }
        return parts.joined(separator: "  ")
    }
}

extension Figures {
    /// The loss first, the others by name.
    package var inOrder: [(name: String, value: Double)] {
        sorted { ($0.key == "loss" ? 0 : 1, $0.key) < ($1.key == "loss" ? 0 : 1, $1.key) }.map {
            (name: $0.key, value: $0.value)
        }
    }
}

/// `testAccuracy` for `accuracy` on the part `test`.
package func partName(_ part: String, _ figure: String) -> String {
    part + figure.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
}

/// A number with `digits` behind the point; a dash for none, and NaN without a sign.
package func decimal(_ value: Double?, digits: Int = 4) -> String {
    guard let value else { return "-" }
    return value.isNaN ? "nan" : String(format: "%.\(digits)f", value)
}
