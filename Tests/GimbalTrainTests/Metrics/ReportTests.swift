import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// Reports of models, as JSON and as text.
@Suite struct ReportTests {
    @Test func aClassifiersReportAgreesWithItsEvaluationAndSurvivesJSON() throws {
        let data = Dataset.digits().prefix(250).flattened
        let model = TrainerTests.model.makeModel(device: .cpu)
        let report = try ClassificationReport(of: model, on: data, batchSize: 64, device: .cpu)
        let evaluation = try Evaluation(of: model, on: data, device: .cpu)
        #expect(report.accuracy == evaluation.accuracy && report.macro == evaluation.confusion.macro)
        #expect(abs((report.logLoss ?? 0) - (evaluation.loss ?? 1)) < 1e-5)
        #expect(report.classes.count == 10 && report.rocCurves.count == 10)
        let json = try JSONEncoder().encode(report)
        let decoded = try JSONDecoder().decode(ClassificationReport.self, from: json)
        #expect(decoded == report)
        #expect(report.sections(part: "test").count == 6 && report.majorityAccuracy != nil)
        let norm = try #require((model as? Sequential)?.layers[1] as? BatchNorm1d)
        #expect(norm.isTraining)
        // A module that was set to evaluation by itself stays there.
        norm.isTraining = false
        _ = try ClassificationReport(of: model, on: data, batchSize: 64, device: .cpu)
        _ = try Evaluation(of: model, on: data, device: .cpu)
        #expect(!norm.isTraining && model.isTraining)
        #expect(throws: GimbalError.self) { try RegressionReport(of: model, on: data, device: .cpu) }
    }

    /// NaN has no number in JSON.
    @Test func whatIsUndefinedIsNil() throws {
        for (probabilities, truths) in [
            ([0.2, 0.8], [1]), ([], []), ([.nan, .nan, 0.5, 0.5], [0, 0]),
        ] as [([Double], [Int32])] {
            let report = ClassificationReport(probabilities: probabilities, truths: truths, classNames: ["no", "yes"])
            #expect(report.areaUnderROC == nil)
            _ = try JSONEncoder().encode(report)
            #expect(report.description.contains("area under ROC"))
        }
        let one = RegressionReport(RegressionScores(predictions: [1], targets: [2]))
        #expect(one.determination == nil && one.maximumError == 1)
        let none = RegressionReport(RegressionScores(predictions: [], targets: []))
        #expect(none.meanSquaredError == nil && none.maximumError == nil)
        _ = try JSONEncoder().encode(none)
        #expect(none.description.contains("undefined"))
        let nothing = ClassificationReport(probabilities: [], truths: [], classNames: ["no", "yes"])
        #expect(nothing.accuracy == nil && nothing.macro.f1 == nil && nothing.expectedCalibrationError == nil)
        #expect(!nothing.description.contains("nan") && !nothing.description.contains("0.0000"))
    }

    /// An error of a tenth is 10 percent, and said to be; of a target of 0 it is none.
    @Test func percentIsSaidToBePercent() {
        let tenth = RegressionReport(RegressionScores(predictions: [1.1, 2.2], targets: [1, 2]))
        #expect(abs((tenth.meanAbsolutePercentageErrorFraction ?? 0) - 0.1) < 1e-12)
        #expect(tenth.description.contains(/percentage error, in percent +10\n/))
        let zero = RegressionReport(RegressionScores(predictions: [1, 2], targets: [0, 2]))
        #expect(zero.meanAbsolutePercentageErrorFraction == nil)
    }

    @Test func namesFromFilesAreShownAsTheyAre() {
        let name = "<b>\u{1B}[31m\n\u{202E}\"&"
        let report = ClassificationReport(
            probabilities: [0.2, 0.8, 0.7, 0.3], truths: [1, 1], classNames: [name, "plain"])
        let html = report.sections(part: "test").map(\.body).joined()
        for text in [html, report.description] {
            #expect(!text.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x202E })
            #expect(text.contains("\\u{1B}[31m\\n\\u{202E}"))
        }
        #expect(!html.contains("<b>\\") && html.contains("&lt;b&gt;"))
        #expect(shown(String(repeating: "x", count: 1000), limit: 30).count <= 30)
    }

    @Test func aRegressionIsReported() throws {
        let data = Dataset.windows(of: (0..<30).map { Float($0 % 7) }, window: 4)
        let model = withDevice(.cpu) {
            Sequential {
                Flatten()
                Linear(4, 1)
            }
        }
        let report = try RegressionReport(of: model, on: data, device: .cpu)
        #expect(report.samples == 26 && report.meanSquaredError != nil)
        #expect(throws: GimbalError.self) {
            try ClassificationReport(of: model, on: data, device: .cpu)
        }
    }
}
