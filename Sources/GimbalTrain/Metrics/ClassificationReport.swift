import Foundation

/// Everything that is told about a classifier from the probabilities it gives to a data set, for JSON and for print.
///
/// What is undefined, such as the area under a curve of a class without samples, is nil.
public struct ClassificationReport: Sendable, Codable, Equatable {
    /// Scores of one class against all others.
    public struct ClassRow: Sendable, Codable, Equatable {
        /// What the class is called.
        public var name: String
        /// Share of the samples predicted as the class that belong to it, 0 where none is.
        public var precision: Double
        /// Share of the class's samples that are predicted as it, 0 without samples.
        public var recall: Double
        /// Share of the samples of other classes that are not predicted as the class.
        public var specificity: Double
        /// Harmonic mean of precision and recall.
        public var f1: Double
        /// Samples that belong to the class.
        public var support: Int
        /// Area under the class's ROC curve; nil where all samples, or none, belong to it.
        public var areaUnderROC: Double?
        /// Average precision of the class; nil without samples.
        public var averagePrecision: Double?
    }

    /// Points of a curve, for a plot.
    public struct Curve: Sendable, Codable, Equatable {
        /// The class that the curve tells from all others.
        public var name: String
        /// False positive rates of a ROC curve, recalls of a precision-recall curve.
        public var x: [Double]
        /// True positive rates of a ROC curve, precisions of a precision-recall curve; one for each of `x`.
        public var y: [Double]
    }

    /// Samples in the data set.
    public var samples: Int
    /// Mean cross-entropy, as `logLoss(probabilities:classCount:truths:)`; nil over no samples.
    public var logLoss: Double?
    /// Share of samples whose likeliest class is the right one.
    public var accuracy: Double
    /// Share of samples whose class is among the five likeliest; nil with five classes or fewer.
    public var top5Accuracy: Double?
    /// Mean recall over the classes that have samples.
    public var balancedAccuracy: Double
    /// Correlation of truth and prediction, in -1...1: see `ConfusionMatrix.matthewsCorrelation`.
    public var matthewsCorrelation: Double
    /// Agreement beyond chance, unweighted: see `ConfusionMatrix.cohensKappa(_:)`.
    public var cohensKappa: Double?
    /// Mean squared error of the probabilities, as `brierScore(probabilities:classCount:truths:)`.
    public var brierScore: Double?
    /// Mean over classes of the area under ROC curves, each against all others; of two classes that of the second. Nil
    /// where a class has no samples, or all.
    public var areaUnderROC: Double?
    /// Mean over classes of the average precision, each against all others; of two classes that of the second.
    public var averagePrecision: Double?
    /// Mean distance of confidence and accuracy: see `ReliabilityDiagram.expectedCalibrationError`.
    public var expectedCalibrationError: Double?
    /// Largest distance of confidence and accuracy: see `ReliabilityDiagram.maximumCalibrationError`.
    public var maximumCalibrationError: Double?
    /// Plain mean of the scores over the classes that occur as truth or prediction.
    public var macro: ClassScores
    /// Scores of all decisions counted together, each equal to the accuracy.
    public var micro: ClassScores
    /// Mean of the scores over classes, weighted by their samples.
    public var weighted: ClassScores
    /// Scores of each class, in the order of `classNames`.
    public var classes: [ClassRow]
    /// Counts of samples: a row for each true class, a column for each predicted one.
    public var confusion: [[Int]]
    /// Confidence and accuracy in bins of confidence; NaN stands as 0.
    public var reliability: [ReliabilityDiagram.Bin]
    /// True against false positive rate, a curve for each class; of two classes only the second, the positive one.
    public var rocCurves: [Curve]
    /// Precision against recall, a curve for each class that has samples; of two classes only the second's.
    public var precisionRecallCurves: [Curve]

    /// - Parameters:
    ///   - probabilities: row-major [samples, classes].
    ///   - truths: the class of each sample.
    ///   - classNames: one for each class.
    ///   - binCount: bins of `reliability`.
    public init(probabilities: [Double], truths: [Int32], classNames: [String], binCount: Int = 15) {
        let classCount = classNames.count
        requireRows("ClassificationReport", probabilities, classCount, truths)
        var matrix = ConfusionMatrix(classCount: classCount)
        matrix.add(truths: truths, predictions: largestOfRows(probabilities, classCount))
        let roc = ROCCurve.oneVersusRest(scores: probabilities, classCount: classCount, truths: truths)
        let precisionRecall = PrecisionRecallCurve.oneVersusRest(
            scores: probabilities, classCount: classCount, truths: truths, dropsIntermediate: true)
        let reliability = ReliabilityDiagram(
            probabilities: probabilities, classCount: classCount, truths: truths, binCount: binCount)

        samples = truths.count
        logLoss = GimbalTrain.logLoss(probabilities: probabilities, classCount: classCount, truths: truths).ifFinite
        brierScore =
            GimbalTrain.brierScore(probabilities: probabilities, classCount: classCount, truths: truths).ifFinite
        accuracy = matrix.accuracy
        top5Accuracy = classCount > 5 ? Self.topK(5, probabilities, classCount, truths) : nil
        balancedAccuracy = matrix.balancedAccuracy()
        matthewsCorrelation = matrix.matthewsCorrelation
        cohensKappa = matrix.cohensKappa().ifFinite
        expectedCalibrationError = reliability.expectedCalibrationError.ifFinite
        maximumCalibrationError = reliability.maximumCalibrationError.ifFinite
        macro = matrix.macro
        micro = matrix.micro
        weighted = matrix.weighted
        confusion = (0..<classCount).map { truth in (0..<classCount).map { matrix[truth, $0] } }
        self.reliability = reliability.bins.map { bin in
            var bin = bin
            bin.meanConfidence = bin.meanConfidence.ifFinite ?? 0
            return bin
        }
        let averagePrecisions = PrecisionRecallCurve.oneVersusRest(
            scores: probabilities, classCount: classCount, truths: truths
        ).map(\.averagePrecision)
        let (scores, specificities) = (matrix.classes, matrix.specificities)
        classes = classNames.indices.map { index in
            ClassRow(
                name: classNames[index], precision: scores[index].precision, recall: scores[index].recall,
                specificity: specificities[index], f1: scores[index].f1, support: scores[index].support,
                areaUnderROC: roc[index].area.ifFinite,
                averagePrecision: scores[index].support > 0 ? averagePrecisions[index].ifFinite : nil)
        }
        let drawn = classCount == 2 ? 1..<2 : 0..<classCount
        areaUnderROC = drawn.reduce(0) { $0 + roc[$1].area / Double(drawn.count) }.ifFinite
        averagePrecision = drawn.reduce(0) { $0 + averagePrecisions[$1] / Double(drawn.count) }.ifFinite
        rocCurves = drawn.map {
            Curve(name: classNames[$0], x: roc[$0].falsePositiveRates, y: roc[$0].truePositiveRates)
        }.filter { ($0.x + $0.y).allSatisfy(\.isFinite) }
        precisionRecallCurves = drawn.filter { scores[$0].support > 0 }.map {
            Curve(name: classNames[$0], x: precisionRecall[$0].recalls, y: precisionRecall[$0].precisions)
        }
    }

    /// Runs `model` over all of `dataset` in evaluation mode, and puts it back into training mode. Its outputs are
    /// logits.
    /// - Throws: `GimbalError.invalidSetting` for a data set without classes, and what the device reports.
    public init(of model: any TensorLayer, on dataset: Dataset, batchSize: Int = 1000, device: Device = .current) throws
    {
        guard dataset.classCount != nil else {
            throw GimbalError.invalidSetting(name: "data", reason: "\(dataset.name) has no classes to tell apart")
        }
        let outputs = try Collected.rows(of: model, on: dataset, batchSize: batchSize, device: device) { $0.softmax() }
        self.init(probabilities: outputs.outputs, truths: outputs.classes, classNames: dataset.classNames)
    }

    /// As `TopKAccuracy`.
    private static func topK(_ k: Int, _ scores: [Double], _ classCount: Int, _ truths: [Int32]) -> Double {
        let hits = truths.enumerated().count { row, truth in
            let (start, right) = (row * classCount, row * classCount + Int(truth))
            let behind = (start..<start + classCount).count {
                scores[$0] < scores[right] || (scores[$0] == scores[right] && $0 <= right)
            }
            return behind > classCount - k
        }
        return ratio(hits, truths.count)
    }
}

extension ClassificationReport: CustomStringConvertible {
    /// A table of the classes, and the numbers for the whole.
    public var description: String {
        var table = TextTable(columns: 7)
        table.add(["class", "precision", "recall", "specificity", "f1", "AUC", "support"])
        for row in classes {
            table.add([
                row.name, number(row.precision), number(row.recall), number(row.specificity), number(row.f1),
                number(row.areaUnderROC), "\(row.support)",
            ])
        }
        for (name, scores) in [("macro", macro), ("micro", micro), ("weighted", weighted)] {
            table.add([
                name, number(scores.precision), number(scores.recall), "", number(scores.f1), "", "\(scores.support)",
            ])
        }
        var whole = TextTable(columns: 2)
        let numbers: [(String, Double?)] = [
            ("accuracy", accuracy), ("top-5 accuracy", top5Accuracy), ("balanced accuracy", balancedAccuracy),
            ("Matthews correlation", matthewsCorrelation), ("Cohen's kappa", cohensKappa), ("log loss", logLoss),
            ("Brier score", brierScore), ("area under ROC", areaUnderROC), ("average precision", averagePrecision),
            ("calibration error, expected", expectedCalibrationError),
            ("calibration error, maximum", maximumCalibrationError),
        ]
        for (name, value) in numbers where name != "top-5 accuracy" || value != nil {
            whole.add([name, number(value)])
        }
        return "\(samples) samples\n\n\(whole)\n\n\(table)"
    }
}
