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
        let precision = [2.0 / 3, 0.5, 0, 0]
        let recall = [2.0 / 3, 2.0 / 3, 0, 0]
        let f1 = [2.0 / 3, 4.0 / 7, 0, 0]
        for (index, scores) in matrix.classes.enumerated() {
            #expect(abs(scores.precision - precision[index]) < 1e-15)
            #expect(abs(scores.recall - recall[index]) < 1e-15)
            #expect(abs(scores.f1 - f1[index]) < 1e-15)
        }
        #expect(matrix.classes.map(\.support) == [3, 3, 2, 0])
        #expect(abs(matrix.macro.precision - 7.0 / 24) < 1e-15)
        #expect(abs(matrix.macro.recall - 1.0 / 3) < 1e-15)
        #expect(abs(matrix.macro.f1 - 0.30952380952380953) < 1e-15)
        #expect(matrix.micro.f1 == 0.5)
        #expect(matrix[2, 1] == 1 && matrix[1, 2] == 0)
    }

    /// scikit-learn averages over the classes that it sees, not over those that there might have been.
    @Test func aClassThatNeverOccursDoesNotCount() {
        var matrix = ConfusionMatrix(classCount: 3)
        matrix.add(truths: [0, 1], predictions: [0, 1])
        #expect(matrix.macro.f1 == 1)
    }

    @Test func nothingScoresZero() {
        let matrix = ConfusionMatrix(classCount: 2)
        #expect(matrix.accuracy == 0 && matrix.macro.f1 == 0 && matrix.total == 0)
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
}
