import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// Scores against numbers from scikit-learn 1.9, `precision_recall_fscore_support(..., zero_division=0)`.
@Suite struct MetricsTests {
    @Test func scoresEqualScikitLearns() {
        var matrix = ConfusionMatrix(classCount: 4)
        // Class 3 never occurs as truth and is predicted once; class 2 is never predicted.
        matrix.add(truths: [0, 0, 0, 1, 1, 2, 2, 1], predictions: [0, 0, 1, 1, 1, 0, 1, 3])
        #expect(matrix.accuracy == 0.5)
        // What has no cases is undefined, where scikit-learn has its `zero_division`.
        let expected: [(precision: Double?, recall: Double?, f1: Double?)] = [
            (2.0 / 3, 2.0 / 3, 2.0 / 3), (0.5, 2.0 / 3, 4.0 / 7), (nil, 0, 0), (0, nil, 0),
        ]
        for (scores, expected) in zip(matrix.classes, expected) {
            #expect(scores.precision == expected.precision)
            #expect(scores.recall == expected.recall)
            #expect(scores.f1 == expected.f1)
        }
        #expect(matrix.classes.map(\.support) == [3, 3, 2, 0])
        #expect(abs((matrix.macro.precision ?? .nan) - 7.0 / 24) < 1e-15)
        #expect(abs((matrix.macro.recall ?? .nan) - 1.0 / 3) < 1e-15)
        #expect(abs((matrix.macro.f1 ?? .nan) - 0.30952380952380953) < 1e-15)
        #expect(matrix.micro.f1 == 0.5)
        #expect(matrix[2, 1] == 1 && matrix[1, 2] == 0)
    }

    /// scikit-learn averages over the classes that it sees, not over those that there might have been.
    @Test func aClassThatNeverOccursDoesNotCount() {
        var matrix = ConfusionMatrix(classCount: 3)
        matrix.add(truths: [0, 1], predictions: [0, 1])
        #expect(matrix.macro.f1 == 1)
    }

    @Test func overNothingAllIsUndefined() {
        let matrix = ConfusionMatrix(classCount: 2)
        #expect(matrix.accuracy == nil && matrix.majorityAccuracy == nil && matrix.total == 0)
        let macro = matrix.macro
        #expect(macro.precision == nil && macro.recall == nil && macro.f1 == nil && macro.support == 0)
        #expect(matrix.balancedAccuracy() == nil && matrix.cohensKappa() == nil && matrix.matthewsCorrelation == nil)
    }

    @Test func theAccuracyOfAlwaysSayingOneClassIsKnown() {
        var matrix = ConfusionMatrix(classCount: 3)
        matrix.add(truths: [1, 1, 1, 2], predictions: [1, 1, 1, 1])
        #expect(matrix.accuracy == 0.75 && matrix.majorityAccuracy == 0.75 && matrix.majorityClass == 1)
    }

    /// A table of all pairs would have 9·10¹⁰ cells.
    @Test func manyClassesCostNoMoreThanTheirSamples() throws {
        let count = 300_000
        var matrix = ConfusionMatrix(classCount: count)
        let truths = (0..<Int32(count)).map { $0 }
        matrix.add(truths: truths, predictions: truths.map { $0 % 3 == 0 ? ($0 + 1) % Int32(count) : $0 })
        #expect(matrix.total == count && matrix.accuracy == 2.0 / 3)
        for weighting in ConfusionMatrix.KappaWeighting.allCases { #expect(matrix.cohensKappa(weighting) != nil) }
        let report = ClassificationReport(matrix, classNames: truths.map { "class \($0)" })
        #expect(report.classes.count == 100 && report.classesLeftOut == count - 100)
        #expect(report.mostConfused.count == 20 && report.confusionsLeftOut == count / 3 - 20)
        #expect(report.confusion == nil)
        #expect(report.description.contains("and 299900 more") && report.description.utf8.count < 20_000)
        #expect(try JSONEncoder().encode(report).count < 60_000)
        #expect(report.sections(part: "test").reduce(0) { $0 + $1.body.utf8.count } < 100_000)
    }

    @Test(arguments: [3, 1001]) func classesAreCountedOnTheDeviceHoweverMany(_ classCount: Int) throws {
        var counts = ConfusionCounts(classCount: classCount)
        let truths = [0, 2, -1, 1, Int32(classCount)]
        counts.update(Tensor([0, 1, 0, 1, 0] as [Int32], device: .cpu), Tensor(truths, device: .cpu))
        let matrix = try counts.value
        #expect(matrix.total == 3 && matrix[2, 1] == 1 && matrix.classCount == classCount)
        counts.reset()
        #expect(try counts.value.total == 0)
    }

    @Test func evaluationCountsEverySampleOnceAndLeavesTheModelInTraining() throws {
        let data = Dataset.digits().prefix(250).flattened
        let model = TrainerTests.model.makeModel(device: .cpu)
        let evaluation = try Evaluation(of: model, on: data, batchSize: 64, device: .cpu)
        let whole = try Evaluation(of: model, on: data, batchSize: 1000, device: .cpu)
        #expect(evaluation.confusion == whole.confusion)
        #expect(evaluation.confusion.total == 250)
        #expect(abs(try #require(evaluation.loss) - (try #require(whole.loss))) < 1e-5)
        let norm = try #require((model as? Sequential)?.layers[1] as? BatchNorm1d)
        #expect(norm.isTraining)
    }

    @Test func whatIsNotMeasuredIsAbsent() throws {
        let model = TrainerTests.model.makeModel(device: .cpu)
        let none = try Evaluation(of: model, on: Dataset.digits().prefix(0).flattened, device: .cpu)
        #expect(none.loss == nil && none.accuracy == nil && none.figures.isEmpty)
        #expect(none.description == "loss -  accuracy -")
        let series = Dataset.windows(of: [1, 2, 3, 4, 5], window: 4)
        let line = withDevice(.cpu) {
            Sequential {
                Flatten()
                Linear(4, 1)
            }
        }
        let one = try Evaluation(of: line, on: series, device: .cpu)
        #expect(one.loss != nil && one.accuracy == nil)
        #expect(one.figures.keys.sorted() == ["loss"], "R² of one row is undefined")
        #expect(one.description.hasSuffix("r2 -"))
    }

    @Test("Metrics of classes take a number of a class for each row, and say so")
    func targets() async {
        for isShort in [false, true] {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                [isShort = isShort as Bool] in
                var accuracy = Accuracy()
                withDevice(.cpu) { accuracy.update(.zeros([2, 3]), isShort ? Tensor([1] as [Int32]) : .zeros([2])) }
            }
            let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            let found = isShort ? "int32 [1]" : "float32 [2]"
            #expect(text.contains("Accuracy: outputs of [2, 3] need int32 targets of [2], not \(found)"), "\(text)")
        }
    }

    @Test("A model that gives out NaN predicts no class, not the first")
    func nothingPredicted() throws {
        var matrix = ConfusionMatrix(classCount: 2)
        matrix.add(truths: [0, 0, 1, 1], predictions: [-1, 0, -1, 1])
        #expect(matrix.accuracy == 0.5 && matrix[0, 0] == 1)

        let data = Dataset(
            name: "two", inputShape: [2], inputs: .floats([1, 2, 3, 4, 5, 6]),
            targets: .classes([0, 0, 1], names: ["a", "b"]))
        let run = try Recipe(model: ModelSettings(for: data), training: TrainingSettings()).makeRun(
            train: data, device: .cpu)
        for parameter in run.model.parameters {
            parameter.assign(Tensor(repeating: .nan, parameter.shape, device: .cpu))
        }
        #expect(try run.evaluate(on: data).accuracy == 0)
        let report = try ClassificationReport(
            of: run.model, on: data, sampleShape: run.recipe.model.sampleShape, batchSize: 3, device: .cpu)
        #expect(report.accuracy == 0)
    }

    @Test func noSamplesHaveNoArea() {
        let curve = ROCCurve(scores: [], truths: [])
        #expect(curve.thresholds == [.infinity] && curve.area.isNaN)
        #expect(ROCCurve(scores: [0.3, 0.7], truths: [false, true]).area == 1)
    }
}
