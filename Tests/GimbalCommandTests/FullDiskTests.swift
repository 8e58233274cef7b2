import Foundation
import GimbalTestSupport
import Testing

/// A disk that fills up in the middle of a run costs the run its next checkpoint, and nothing it had.
@Suite("Full disk")
struct FullDiskTests {
    /// Checkpoints of 170 KB, saved every five steps.
    private static let settings = [
        "train", "--data", "digits", "--hidden", "512", "--epochs", "1", "--checkpoint-every", "5", "--momentum",
        "0", "--device", "cpu",
    ]

    @Test(
        "A save that finds no room leaves the older checkpoints, from which the run goes on once there is room",
        .enabled(if: SmallDisk.isAllowed, "a disk to fill cannot be mounted here"))
    func fullDisk() throws {
        try withTemporaryFolder { folder in
            // Room for two checkpoints, not for a third, which is needed before the first is removed.
            let disk = try SmallDisk(at: folder + "/disk", kibibytes: 470)
            defer { disk.unmount() }
            let run = folder + "/disk/run"
            try Gimbal.run(Self.settings + ["--run-dir", run, "--json"])
                .refused("cannot write \(run)/checkpoints/step-000000015", "No space left on device")
            #expect(checkpoints(of: run) == ["step-000000005", "step-000000010"])
            #expect(!tree(run).contains { $0.contains(".partial-") })
            #expect(metrics(of: run).map { $0[1] } == (1...15).map(String.init))
            try Gimbal.run("evaluate", "--checkpoint", run, "--data", "digits", "--device", "cpu").succeeded()

            try disk.resize(kibibytes: 4096)
            try Gimbal.run(Self.settings + ["--run-dir", run, "--resume"]).succeeded()
            try Gimbal.run(Self.settings + ["--run-dir", folder + "/whole"]).succeeded()
            let name = "/checkpoints/step-000000021/model.safetensors"
            #expect(try Data(contentsOf: URL(fileURLWithPath: run + name)) == whole(folder, name))
        }
    }

    @Test(
        "A first save that the system refuses leaves the metrics, and the run can be begun again",
        .enabled(
            if: ProcessInfo.processInfo.environment["TSAN_OPTIONS"] == nil,
            "ThreadSanitizer's own runtime does not start under a limit on the size of files"))
    func limitedFileSize() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            // Files of 32 KiB at most; the signal that comes with the refusal is ignored, so that write reports it.
            let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""
            try ChildProcess("/bin/sh", ["-c", limited, Gimbal.path] + Self.settings + ["--run-dir", run, "--json"])
                .outcome().refused("cannot write \(run)/checkpoints/step-000000005", "File too large")
            #expect(
                tree(run).filter { !isEventFile($0) } == [
                    "checkpoints", "error.txt", "findings.jsonl", "health.csv", "metrics.csv", "report.html",
                    "run.json",
                    "run.lock",
                ])
            #expect(metrics(of: run).count == 5)
            try Gimbal.run(Self.settings + ["--run-dir", run, "--resume"]).succeeded()
            #expect(checkpoints(of: run).last == "step-000000021")
        }
    }

    @Test(
        "An event file that finds no room is named, and the run goes on from its checkpoint",
        .enabled(if: SmallDisk.isAllowed, "a disk to fill cannot be mounted here"))
    func eventFile() throws {
        try withTemporaryFolder { folder in
            let disk = try SmallDisk(at: folder + "/disk", kibibytes: 1024)
            defer { disk.unmount() }
            let run = folder + "/disk/run"
            // A histogram of each of six tensors in every step: 5 KB.
            let settings = [
                "train", "--data", "digits", "--hidden", "32", "--epochs", "20", "--checkpoint-every", "20",
                "--histograms", "1", "--device", "cpu",
            ]
            try Gimbal.run(settings + ["--run-dir", run, "--json"])
                .failed(["cannot write \(run)/events.out.tfevents.", "No space left on device"])
            try disk.resize(kibibytes: 8192)
            try Gimbal.run(settings + ["--run-dir", run, "--resume", "--json"]).succeeded()
        }
    }

    private func whole(_ folder: String, _ name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: folder + "/whole" + name))
    }
}
