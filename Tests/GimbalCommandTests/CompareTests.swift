import Foundation
import GimbalTestSupport
import Testing

@Suite("gimbal report and gimbal compare")
struct CompareTests {
    private func train(_ folder: String, _ more: [String]) throws {
        try Gimbal.run(
            ["train", "--data", "digits", "--hidden", "16", "--epochs", "2", "--device", "cpu", "--run-dir", folder]
                + more
        ).succeeded()
    }

    private struct Line: Decodable {
        struct Run: Decodable {
            var name: String
            var results: [String: [String: Double]]
        }
        struct Difference: Decodable {
            var name: String
            var values: [String?]
        }
        var event: String
        var runs: [Run]
        var differences: [Difference]
    }

    @Test("Two runs are put side by side, and what differs between them")
    func compare() throws {
        try withTemporaryFolder { folder in
            try train(folder + "/first", [])
            try train(folder + "/second", ["--optimizer", "adam", "--lr", "0.02"])
            let runs = [folder + "/first", folder + "/second"]
            let text = try Gimbal.run(["compare", "--report", folder + "/page.html"] + runs).succeeded().output
            #expect(text.contains("first") && text.contains("optimizer") && text.contains("adam"))
            #expect(!text.contains("batch size"))
            let html = try String(contentsOfFile: folder + "/page.html", encoding: .utf8)
            #expect(html.contains("What differs</h2>") && html.contains("var(--s1)"))
            let line = try #require(try Gimbal.run(["compare", "--json"] + runs).succeeded().decoded(Line.self).first)
            #expect(line.event == "comparison" && line.runs.map(\.name) == ["first", "second"])
            #expect(line.runs.allSatisfy { $0.results["training"]?["loss"] != nil })
            #expect(line.runs.allSatisfy { $0.results["test"]?["accuracy"] != nil })
            let optimizer = try #require(line.differences.first { $0.name == "optimizer" })
            #expect(optimizer.values == ["sgd", "adam"])
            #expect(line.differences.contains { $0.name == "learning rate" })
            try Gimbal.run("compare", folder + "/first", folder + "/nothing").refused("there is no such folder")
        }
    }

    @Test("Other data and class weights are told, and what is alike is not")
    func data() throws {
        try withTemporaryFolder { folder in
            let rows = (0..<60).map { "\($0 % 7),\($0 * $0 % 11),\($0 % 3 == 0 ? "yes" : "no")\n" }
            try Data(("x,y,kind\n" + rows.joined()).utf8).write(to: URL(filePath: folder + "/a.csv"))
            try Data(("x,y,kind\n" + rows.dropLast(9).joined()).utf8).write(to: URL(filePath: folder + "/b.csv"))
            func train(_ run: String, _ more: String...) throws {
                let settings = ["--hidden", "8", "--epochs", "1", "--device", "cpu", "--run-dir", "\(folder)/\(run)"]
                try Gimbal.run(["train"] + settings + more).succeeded()
            }
            try train("first", "--data", folder + "/a.csv", "--class-weights", "balanced")
            try train("alike", "--data", folder + "/a.csv", "--class-weights", "balanced")
            try train("plain", "--data", folder + "/a.csv")
            try train("other", "--data", folder + "/b.csv", "--class-weights", "yes=2")
            func differences(_ runs: String...) throws -> [String: [String?]] {
                let outcome = try Gimbal.run(["compare", "--json"] + runs.map { "\(folder)/\($0)" })
                let line = try #require(try outcome.succeeded().decoded(Line.self).first)
                return Dictionary(uniqueKeysWithValues: line.differences.map { ($0.name, $0.values) })
            }
            #expect(try differences("first", "alike").isEmpty)
            let weights = try differences("first", "plain")
            #expect(Array(weights.keys) == ["class weights"])
            #expect(weights["class weights"]?[0]?.hasPrefix("balanced (no ") == true, "\(weights)")
            let other = try differences("first", "other")
            #expect(other["class weights"]?[1] == "yes 2")
            try train("parts", "--data", folder + "/a.csv", "--validation", "0.3", "--test", "0.25")
            let parts = try differences("plain", "parts")
            #expect(parts["validation fraction"] == ["0.1", "0.3"] && parts["test fraction"] == ["0.2", "0.25"])
            let names = ["data", "data path", "samples to train on", "fingerprint of the rows and their parts"]
            for name in names { #expect(other[name] != nil, "\(name) in \(other)") }
        }
    }

    @Test("What is predicted and how data is read is told where it differs, and where fine tuning begins")
    func readings() throws {
        try withTemporaryFolder { folder in
            let rows = (0..<120).map { "\($0 % 12),\($0 % 7),\($0 % 5)\n" }
            try Data(("a,b,c\n" + rows.joined()).utf8).write(to: URL(filePath: folder + "/s.csv"))
            func forecast(_ run: String, _ more: String...) throws {
                try Gimbal.run(
                    [
                        "train", "--data", folder + "/s.csv", "--task", "forecast", "--window", "6", "--hidden", "4",
                        "--epochs", "1", "--device", "cpu", "--run-dir", "\(folder)/\(run)",
                    ] + more
                ).succeeded()
            }
            try forecast("a", "--target", "a", "--horizon", "1")
            try forecast("b", "--target", "b", "--horizon", "2")
            let text = try Gimbal.run("compare", folder + "/a", folder + "/b").succeeded().output
            #expect(text.contains("columns of the series") && text.contains("horizon of the series"), "\(text)")
            try train(folder + "/first", [])
            try train(folder + "/tuned", ["--pretrained", folder + "/first", "--freeze", "0.*"])
            let tuned = try Gimbal.run("compare", folder + "/first", folder + "/tuned").succeeded().output
            #expect(tuned.contains("fine tuning") && tuned.contains("first, frozen 0.*"), "\(tuned)")
        }
    }

    @Test("The page of a run can be made again from its folder, whole, and replaces no other file unasked")
    func report() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            try train(run, ["--batch-size", "32"])
            let path = run + "/report.html"
            let whole = try String(contentsOfFile: path, encoding: .utf8)
            #expect(whole.contains("Confusion on test data") && whole.contains("gimbal train"))
            let outcome = try Gimbal.run("report", run).succeeded()
            #expect(outcome.lines == ["report \(path)"])
            let html = try String(contentsOfFile: path, encoding: .utf8)
            #expect(html == whole)
            // The test figures are of the weights that the others are of.
            #expect(html.contains("those of epoch 2, the best on the validation data"))
            let text = try Gimbal.run("inspect", run).succeeded().output
            #expect(
                text.contains("  test        loss 0.") && text.contains(", of the weights: best, epoch 2"), "\(text)")
            // A run that was gone on with has another end.
            try Gimbal.run("train", "--resume", "--run-dir", run, "--epochs", "3", "--device", "cpu").succeeded()
            let longer = try Gimbal.run("inspect", run).succeeded().output
            #expect(longer.contains("epoch 3 of 3") && longer.contains("of the weights: "))
            try Data("mine".utf8).write(to: URL(filePath: path))
            try Gimbal.run("report", run).refused("is there already")
            #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
            #expect(html.contains("<td class=name>batch size</td><td>32</td><td>64</td>"))
            #expect(!html.contains("[]") && !html.contains("{\n"))
            try Gimbal.run("report", folder).refused("name the folder of a run")
        }
    }
}
