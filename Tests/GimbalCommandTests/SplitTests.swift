import Foundation
import GimbalTestSupport
import Testing

@Suite("How data is divided")
struct SplitTests {
    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    /// Rows of two classes, the second rare.
    private func table(_ rows: Range<Int>) -> String {
        "a,b,y\n"
            + rows.map { row -> String in
                let (a, b) = (row * 37 % 211, row * 53 % 197)
                return "\(a).\(row),\(b),\(a + b > 330 ? "rare" : "usual")\n"
            }.joined()
    }

    @Test("Parts with files of their own: all of those files, also when the run is gone on with or judged")
    func files() throws {
        try withTemporaryFolder { folder in
            let (train, validation, test) = (folder + "/train.csv", folder + "/v.csv", folder + "/test.csv")
            try write(table(0..<300), to: train)
            try write(table(300..<340), to: validation)
            // Ten rows that are trained on as well.
            try write(table(290..<390), to: test)
            let run = folder + "/r"
            let settings = ["train", "--device", "cpu", "--run-dir", run]
            let outcome = try Gimbal.run(
                settings + ["--data", train, "--validation", validation, "--test", test, "--epochs", "3"]
            ).succeeded()
            #expect(outcome.output.contains("300 samples to train on, 40 to validate on, 100 to test on"))
            #expect(outcome.errors.contains("10 of 100 rows of \(test) are in \(train) as well"))
            for (part, count) in [("test", 100), ("validation", 40), ("training", 300)] {
                let found = try Gimbal.run(
                    "evaluate", "--checkpoint", run, "--device", "cpu", "--json", "--part", part
                ).succeeded().objects().first
                #expect(found?["samples"] as? Int == count, "\(part)")
            }
            try Gimbal.run(settings + ["--resume", "--epochs", "4"]).succeeded()
            try Gimbal.run(settings + ["--resume", "--test", "0.3"]).refused("--test: the run began with")
            try Gimbal.run("train", "--data", train, "--test", folder + "/none.csv", "--device", "cpu")
                .refused("--test: must lie between 0 and 1, or be a file that is there")
            try write("a,y\n1,usual\n", to: folder + "/narrow.csv")
            try Gimbal.run("train", "--data", train, "--test", folder + "/narrow.csv", "--device", "cpu")
                .refused("narrow.csv: has no column 'b'")
            try Gimbal.run("train", "--data", "digits", "--test", test, "--device", "cpu")
                .refused("--test: is for tables")
        }
    }

    @Test("Tables come through pipes, which can be read only once, to be trained on, tested and predicted")
    func pipes() throws {
        try withTemporaryFolder { folder in
            let (train, test, run) = (folder + "/train.csv", folder + "/test.csv", folder + "/r")
            try write(table(0..<300), to: train)
            try write(table(290..<390), to: test)
            func shell(_ command: String) throws -> ChildProcess.Outcome {
                try ChildProcess("/bin/bash", ["-c", command, Gimbal.path, train, test, run]).outcome().succeeded()
            }
            let trained = try shell(
                "cat \"$1\" | \"$0\" train --data /dev/stdin --test <(cat \"$2\") --epochs 2 --device cpu --run-dir \"$3\""
            )
            #expect(trained.output.contains("270 samples to train on, 30 to validate on, 100 to test on"))
            #expect(trained.errors.contains("10 of 100 rows of"))
            let scores = try shell(
                "cat \"$2\" | \"$0\" evaluate --checkpoint \"$3\" --data /dev/stdin --device cpu --part all")
            #expect(scores.output.contains("samples 100"))
            let predicted = try shell("cat \"$2\" | \"$0\" predict --checkpoint \"$3\" --data /dev/stdin --device cpu")
            #expect(predicted.lines.count == 101)
        }
    }

    @Test("Folds that equal rows leave empty are named beside the mean of the others")
    func emptyFolds() throws {
        try withTemporaryFolder { folder in
            let rows =
                (0..<24).map { "\($0 * 7 % 13).\($0),\($0 * 5 % 11),\($0 % 2 == 0 ? "a" : "b")\n" }
                + [String](repeating: "0.5,0.5,a\n", count: 16)
            try write("x,z,y\n" + rows.joined(), to: folder + "/t.csv")
            let text = try Gimbal.run(
                "train", "--data", folder + "/t.csv", "--folds", "16", "--epochs", "1", "--hidden", "4", "--device",
                "cpu", "--run-dir", folder + "/cv"
            ).succeeded().output
            #expect(text.contains("16 folds: testAccuracy 0.") && text.contains("without figures: fold "), "\(text)")
        }
    }

    @Test("Folds share no row, leave none out, and are told together; stopped, they go on")
    func folds() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/t.csv", folder + "/cv")
            try write(table(0..<230), to: file)
            let settings = [
                "train", "--data", file, "--folds", "3", "--epochs", "2", "--device", "cpu", "--json", "--run-dir", run,
            ]
            let lines = try Gimbal.run(settings).succeeded().objects()
            let last = try #require(lines.last)
            #expect(last["event"] as? String == "crossValidation" && last["folds"] as? Int == 3)
            let accuracies = lines.compactMap {
                $0["event"] as? String == "result" ? $0["testAccuracy"] as? Double : nil
            }
            let spread = try #require(last["testAccuracy"] as? [String: Double])
            #expect(accuracies.count == 3)
            #expect(abs((spread["mean"] ?? 0) - accuracies.reduce(0, +) / 3) < 1e-12)
            var counts: [Int] = []
            for number in 1...3 {
                let found = try Gimbal.run(
                    "evaluate", "--checkpoint", "\(run)/fold-\(number)", "--device", "cpu", "--json"
                ).succeeded().objects().first
                counts.append(found?["samples"] as? Int ?? 0)
            }
            #expect(counts.reduce(0, +) == 230 && (counts.max() ?? 0) - (counts.min() ?? 0) <= 2)
            // Together they are told, reported and compared, and predict; each alone is tested.
            let kept = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: run + "/folds.json")))
            let keptSpread = (kept as? [String: Any])?["testAccuracy"] as? [String: Double]
            #expect(keptSpread == spread)
            let told = try Gimbal.run("inspect", run).succeeded().output
            #expect(told.contains("a cross-validation") && told.contains("3 folds: testAccuracy"))
            #expect(told.contains("\(run)/fold-2"))
            try Gimbal.run("report", run).succeeded()
            #expect(try String(contentsOfFile: run + "/report.html", encoding: .utf8).contains("fold-3"))
            let compared = try Gimbal.run("compare", run).succeeded().output
            #expect(compared.contains("fold-1") && compared.contains("\(run): 3 folds: testAccuracy"))
            try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").refused(
                "holds the folds of a cross-validation", "name one of them, such as \(run)/fold-1")
            func predicted(_ checkpoints: [String]) throws -> ChildProcess.Outcome {
                try Gimbal.run(
                    ["predict", "--data", file, "--device", "cpu"] + checkpoints.flatMap { ["--checkpoint", $0] }
                ).succeeded()
            }
            let together = try predicted([run])
            let named = try predicted((1...3).map { "\(run)/fold-\($0)" })
            #expect(together.output == named.output)
            #expect(together.errors.contains("the answers of the 3 folds in \(run) are averaged"))
            // What is done is not done again.
            try FileManager.default.removeItem(atPath: run + "/fold-3")
            let again = try Gimbal.run(settings + ["--resume"]).succeeded().objects()
            #expect((again.last?["testLoss"] as? [String: Double]) == (last["testLoss"] as? [String: Double]))
            // Folds of another division are no part of this one, and the runs know their data.
            let resume = ["train", "--resume", "--epochs", "2", "--device", "cpu", "--json", "--run-dir", run]
            for count in ["2", "4"] {
                try Gimbal.run(resume + ["--folds", count]).refused("--folds: the run in", "began as fold 1 of 3")
            }
            try Gimbal.run("train", "--resume", "--folds", "3", "--device", "cpu", "--run-dir", run + "-of-none")
                .refused(
                    "--folds: ", "holds none to go on with")
            #expect(try Gimbal.run(resume + ["--folds", "3"]).succeeded().objects().last?["folds"] as? Int == 3)
            try Gimbal.run("train", "--data", file, "--folds", "3", "--test", "0.3", "--device", "cpu").refused(
                "--folds: are the test parts", "leave --test out")
            try Gimbal.run("train", "--data", "digits", "--folds", "3", "--device", "cpu").refused(
                "--folds: is for tables")
        }
    }

    @Test("Balanced class weights bring out a rare class, and are in the record")
    func classWeights() throws {
        try withTemporaryFolder { folder in
            let file = folder + "/t.csv"
            try write(table(0..<600), to: file)
            func recall(_ name: String, _ more: [String]) throws -> Double {
                let run = folder + "/" + name
                try Gimbal.run(
                    ["train", "--data", file, "--epochs", "2", "--device", "cpu", "--run-dir", run] + more
                ).succeeded()
                let found = try Gimbal.run(
                    "evaluate", "--checkpoint", run, "--device", "cpu", "--json", "--part", "all"
                ).succeeded().objects().first
                let classes = try #require(found?["classes"] as? [[String: Any]])
                return try #require(classes.first { $0["name"] as? String == "rare" }?["recall"] as? Double)
            }
            let (plain, balanced) = (try recall("plain", []), try recall("balanced", ["--class-weights", "balanced"]))
            #expect(balanced >= plain && balanced > 0.9, "\(plain), \(balanced)")
            let json = try String(contentsOfFile: folder + "/balanced/run.json", encoding: .utf8)
            #expect(json.contains("\"isBalanced\" : true") && json.contains("\"weight\""))
            try Gimbal.run("train", "--data", file, "--class-weights", "huge=3", "--device", "cpu")
                .refused("there is no class 'huge'")
        }
    }
}
