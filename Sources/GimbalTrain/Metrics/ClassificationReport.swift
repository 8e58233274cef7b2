import Foundation

/// Everything that is told about a classifier from the probabilities it gives to a data set, for JSON and for print.
///
/// What is undefined, such as the area under a curve of a class without samples, is nil.
public struct ClassificationReport: Sendable, Codable, Equatable {
    /// Scores of one class against all others.
    public struct ClassRow: Sendable, Codable, Equatable {
        public var name: String
        public var precision: Double
        public var recall: Double
        public var specificity: Double
        public var f1: Double
        public var support: Int
        public var areaUnderROC: Double?
        public var averagePrecision: Double?
    }

    /// Points of a curve, for a plot.
    public struct Curve: Sendable, Codable, Equatable {
        public var name: String
        public var x: [Double]
        public var y: [Double]
    }

    public var samples: Int
    /// Mean cross-entropy.
    public var logLoss: Double?
    public var accuracy: Double
    /// Share of samples whose class is among the five likeliest; nil with five classes or fewer.
    public var top5Accuracy: Double?
    public var balancedAccuracy: Double
    public var matthewsCorrelation: Double
    public var cohensKappa: Double?
    public var brierScore: Double?
    /// Means over classes, each against all others.
    public var areaUnderROC: Double?
    public var averagePrecision: Double?
    public var expectedCalibrationError: Double?
    public var maximumCalibrationError: Double?
    public var macro: ClassScores
    public var micro: ClassScores
    public var weighted: ClassScores
    public var classes: [ClassRow]
    /// A row for each true class, a column for each predicted one.
    public var confusion: [[Int]]
    public var reliability: [ReliabilityDiagram.Bin]
    /// True against false positive rate, a curve for each class; of two classes only the second, the positive one.
    public var rocCurves: [Curve]
    /// Precision against recall, likewise.
    public var precisionRecallCurves: [Curve]

    /// - Parameters:
    ///   - probabilities: row-major [samples, classes].
    ///   - truths: the class of each sample.
    ///   - classNames: one for each class.
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

    /// Runs `model` over all of `dataset` in evaluation mode, and puts it back into training mode. Its outputs are logits.
    /// - Throws: `GimbalError.invalidSetting` for a data set without classes, and what the device reports.
    public init(of model: any TensorLayer, on dataset: Dataset, batchSize: Int = 1000, device: Device = .current) throws {
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
