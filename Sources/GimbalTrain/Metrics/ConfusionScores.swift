/// How the scores of classes become one.
public enum ClassAverage: String, Sendable, Codable, CaseIterable {
    /// The plain mean over the classes that occur as truth or prediction.
    case macro
    /// All decisions counted together.
    case micro
    /// The mean weighted by the number of samples of each class.
    case weighted
}

/// What is computed from the counts, each as scikit-learn defines it. A ratio without cases is 0, as with its
/// `zero_division=0`.
extension ConfusionMatrix {
    /// Samples of each class.
    public var supports: [Int] { indices.map { truth in indices.reduce(0) { $0 + self[truth, $1] } } }
    /// Times each class was predicted.
    public var predicted: [Int] { indices.map { prediction in indices.reduce(0) { $0 + self[$1, prediction] } } }
    /// Samples of each class that are predicted as it.
    public var hits: [Int] { indices.map { self[$0, $0] } }

    private var indices: Range<Int> { 0..<classCount }

    // MARK: Scores of each class taken as the positive one

    /// Share of the samples predicted as each class that belong to it.
    public var precisions: [Double] { zip(hits, predicted).map { ratio($0, $1) } }
    /// Share of the samples of each class that are predicted as it.
    public var recalls: [Double] { zip(hits, supports).map { ratio($0, $1) } }
    /// Share of the samples of all other classes that are not predicted as each class: its true negative rate.
    public var specificities: [Double] { negatives.map { ratio($0.told, $0.all) } }

    /// The F-score of each class, (1 + β²) precision · recall / (β² precision + recall): recall weighs β times as much
    /// as precision.
    /// - Parameter beta: at least 0; at 0 the precisions, at infinity the recalls.
    public func fBetas(_ beta: Double) -> [Double] {
        require(beta >= 0, "fBetas", "beta = \(beta)")
        if beta == .infinity { return recalls }
        if beta == 0 { return precisions }
        return indices.map { fBeta(beta, hits: hits[$0], truths: supports[$0], predicted: predicted[$0]) }
    }

    // MARK: Averages over classes

    /// The `precisions` as one number; `.micro` gives the accuracy.
    public func precision(_ average: ClassAverage = .macro) -> Double { mean(precisions, average, micro: accuracy) }
    /// The `recalls` as one number; `.micro` gives the accuracy, `.macro` differs from `balancedAccuracy` by the
    /// classes that are predicted but have no samples.
    public func recall(_ average: ClassAverage = .macro) -> Double { mean(recalls, average, micro: accuracy) }
    /// The harmonic means of precision and recall of each class, as one number; `.micro` gives the accuracy.
    public func f1(_ average: ClassAverage = .macro) -> Double { fBeta(1, average) }

    /// The `fBetas(_:)` as one number; `.micro` gives the accuracy. `beta` is at least 0.
    public func fBeta(_ beta: Double, _ average: ClassAverage = .macro) -> Double {
        mean(fBetas(beta), average, micro: accuracy)
    }

    /// The `specificities` as one number; `.micro` counts all decisions against all classes together.
    public func specificity(_ average: ClassAverage = .macro) -> Double {
        let (told, all) = negatives.reduce((0, 0)) { ($0.0 + $1.told, $0.1 + $1.all) }
        return mean(specificities, average, micro: ratio(told, all))
    }

    /// The means weighted by the number of samples of each class.
    public var weighted: ClassScores {
        ClassScores(
            precision: precision(.weighted), recall: recall(.weighted), f1: f1(.weighted), support: total)
    }

    // MARK: One number for the whole matrix

    /// The mean recall over the classes that have samples, 0 over none.
    /// - Parameter isAdjusted: moves and scales it so that guessing is 0 and perfection 1; NaN with a single class.
    public func balancedAccuracy(isAdjusted: Bool = false) -> Double {
        let present = zip(recalls, supports).filter { $1 > 0 }.map(\.0)
        guard !present.isEmpty else { return 0 }
        let score = present.reduce(0, +) / Double(present.count)
        let chance = 1 / Double(present.count)
        return isAdjusted ? (score - chance) / (1 - chance) : score
    }

    /// The correlation of truth and prediction (Matthews 1975; for several classes Gorodkin 2004), in -1...1; 0 where
    /// either never varies.
    public var matthewsCorrelation: Double {
        let (truths, guesses, total) = (supports.map(Double.init), predicted.map(Double.init), Double(total))
        let joint = Double(hits.reduce(0, +)) * total - zip(truths, guesses).reduce(0) { $0 + $1.0 * $1.1 }
        let product =
            (total * total - guesses.reduce(0) { $0 + $1 * $1 })
            * (total * total - truths.reduce(0) { $0 + $1 * $1 })
        return product == 0 ? 0 : joint / product.squareRoot()
    }

    /// How much a confusion of two classes counts.
    public enum KappaWeighting: String, Sendable, Codable, CaseIterable {
        /// All confusions alike.
        case none
        /// The more, the further apart the classes are: the distance of their numbers.
        case linear
        /// The square of the distance of the class numbers.
        case quadratic
    }

    /// Agreement beyond chance (Cohen 1960; weighted, Cohen 1968), at most 1, 0 for guessing; NaN where chance alone
    /// explains everything, as with a single class.
    public func cohensKappa(_ weighting: KappaWeighting = .none) -> Double {
        let (truths, guesses, total) = (supports.map(Double.init), predicted.map(Double.init), Double(total))
        var observed = 0.0
        var expected = 0.0
        for truth in indices {
            for guess in indices {
                let distance = Double(abs(truth - guess))
                let weight: Double =
                    switch weighting {
                    case .none: distance == 0 ? 0 : 1
                    case .linear: distance
                    case .quadratic: distance * distance
                    }
                observed += weight * Double(self[truth, guess])
                expected += weight * (truths[truth] * guesses[guess] / total)
            }
        }
        return expected == 0 ? .nan : 1 - observed / expected
    }

    // MARK: -

    /// Samples of other classes that are not predicted as the class, and all samples of other classes.
    private var negatives: [(told: Int, all: Int)] {
        let (total, supports, predicted, hits) = (total, supports, predicted, hits)
        return indices.map { (total - supports[$0] - predicted[$0] + hits[$0], total - supports[$0]) }
    }

    private func fBeta(_ beta: Double, hits: Int, truths: Int, predicted: Int) -> Double {
        let whole = beta * beta * Double(truths) + Double(predicted)
        return whole == 0 ? 0 : (1 + beta * beta) * Double(hits) / whole
    }

    private func mean(_ scores: [Double], _ average: ClassAverage, micro: @autoclosure () -> Double) -> Double {
        let supports = supports
        switch average {
        case .macro:
            let present = zip(scores, zip(supports, predicted)).filter { $1.0 + $1.1 > 0 }.map(\.0)
            return present.isEmpty ? 0 : present.reduce(0, +) / Double(present.count)
        case .micro: return micro()
        case .weighted:
            let sum = zip(scores, supports).reduce(0) { $0 + $1.0 * Double($1.1) }
            return total == 0 ? 0 : sum / Double(total)
        }
    }
}
