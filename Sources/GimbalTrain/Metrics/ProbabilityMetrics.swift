import Foundation

/// The mean of -log p of the right class, as scikit-learn's `log_loss` in Double: probabilities are kept at least the
/// unit roundoff, 2⁻⁵², from 0 and 1. NaN over none.
/// - Parameters:
///   - probabilities: row-major [samples, classes], each row adding up to 1.
///   - classCount: number of classes.
///   - truths: the class of each sample, in 0..<classCount.
public func logLoss(probabilities: [Double], classCount: Int, truths: [Int32]) -> Double {
    requireRows("logLoss", probabilities, classCount, truths)
    let (low, high) = (Double.ulpOfOne, 1 - Double.ulpOfOne)
    let sum = truths.enumerated().reduce(0) { sum, sample in
        let probability = probabilities[sample.offset * classCount + Int(sample.element)]
        // `max` and `min` would hide a NaN.
        return sum - log(probability < low ? low : probability > high ? high : probability)
    }
    return sum / Double(truths.count)
}

/// The mean squared distance between the probabilities and certainty of the right class (Brier 1950), as scikit-learn's
/// `brier_score_loss`: halved for two classes, so that it is that of the positive one. NaN over none.
/// - Parameters:
///   - probabilities: row-major [samples, classes], each row adding up to 1.
///   - classCount: number of classes.
///   - truths: the class of each sample, in 0..<classCount.
public func brierScore(probabilities: [Double], classCount: Int, truths: [Int32]) -> Double {
    requireRows("brierScore", probabilities, classCount, truths)
    var sum = 0.0
    for (row, truth) in truths.enumerated() {
        for index in 0..<classCount {
            let distance = probabilities[row * classCount + index] - (index == truth ? 1 : 0)
            sum += distance * distance
        }
    }
    return sum / Double(truths.count) * (classCount < 3 ? 0.5 : 1)
}

/// How far confidence can be trusted (Guo et al. 2017, On Calibration of Modern Neural Networks): samples by their
/// confidence, in bins of equal width, each with the share of them that was right.
public struct ReliabilityDiagram: Sendable, Equatable, Codable {
    /// The samples whose confidence lies in one stretch of 0...1.
    public struct Bin: Sendable, Equatable, Codable {
        /// Confidences in (lower, upper]; the first bin holds 0 too.
        public var lower: Double
        /// The largest confidence in the bin.
        public var upper: Double
        /// Number of samples.
        public var count: Int
        /// The mean confidence of the samples; nil in an empty bin.
        public var meanConfidence: Double?
        /// Share of samples that were right; nil in an empty bin.
        public var accuracy: Double?
    }

    /// The bins, which are equally wide, from confidence 0 up.
    public let bins: [Bin]
    /// Σ share of samples in the bin · |accuracy - mean confidence|, NaN over none: the expected calibration error (ECE;
    /// Guo et al. 2017, equation 3).
    public let expectedCalibrationError: Double
    /// The largest |accuracy - mean confidence| of a bin, NaN over none: the maximum calibration error (MCE; Guo et al.
    /// 2017, equation 5).
    public let maximumCalibrationError: Double

    /// - Parameters:
    ///   - confidences: in 0...1; NaN goes into the first bin and makes its errors NaN.
    ///   - hits: whether each sample was right.
    ///   - binCount: number of bins, > 0.
    public init(confidences: [Double], hits: [Bool], binCount: Int = 15) {
        require(binCount > 0, "ReliabilityDiagram", "\(binCount) bins")
        require(
            confidences.count == hits.count, "ReliabilityDiagram",
            "\(confidences.count) confidences, \(hits.count) hits")
        // Edges as numpy's `linspace` rounds them, so that a confidence on an edge falls as in scikit-learn.
        let edges = (0...binCount).map { $0 == binCount ? 1 : Double($0) * (1 / Double(binCount)) }
        var sums = [(count: Int, confidence: Double, hits: Int)](repeating: (0, 0, 0), count: binCount)
        for (confidence, isHit) in zip(confidences, hits) {
            let place = edges[1..<binCount].partitioningIndex { !($0 < confidence) } - 1
            sums[place].count += 1
            sums[place].confidence += confidence
            sums[place].hits += isHit ? 1 : 0
        }
        bins = sums.enumerated().map { index, sum in
            Bin(
                lower: edges[index], upper: edges[index + 1], count: sum.count,
                meanConfidence: sum.count == 0 ? nil : sum.confidence / Double(sum.count),
                accuracy: share(sum.hits, sum.count))
        }
        let gaps = bins.compactMap { bin -> (size: Double, count: Int)? in
            guard let accuracy = bin.accuracy, let confidence = bin.meanConfidence else { return nil }
            return (abs(accuracy - confidence), bin.count)
        }
        let start = confidences.isEmpty ? Double.nan : 0
        expectedCalibrationError = gaps.reduce(start) {
            $0 + $1.size * Double($1.count) / Double(confidences.count)
        }
        maximumCalibrationError = gaps.reduce(start) { $1.size.isNaN || $1.size > $0 ? $1.size : $0 }
    }

    /// The confidence of a sample is the largest of its probabilities, its prediction the first class that has it.
    /// - Parameters:
    ///   - probabilities: row-major [samples, classes].
    ///   - classCount: number of classes.
    ///   - truths: the class of each sample, in 0..<classCount.
    ///   - binCount: number of bins, > 0.
    public init(probabilities: [Double], classCount: Int, truths: [Int32], binCount: Int = 15) {
        requireRows("ReliabilityDiagram", probabilities, classCount, truths)
        let predictions = largestOfRows(probabilities, classCount)
        self.init(
            confidences: predictions.enumerated().map { probabilities[$0 * classCount + Int($1)] },
            hits: zip(predictions, truths).map(==), binCount: binCount)
    }
}

/// The column of the largest element of each row, the first of equals; a NaN counts as the largest.
func largestOfRows(_ values: [Double], _ width: Int) -> [Int32] {
    stride(from: 0, to: values.count, by: width).map { start in
        var best = start
        for place in start + 1..<max(start + width, start + 1) {
            if values[best].isNaN { break }
            if values[place] > values[best] || values[place].isNaN { best = place }
        }
        return Int32(best - start)
    }
}

extension RandomAccessCollection where Index == Int {
    /// The first place from which on `isSecond` holds, where it holds for no element before one that it does not hold
    /// for.
    fileprivate func partitioningIndex(_ isSecond: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if isSecond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
