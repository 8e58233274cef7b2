import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Metrics against scikit-learn and sacreBLEU, in double: to 1e-12 relative to the largest value, except where said.
@Suite struct MetricsParityTests {
    private let fixture: MetricsFixture

    init() throws { fixture = try MetricsFixture() }

    @Test(arguments: ["five", "binary", "absent", "one_class", "one_guess", "one_sample_wrong"])
    func decisions(_ name: String) throws {
        let check = Check(fixture, name)
        let matrix = try confusion(name)
        try check(
            "ConfusionMatrix", "confusion",
            (0..<matrix.classCount * matrix.classCount).map {
                Double(matrix[$0 / matrix.classCount, $0 % matrix.classCount])
            })
        try check("ConfusionMatrix", "accuracy", matrix.accuracy ?? .nan)
        try check("ConfusionMatrix.balancedAccuracy", "balanced", matrix.balancedAccuracy() ?? .nan)
        let adjusted = matrix.balancedAccuracy(isAdjusted: true)
        let expected = try fixture.values("\(name).=balanced_adjusted")[0]
        // With a single class scikit-learn divides by zero, and comes to NaN or to -infinity.
        #expect((adjusted == nil) == !expected.isFinite)
        try check("ConfusionMatrix.balancedAccuracy", "balanced_adjusted", adjusted ?? expected)
        try check("ConfusionMatrix.matthewsCorrelation", "matthews", matrix.matthewsCorrelation ?? .nan)
        for weighting in ConfusionMatrix.KappaWeighting.allCases {
            try check("ConfusionMatrix.cohensKappa", "kappa_\(weighting)", matrix.cohensKappa(weighting) ?? .nan)
        }
        try check("ConfusionMatrix.precision", "precisions", matrix.precisions.map { $0 ?? 0 })
        try check("ConfusionMatrix.recall", "recalls", matrix.recalls.map { $0 ?? 0 })
        try check("ConfusionMatrix.specificity", "specificities", matrix.specificities.map { $0 ?? 0 })
        for average in ClassAverage.allCases {
            try check("ConfusionMatrix.precision", "precision_\(average)", matrix.precision(average) ?? 0)
            try check("ConfusionMatrix.recall", "recall_\(average)", matrix.recall(average) ?? 0)
            try check("ConfusionMatrix.f1", "fbeta_1.0_\(average)", matrix.f1(average) ?? 0)
            for beta in [0.5, 1, 2] {
                try check("ConfusionMatrix.fBeta", "fbeta_\(beta)_\(average)", matrix.fBeta(beta, average) ?? 0)
            }
        }
        for beta in [0.5, 1, 2] {
            try check("ConfusionMatrix.fBeta", "fbetas_\(beta)", matrix.fBetas(beta).map { $0 ?? 0 })
        }
        #expect(matrix.classes.map(\.f1) == matrix.fBetas(1))
        #expect(matrix.macro.f1 == matrix.f1() && matrix.micro.f1 == matrix.f1(.micro))
    }

    @Test(arguments: [
        "curve", "curve_ties", "curve_equal", "curve_perfect", "curve_reversed", "curve_positive", "curve_negative",
        "curve_one",
    ])
    func curves(_ name: String) throws {
        let check = Check(fixture, name)
        let scores = try fixture.values("\(name).scores")
        let truths = try fixture.values("\(name).truths").map { $0 == 1 }
        for drops in [false, true] {
            let suffix = drops ? "_dropped" : ""
            let roc = ROCCurve(scores: scores, truths: truths, dropsIntermediate: drops)
            try check("ROCCurve", "fpr\(suffix)", roc.falsePositiveRates)
            try check("ROCCurve", "tpr\(suffix)", roc.truePositiveRates)
            try check("ROCCurve", "roc_thresholds\(suffix)", roc.thresholds)
            try check("ROCCurve", "area", roc.area)
            let curve = PrecisionRecallCurve(scores: scores, truths: truths, dropsIntermediate: drops)
            try check("PrecisionRecallCurve", "precision\(suffix)", curve.precisions)
            try check("PrecisionRecallCurve", "recall\(suffix)", curve.recalls)
            try check("PrecisionRecallCurve", "pr_thresholds\(suffix)", curve.thresholds)
            if !drops { try check("PrecisionRecallCurve", "average_precision", curve.averagePrecision) }
        }
    }

    @Test(arguments: ["seven", "tenths", "certain", "two", "absent_class"])
    func probabilities(_ name: String) throws {
        let check = Check(fixture, name)
        let (probabilities, truths, classCount) = try rows(name)
        try check(
            "logLoss", "log_loss", logLoss(probabilities: probabilities, classCount: classCount, truths: truths))
        try check(
            "brierScore", "brier", brierScore(probabilities: probabilities, classCount: classCount, truths: truths))
        for average in ClassAverage.allCases {
            let area = ROCCurve.area(scores: probabilities, classCount: classCount, truths: truths, average: average)
            try check("ROCCurve", "area_\(average)", area)
            let precision = PrecisionRecallCurve.averagePrecision(
                scores: probabilities, classCount: classCount, truths: truths, average: average)
            try check("PrecisionRecallCurve", "average_precision_\(average)", precision)
        }
        for bins in [5, 15] {
            let diagram = ReliabilityDiagram(
                probabilities: probabilities, classCount: classCount, truths: truths, binCount: bins)
            let filled = diagram.bins.filter { $0.count > 0 }
            try check("ReliabilityDiagram", "bin_counts_\(bins)", diagram.bins.map { Double($0.count) })
            try check("ReliabilityDiagram", "bin_accuracy_\(bins)", filled.map { $0.accuracy ?? .nan })
            try check("ReliabilityDiagram", "bin_confidence_\(bins)", filled.map { $0.meanConfidence ?? .nan })
            try check("ReliabilityDiagram", "ece_\(bins)", diagram.expectedCalibrationError)
            try check("ReliabilityDiagram", "mce_\(bins)", diagram.maximumCalibrationError)
        }
        let names = (0..<classCount).map(String.init)
        let report = ClassificationReport(probabilities: probabilities, truths: truths, classNames: names)
        let area = try fixture.values("\(name).=area_macro")[0]
        #expect(report.areaUnderROC.map { abs($0 - area) < 1e-12 } ?? area.isNaN)
        if let five = report.top5Accuracy {
            let expected = try fixture.values("\(name).=top_k")[3]
            #expect(five == expected)
        }
        #expect(report.description.contains("balanced accuracy"))
    }

    @Test(arguments: [
        "numbers", "outputs", "biased", "constant_right", "constant_wrong", "zeros", "one", "mixed",
    ])
    func regression(_ name: String) throws {
        let check = Check(fixture, name)
        let scores = RegressionScores(
            predictions: try fixture.values("\(name).predictions"), targets: try fixture.values("\(name).truths"),
            width: Int(try fixture.values("\(name).width")[0]))
        let piece = "RegressionScores"
        try check(piece, "mae", scores.meanAbsoluteError)
        try check(piece, "mse", scores.meanSquaredError)
        try check(piece, "rmse", scores.rootMeanSquaredError)
        try check(piece, "median", scores.medianAbsoluteError)
        try check(piece, "mape", scores.meanAbsolutePercentageError)
        try check(piece, "r2", scores.determination)
        // scikit-learn gives 1 for a single number, which has no variance to explain.
        if scores.count > 1 {
            try check(piece, "explained", scores.explainedVariance)
        } else {
            #expect(scores.explainedVariance.isNaN)
        }
        try check(piece, "max", scores.maximumError)
    }

    @Test(arguments: ["bleu", "bleu_two", "bleu_short", "bleu_nothing"]) func bleu(_ name: String) throws {
        let check = Check(fixture, name)
        let lists = try fixture.values("\(name).tokens").split(separator: -1, omittingEmptySubsequences: false)
            .dropLast().map { $0.map { Int($0) } }
        let width = 1 + Int(try fixture.values("\(name).references")[0])
        let pairs = stride(from: 0, to: lists.count, by: width).map { start in
            (hypothesis: lists[start], references: Array(lists[start + 1..<start + width]))
        }
        let settings: [(String, BLEUSmoothing, Int)] = [
            ("none", .none, 4), ("exponential", .exponential, 4), ("floor", .floor(0.1), 4), ("add", .add(1), 4),
            ("order2", .exponential, 2),
        ]
        for (title, smoothing, order) in settings {
            var corpus = BLEU<Int>(maximumOrder: order, smoothing: smoothing)
            for pair in pairs { corpus.update(hypothesis: pair.hypothesis, references: pair.references) }
            try check("BLEU", "corpus_\(title)", corpus.value)
            let sentences = pairs.map {
                BLEU.sentence(
                    hypothesis: $0.hypothesis.map(String.init), references: $0.references.map { $0.map(String.init) },
                    maximumOrder: order, smoothing: smoothing)
            }
            try check("BLEU", "sentences_\(title)", sentences)
        }
    }

    // MARK: Streams on every device

    @Test(arguments: devices) func streamsCountOnTheDevice(_ subject: BackendUnderTest) throws {
        for name in ["five", "absent", "one_class"] {
            let matrix = try confusion(name)
            let truths = try fixture.values("\(name).truths").map { Int32($0) }
            let predictions = try fixture.values("\(name).predictions").map { Int32($0) }
            var counts = ConfusionCounts(classCount: matrix.classCount)
            for range in split(truths.count, 3) {
                counts.update(
                    Tensor(Array(predictions[range]), device: subject.device),
                    Tensor(Array(truths[range]), device: subject.device))
            }
            let counted = try counts.value
            #expect(counted == matrix, "\(name)")
            Ledger.record(.metric("ConfusionCounts"), .outputs, on: subject.device.id, error: 0, tolerance: 0)
        }
    }

    @Test(arguments: devices) func streamsOverScores(_ subject: BackendUnderTest) throws {
        let device = subject.device
        for name in ["seven", "tenths", "certain", "absent_class"] {
            let check = Check(fixture, name, device: device.id)
            let (probabilities, truths, classCount) = try rows(name)
            let ks = try fixture.values("\(name).ks").map { Int($0) }
            var topK = ks.map { TopKAccuracy($0) }
            var accuracy = Accuracy()
            var perplexity = Perplexity(ignoring: -1)
            var loss = Collected { logLoss(probabilities: $0.outputs, classCount: $0.width, truths: $0.classes) }
            var matrix = ConfusionMatrix(classCount: classCount)
            for range in split(truths.count, 4) {
                let values = Array(probabilities[range.lowerBound * classCount..<range.upperBound * classCount])
                let scores = Tensor(values, [range.count, classCount], device: device)
                let targets = Tensor(Array(truths[range]), device: device)
                for index in topK.indices { topK[index].update(scores, targets) }
                accuracy.update(scores, targets)
                loss.update(scores, targets)
                // Certainty has the logarithm of 0, whose loss is infinite here; scikit-learn's is clipped.
                perplexity.update(scores.log(), targets)
                perplexity.update(scores.log(), Tensor([Int32](repeating: -1, count: range.count), device: device))
                matrix.add(truths: Array(truths[range]), predictions: try scores.argMax().integers())
            }
            try check("TopKAccuracy", "top_k", try topK.map { try $0.value })
            let right = try accuracy.value
            #expect(right == matrix.accuracy)
            Ledger.record(.metric("Accuracy"), .outputs, on: device.id, error: 0, tolerance: 0)
            // Probabilities in float32: their logarithms have its roundoff, 6e-8. Clipped ones are far from float32's.
            let expected = try fixture.values("\(name).=log_loss")
            if name != "certain" && name != "tenths" {
                try check("logLoss", "log_loss", try loss.value, tolerance: 1e-6)
                let mean = try perplexity.meanLoss
                Ledger.record(
                    .metric("Perplexity"), .outputs, on: device.id, error: abs(mean / expected[0] - 1), tolerance: 1e-6)
                #expect(abs(mean / expected[0] - 1) < 1e-6)
            }
            topK[0].reset()
            let nothing = try topK[0].value
            #expect(nothing.isNaN)
        }
    }

    @Test(arguments: devices) func aRightClassOfNaNIsAMiss(_ subject: BackendUnderTest) throws {
        let scores = Tensor([.nan, 1, 2, 0, 1, .nan], [2, 3], device: subject.device)
        for (k, share) in [(1, 0.0), (2, 0.5), (3, 0.5)] {
            var metric = TopKAccuracy(k)
            metric.update(scores, Tensor([0, 1] as [Int32], device: subject.device))
            metric.update(
                Tensor.zeros([0, 3], device: subject.device), Tensor([] as [Int32], [0], device: subject.device))
            let value = try metric.value
            #expect(value == share, "k = \(k)")
        }
    }

    private func split(_ count: Int, _ parts: Int) -> [Range<Int>] {
        (0..<parts).map { count * $0 / parts..<count * ($0 + 1) / parts }
    }

    private func confusion(_ name: String) throws -> ConfusionMatrix {
        var matrix = ConfusionMatrix(classCount: Int(try fixture.values("\(name).classes")[0]))
        matrix.add(
            truths: try fixture.values("\(name).truths").map { Int32($0) },
            predictions: try fixture.values("\(name).predictions").map { Int32($0) })
        return matrix
    }

    private func rows(_ name: String) throws -> (probabilities: [Double], truths: [Int32], classCount: Int) {
        let truths = try fixture.values("\(name).truths").map { Int32($0) }
        let probabilities = try fixture.values("\(name).probabilities")
        return (probabilities, truths, probabilities.count / truths.count)
    }
}

/// The fixture in full precision.
private struct MetricsFixture {
    private let file: SafeTensors

    init() throws { file = try SafeTensors(path: Fixture.path("metrics")) }

    func values(_ name: String) throws -> [Double] {
        let entry = try #require(file[name], "the fixture has no \(name)")
        return try file.bytes(of: entry).withUnsafeBytes { bytes in
            entry.type == .int64
                ? bytes.bindMemory(to: Int64.self).map { Double($0) } : Array(bytes.bindMemory(to: Double.self))
        }
    }
}

/// Compares results of one case.
private struct Check {
    let fixture: MetricsFixture
    let name: String
    let device: String

    init(_ fixture: MetricsFixture, _ name: String, device: String = "host") {
        (self.fixture, self.name, self.device) = (fixture, name, device)
    }

    func callAsFunction(
        _ piece: String, _ result: String, _ actual: Double, tolerance: Double = 1e-12,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try self(piece, result, [actual], tolerance: tolerance, sourceLocation: sourceLocation)
    }

    func callAsFunction(
        _ piece: String, _ result: String, _ actual: [Double], tolerance: Double = 1e-12,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let expected = try fixture.values("\(name).=\(result)")
        let mismatch = Tolerance(relative: tolerance, scale: .largest).mismatch(actual, expected: expected)
        #expect(mismatch == nil, "\(piece), \(name).\(result): \(mismatch ?? "")", sourceLocation: sourceLocation)
        let pairs = zip(actual, expected).filter { $0.isFinite && $1.isFinite }
        let largest = pairs.map { abs($1) }.max() ?? 0
        let error = (pairs.map { abs($0 - $1) }.max() ?? 0) / max(largest, .leastNormalMagnitude)
        Ledger.record(
            .metric(piece), .outputs, on: device, error: largest == 0 ? 0 : error, tolerance: tolerance)
    }
}
