import Gimbal
import GimbalTrain
import Testing

@Suite("What was not measured is no score")
struct UnmeasuredTests {
    @Test("A model that gives out NaN or infinities is right nowhere")
    func nothingPredicted() throws {
        let data = Dataset(
            name: "one class", inputShape: [2], inputs: .floats([1, 2, 3, 4]),
            targets: .classes([0, 0], names: ["a", "b"]))
        for value in [Double.nan, .infinity, -.infinity] {
            let model = Sequential { Linear(2, 2) }
            for parameter in model.parameters { parameter.assign(.full(like: parameter.value, value)) }
            let evaluation = try Evaluation(of: model, on: data, device: .current)
            #expect(evaluation.accuracy == 0 && evaluation.confusion.total == 2)
        }
        let report = ClassificationReport(
            probabilities: [.nan, .nan, 0.75, 0.25], truths: [0, 0], classNames: ["a", "b"])
        #expect(report.accuracy == 0.5 && report.samples == 2 && report.classes[0].recall == 0.5)
        #expect(report.confusion == [[1, 0], [0, 0]])
        #expect(report.notes.first?.hasPrefix("nothing is predicted of 1 of 2 samples") == true)
        // It agrees with nothing where it says nothing.
        #expect(report.cohensKappa == nil)
        let whole = ClassificationReport(
            probabilities: [0.2, 0.8, 0.75, 0.25], truths: [1, 0], classNames: ["a", "b"])
        #expect(whole.notes == [] && whole.cohensKappa == 1)
    }

    @Test("One number, or the same one everywhere, explains nothing")
    func nothingToExplain() {
        let one = RegressionReport(RegressionScores(predictions: [2], targets: [3]))
        #expect(one.determination == nil && one.explainedVariance == nil)
        // The mean of these is not 0.1.
        let constant = RegressionScores(
            predictions: (0..<20).map(Double.init), targets: [Double](repeating: 0.1, count: 20))
        #expect(constant.determination == 0 && constant.explainedVariance == 0)
    }

    @Test("A NaN has no sign in messages")
    func sign() {
        let error = GimbalError.nonFinite(quantity: "the loss", value: -Double.nan, place: "step 1")
        #expect(error.description == "the loss became nan at step 1")
    }
}
