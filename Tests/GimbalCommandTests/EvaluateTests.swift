import Foundation
import GimbalTestSupport
import Testing

@Suite("gimbal evaluate")
struct EvaluateTests {
    private struct Scores: Decodable {
        var precision, recall, f1: Double
        var support: Int
    }

    private struct Line: Decodable {
        var loss, accuracy: Double
        var samples: Int
        var classNames: [String]
        var confusion: [[Int]]
        var classes: [Scores]
        var macro, micro: Scores
        var device: String
    }

    /// Trains a small net on the digits into `folder` and gives its last line.
    private func train(_ folder: String, _ more: [String] = []) throws -> ResultLine {
        let outcome = try Gimbal.run(
            [
                "train", "--data", "digits", "--hidden", "32", "--lr", "0.1", "--epochs", "2", "--device", "cpu",
                "--run-dir", folder, "--json",
            ] + more
        ).succeeded()
        return try JSONDecoder().decode(ResultLine.self, from: Data((outcome.lines.last ?? "").utf8))
    }

    @Test("A run's folder and its newest checkpoint give what training ended with, seed and all")
    func sameAsTraining() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let trained = try train(run, ["--seed", "5"])
            let arguments = ["evaluate", "--data", "digits", "--device", "cpu", "--json", "--checkpoint"]
            for checkpoint in [run, run + "/", trained.checkpoint] {
                let line = try #require(try Gimbal.run(arguments + [checkpoint]).succeeded().decoded(Line.self).first)
                #expect(line.accuracy == trained.testAccuracy)
                #expect(line.loss == trained.testLoss)
                #expect(line.device == "cpu")
            }
            // Batches of another size add up the same samples in another order.
            let small = try Gimbal.run(arguments + [run, "--batch-size", "7"]).succeeded().decoded(Line.self)
            #expect(small.first?.accuracy == trained.testAccuracy)
        }
    }

    @Test(
        "What training ended with is what evaluate finds, to the last digit, whatever weights those are",
        arguments: [
            ["--lr", "1", "--ema", "0.9", "--clip-norm", "0"], ["--ema", "0.9", "--weights", "averaged"],
            ["--ema", "0.9", "--weights", "last"], ["--label-smoothing", "0.2", "--max-steps", "30"],
            ["--optimizer", "adam", "--lr", "0.05", "--epochs", "6", "--early-stopping", "50"],
            ["--optimizer", "adam", "--lr", "0.05", "--epochs", "20", "--early-stopping", "1", "--ema", "0.5"],
            ["--validation", "none", "--precision", "float16"], ["--mixup", "0.5", "--model", "lstm"],
        ])
    func sameFigures(options: [String]) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let settings = [
                "train", "--data", "digits", "--epochs", "2", "--device", "cpu", "--run-dir", run, "--json",
            ]
            // The option that comes last counts.
            let trained = try #require(try Gimbal.run(settings + options).succeeded().objects().last)
            func found(_ more: [String] = []) throws -> [String: Any] {
                let evaluate = ["evaluate", "--checkpoint", run, "--data", "digits", "--device", "cpu", "--json"]
                return try #require(try Gimbal.run(evaluate + more).succeeded().objects().first)
            }
            let line = try found()
            #expect(line["part"] as? String == "test")
            #expect(line["loss"] as? Double == trained["testLoss"] as? Double)
            #expect(line["accuracy"] as? Double == trained["testAccuracy"] as? Double)
            let same = try found(["--weights", trained["weights"] as? String ?? ""])
            #expect(same["loss"] as? Double == trained["testLoss"] as? Double)
            // A run that is taken up at its end finds the same.
            let again = try Gimbal.run(
                "train", "--resume", "--data", "digits", "--device", "cpu", "--run-dir", run, "--json")
            #expect(try again.objects().last?["testLoss"] as? Double == trained["testLoss"] as? Double)
        }
    }

    @Test("The best weights are kept whatever ends the run, and a loss has one name and one unit")
    func bestAndUnits() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            // A rate that does harm now and then.
            let settings = ["--optimizer", "adam", "--lr", "0.03", "--epochs", "12", "--max-steps", "240"]
            let outcome = try Gimbal.run(
                ["train", "--data", "digits", "--device", "cpu", "--run-dir", run, "--json"] + settings
            ).succeeded()
            let losses = try outcome.objects().dropLast().compactMap { $0["validationLoss"] as? Double }
            let result = try #require(try outcome.objects().last)
            #expect(losses.count == 11 && result["validationLoss"] as? Double == losses.min())
            #expect(losses.last != losses.min(), "a run that ends with its best tests nothing")
            func found(_ weights: String) throws -> ChildProcess.Outcome {
                try Gimbal.run(
                    "evaluate", "--checkpoint", run, "--data", "digits", "--device", "cpu", "--json", "--weights",
                    weights)
            }
            #expect(try found("best").objects().first?["loss"] as? Double == result["testLoss"] as? Double)
            #expect(try found("last").objects().first?["loss"] as? Double != result["testLoss"] as? Double)
            try found("averaged").refused("--weights: the run of", "kept no average; there are best, last")

            let file = folder + "/line.csv"
            let rows = (0..<100).map { "\($0 % 10),\(1000 + 50 * ($0 % 10))" }
            try rows.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
            let line = folder + "/line"
            let trained = try Gimbal.run(
                "train", "--data", file, "--task", "regression", "--device", "cpu", "--run-dir", line, "--json"
            ).succeeded().objects().last
            let evaluated = try Gimbal.run(
                "evaluate", "--checkpoint", line, "--data", file, "--device", "cpu", "--json"
            ).succeeded().objects().first
            let loss = try #require(evaluated?["loss"] as? Double)
            #expect(loss == trained?["testLoss"] as? Double)
            #expect(evaluated?["determination"] as? Double == trained?["testR2"] as? Double)
            #expect(evaluated?["rootMeanSquaredError"] as? Double == trained?["testRMSE"] as? Double)
            let squared = try #require(evaluated?["meanSquaredError"] as? Double)
            #expect(squared > 100 * loss, "scores are in the data's units")
        }
    }

    @Test("The scores follow from the confusion matrix")
    func scores() throws {
        try withTemporaryFolder { folder in
            _ = try train(folder + "/run")
            let lines = try Gimbal.run(
                "evaluate", "--checkpoint", folder + "/run", "--data", "digits", "--device", "cpu", "--json"
            ).succeeded().decoded(Line.self)
            #expect(lines.count == 1)
            let line = lines[0]
            #expect(line.classNames == (0...9).map(String.init))
            #expect(line.samples == 359 && line.confusion.joined().reduce(0, +) == 359)
            let right = (0..<10).map { line.confusion[$0][$0] }
            #expect(line.accuracy == Double(right.reduce(0, +)) / 359)
            for (index, scores) in line.classes.enumerated() {
                let truth = line.confusion[index].reduce(0, +)
                let predicted = line.confusion.reduce(0) { $0 + $1[index] }
                #expect(scores.support == truth)
                #expect(abs(scores.recall - Double(right[index]) / Double(truth)) < 1e-12)
                #expect(abs(scores.precision - Double(right[index]) / Double(predicted)) < 1e-12)
                let harmonic = 2 * scores.precision * scores.recall / (scores.precision + scores.recall)
                #expect(abs(scores.f1 - harmonic) < 1e-12)
            }
            #expect(abs(line.macro.f1 - line.classes.reduce(0) { $0 + $1.f1 } / 10) < 1e-12)
            #expect(abs(line.macro.precision - line.classes.reduce(0) { $0 + $1.precision } / 10) < 1e-12)
            #expect(abs(line.macro.recall - line.classes.reduce(0) { $0 + $1.recall } / 10) < 1e-12)
            #expect(line.micro.precision == line.accuracy && line.micro.f1 == line.accuracy)
        }
    }

    @Test("As a text it is tables")
    func text() throws {
        try withTemporaryFolder { folder in
            let trained = try train(folder + "/run")
            let text = try Gimbal.run(
                "evaluate", "--checkpoint", folder + "/run", "--data", "digits", "--device", "cpu"
            ).succeeded()
            let accuracy = String(
                format: "accuracy %.4f  loss %.4f  samples 359", trained.testAccuracy, trained.testLoss)
            #expect(text.lines.first == accuracy)
            #expect(text.output.contains("confusion: a row for each true class"))
            for word in ["precision", "recall", "f1", "support", "macro", "micro"] {
                #expect(text.output.contains(word))
            }
        }
    }

    @Test("A model for other data is refused")
    func otherData() throws {
        try withTemporaryFolder { folder in
            _ = try train(folder + "/run")
            let file = folder + "/small.csv"
            try "1,2,0\n3,4,1\n5,6,0\n".write(toFile: file, atomically: true, encoding: .utf8)
            try Gimbal.run("evaluate", "--checkpoint", folder + "/run", "--data", file, "--device", "cpu")
                .refused("takes 64 features and tells 10 classes, small.csv has 2 and 10")
        }
    }

    @Test("What is no checkpoint, or a damaged one, is refused by name")
    func damaged() throws {
        try withTemporaryFolder { folder in
            let evaluate = ["evaluate", "--data", "digits", "--device", "cpu", "--checkpoint"]
            try Gimbal.run(evaluate + [folder + "/none"]).refused("cannot open \(folder)/none: no such checkpoint")
            try Gimbal.run(evaluate + [folder]).refused("is not a checkpoint: it has no manifest.json")

            let checkpoint = try train(folder + "/run").checkpoint
            // Else the one before it would be used.
            try FileManager.default.removeItem(atPath: folder + "/run/checkpoints/step-000000021")
            let (manifest, recipe) = (checkpoint + "/manifest.json", checkpoint + "/run.json")
            let weights = checkpoint + "/model.safetensors"
            let text = try String(contentsOfFile: manifest, encoding: .utf8)
            let settings = try String(contentsOfFile: recipe, encoding: .utf8)
            let bytes = try Data(contentsOf: URL(fileURLWithPath: weights))
            func refused(_ words: String, _ location: SourceLocation = #_sourceLocation) throws {
                try Gimbal.run(evaluate + [checkpoint]).refused(words, sourceLocation: location)
                // Training refuses it as well, and leaves everything where it is.
                let before = tree(folder)
                try Gimbal.run("train", "--data", "digits", "--device", "cpu", "--run-dir", folder + "/run", "--resume")
                    .refused(words, sourceLocation: location)
                #expect(tree(folder) == before, sourceLocation: location)
            }
            func write(_ text: String, to path: String) throws {
                try text.write(toFile: path, atomically: false, encoding: .utf8)
            }
            for (path, text) in [(manifest, text), (recipe, settings)] {
                try write("", to: path)
                try refused(path)
                try write(String(text.prefix(text.count / 2)), to: path)
                try refused(path)
                try FileManager.default.removeItem(atPath: path)
                try refused(path == manifest ? "has no manifest.json" : "has no run.json")
                try write(text, to: path)
            }
            try write(
                text.replacingOccurrences(of: "\"formatVersion\" : 3", with: "\"formatVersion\" : 7"), to: manifest)
            try refused("was written by a newer Gimbal: it has format version 7, and this one reads 3")
            try write(text, to: manifest)
            try write(settings.replacingOccurrences(of: "\"hidden\" : 32", with: "\"hidden\" : -32"), to: recipe)
            try refused("hidden: must be positive, not -32")
            try write(settings.replacingOccurrences(of: "\"hidden\" : 32", with: "\"hidden\" : 33"), to: recipe)
            try refused("\(recipe): is not what was saved")
            let sums = try String(contentsOfFile: checkpoint + "/checksums.sfv", encoding: .utf8)
            try FileManager.default.removeItem(atPath: checkpoint + "/checksums.sfv")
            try refused("does not fit the model")
            try write(settings, to: recipe)
            try write(sums, to: checkpoint + "/checksums.sfv")
            for place in [bytes.count / 2, bytes.count - 1] {
                var changed = bytes
                changed[place] ^= 1
                try changed.write(to: URL(fileURLWithPath: weights))
                try refused("\(weights): is not what was saved: its CRC-32 is ")
            }

            try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: weights))
            try refused("\(weights): truncated")
            try Data("not tensors at all".utf8).write(to: URL(fileURLWithPath: weights))
            try refused("\(weights): text and not ")
            try FileManager.default.removeItem(atPath: weights)
            try refused("\(weights): ")
        }
    }

    @Test("A batch may be larger than all there is, up to the largest number")
    func largestBatch() throws {
        try withTemporaryFolder { folder in
            let (table, pictures) = (folder + "/t.csv", folder + "/pictures")
            try ("a,b,y\n" + (0..<60).map { "\($0),\($0 * 7 % 11),\($0 % 2)\n" }.joined()).write(
                toFile: table, atomically: true, encoding: .utf8)
            try Gimbal.run("convert", "digits", pictures).succeeded()
            for data in [table, pictures] {
                let run = data + "-run"
                try Gimbal.run(
                    "train", "--data", data, "--max-steps", "1", "--hidden", "4", "--device", "cpu", "--run-dir", run
                ).succeeded()
                for command in [
                    ["evaluate", "--checkpoint", run],
                    ["predict", "--checkpoint", run, "--data", data == table ? table : data + "/test"],
                ] {
                    let all = try Gimbal.run(command + ["--device", "cpu", "--batch-size", "10000"]).succeeded()
                    let most = try Gimbal.run(command + ["--device", "cpu", "--batch-size", "\(Int.max)"]).succeeded()
                    #expect(most.output == all.output)
                }
            }
        }
    }
}
