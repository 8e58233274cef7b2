/// How the scores of classes become one.
public enum ClassAverage: String, Sendable, Codable, CaseIterable {
    /// The plain mean over the classes that occur as truth or prediction.
    case macro
    /// All decisions counted together.
    case micro
    /// The mean weighted by the number of samples of each class.
    case weighted
}

/// What is computed from the counts, each as scikit-learn defines it. What is undefined, a ratio without cases, is nil; an
/// average over classes takes it as 0, as scikit-learn's `zero_division=0`, so that a class that is never predicted does
/// not make the average better.
extension ConfusionMatrix {
    private var indices: Range<Int> { 0..<classCount }

    // MARK: Scores of each class taken as the positive one

    /// Share of the samples predicted as each class that belong to it; nil where none is.
    public var precisions: [Double?] { zip(hits, predicted).map { share($0, $1) } }
    /// Share of the samples of each class that are predicted as it; nil without samples.
    public var recalls: [Double?] { zip(hits, supports).map { share($0, $1) } }
    /// Share of the samples of all other classes that are not predicted as each class: its true negative rate;
    /// nil where there are none.
    public var specificities: [Double?] { negatives.map { share($0.told, $0.all) } }

    /// The F-score of each class, (1 + β²) precision · recall / (β² precision + recall): recall weighs β times as much
    /// as precision.
    /// - Parameter beta: at least 0; at 0 the precisions, at infinity the recalls.
    /// - Returns: nil for a class that occurs neither as truth nor as prediction.
    public func fBetas(_ beta: Double) -> [Double?] {
        require(beta >= 0, "fBetas", "beta = \(beta)")
        if beta == .infinity { return recalls }
        if beta == 0 { return precisions }
        return indices.map {
            let whole = beta * beta * Double(supports[$0]) + Double(predicted[$0])
            return whole == 0 ? nil : (1 + beta * beta) * Double(hits[$0]) / whole
        }
    }

    // MARK: Averages over classes; nil over no samples

    /// The `precisions` as one number; `.micro` gives the accuracy.
    public func precision(_ average: ClassAverage = .macro) -> Double? { mean(precisions, average, micro: accuracy) }
    /// The `recalls` as one number; `.micro` gives the accuracy, `.macro` differs from `balancedAccuracy` by the
    /// classes that are predicted but have no samples.
    public func recall(_ average: ClassAverage = .macro) -> Double? { mean(recalls, average, micro: accuracy) }
    /// The harmonic means of precision and recall of each class, as one number; `.micro` gives the accuracy.
    public func f1(_ average: ClassAverage = .macro) -> Double? { fBeta(1, average) }

    /// The `fBetas(_:)` as one number; `.micro` gives the accuracy. `beta` is at least 0.
    public func fBeta(_ beta: Double, _ average: ClassAverage = .macro) -> Double? {
        mean(fBetas(beta), average, micro: accuracy)
    }

    /// The `specificities` as one number; `.micro` counts all decisions against all classes together.
    public func specificity(_ average: ClassAverage = .macro) -> Double? {
        let (told, all) = negatives.reduce((0, 0)) { ($0.0 + $1.told, $0.1 + $1.all) }
        return mean(specificities, average, micro: share(told, all))
    }

    /// The means weighted by the number of samples of each class.
    public var weighted: ClassScores {
        ClassScores(
            precision: precision(.weighted), recall: recall(.weighted), f1: f1(.weighted), support: total)
    }

    // MARK: One number for the whole matrix

    /// The mean recall over the classes that have samples; nil over none.
    /// - Parameter isAdjusted: moves and scales it so that guessing is 0 and perfection 1; nil with a single class.
    public func balancedAccuracy(isAdjusted: Bool = false) -> Double? {
        let present = recalls.compactMap { $0 }
        guard !present.isEmpty else { return nil }
        let score = present.reduce(0, +) / Double(present.count)
        guard isAdjusted else { return score }
        let chance = 1 / Double(present.count)
        return chance == 1 ? nil : (score - chance) / (1 - chance)
    }

    /// The correlation of truth and prediction (Matthews 1975; for several classes Gorodkin 2004), in -1...1; 0 where
    /// either never varies, nil over no samples.
    public var matthewsCorrelation: Double? {
        if total == 0 { return nil }
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

    /// Agreement beyond chance (Cohen 1960; weighted, Cohen 1968), at most 1, 0 for guessing; nil where chance alone
    /// explains everything, as with a single class, and where of some samples nothing is predicted.
    public func cohensKappa(_ weighting: KappaWeighting = .none) -> Double? {
        func weight(_ distance: Double) -> Double {
            switch weighting {
            case .none: distance == 0 ? 0 : 1
            case .linear: distance
            case .quadratic: distance * distance
            }
        }
        if total == 0 || unpredictedCount > 0 { return nil }
        let observed = pairs.reduce(0) { $0 + weight(Double(abs($1.truth - $1.prediction))) * Double($1.count) }
        let expected = chanceDisagreement(weighting) / Double(total)
        return expected == 0 ? nil : 1 - observed / expected
    }

    /// Σ weight(|i - j|) supports[i] predicted[j] over all pairs of classes, without going through the pairs.
    private func chanceDisagreement(_ weighting: KappaWeighting) -> Double {
        let (truths, guesses, total) = (supports.map(Double.init), predicted.map(Double.init), Double(total))
        switch weighting {
        case .none: return total * total - zip(truths, guesses).reduce(0) { $0 + $1.0 * $1.1 }
        case .linear:
            // |i - j| counts the boundaries between two classes that lie between i and j.
            var (sum, truthsBelow, guessesBelow) = (0.0, 0.0, 0.0)
            for index in indices {
                truthsBelow += truths[index]
                guessesBelow += guesses[index]
                sum += truthsBelow * (total - guessesBelow) + guessesBelow * (total - truthsBelow)
            }
            return sum
        case .quadratic:
            // From the middle, so that little is lost in the difference of large numbers.
            let middle = Double(classCount / 2)
            func moment(_ counts: [Double], _ power: Int) -> Double {
                indices.reduce(0) { sum, index in
                    let place = Double(index) - middle
                    return sum + counts[index] * (power == 1 ? place : place * place)
                }
            }
            return total * (moment(truths, 2) + moment(guesses, 2)) - 2 * moment(truths, 1) * moment(guesses, 1)
        }
    }

    // MARK: -

    /// Samples of other classes that are not predicted as the class, and all samples of other classes.
    private var negatives: [(told: Int, all: Int)] {
        indices.map { (total - supports[$0] - predicted[$0] + hits[$0], total - supports[$0]) }
    }

    private func mean(_ scores: [Double?], _ average: ClassAverage, micro: @autoclosure () -> Double?) -> Double? {
        // Over no samples there is nothing to average; nor where no class has a score, as specificity with one class.
        guard total > 0, scores.contains(where: { $0 != nil }) else { return nil }
        switch average {
        case .macro:
            let present = zip(scores, zip(supports, predicted)).filter { $1.0 + $1.1 > 0 }.map { $0.0 ?? 0 }
            return present.reduce(0, +) / Double(present.count)
        case .micro: return micro()
        case .weighted:
            return zip(scores, supports).reduce(0) { $0 + ($1.0 ?? 0) * Double($1.1) } / Double(total)
        }
    }
}
