/// Lowers the learning rate when a metric has stopped getting better, as PyTorch's `ReduceLROnPlateau`.
///
/// ```swift
/// var plateau = ReduceOnPlateau(patience: 3)
/// plateau.update(testLoss)
/// optimizer.learningRate = 0.1 * plateau.scale
/// ```
/// It is all state: saved as it is, it goes on as if never stopped.
public struct ReduceOnPlateau: Codable, Sendable, Equatable {
    /// How far a metric must move to count as better.
    public enum Threshold: Codable, Sendable, Equatable {
        /// By this share of the best value's size. For a best value of 0 and above this is PyTorch's rule,
        /// best · (1 ± share); below 0 that would take a value that stays the same for a better one.
        case relative(Double)
        /// By this much, whatever the best value.
        case absolute(Double)
    }

    /// Whether small or large values are good.
    public let mode: MetricMode
    /// What a reduction multiplies the rate by.
    public let factor: Double
    /// Values in a row that are not better and yet change nothing; the next one lowers the rate.
    public let patience: Int
    /// How far a value must lie beyond the best to be better.
    public let threshold: Threshold
    /// Values after a reduction that do not count.
    public let cooldown: Int
    /// The least that `scale` falls to.
    public let minimum: Double

    /// What to multiply the base rate by.
    public private(set) var scale = 1.0
    /// The best value so far; nil before the first.
    public private(set) var best: Double?
    /// Values since the best, or since the last reduction, that were not better.
    public private(set) var badCount = 0
    private var cooldownLeft = 0

    /// - Parameters:
    ///   - mode: whether small or large values are good.
    ///   - factor: what a reduction multiplies the rate by, < 1.
    ///   - patience: this many values that are not better are borne; the next one lowers the rate.
    ///   - threshold: how far a value must lie beyond the best to be better.
    ///   - cooldown: this many values after a reduction do not count.
    ///   - minimum: the least scale.
    public init(
        mode: MetricMode = .minimum, factor: Double = 0.1, patience: Int = 10,
        threshold: Threshold = .relative(1e-4), cooldown: Int = 0, minimum: Double = 0
    ) {
        require(
            factor >= 0 && factor < 1 && patience >= 0 && cooldown >= 0, "ReduceOnPlateau",
            "the factor must lie in [0, 1), patience and cooldown not be negative")
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.cooldown = cooldown
        self.minimum = minimum
    }

    /// Takes a new value of the metric into account. NaN is not better than anything.
    public mutating func update(_ metric: Double) {
        if isBetter(metric) {
            best = metric
            badCount = 0
        } else {
            badCount += 1
        }
        if cooldownLeft > 0 {
            cooldownLeft -= 1
            badCount = 0
        }
        if badCount > patience {
            scale = max(scale * factor, min(scale, minimum))
            cooldownLeft = cooldown
            badCount = 0
        }
    }

    private func isBetter(_ metric: Double) -> Bool {
        let bound = best.map { best in
            switch threshold {
            // Beyond the best, whatever its sign.
            case .relative(let share): best * ((mode == .minimum) == (best < 0) ? 1 + share : 1 - share)
            case .absolute(let distance): mode == .minimum ? best - distance : best + distance
            }
        }
        return mode.isBetter(metric, than: bound)
    }
}

/// Whether small or large values of a metric are good.
public enum MetricMode: String, Codable, Sendable, CaseIterable {
    /// Small values are good, as of a loss.
    case minimum
    /// Large values are good, as of an accuracy.
    case maximum

    /// Whether `value` lies beyond `bound`; without one, whether it is a number. NaN is not better than anything.
    package func isBetter(_ value: Double, than bound: Double?) -> Bool {
        guard let bound else { return !value.isNaN }
        return self == .minimum ? value < bound : value > bound
    }
}
