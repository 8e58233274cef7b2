/// The true against the false positive rate of a binary decision over all thresholds (receiver operating
/// characteristic), as scikit-learn's `roc_curve`.
public struct ROCCurve: Sendable, Equatable {
    /// Share of the negative samples that are called positive, at each threshold; rising from 0 to 1.
    public let falsePositiveRates: [Double]
    /// Share of the positive samples that are called positive, at each threshold; rising from 0 to 1.
    public let truePositiveRates: [Double]
    /// Scores from the highest down; a sample is called positive where its score reaches the threshold. The first, at
    /// the curve's origin, is infinite.
    public let thresholds: [Double]

    /// - Parameters:
    ///   - scores: the higher, the more likely positive; a NaN counts as the highest.
    ///   - truths: whether each sample is positive. Without any positive, or any negative sample, the rate that they
    ///     would define is NaN.
    ///   - dropsIntermediate: leaves out points on a straight line between others; the area stays the same.
    public init(scores: [Double], truths: [Bool], dropsIntermediate: Bool = true) {
        self.init(ThresholdCounts(scores: scores, truths: truths), dropsIntermediate: dropsIntermediate)
    }

    init(_ counts: ThresholdCounts, dropsIntermediate: Bool = true) {
        let (hits, alarms, places) = (counts.truePositives, counts.falsePositives, counts.thresholds.indices)
        let kept = places.filter { place in
            guard dropsIntermediate, place > 0, place < places.count - 1 else { return true }
            // Second differences.
            return hits[place + 1] - hits[place] != hits[place] - hits[place - 1]
                || alarms[place + 1] - alarms[place] != alarms[place] - alarms[place - 1]
        }
        func rates(_ counts: [Int]) -> [Double] {
            let total = counts.last ?? 0
            return ([0] + kept.map { counts[$0] }).map { total == 0 ? .nan : Double($0) / Double(total) }
        }
        falsePositiveRates = rates(alarms)
        truePositiveRates = rates(hits)
        thresholds = [.infinity] + kept.map { counts.thresholds[$0] }
    }

    /// The area under the curve by trapezia, as `roc_auc_score`: the chance that a positive sample scores above a
    /// negative one. NaN unless there are both.
    public var area: Double {
        // Without samples there is no curve but its origin.
        if thresholds.count == 1 { return .nan }
        var area = 0.0
        for place in falsePositiveRates.indices.dropFirst() {
            let width = falsePositiveRates[place] - falsePositiveRates[place - 1]
            area += width * (truePositiveRates[place] + truePositiveRates[place - 1]) / 2
        }
        return area
    }

    /// One curve for each class against all others.
    /// - Parameters:
    ///   - scores: row-major [samples, classes].
    ///   - classCount: number of classes.
    ///   - truths: the class of each sample.
    ///   - dropsIntermediate: leaves out points on a straight line between others.
    public static func oneVersusRest(
        scores: [Double], classCount: Int, truths: [Int32], dropsIntermediate: Bool = true
    ) -> [ROCCurve] {
        eachClass(scores, classCount, truths).map {
            ROCCurve(scores: $0.scores, truths: $0.truths, dropsIntermediate: dropsIntermediate)
        }
    }

    /// The area for several classes, each against all others, as `roc_auc_score(multi_class="ovr")`: scores are
    /// row-major [samples, classes], truths the class of each sample. NaN where a class that counts has no samples, or
    /// no others.
    public static func area(
        scores: [Double], classCount: Int, truths: [Int32], average: ClassAverage = .macro
    ) -> Double {
        averaged(scores, classCount, truths, average) { ROCCurve(scores: $0, truths: $1).area }
    }
}

/// Precision against recall of a binary decision over all thresholds, as scikit-learn's `precision_recall_curve`.
public struct PrecisionRecallCurve: Sendable, Equatable {
    /// Share of the samples called positive that are, at each threshold. One more than there are thresholds: the last
    /// point, precision 1 at recall 0, has none.
    public let precisions: [Double]
    /// Share of the positive samples that are called positive, falling to 0; 1 at every threshold where no sample is
    /// positive.
    public let recalls: [Double]
    /// Scores from the lowest up; a sample is called positive where its score reaches the threshold.
    public let thresholds: [Double]

    /// - Parameters:
    ///   - scores: the higher, the more likely positive; a NaN counts as the highest.
    ///   - truths: whether each sample is positive.
    ///   - dropsIntermediate: leaves out points at which no positive sample is gained on either side.
    public init(scores: [Double], truths: [Bool], dropsIntermediate: Bool = false) {
        self.init(ThresholdCounts(scores: scores, truths: truths), dropsIntermediate: dropsIntermediate)
    }

    init(_ counts: ThresholdCounts, dropsIntermediate: Bool = false) {
        let (hits, places) = (counts.truePositives, counts.thresholds.indices)
        let kept = places.filter { place in
            guard dropsIntermediate, place > 0, place < places.count - 1 else { return true }
            return hits[place] != hits[place - 1] || hits[place + 1] != hits[place]
        }.reversed()
        let positives = hits.last ?? 0
        precisions = kept.map { Double(hits[$0]) / Double(hits[$0] + counts.falsePositives[$0]) } + [1]
        recalls = kept.map { positives == 0 ? 1 : Double(hits[$0]) / Double(positives) } + [0]
        thresholds = kept.map { counts.thresholds[$0] }
    }

    /// Σ (Rₙ - Rₙ₋₁) Pₙ, as `average_precision_score`: the mean of the precisions at each threshold, weighted by the
    /// recall gained there.
    public var averagePrecision: Double {
        var sum = 0.0
        for place in recalls.indices.dropLast() { sum += (recalls[place] - recalls[place + 1]) * precisions[place] }
        return max(0, sum)
    }

    /// One curve for each class against all others.
    /// - Parameters:
    ///   - scores: row-major [samples, classes].
    ///   - classCount: number of classes.
    ///   - truths: the class of each sample.
    ///   - dropsIntermediate: leaves out points at which no positive sample is gained on either side.
    public static func oneVersusRest(
        scores: [Double], classCount: Int, truths: [Int32], dropsIntermediate: Bool = false
    ) -> [PrecisionRecallCurve] {
        eachClass(scores, classCount, truths).map {
            PrecisionRecallCurve(scores: $0.scores, truths: $0.truths, dropsIntermediate: dropsIntermediate)
        }
    }

    /// The average precision for several classes, each against all others: scores are row-major [samples, classes],
    /// truths the class of each sample. A class without samples has 0.
    public static func averagePrecision(
        scores: [Double], classCount: Int, truths: [Int32], average: ClassAverage = .macro
    ) -> Double {
        averaged(scores, classCount, truths, average) { PrecisionRecallCurve(scores: $0, truths: $1).averagePrecision }
    }
}

/// How many positive and negative samples reach each distinct score, from the highest score down.
struct ThresholdCounts {
    private(set) var thresholds: [Double] = []
    private(set) var truePositives: [Int] = []
    private(set) var falsePositives: [Int] = []

    init(scores: [Double], truths: [Bool]) {
        require(scores.count == truths.count, "curve", "\(scores.count) scores, \(truths.count) truths")
        let order = scores.indices.sorted { left, right in
            let (left, right) = (scores[left], scores[right])
            return left.isNaN ? !right.isNaN : left > right
        }
        var (positives, negatives) = (0, 0)
        for (place, index) in order.enumerated() {
            if truths[index] { positives += 1 } else { negatives += 1 }
            if place + 1 < order.count {
                let next = scores[order[place + 1]]
                if next == scores[index] || (next.isNaN && scores[index].isNaN) { continue }
            }
            thresholds.append(scores[index])
            truePositives.append(positives)
            falsePositives.append(negatives)
        }
    }
}

/// The scores of each class, and which samples belong to it.
private func eachClass(
    _ scores: [Double], _ classCount: Int, _ truths: [Int32]
) -> [(scores: [Double], truths: [Bool])] {
    requireRows("curve", scores, classCount, truths)
    return (0..<classCount).map { index in
        (truths.indices.map { scores[$0 * classCount + index] }, truths.map { $0 == index })
    }
}

/// The mean of a binary score over classes, each against all others, as scikit-learn forms it.
private func averaged(
    _ scores: [Double], _ classCount: Int, _ truths: [Int32], _ average: ClassAverage,
    _ score: ([Double], [Bool]) -> Double
) -> Double {
    requireRows("curve", scores, classCount, truths)
    switch average {
    case .micro:
        return score(scores, truths.flatMap { truth in (0..<classCount).map { $0 == truth } })
    case .macro:
        return eachClass(scores, classCount, truths).reduce(0) { $0 + score($1.scores, $1.truths) } / Double(classCount)
    case .weighted:
        // A class that has no weight has no say, even where its score is NaN.
        let present = eachClass(scores, classCount, truths).filter { $0.truths.contains(true) }
        let sum = present.reduce(0) { $0 + score($1.scores, $1.truths) * Double($1.truths.count { $0 }) }
        return truths.isEmpty ? 0 : sum / Double(truths.count)
    }
}

func requireRows(_ name: String, _ scores: [Double], _ classCount: Int, _ truths: [Int32]) {
    require(
        classCount > 0 && scores.count == truths.count * classCount, name,
        "\(scores.count) scores of \(classCount) classes do not go with \(truths.count) truths")
    for truth in truths where !(0..<Int32(classCount)).contains(truth) {
        stop(name, "there is no class \(truth) among \(classCount)")
    }
}
