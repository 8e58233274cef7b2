import Foundation
import GimbalTrain
import Testing

/// Pages of runs and comparisons, as a reader meets them.
@Suite struct RunReportTests {
    private static let metrics = """
        epoch,step,learning_rate,loss,gradient_norm,samples_per_second,train_loss,validation_loss,validation_accuracy
        1,1,0.1,2.3,4,100,,,
        1,2,0.1,1.5,3,100,,,
        1,2,,,,,1.9,1.2,0.5
        2,3,0.1,0.4,1,100,,,
        2,4,0.1,0.09,0.1,100,,,
        2,4,,,,,0.2,0.3,0.9
        2,5,0.1,0.0
        """

    private func summary(_ name: String, settings: [RunFacts.Setting] = []) -> RunSummary {
        var facts = RunFacts(name: name)
        facts.settings = settings
        facts.device = name == "b" ? "opencl:0" : "cpu"
        return RunSummary(facts, metrics: MetricsTable(csv: Self.metrics))
    }

    @Test func aRunIsToldFromItsRows() {
        let run = summary("a <run>")
        #expect(run.metrics.largest("step") == 4 && run.metrics.largest("epoch") == 2)
        #expect(run.parts.map(\.name) == ["training", "validation"])
        #expect(run.part("validation")?.figures == ["loss": 0.3, "accuracy": 0.9])
        let html = Report(run).html
        #expect(html.contains("<h1>Run a &lt;run&gt;</h1>") && html.contains("prefers-color-scheme: dark"))
        #expect(html.contains("name=\"viewport\""))
        let (steps, epochs) = (html.range(of: "training data, each step"), html.range(of: "training data, each epoch"))
        #expect(steps != nil && epochs != nil && steps!.lowerBound < epochs!.lowerBound)
        // 2.3 is over 20 times 0.09, and the norm 40 times 0.1.
        #expect(html.components(separatedBy: "(logarithmic)").count == 3)
        #expect(html.contains("accuracy on the validation data") && html.contains("accuracy (fraction)"))
        #expect(html.contains(">optimizer steps</text>"))
        for tick in ["0.1", "0.2", "0.5", "1", "2"] { #expect(html.contains(">\(tick)</text>"), "\(tick)") }
        for word in ["http", "<script", "src=", "url(", "@import"] { #expect(!html.contains(word), "\(word)") }
    }

    @Test func theFiguresAreThoseOfTheChosenWeights() throws {
        var progress = TrainingProgress()
        progress.best = try JSONDecoder().decode(
            ModelWeights.Best.self, from: Data(#"{"epoch": 1, "step": 2, "value": 1.2}"#.utf8))
        let weights = ChosenWeights(.best, progress)
        let run = RunSummary(RunFacts(name: "a"), metrics: MetricsTable(csv: Self.metrics), weights: weights)
        #expect(run.part("validation")?.figures == ["loss": 1.2, "accuracy": 0.5])
        #expect(run.part("training")?.figures == ["loss": 1.9])
        #expect(Report(run).html.contains("the best weights, those of epoch 1, the best on the validation data"))
        #expect(RunComparison([run, run]).description.contains("best, epoch 1"))
        // Within an epoch there are no figures of these very weights.
        progress.step = 3
        let last = RunSummary(
            RunFacts(name: "a"), metrics: MetricsTable(csv: Self.metrics), weights: ChosenWeights(.last, progress))
        #expect(last.part("validation")?.figures["loss"] == 0.3)
        #expect(Report(last).html.contains("the last weights, after step 3; others of the last epoch"))
    }

    @Test func whatDiffersIsTold() throws {
        let first = summary(
            "a", settings: [.init(name: "optimizer", value: "sgd"), .init(name: "epochs", value: "2")])
        let second = summary(
            "b", settings: [.init(name: "optimizer", value: "adam"), .init(name: "epochs", value: "2")])
        let comparison = RunComparison([first, second, second])
        #expect(comparison.names == ["a", "b (2)", "b (3)"])
        let optimizers: [String?] = ["sgd", "adam", "adam"]
        #expect(comparison.differences.map(\.name) == ["optimizer", "device"])
        #expect(comparison.differences.map(\.values) == [optimizers, ["cpu", "opencl:0", "opencl:0"]])
        let text = comparison.description
        #expect(text.contains("validation accuracy") && text.contains("0.9000") && text.contains("adam"))
        #expect(!text.contains("setting  epochs"))
        let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(comparison)) as? [String: Any]
        #expect((json?["runs"] as? [Any])?.count == 3)
        let html = comparison.html
        // Six plots, each with a line for each run in a colour of its own.
        for color in ["var(--s0)", "var(--s1)", "var(--s2)"] { #expect(html.contains(color)) }
        #expect(RunComparison([]).description.contains("run"))
    }

    @Test func noColourComesTwice() throws {
        let html = Report(summary("a")).html
        for mode in [html.prefix { $0 != "@" }, html.drop { $0 != "@" }] {
            let colors = mode.matches(of: /--s\d+:(#[0-9a-f]{6})/).map(\.1)
            #expect(colors.count == 30 && Set(colors).count == 30)
        }
    }

    @Test func aFolderThatIsNoRunIsRefused() {
        #expect(throws: GimbalError.self) { try RunSummary(folder: "/nowhere") }
        #expect(throws: GimbalError.self) { try RunSummary(folder: FileManager.default.temporaryDirectory.path) }
    }

    @Test func metricsThatAreNotThereAreEmpty() {
        let run = RunSummary(RunFacts(name: "new"), metrics: MetricsTable(csv: ""))
        #expect(Report(run).html.contains("Nothing was measured yet."))
    }
}
