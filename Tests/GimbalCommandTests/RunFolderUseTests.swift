import Foundation
import GimbalTestSupport
import Testing

@Suite("What a run does to its folder")
struct RunFolderUseTests {
    private static let settings = ["train", "--data", "digits", "--device", "cpu", "--epochs", "1"]

    @Test("A second run in a folder is refused while the first is running, which it leaves alone")
    func twoRuns() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let first = try ChildProcess(
                Gimbal.path, Self.settings + ["--run-dir", run, "--epochs", "100000", "--checkpoint-every", "5"])
            #expect(first.wait { checkpoints(of: run).count == 2 })
            for options in [["--resume"], []] {
                let second = try Gimbal.run(Self.settings + ["--run-dir", run] + options)
                #expect(second.status != 0 && second.errors.hasPrefix("Error: "), "\(second)")
                #expect(options.isEmpty || second.errors.contains("another run is using it (process "), "\(second)")
            }
            first.send(SIGINT)
            #expect(try first.outcome().status == 130)
            try Gimbal.run(Self.settings + ["--run-dir", run, "--resume", "--max-steps", "1"]).succeeded()
        }
    }

    @Test("A closed standard output does not end up in a file of the run")
    func closedOutput() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            for redirection in ["1>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"] {
                try? FileManager.default.removeItem(atPath: run)
                let outcome = try ChildProcess(
                    "/bin/sh",
                    ["-c", "exec \"$0\" \"$@\" \(redirection)", Gimbal.path] + Self.settings + ["--run-dir", run]
                ).outcome()
                #expect(outcome.status == 0, "\(redirection): \(outcome)")
                let lines = try String(contentsOfFile: run + "/metrics.csv", encoding: .utf8).split(separator: "\n")
                let commas = lines.first?.count { $0 == "," }
                #expect(lines.count > 2 && lines.allSatisfy { $0.count { $0 == "," } == commas }, "\(redirection)")
            }
        }
    }
}
