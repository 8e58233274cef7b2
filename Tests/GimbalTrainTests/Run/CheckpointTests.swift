import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// Saved states: whole or not at all, and refused with a reason where they do not fit.
@Suite struct CheckpointTests {
    let manifest = CheckpointManifest(
        model: TrainerTests.model, training: TrainerTests.training(), data: "digits",
        classNames: (0..<10).map(String.init), progress: TrainingProgress(), random: RandomState(seed: 1))

    func save(to path: String, model: ModelSettings = TrainerTests.model) throws {
        let net = model.makeModel(device: .cpu)
        try Checkpoint.save(manifest, model: net, optimizer: Adam(net.parameters), to: path)
    }

    @Test func aCheckpointReplacesAnOlderOne() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/step-1"
            try save(to: path)
            try save(to: path)
            #expect(try Checkpoint(path: path).manifest.data == "digits")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["step-1"])
        }
    }

    @Test func anotherModelsCheckpointIsRefusedByName() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/step-1"
            try save(to: path)
            var other = TrainerTests.model
            other.hidden = 17
            let model = other.makeModel(device: .cpu)
            let error = #expect(throws: GimbalError.self) { try Checkpoint(path: path).restore(model: model) }
            #expect(error?.description.contains("0.weight ([16, 64] in the file, [17, 64] in the model)") == true)
            // Moments of another optimizer.
            let same = TrainerTests.model.makeModel(device: .cpu)
            let sgd = SGD(same.parameters, learningRate: 1, momentum: 0.9)
            #expect(throws: GimbalError.self) { try Checkpoint(path: path).restore(model: same, optimizer: sgd) }
        }
    }

    @Test func damagedCheckpointsAreNamed() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/step-1"
            #expect(throws: GimbalError.self) { try Checkpoint(path: path) }
            try save(to: path)
            let model = TrainerTests.model.makeModel(device: .cpu)

            let weights = path + "/model.safetensors"
            let bytes = try #require(FileManager.default.contents(atPath: weights))
            try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: weights))
            let truncated = #expect(throws: GimbalError.self) { try Checkpoint(path: path).restore(model: model) }
            #expect(truncated?.description.hasPrefix(weights) == true)

            try Data("{\"formatVersion\": 1}".utf8).write(to: URL(fileURLWithPath: path + "/manifest.json"))
            let manifest = #expect(throws: GimbalError.self) { try Checkpoint(path: path) }
            #expect(manifest?.description.contains("'model' is missing") == true)
            try FileManager.default.removeItem(atPath: path + "/manifest.json")
            let missing = #expect(throws: GimbalError.self) { try Checkpoint(path: path) }
            #expect(missing?.description.contains("is not a checkpoint") == true)
        }
    }

    @Test func onlyTheNewestTwoAreKept() throws {
        try withTemporaryFolder { path in
            let folder = try RunFolder(path: path)
            for step in [5, 100, 20, 1_000_000_000] { try save(to: folder.checkpointPath(step: step)) }
            folder.removeOldCheckpoints()
            #expect(folder.checkpoints.map { $0.split(separator: "/").last } == ["step-000000100", "step-1000000000"])
        }
    }

    @Test func rowsAfterTheCheckpointAreWrittenAgain() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/metrics.csv"
            func report(_ step: Int) -> StepReport {
                StepReport(
                    epoch: 1, epochs: 1, step: step, steps: 9, learningRate: 0.1, loss: 0.5, gradientNorm: nil,
                    samplesPerSecond: 1, secondsLeft: 0)
            }
            var log: MetricsLog? = try MetricsLog(path: path, resumingAt: nil)
            for step in 1...5 { try log?.add(report(step)) }
            log = try MetricsLog(path: path, resumingAt: 3)
            try log?.add(report(4))
            log = nil
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            #expect(lines.first.map(String.init) == MetricsLog.header)
            #expect(lines.dropFirst().map { $0.split(separator: ",")[1] } == ["1", "2", "3", "4"])
        }
    }
}
