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
            #expect(html.contains("What differs in the settings") && html.contains("var(--s1)"))
            let line = try #require(try Gimbal.run(["compare", "--json"] + runs).succeeded().decoded(Line.self).first)
            #expect(line.event == "comparison" && line.runs.map(\.name) == ["first", "second"])
            #expect(line.runs.allSatisfy { $0.results["training"]?["loss"] != nil })
            let optimizer = try #require(line.differences.first { $0.name == "optimizer" })
            #expect(optimizer.values == ["sgd", "adam"])
            #expect(line.differences.contains { $0.name == "learning rate" })
            try Gimbal.run("compare", folder + "/first", folder + "/nothing").refused("there is no such folder")
        }
    }

    @Test("The page of a run can be made again from its folder, and replaces none unasked")
    func report() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            try train(run, ["--batch-size", "32"])
            let path = run + "/report.html"
            let whole = try String(contentsOfFile: path, encoding: .utf8)
            #expect(whole.contains("Confusion on test data") && whole.contains("gimbal train"))
            try Gimbal.run("report", run).refused("is there already")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == whole)
            try FileManager.default.removeItem(atPath: path)
            let outcome = try Gimbal.run("report", run).succeeded()
            #expect(outcome.lines == ["report \(path)"])
            let html = try String(contentsOfFile: path, encoding: .utf8)
            #expect(html.contains("<td class=name>batch size</td><td>32</td><td>64</td>"))
            #expect(!html.contains("[]") && !html.contains("{\n"))
            try Gimbal.run("report", folder).refused("name the folder of a run")
        }
    }
}
