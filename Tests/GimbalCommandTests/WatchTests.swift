import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("gimbal watch")
struct WatchTests {
    private static let settings = ["train", "--data", "digits", "--device", "cpu", "--json"]

    @Test("A run that has ended is told in plain lines, its findings among them")
    func ended() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            try Gimbal.run(Self.settings + ["--epochs", "2", "--run-dir", run]).succeeded()
            let finding = Finding(.learningRateTooHigh, "the loss jumps", step: 7)
            let line = String(decoding: try JSONEncoder().encode(finding), as: UTF8.self)
            try (line + "\n").write(toFile: run + "/findings.jsonl", atomically: true, encoding: .utf8)
            let outcome = try Gimbal.run("watch", run).succeeded()
            let epochs = outcome.lines.filter { $0.hasPrefix("epoch ") }
            #expect(epochs.count == 2 && epochs[1].contains("validationAccuracy 0."), "\(outcome)")
            #expect(outcome.lines.contains { $0.hasPrefix("step 7: learning rate too high: the loss jumps") })
            #expect(outcome.lines.last == "the run has ended after step 42; its page is \(run)/report.html")
            #expect(!outcome.output.contains("\u{1B}"))
        }
    }

    @Test("A run of another process is followed to its end; one whose process dies is told so")
    func followed() throws {
        try withTemporaryFolder { folder in
            for isKilled in [false, true] {
                let run = "\(folder)/\(isKilled)"
                let training = try Gimbal.start(
                    Self.settings + ["--layers", "3", "--epochs", isKilled ? "5000" : "40", "--run-dir", run])
                _ = training.wait { metrics(of: run).count > 3 }
                let watch = try Gimbal.start(["watch", run])
                if isKilled {
                    _ = training.wait { metrics(of: run).count > 60 }
                    training.send(SIGKILL)
                }
                _ = try training.outcome()
                let outcome = try watch.outcome()
                #expect(outcome.status == (isKilled ? 1 : 0), "\(outcome)")
                let words = isKilled ? "the run's process has died after step" : "the run has ended after step"
                #expect(outcome.lines.last?.hasPrefix(words) == true, "\(outcome)")
                if isKilled { #expect(outcome.lines.last?.contains("gimbal train --resume --run-dir") == true) }
            }
        }
    }

    @Test(
        "A terminal is left as it was, at the end and by Ctrl-C",
        .enabled(if: Gimbal.hasTerminal, "there is no script(1)"))
    func terminal() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let training = try Gimbal.start(
                Self.settings + ["--model", "transformer", "--epochs", "5000", "--run-dir", run])
            defer { training.send(SIGKILL) }
            _ = training.wait { metrics(of: run).count > 3 }
            // Interrupted within the terminal after two seconds.
            let command =
                "stty rows 30 cols 90; stty -a >\(folder)/before; timeout --foreground -s INT 2 "
                + "\(Gimbal.path) watch \(run); stty -a >\(folder)/after"
            let outcome = try Gimbal.runOnTerminal(command)
            let text = outcome.output
            #expect(text.contains("\u{1B}[?1049h") && text.contains("loss"), "\(outcome)")
            // The bar of a layer, whose name is long, leaves room for its number.
            #expect(text.contains(#/\w +#+ +\d[.\d]*(e-\d+)? /#), "\(outcome)")
            #expect(text.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"), "\(outcome)")
            #expect(!text.contains("\u{1B}[1m") && !text.contains("\u{1B}[36m"))
            let settings = try ["before", "after"].map {
                try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)
            }
            #expect(settings[0] == settings[1] && settings[0].contains("rows 30"))
        }
    }

    @Test("A folder that is no run's is refused")
    func refused() throws {
        try withTemporaryFolder { folder in
            try Gimbal.run("watch", folder).refused("name the folder of a run")
            try Gimbal.run("watch", folder + "/none").refused("there is no such folder")
        }
    }
}
