/// Counts of true against predicted classes, and what is computed from them, as scikit-learn defines it.
///
/// Only pairs that occur are kept: memory and time grow with samples and classes, not with classes squared.
public struct ConfusionMatrix: Sendable, Equatable {
    /// How often one class was predicted as one class.
    public struct Pair: Sendable, Equatable {
        /// The true class.
        public var truth: Int
        /// The predicted class.
        public var prediction: Int
        /// Number of samples, > 0.
        public var count: Int
    }

    /// Number of classes, and of rows and columns.
    public let classCount: Int
    /// Samples of each class.
    public private(set) var supports: [Int]
    /// Times each class was predicted.
    public private(set) var predicted: [Int]
    /// Samples of each class that are predicted as it.
    public private(set) var hits: [Int]
    /// Number of samples counted.
    public private(set) var total = 0
    /// Counts of pairs that occur, by `truth * classCount + prediction`.
    private var cells: [Int: Int] = [:]

    /// A matrix of zeros, which `add(truths:predictions:)` counts into.
    public init(classCount: Int) {
        require(classCount >= 0, "ConfusionMatrix", "\(classCount) classes")
        self.classCount = classCount
        supports = [Int](repeating: 0, count: classCount)
        predicted = supports
        hits = supports
    }

    /// A matrix of `counts` taken elsewhere, [classCount, classCount] row-major, a row for each true class.
    public init(classCount: Int, counts: [Int]) {
        require(
            counts.count == classCount * classCount, "ConfusionMatrix",
            "\(counts.count) counts of \(classCount) classes")
        self.init(classCount: classCount)
        for (cell, count) in counts.enumerated() where count != 0 {
            add(truth: cell / classCount, prediction: cell % classCount, count: count)
        }
    }

    /// Counts one pair for each index of the two equally long lists, whose values lie in 0..<classCount. A prediction of
    /// -1 stands for none, as where a model gives out NaN: the sample counts, and is not told rightly.
    public mutating func add(truths: [Int32], predictions: [Int32]) {
        require(
            truths.count == predictions.count, "ConfusionMatrix.add",
            "\(truths.count) truths, \(predictions.count) predictions")
        for (truth, prediction) in zip(truths, predictions) {
            require(
                truth >= 0 && truth < classCount && prediction >= -1 && prediction < classCount, "ConfusionMatrix.add",
                "class \(truth) predicted as \(prediction), of \(classCount) classes")
            add(truth: Int(truth), prediction: Int(prediction), count: 1)
        }
    }

    private mutating func add(truth: Int, prediction: Int, count: Int) {
        supports[truth] += count
        total += count
        guard prediction >= 0 else { return }
        cells[truth * classCount + prediction, default: 0] += count
        predicted[prediction] += count
        if truth == prediction { hits[truth] += count }
    }

    /// Samples of which nothing is predicted, as where a model gives out NaN.
    public var unpredictedCount: Int { total - predicted.reduce(0, +) }

    /// How many samples of class `truth` were predicted as class `prediction`.
    public subscript(truth: Int, prediction: Int) -> Int { cells[truth * classCount + prediction] ?? 0 }

    /// The pairs that occur, by true class and then by predicted one.
    public var pairs: [Pair] {
        cells.sorted { $0.key < $1.key }.map {
            Pair(truth: $0.key / classCount, prediction: $0.key % classCount, count: $0.value)
        }
    }

    /// The pairs of two different classes that occur, the most frequent first; of equals, in the order of the classes.
    public var confusions: [Pair] {
        pairs.filter { $0.truth != $0.prediction }.enumerated().sorted {
            ($1.element.count, $0.offset) < ($0.element.count, $1.offset)
        }.map(\.element)
    }

    /// Share of samples that were predicted rightly, those on the diagonal; nil over none.
    public var accuracy: Double? { share(hits.reduce(0, +), total) }

    /// The class that occurs most often as truth, the first of equals; nil over no samples.
    public var majorityClass: Int? {
        total == 0 ? nil : supports.indices.max { (supports[$0], $1) < (supports[$1], $0) }
    }

    /// The accuracy of always predicting `majorityClass`, which a model must exceed to have learned anything; nil over
    /// no samples.
    public var majorityAccuracy: Double? { majorityClass.flatMap { share(supports[$0], total) } }

    /// Number of classes that occur as truth or prediction: those that the averages are taken over.
    public var occurringClassCount: Int { zip(supports, predicted).count { $0 + $1 > 0 } }

    /// Scores of each class taken as the positive one.
    public var classes: [ClassScores] {
        let f1s = fBetas(1)
        return zip(zip(precisions, recalls), zip(f1s, supports)).map {
            ClassScores(precision: $0.0, recall: $0.1, f1: $1.0, support: $1.1)
        }
    }

    /// The plain mean over the classes that occur as truth or prediction, as scikit-learn lists them.
    public var macro: ClassScores {
        ClassScores(precision: precision(), recall: recall(), f1: f1(), support: total)
    }

    /// The scores of all decisions counted together. With one label per sample, all three equal the accuracy.
    public var micro: ClassScores {
        ClassScores(precision: accuracy, recall: accuracy, f1: accuracy, support: total)
    }
}

/// How well one class is told from the others, each in 0...1. What is undefined is nil.
public struct ClassScores: Sendable, Equatable, Codable {
    /// Share of the samples predicted as the class that belong to it; nil where none is predicted as it.
    public var precision: Double?
    /// Share of the class's samples that are predicted as it; nil without samples.
    public var recall: Double?
    /// Harmonic mean of precision and recall, 2 hits / (samples + predictions); nil where both are undefined.
    public var f1: Double?
    /// Samples that belong to the class.
    public var support: Int
}

/// `part` / `whole`; nil over nothing.
func share(_ part: Int, _ whole: Int) -> Double? { whole == 0 ? nil : Double(part) / Double(whole) }
