import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// The last line of `gimbal train --json`.
struct ResultLine: Decodable {
    var testAccuracy, testLoss, trainLoss, seconds, samplesPerSecond: Double
    var validationLoss: Double?
    var bestEpoch: Int?
    var weights: String
    var steps, peakMemoryBytes: Int
    var device, checkpoint, report: String
}

@Suite("gimbal train")
struct TrainTests {
    private struct EpochLine: Decodable {
        var event: String
        var epoch, step: Int
        var trainLoss, validationLoss, validationAccuracy: Double
        var isBest: Bool
    }

    @Test("The digits are learnt to 96.5 % in ten epochs of SGD 0.1")
    func digits() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let outcome = try Gimbal.run(
                "train", "--data", "digits", "--lr", "0.1", "--epochs", "10", "--device", "cpu", "--run-dir", run,
                "--json"
            ).succeeded()
            let result = try #require(try outcome.lines.last.map(decoded))
            #expect(result.testAccuracy >= 0.965)
            #expect(result.testLoss > 0 && result.trainLoss > 0)
            // 1,797 digits, a fifth of them for the test, a tenth of the rest for validation, in batches of 64.
            #expect(result.steps == 210)
            #expect(result.seconds > 0 && result.samplesPerSecond > 0)
            #expect(result.peakMemoryBytes > 1 << 20)
            #expect(result.device == "cpu")
            #expect(outcome.errors == "")

            let epochs = try outcome.lines.dropLast().map { line in
                try JSONDecoder().decode(EpochLine.self, from: Data(line.utf8))
            }
            #expect(epochs.map(\.epoch) == Array(1...10))
            #expect(epochs.map(\.step) == (1...10).map { $0 * 21 })
            // The run ends with the weights of the best epoch by validation loss.
            let best = try #require(epochs.last { $0.isBest })
            #expect(best.epoch == result.bestEpoch && result.weights == "best")
            #expect(best.validationLoss == result.validationLoss)
            #expect(best.validationLoss == epochs.map(\.validationLoss).min())
            #expect(epochs.allSatisfy { $0.event == "epoch" })
        }
    }

    @Test("A regression is learnt, scored in the units of the data, evaluated and resumed")
    func regression() throws {
        struct Line: Decodable { var testR2, testRMSE: Double }
        struct Evaluated: Decodable { var rootMeanSquaredError, determination: Double }
        try withTemporaryFolder { folder in
            // y = 1000 + 50 a - 20 b, on a grid, with names.
            let rows = (0..<20).flatMap { a in (0..<20).map { b in "\(a),\(1000 + 50 * a - 20 * b),\(b)" } }
            let file = folder + "/plane.csv"
            try (["a,y,b"] + rows).joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
            let run = folder + "/run"
            let options = [
                "train", "--data", file, "--task", "regression", "--target", "y", "--device", "cpu", "--run-dir", run,
                "--json",
            ]
            let settings = ["--norm", "none", "--hidden", "32", "--lr", "0.1", "--epochs", "20"]
            let outcome = try Gimbal.run(options + settings).succeeded()
            let line = try JSONDecoder().decode(Line.self, from: Data((outcome.lines.last ?? "").utf8))
            #expect(line.testR2 > 0.98)
            #expect(line.testRMSE < 45, "a deviation of the targets is 310")
            let again = try Gimbal.run(options + ["--resume", "--epochs", "21"]).succeeded()
            #expect(again.lines.count == 2)
            let evaluated = try Gimbal.run(
                "evaluate", "--checkpoint", run, "--data", file, "--target", "y", "--device", "cpu", "--json"
            ).succeeded()
            let scores = try JSONDecoder().decode(Evaluated.self, from: Data((evaluated.lines.first ?? "").utf8))
            #expect(scores.rootMeanSquaredError < 45 && scores.determination > 0.98)
            try Gimbal.run("train", "--data", "digits", "--task", "regression", "--run-dir", folder + "/no")
                .refused("--task")
        }
    }

    private func decoded(_ line: String) throws -> ResultLine {
        try JSONDecoder().decode(ResultLine.self, from: Data(line.utf8))
    }

    @Test("A run leaves its metrics, its newest checkpoints and a report, and nothing else")
    func runFolder() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/a run"
            let outcome = try Gimbal.run(
                "train", "--data", "digits", "--hidden", "16", "--epochs", "3", "--device", "cpu", "--run-dir", run,
                "--json"
            ).succeeded()
            // The last epoch is the best of them, so that there is one file of weights.
            let files = ["checksums.sfv", "manifest.json", "model.safetensors", "optimizer.safetensors", "run.json"]
            let saved = ["step-000000042", "step-000000063"]
            #expect(
                try names(in: run).filter { !isEventFile($0) }
                    == [
                        "checkpoints", "findings.jsonl", "health.csv", "metrics.csv", "report.html", "result.json",
                        "run.json", "run.lock",
                    ])
            #expect(try names(in: run).count(where: isEventFile) == 1)
            #expect(checkpoints(of: run) == saved)
            for name in saved { #expect(try names(in: "\(run)/checkpoints/\(name)") == files) }
            let result = try decoded(outcome.lines.last ?? "")
            #expect(result.checkpoint == run + "/checkpoints/step-000000063")
            #expect(result.report == run + "/report.html")

            let text = try String(contentsOfFile: run + "/metrics.csv", encoding: .utf8)
            #expect(
                text.hasPrefix(
                    "epoch,step,learning_rate,loss,gradient_norm,samples_per_second,train_loss,validation_loss,"
                        + "validation_accuracy\n"
                ))
            let rows = metrics(of: run)
            #expect(rows.allSatisfy { $0.count == 9 })
            let steps = rows.filter { $0[8] == "" }
            #expect(steps.map { $0[1] } == (1...63).map(String.init))
            #expect(steps.allSatisfy { row in row[2...5].allSatisfy { Double($0)?.isFinite == true } })
            let epochs = rows.filter { $0[8] != "" }
            #expect(epochs.map { $0[0] + " " + $0[1] } == ["1 21", "2 42", "3 63"])
            #expect(epochs.last.flatMap { Double($0[7]) } == result.validationLoss)
        }
    }

    @Test("The report stands alone: no script, no address to fetch")
    func report() throws {
        try withTemporaryFolder { folder in
            try Gimbal.run(
                "train", "--data", "digits", "--hidden", "16", "--epochs", "2", "--device", "cpu", "--run-dir",
                folder + "/run"
            ).succeeded()
            let html = try String(contentsOfFile: folder + "/run/report.html", encoding: .utf8)
            #expect(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>\n"))
            // Loss, accuracy, gradient norm, learning rate and what the doctor saw of the layers.
            #expect(html.components(separatedBy: "<svg").count > 5)
            #expect(html.components(separatedBy: "<polyline").count + html.components(separatedBy: "<path").count > 4)
            // The name of the SVG language is an address that nobody fetches.
            let fetched = html.replacingOccurrences(of: "http://www.w3.org/2000/svg", with: "")
            for word in ["http:", "https:", "<script", "src=", "<link", "@import", "url("] {
                #expect(!fetched.contains(word), "\(word)")
            }
        }
    }

    @Test("Into a pipe go plain lines without escape codes")
    func plainLines() throws {
        try withTemporaryFolder { folder in
            let outcome = try Gimbal.run(
                "train", "--data", "digits", "--hidden", "16", "--epochs", "2", "--device", "cpu", "--run-dir",
                folder + "/run"
            ).succeeded()
            #expect(!outcome.output.contains("\u{1B}") && !outcome.output.contains("\r"))
            #expect(!outcome.errors.contains("\u{1B}"))
            #expect(outcome.output.contains("Linear(64, 16)"))
            #expect(outcome.output.contains("1294 samples to train on, 144 to validate on, 359 to test on; device cpu"))
            #expect(outcome.lines.contains { $0.hasPrefix("epoch 2  trainLoss ") })
            #expect(outcome.lines.last?.hasPrefix("testAccuracy ") == true)
        }
    }

    @Test("The number of steps can be limited, and the limit taken away")
    func maxSteps() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let settings = ["train", "--data", "digits", "--device", "cpu", "--run-dir", run, "--json"]
            let part = try Gimbal.run(settings + ["--hidden", "16", "--epochs", "1", "--max-steps", "7"]).succeeded()
            #expect(try decoded(part.lines.last ?? "").steps == 7)
            #expect(checkpoints(of: run) == ["step-000000007"])
            let same = try Gimbal.run(settings + ["--resume"]).succeeded()
            #expect(try decoded(same.lines.last ?? "").steps == 7)
            #expect(
                same.errors
                    == "the run has had its 7 steps; go on with a larger --max-steps, or with --max-steps 0\n")
            let rest = try Gimbal.run(settings + ["--resume", "--max-steps", "0"]).succeeded()
            #expect(try decoded(rest.lines.last ?? "").steps == 21)
        }
    }

    @Test("What was not measured is absent, and a dash in text")
    func notMeasured() throws {
        try withTemporaryFolder { folder in
            let settings = ["train", "--data", "digits", "--hidden", "8", "--device", "cpu", "--epochs", "0"]
            let none = try Gimbal.run(settings + ["--run-dir", folder + "/none", "--json"]).succeeded()
            let line = try #require(try none.objects().last)
            #expect(line["checkpoint"] == nil && line["trainLoss"] == nil && line["validationLoss"] == nil)
            #expect(line["testLoss"] is Double && line["weights"] as? String == "last")
            let text = try Gimbal.run(settings + ["--run-dir", folder + "/text"]).succeeded()
            #expect(text.lines.last?.contains("  trainLoss -  weights last") == true)

            // Every step but the first is left out.
            let skipping = try Gimbal.run(
                "train", "--data", "digits", "--epochs", "3", "--lr", "1e30", "--clip-norm", "0", "--non-finite",
                "skip",
                "--norm", "none", "--device", "cpu", "--run-dir", folder + "/skipping", "--json"
            ).succeeded()
            let epochs = try skipping.objects().filter { $0["event"] as? String == "epoch" }
            #expect(epochs.map { $0["trainLoss"] == nil } == [false, true, true])
            #expect(epochs.allSatisfy { $0["validationLoss"] == nil })
            #expect(skipping.errors.contains("epoch 2: all steps were left out, as no loss was finite\n"))
            let shown = try Gimbal.run(
                "train", "--data", "digits", "--epochs", "3", "--lr", "1e30", "--clip-norm", "0", "--non-finite",
                "skip",
                "--norm", "none", "--device", "cpu", "--run-dir", folder + "/shown"
            ).succeeded()
            #expect(shown.output.contains("epoch 2  trainLoss -  validationLoss nan"))
            #expect(!shown.output.contains("-nan"))

            // A test part of one row has no R².
            let file = folder + "/few.csv"
            try "a,b\n1,2\n2,4\n3,6\n4,8\n5,10\n".write(toFile: file, atomically: true, encoding: .utf8)
            let few = [
                "train", "--data", file, "--task", "regression", "--norm", "none", "--device", "cpu", "--validation",
                "none",
            ]
            let one = try Gimbal.run(few + ["--run-dir", folder + "/few", "--json"]).succeeded()
            let result = try #require(try one.objects().last)
            #expect(result["testR2"] == nil && result["testRMSE"] is Double)
            let evaluated = try Gimbal.run(
                "evaluate", "--checkpoint", folder + "/few", "--data", file, "--device", "cpu", "--json"
            ).succeeded()
            #expect(try evaluated.objects().first?["determination"] == nil)
        }
    }

    @Test("Choices look at validation data, and without any there are none")
    func validation() throws {
        try withTemporaryFolder { folder in
            let settings = [
                "train", "--data", "digits", "--hidden", "8", "--epochs", "2", "--device", "cpu", "--run-dir",
            ]
            let none = try Gimbal.run(settings + [folder + "/none", "--validation", "none", "--json"]).succeeded()
            #expect(try none.objects().allSatisfy { $0["validationLoss"] == nil && $0["validationAccuracy"] == nil })
            #expect(try none.objects().last?["weights"] as? String == "last")
            #expect(metrics(of: folder + "/none").allSatisfy { $0.count == 7 })
            let half = try Gimbal.run(settings + [folder + "/half", "--validation", "0.5"]).succeeded()
            #expect(half.output.contains("719 samples to train on, 719 to validate on, 359 to test on"))
            let resume = ["train", "--resume", "--data", "digits", "--device", "cpu", "--run-dir", folder + "/half"]
            try Gimbal.run(resume + ["--validation", "0.1"]).refused("--validation: the run began with 0.5")
            try Gimbal.run(resume + ["--validation", "0.5", "--epochs", "3"]).succeeded()
            for wrong in ["0", "1", "1.5", "-1", "half", "nan"] {
                try Gimbal.run(settings + [folder + "/no", "--validation=" + wrong])
                    .refused("--validation: must lie between 0 and 1, or be none")
            }
            for choice in [["--early-stopping", "3"], ["--schedule", "plateau"]] {
                try Gimbal.run(settings + [folder + "/no", "--validation", "none"] + choice)
                    .refused("\(choice[0]): looks at validation data, of which there is none; see --validation")
            }
            try Gimbal.run(settings + [folder + "/no", "--weights", "averaged"])
                .refused("--weights: averaged needs --ema to be set")
        }
    }

    @Test("A run that was stopped early says so when it is taken up, and how to go on")
    func stoppedEarly() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let settings = ["train", "--data", "digits", "--device", "cpu", "--run-dir", run, "--json"]
            let first = try Gimbal.run(
                settings + [
                    "--optimizer", "adam", "--lr", "0.03", "--hidden", "32", "--epochs", "60", "--early-stopping", "2",
                ]
            ).succeeded()
            let result = try #require(try first.objects().last)
            let (best, epochs) = (try #require(result["bestEpoch"] as? Int), try first.objects().count - 1)
            #expect(epochs == best + 2 && epochs < 60)
            let again = try Gimbal.run(settings + ["--resume", "--epochs", "120"]).succeeded()
            #expect(
                again.errors
                    == "the run was stopped early after epoch \(epochs): epoch \(best) was the best, and 2 epochs "
                    + "after it were not better; go on with a larger --early-stopping, or with --early-stopping 0\n")
            let figures = ["testLoss", "testAccuracy", "validationLoss"]
            for key in figures { #expect(try again.objects().last?[key] as? Double == result[key] as? Double) }
            let more = try Gimbal.run(
                settings + ["--resume", "--early-stopping", "0", "--epochs", "\(epochs + 1)"]
            ).succeeded()
            #expect(try more.objects().count == 2)
        }
    }

    @Test("Every setting has its flag, and every flag is one of train's, or of what tests a run")
    func flags() throws {
        let table = try JSONDecoder().decode(
            [String: String].self,
            from: Data(try Gimbal.run("train", "--data", "digits", "--list-settings").succeeded().output.utf8))
        let settings: [Any] = [TrainingSettings(), ModelSettings(inputs: 1, outputs: 1)]
        for property in settings.flatMap({ Mirror(reflecting: $0).children.compactMap(\.label) }) {
            #expect(table[property] != nil, "\(property)")
        }
        let help = try Gimbal.run("train", "--help").succeeded().output
        let others = try ["evaluate", "predict", "search"].map { try Gimbal.run($0, "--help").succeeded().output }
            .joined()
        for flag in table.values { #expect(help.contains(flag) || others.contains(flag), "\(flag)") }
        // Defaults come from where they are.
        let words = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for part in [
            "0.001 for adam, adamw,", "(default: \(TrainingSettings().batchSize) for mlp, ", "; 100 for tables)",
        ] {
            #expect(words.contains(part), "\(part)")
        }
    }

    @Test("A norm of infinite order is a setting that a checkpoint can hold")
    func infiniteOrder() throws {
        try withTemporaryFolder { folder in
            let settings = ["train", "--data", "digits", "--device", "cpu", "--run-dir", folder + "/run"]
            try Gimbal.run(settings + ["--hidden", "8", "--epochs", "1", "--clip-order", "inf"]).succeeded()
            try Gimbal.run(settings + ["--resume", "--epochs", "2"]).succeeded()
        }
    }

    @Test("Every kind of layer, optimizer and schedule can be asked for")
    func options() throws {
        let choices = [
            ["--activation", "gelu", "--init", "orthogonal", "--optimizer", "adamw", "--schedule", "step"],
            [
                "--activation", "silu", "--init", "xavier", "--optimizer", "adam", "--schedule", "cosine", "--warmup",
                "3",
            ],
            ["--norm", "none", "--momentum", "0.9", "--nesterov", "--weight-decay", "1e-4", "--clip-value", "0.5"],
            ["--layers", "3", "--residual", "--dropout", "0.1", "--accumulate", "2", "--clip-norm", "0"],
            ["--layers", "0"],
        ]
        for choice in choices {
            try withTemporaryFolder { folder in
                let fixed = ["train", "--data", "digits", "--hidden", "16", "--epochs", "1", "--device", "cpu"]
                try Gimbal.run(fixed + ["--run-dir", folder + "/run"] + choice).succeeded()
            }
        }
    }

    @Test("A CSV file is trained on and tested, its classes named as in the file")
    func csv() throws {
        try withTemporaryFolder { folder in
            let rows = (0..<60).map {
                "\(Double($0 % 3) + Double($0) / 100),\($0 % 7),\(["red", "green", "blue"][$0 % 3])"
            }
            let file = folder + "/colours.csv"
            try ("a,b,colour\n" + rows.joined(separator: "\n") + "\n").write(
                toFile: file, atomically: true, encoding: .utf8)
            let outcome = try Gimbal.run(
                "train", "--data", file, "--hidden", "16", "--epochs", "50", "--lr", "0.1", "--batch-size", "16",
                "--device", "cpu", "--run-dir", folder + "/run", "--json"
            ).succeeded()
            #expect(try decoded(outcome.lines.last ?? "").testAccuracy >= 0.9)
            let text = try Gimbal.run("evaluate", "--checkpoint", folder + "/run", "--data", file).succeeded().output
            for name in ["red", "green", "blue"] { #expect(text.contains(name)) }
        }
    }
}
