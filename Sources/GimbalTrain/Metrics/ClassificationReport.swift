import Foundation

/// Everything that is told about a classifier on a data set, for JSON and for print.
///
/// What is undefined, such as the precision of a class that is never predicted, is nil. What would grow without end with
/// the number of classes is cut to what can be read, and what was left out is counted; `ConfusionMatrix` has the whole.
public struct ClassificationReport: Sendable, Codable, Equatable {
    /// The most classes that are reported one by one, and that `confusion` has rows for.
    public static let classLimit = 100
    /// The most pairs in `mostConfused`.
    public static let confusionLimit = 20
    /// The most classes that curves are kept of, and the most points of each.
    public static let curveLimit = (classes: 10, points: 500)

    /// Scores of one class against all others.
    public struct ClassRow: Sendable, Codable, Equatable {
        /// What the class is called.
        public var name: String
        /// Share of the samples predicted as the class that belong to it; nil where none is.
        public var precision: Double?
        /// Share of the class's samples that are predicted as it; nil without samples.
        public var recall: Double?
        /// Share of the samples of other classes that are not predicted as the class; nil where there are none.
        public var specificity: Double?
        /// Harmonic mean of precision and recall; nil where both are undefined.
        public var f1: Double?
        /// Samples that belong to the class.
        public var support: Int
        /// Area under the class's ROC curve; nil where all samples, or none, belong to it.
        public var areaUnderROC: Double?
        /// Average precision of the class; nil without samples.
        public var averagePrecision: Double?
    }

    /// A class that was taken for another.
    public struct Confusion: Sendable, Codable, Equatable {
        /// What the true class is called.
        public var truth: String
        /// What the class that was predicted is called.
        public var prediction: String
        /// Number of samples.
        public var count: Int
    }

    /// Points of a curve, for a plot: all, or 500 of them in even steps.
    public struct Curve: Sendable, Codable, Equatable {
        /// The class that the curve tells from all others.
        public var name: String
        /// The area under the whole curve: of a ROC curve by trapezia, of a precision-recall curve the average
        /// precision.
        public var area: Double
        /// False positive rates of a ROC curve, recalls of a precision-recall curve.
        public var x: [Double]
        /// True positive rates of a ROC curve, precisions of a precision-recall curve; one for each of `x`.
        public var y: [Double]
    }

    /// Samples in the data set.
    public var samples: Int
    /// Classes that there might be.
    public var classCount: Int
    /// Mean cross-entropy, as `logLoss(probabilities:classCount:truths:)`; nil over no samples, or without
    /// probabilities.
    public var logLoss: Double?
    /// Share of samples whose likeliest class is the right one.
    public var accuracy: Double?
    /// The class that most samples belong to.
    public var majorityClass: String?
    /// The accuracy of always predicting `majorityClass`: no more than this shows that nothing was learned.
    public var majorityAccuracy: Double?
    /// Share of samples whose class is among the five likeliest; nil with five classes or fewer.
    public var top5Accuracy: Double?
    /// Mean recall over the classes that have samples.
    public var balancedAccuracy: Double?
    /// Correlation of truth and prediction, in -1...1: see `ConfusionMatrix.matthewsCorrelation`.
    public var matthewsCorrelation: Double?
    /// Agreement beyond chance, unweighted: see `ConfusionMatrix.cohensKappa(_:)`.
    public var cohensKappa: Double?
    /// Mean squared error of the probabilities, as `brierScore(probabilities:classCount:truths:)`.
    public var brierScore: Double?
    /// Mean over classes of the area under ROC curves, each against all others; of two classes that of the second. Nil
    /// where a class has no samples, or all.
    public var areaUnderROC: Double?
    /// Mean over the classes that have samples of the average precision, each against all others; of two classes that of
    /// the second.
    public var averagePrecision: Double?
    /// Mean distance of confidence and accuracy: see `ReliabilityDiagram.expectedCalibrationError`.
    public var expectedCalibrationError: Double?
    /// Largest distance of confidence and accuracy: see `ReliabilityDiagram.maximumCalibrationError`.
    public var maximumCalibrationError: Double?
    /// Classes that occur as truth or prediction, over which `macro` is taken.
    public var occurringClassCount: Int
    /// Plain mean of the scores over the classes that occur as truth or prediction; an undefined score counts as 0.
    public var macro: ClassScores
    /// Scores of all decisions counted together, each equal to the accuracy.
    public var micro: ClassScores
    /// Mean of the scores over classes, weighted by their samples.
    public var weighted: ClassScores
    /// Scores of each class, in the order of their numbers; of more than `classLimit` classes those with the lowest F1
    /// scores, the lowest first.
    public var classes: [ClassRow]
    /// Classes that `classes` leaves out.
    public var classesLeftOut: Int
    /// Counts of samples: a row for each true class, a column for each predicted one; nil for more than `classLimit`
    /// classes.
    public var confusion: [[Int]]?
    /// The pairs of classes that are confused most often.
    public var mostConfused: [Confusion]
    /// Pairs of classes that are confused and that `mostConfused` leaves out.
    public var confusionsLeftOut: Int
    /// Confidence and accuracy in bins of confidence; empty without probabilities.
    public var reliability: [ReliabilityDiagram.Bin]
    /// True against false positive rate, a curve for each class; of two classes only the second, the positive one; of more
    /// than ten those with the smallest areas.
    public var rocCurves: [Curve]
    /// Precision against recall, a curve for each class that has samples; of two classes only the second's; of more than
    /// ten those with the smallest areas.
    public var precisionRecallCurves: [Curve]
    /// What was left out because of its size, each in a sentence.
    public var notes: [String]

    /// - Parameters:
    ///   - probabilities: row-major [samples, classes].
    ///   - truths: the class of each sample.
    ///   - classNames: one for each class.
    ///   - binCount: bins of `reliability`.
    public init(probabilities: [Double], truths: [Int32], classNames: [String], binCount: Int = 15) {
        var tally = ClassificationTally(classCount: classNames.count)
        tally.add(probabilities: probabilities, truths: truths)
        self.init(tally, classNames: classNames, binCount: binCount)
    }

    /// A report of classes alone, without what needs probabilities.
    /// - Parameters:
    ///   - confusion: counts of true against predicted classes.
    ///   - classNames: one for each class.
    public init(_ confusion: ConfusionMatrix, classNames: [String]) {
        self.init(confusion, ClassAreas(), classNames: classNames)
    }

    /// Runs `model` over all of `dataset` in evaluation mode, and puts it back into training mode. Its outputs are
    /// logits. Of many classes fewer samples than `batchSize` are run at once, so that their probabilities fit.
    /// - Throws: `GimbalError.invalidSetting` for a data set without classes, and what the device reports.
    public init(
        of model: any TensorLayer, on dataset: any SupervisedData, sampleShape: Shape? = nil, batchSize: Int = 1000,
        device: Device = .current
    ) throws {
        guard dataset.classCount != nil else {
            throw GimbalError.invalidSetting(name: "data", reason: "\(dataset.name) has no classes to tell apart")
        }
        var tally = ClassificationTally(classCount: dataset.classNames.count)
        let shape = (sampleShape ?? dataset.inputShape).sizes
        let batchSize = min(batchSize, max(1, ClassificationTally.keptLimit / max(1, dataset.classNames.count)))
        try model.evaluating {
            try dataset.forEachBatch(of: batchSize) { host in
                guard case .classes(let truths) = host.targets else { return }
                let inputs = host.to(device).inputs.reshaped(Shape([host.count] + shape))
                let probabilities = withoutGradients { model(inputs).softmax() }
                tally.add(probabilities: try probabilities.doubles(), truths: truths)
            }
        }
        self.init(tally, classNames: dataset.classNames, binCount: 15)
    }

    private init(_ tally: ClassificationTally, classNames: [String], binCount: Int) {
        var matrix = ConfusionMatrix(classCount: classNames.count)
        matrix.add(truths: tally.truths, predictions: tally.predictions)
        self.init(matrix, ClassAreas(tally, supports: matrix.supports, names: classNames), classNames: classNames)
        let diagram = ReliabilityDiagram(
            confidences: tally.confidences, hits: zip(tally.truths, tally.predictions).map(==), binCount: binCount)
        reliability = diagram.bins.map { bin in
            var bin = bin
            bin.meanConfidence = bin.meanConfidence?.ifFinite
            return bin
        }
        logLoss = (tally.logLossSum / Double(samples)).ifFinite
        brierScore = (tally.brierSum / Double(samples) * (classCount < 3 ? 0.5 : 1)).ifFinite
        top5Accuracy = classCount > 5 ? share(tally.top5Hits, samples) : nil
        expectedCalibrationError = diagram.expectedCalibrationError.ifFinite
        maximumCalibrationError = diagram.maximumCalibrationError.ifFinite
    }

    private init(_ matrix: ConfusionMatrix, _ areas: ClassAreas, classNames: [String]) {
        require(
            classNames.count == matrix.classCount, "ClassificationReport",
            "\(classNames.count) names of \(matrix.classCount) classes")
        samples = matrix.total
        classCount = matrix.classCount
        accuracy = matrix.accuracy
        majorityClass = matrix.majorityClass.map { classNames[$0] }
        majorityAccuracy = matrix.majorityAccuracy
        balancedAccuracy = matrix.balancedAccuracy()
        matthewsCorrelation = matrix.matthewsCorrelation
        cohensKappa = matrix.cohensKappa()
        occurringClassCount = matrix.occurringClassCount
        macro = matrix.macro
        micro = matrix.micro
        weighted = matrix.weighted

        let (scores, specificities) = (matrix.classes, matrix.specificities)
        var reported = Array(classNames.indices)
        if reported.count > Self.classLimit {
            // Classes that do not occur have no score, and come last.
            reported = Array(
                reported.sorted {
                    (scores[$0].f1 ?? 2, -scores[$0].support, $0) < (scores[$1].f1 ?? 2, -scores[$1].support, $1)
                }.prefix(Self.classLimit))
        }
        classes = reported.map { index in
            ClassRow(
                name: classNames[index], precision: scores[index].precision, recall: scores[index].recall,
                specificity: specificities[index], f1: scores[index].f1, support: scores[index].support,
                areaUnderROC: areas.roc[index], averagePrecision: areas.averagePrecision[index])
        }
        classesLeftOut = classNames.count - reported.count
        confusion =
            classCount > Self.classLimit
            ? nil : (0..<matrix.classCount).map { truth in (0..<matrix.classCount).map { matrix[truth, $0] } }
        let confusions = matrix.confusions
        mostConfused = confusions.prefix(Self.confusionLimit).map {
            Confusion(truth: classNames[$0.truth], prediction: classNames[$0.prediction], count: $0.count)
        }
        confusionsLeftOut = confusions.count - mostConfused.count
        reliability = []
        areaUnderROC = areas.meanROC
        averagePrecision = areas.meanAveragePrecision
        rocCurves = areas.rocCurves
        precisionRecallCurves = areas.precisionRecallCurves
        notes = areas.notes
        if matrix.unpredictedCount > 0 {
            notes.insert(
                "nothing is predicted of \(matrix.unpredictedCount) of \(counted(samples, "sample")): the model gives out NaN, "
                    + "and no score says more than that", at: 0)
        }
        if classesLeftOut > 0 {
            notes.append(
                "the \(reported.count) classes with the lowest F1 are listed, and \(classesLeftOut) more are not")
        }
    }
}

extension ClassificationReport {
    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        guard let confusion else { return }
        try checkSetting(
            confusion.count == classes.count && confusion.allSatisfy { $0.count == classes.count }, "confusion",
            "is no matrix of \(classes.count) classes")
        // No sum over a hundred classes overflows then.
        try checkSetting(
            confusion.joined().allSatisfy { 0...(1 << 53) ~= $0 }, "confusion", "has a count that no data set has")
    }
}

extension ClassificationReport: CustomStringConvertible {
    /// A table of the classes, and the numbers for the whole.
    public var description: String {
        var table = TextTable(columns: 7)
        table.add(["class", "precision", "recall", "specificity", "f1", "AUC", "support"])
        for row in classes {
            table.add([
                shown(row.name, limit: 40), number(row.precision), number(row.recall), number(row.specificity),
                number(row.f1), number(row.areaUnderROC), "\(row.support)",
            ])
        }
        if classesLeftOut > 0 { table.add(["and \(classesLeftOut) more", "", "", "", "", "", ""]) }
        for (name, scores) in [("macro", macro), ("micro", micro), ("weighted", weighted)] {
            table.add([
                name, number(scores.precision), number(scores.recall), "", number(scores.f1), "", "\(scores.support)",
            ])
        }
        var whole = TextTable(columns: 2)
        for (name, value) in numbers where value != nil || !Self.optionalNumbers.contains(name) {
            whole.add([name, number(value)])
        }
        var parts = ["\(samples) samples", "\(whole)", "\(table)"]
        parts.append(
            "macro: the mean over the \(occurringClassCount) classes that occur, undefined (-) counting as 0; weighted: "
                + "by samples")
        if confusion == nil, !mostConfused.isEmpty {
            var pairs = TextTable(columns: 3)
            pairs.add(["most confused", "predicted as", "samples"])
            for pair in mostConfused {
                pairs.add([shown(pair.truth, limit: 40), shown(pair.prediction, limit: 40), "\(pair.count)"])
            }
            if confusionsLeftOut > 0 { pairs.add(["and \(confusionsLeftOut) more pairs", "", ""]) }
            parts.append("\(pairs)")
        }
        parts += notes.map { "note: \($0)" }
        return parts.joined(separator: "\n\n")
    }

    /// Those that not every report has.
    private static let optionalNumbers: Set = ["top-5 accuracy"]

    /// The numbers for the whole, by name.
    var numbers: [(name: String, value: Double?)] {
        [
            ("accuracy", accuracy),
            ("accuracy of always saying \(majorityClass.map { shown($0, limit: 40) } ?? "-")", majorityAccuracy),
            ("top-5 accuracy", top5Accuracy), ("balanced accuracy", balancedAccuracy),
            ("Matthews correlation", matthewsCorrelation), ("Cohen's kappa", cohensKappa), ("log loss", logLoss),
            ("Brier score", brierScore), ("area under ROC", areaUnderROC), ("average precision", averagePrecision),
            ("calibration error, expected", expectedCalibrationError),
            ("calibration error, maximum", maximumCalibrationError),
        ]
    }
}
