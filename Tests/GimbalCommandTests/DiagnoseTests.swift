import Foundation
import GimbalTestSupport
import Testing

@Suite("gimbal diagnose")
struct DiagnoseTests {
    private let sick = [
        "--data", "digits", "--layers", "20", "--hidden", "32", "--activation=sigmoid", "--norm", "none", "--init",
        "normal",
        "--lr", "0.1", "--device", "cpu",
    ]

    @Test("A healthy model has nothing; a sick one has its cause, and exits with 2") func verdicts() throws {
        let healthy = try Gimbal.run("diagnose", "--data", "digits", "--device", "cpu").succeeded()
        #expect(healthy.output.contains("nothing found"))
        let outcome = try Gimbal.run(["diagnose"] + sick)
        #expect(outcome.status == 2)
        for words in ["per layer", "1. saturating activations at depth", "gimbal train --activation relu"] {
            #expect(outcome.output.contains(words), "\(words)")
        }
        // The picture fits a terminal.
        #expect(outcome.output.split(separator: "\n").filter { $0.contains("#") }.allSatisfy { $0.count <= 80 })
        let json = try Gimbal.run(["diagnose", "--json"] + sick)
        #expect(json.status == 2)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        let findings = try #require(object["findings"] as? [[String: Any]])
        #expect(findings.first?["illness"] as? String == "saturatingActivations")
    }

    @Test("--apply finds what helps and trains with it") func applies() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let outcome = try Gimbal.run(
                ["diagnose", "--apply"] + sick + ["--epochs", "5", "--run-dir", run]
            ).succeeded()
            #expect(outcome.output.contains("as it is: loss") && outcome.output.contains("best: take ReLU"))
            #expect(outcome.errors.contains("going on with: gimbal train") && !outcome.errors.contains("sigmoid"))
            let page = try String(contentsOfFile: run + "/cure.html", encoding: .utf8)
            #expect(
                page.contains("saturating activations at depth") && page.contains("<svg") && page.contains("as it was"))
            #expect(page.contains("take ReLU with He") && page.contains("gimbal train"))
            let result = try Gimbal.run("evaluate", "--checkpoint", run, "--json", "--device", "cpu").succeeded()
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
            #expect(try #require(object["accuracy"] as? Double) > 0.8)
        }
    }

    @Test("What makes no sense is refused") func refuses() throws {
        let folder = try Gimbal.run("diagnose", "--data", "digits", "--run-dir", "r")
        #expect(folder.status != 0 && folder.errors.contains("--run-dir is for --apply"))
        #expect(try Gimbal.run("diagnose").errors.contains("--data is needed"))
        try Gimbal.run(["diagnose", "--apply", "--validation", "none"] + sick).refused(
            "--apply", "of which there is none")
    }
}
