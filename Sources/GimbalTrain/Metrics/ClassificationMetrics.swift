/// Counts of true against predicted classes, and what is computed from them, as scikit-learn defines it.
public struct ConfusionMatrix: Sendable, Equatable {
    /// Number of classes, and of rows and columns.
    public let classCount: Int
    /// How often each true class was predicted as each, row-major: `counts[truth * classCount + prediction]`.
    public private(set) var counts: [Int]

    /// A matrix of zeros, which `add(truths:predictions:)` counts into.
    public init(classCount: Int) {
        self.classCount = classCount
        counts = [Int](repeating: 0, count: classCount * classCount)
    }

    /// A matrix of `counts` taken elsewhere, [classCount, classCount] row-major, a row for each true class.
    public init(classCount: Int, counts: [Int]) {
        require(
            counts.count == classCount * classCount, "ConfusionMatrix",
            "\(counts.count) counts of \(classCount) classes")
        self.classCount = classCount
        self.counts = counts
    }

    /// Counts one pair for each index of the two equally long lists, whose values lie in 0..<classCount.
    public mutating func add(truths: [Int32], predictions: [Int32]) {
        precondition(truths.count == predictions.count, "as many truths as predictions")
        for (truth, prediction) in zip(truths, predictions) {
            counts[Int(truth) * classCount + Int(prediction)] += 1
        }
    }

    /// How many samples of class `truth` were predicted as class `prediction`.
    public subscript(truth: Int, prediction: Int) -> Int { counts[truth * classCount + prediction] }

    /// Number of samples counted.
    public var total: Int { counts.reduce(0, +) }

    /// Share of samples that were predicted rightly, those on the diagonal; 0 over none.
    public var accuracy: Double {
        let right = (0..<classCount).reduce(0) { $0 + self[$1, $1] }
        return ratio(right, total)
    }

    /// Scores of each class taken as the positive one. A ratio without cases is 0, as with `zero_division=0`.
    public var classes: [ClassScores] {
        (0..<classCount).map { index in
            let truth = (0..<classCount).reduce(0) { $0 + self[index, $1] }
            let predicted = (0..<classCount).reduce(0) { $0 + self[$1, index] }
            return ClassScores(
                precision: ratio(self[index, index], predicted), recall: ratio(self[index, index], truth),
                f1: ratio(2 * self[index, index], truth + predicted), support: truth)
        }
    }

    /// The plain mean over the classes that occur as truth or prediction, as scikit-learn lists them.
    public var macro: ClassScores {
        let present = zip(classes.indices, classes).filter { index, scores in
            scores.support > 0 || (0..<classCount).contains { self[$0, index] > 0 }
        }.map(\.1)
        let count = Double(max(present.count, 1))
        return ClassScores(
            precision: present.reduce(0) { $0 + $1.precision } / count,
            recall: present.reduce(0) { $0 + $1.recall } / count,
            f1: present.reduce(0) { $0 + $1.f1 } / count, support: total)
    }

    /// The scores of all decisions counted together. With one label per sample, all three equal the accuracy.
    public var micro: ClassScores {
        ClassScores(precision: accuracy, recall: accuracy, f1: accuracy, support: total)
    }
}

/// How well one class is told from the others, each in 0...1.
public struct ClassScores: Sendable, Equatable, Codable {
    /// Share of the samples predicted as the class that belong to it.
    public var precision: Double
    /// Share of the class's samples that are predicted as it.
    public var recall: Double
    /// Harmonic mean of precision and recall.
    public var f1: Double
    /// Samples that belong to the class.
    public var support: Int
}
