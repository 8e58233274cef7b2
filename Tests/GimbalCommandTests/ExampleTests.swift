import Foundation
import GimbalTestSupport
import Testing

/// Programs that train models of their own through `Trainer`, stopped by Ctrl-C and gone on with.
@Suite("Examples that train")
struct ExampleTests {
    private static let data = packagePath("../shared/data/fashion-mnist")

    @Test(
        "Interrupted and gone on with, a run ends with the same bits",
        .enabled(if: FileManager.default.fileExists(atPath: data), "there is no Fashion-MNIST beside the package"),
        arguments: ["VariationalAutoencoder", "TwoInputs", "AdversarialNetwork"])
    func resumes(name: String) throws {
        let program = URL(fileURLWithPath: Gimbal.path).deletingLastPathComponent().appending(path: name).path
        guard FileManager.default.isExecutableFile(atPath: program) else {
            print("skipped: \(name), which is not built")
            return
        }
        try withTemporaryFolder { folder in
            func start(_ run: String) throws -> ChildProcess {
                try ChildProcess(
                    program, [Self.data, "\(folder)/\(run)", "3000"], environment: ["GIMBAL_DEVICE": "cpu"],
                    timeLimit: .seconds(120))
            }
            let whole = try start("whole").outcome().succeeded()
            #expect(whole.lines.contains { $0.hasPrefix("epoch 5  ") }, "\(whole)")

            let run = folder + "/stopped"
            var stops = 0
            // A killed run goes on from the end of its last epoch.
            for (steps, signal) in [(20, SIGINT), (110, SIGKILL), (150, SIGINT)] {
                let child = try start("stopped")
                #expect(child.wait { metrics(of: run).count >= steps })
                child.send(signal)
                stops += try child.outcome().status == 0 ? 0 : 1
            }
            #expect(stops > 1, "a run that ends before it is stopped tests nothing")
            try start("stopped").outcome().succeeded()
            let newest = try #require(checkpoints(of: run).last)
            #expect(checkpoints(of: folder + "/whole").last == newest)
            for file in try names(in: "\(folder)/whole/checkpoints/\(newest)") {
                let path = "/checkpoints/\(newest)/\(file)"
                #expect(
                    FileManager.default.contents(atPath: run + path)
                        == FileManager.default.contents(atPath: folder + "/whole" + path), "\(file)")
            }
        }
    }

    @Test(
        "Without the data, a program says so", arguments: ["VariationalAutoencoder", "TwoInputs", "AdversarialNetwork"])
    func withoutData(name: String) throws {
        let program = URL(fileURLWithPath: Gimbal.path).deletingLastPathComponent().appending(path: name).path
        guard FileManager.default.isExecutableFile(atPath: program) else { return }
        let outcome = try ChildProcess(program, ["/none"]).outcome().succeeded()
        #expect(outcome.output == "skipped: there is no Fashion-MNIST in /none\n")
    }
}
