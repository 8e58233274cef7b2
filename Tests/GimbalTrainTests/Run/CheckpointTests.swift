import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// Saved states: whole or not at all, and refused with a reason where they do not fit.
@Suite struct CheckpointTests {
    /// Saves after one step of adam, and gives the path of the checkpoint.
    @discardableResult
    func save(in path: String, maxSteps: Int = 1) throws -> String {
        let training = TrainerTests.training {
            ($0.optimizer, $0.momentum, $0.accumulation, $0.maxSteps) = (.adam, 0, 1, maxSteps)
        }
        let folder = try RunFolder(path: path)
        let run = try Recipe(model: TrainerTests.model, training: training).makeRun(
            train: TrainerTests.digits.train, device: .cpu, folder: folder)
        try run.trainer.resume()
        try run.trainer.run()
        return try #require(try folder.checkpoints.last)
    }

    @Test func aCheckpointReplacesAnOlderOne() throws {
        try withTemporaryFolder { folder in
            let path = try save(in: folder)
            try FileManager.default.moveItem(atPath: path, toPath: folder + "/aside")
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            try FileManager.default.removeItem(atPath: path)
            #expect(try save(in: folder) == path)
            #expect(try RunRecord(of: Checkpoint(path: path)).recipe.data.name == "digits")
            #expect(try names(in: folder + "/checkpoints") == ["step-000000001"])
        }
    }

    @Test func anotherModelsCheckpointIsRefusedByName() throws {
        try withTemporaryFolder { folder in
            let checkpoint = try Checkpoint(path: save(in: folder))
            var other = TrainerTests.model
            other.hidden = 17
            let model = other.makeModel(device: .cpu)
            let error = #expect(throws: GimbalError.self) { try checkpoint.restore(model: model) }
            #expect(error?.description.contains("0.weight ([16, 64] in the file, [17, 64] in the model)") == true)
            // Moments of another optimizer.
            let settings = TrainerTests.training { $0.accumulation = 1 }
            let sgd = try Recipe(model: TrainerTests.model, training: settings)
                .makeRun(train: TrainerTests.digits.train, device: .cpu)
            #expect(throws: GimbalError.self) { try sgd.trainer.resume(from: checkpoint) }
            // Another phase.
            let layer = TrainerTests.model.makeModel(device: .cpu)
            let loader = DataLoader(TrainerTests.digits.train.flattened, batchSize: 32)
            let trainer = Trainer(
                layer, phases: [Phase("critic", Adam(layer.parameters)) { layer($0.inputs).mean() }], data: loader)
            let phase = #expect(throws: GimbalError.self) { try trainer.resume(from: checkpoint) }
            #expect(phase?.description.contains("of the phases model, not of critic") == true)
        }
    }

    @Test func damagedCheckpointsAreNamed() throws {
        try withTemporaryFolder { folder in
            #expect(throws: GimbalError.self) { try Checkpoint(path: folder + "/none") }
            let path = try save(in: folder)
            let model = TrainerTests.model.makeModel(device: .cpu)

            let weights = path + "/model.safetensors"
            let bytes = try #require(FileManager.default.contents(atPath: weights))
            try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: weights))
            let truncated = #expect(throws: GimbalError.self) { try Checkpoint(path: path).restore(model: model) }
            #expect(truncated?.description.hasPrefix(weights) == true)

            func reason(_ manifest: String) throws -> String {
                try Data(manifest.utf8).write(to: URL(fileURLWithPath: path + "/manifest.json"))
                return #expect(throws: GimbalError.self) { try Checkpoint(path: path) }?.description ?? ""
            }
            #expect(try reason("{\"formatVersion\": 3}").contains("'settings' is missing"))
            #expect(
                try reason("{\"formatVersion\": 2}").contains("has format version 2; this version of Gimbal reads 3"))
            #expect(try reason("{}").contains("'formatVersion' is missing"))
            try FileManager.default.removeItem(atPath: path + "/manifest.json")
            let missing = #expect(throws: GimbalError.self) { try Checkpoint(path: path) }
            #expect(missing?.description.contains("is not a checkpoint") == true)
        }
    }

    @Test func whatTheDecoderQuotesIsCut() throws {
        enum Kind: String, Decodable { case short }
        let long = String(repeating: "a", count: 5000)
        func reason<Value: Decodable>(_ type: Value.Type, _ json: String) throws -> String {
            let error = #expect(throws: GimbalError.self) {
                try decoding("run.json") { try JSONDecoder().decode(type, from: Data(json.utf8)) }
            }
            return try #require(error?.description)
        }
        let value = try reason([Kind].self, "[\"\(long)\"]")
        #expect(value.contains("Cannot initialize Kind") && value.count < 500, "\(value)")
        let name = try reason([String: Int].self, "{\"\(long)\": \"\"}")
        #expect(name.contains("aaa' has another type") && name.count < 500, "\(name)")
    }

    @Test func onlyTheNewestTwoAreKept() throws {
        try withTemporaryFolder { path in
            for steps in [2, 5, 7, 8] { try save(in: path, maxSteps: steps) }
            let kept = try RunFolder(path: path).checkpoints.map { $0.split(separator: "/").last }
            #expect(kept == ["step-000000007", "step-000000008"])
            let folder = try RunFolder(path: path)
            #expect(folder.checkpointPath(step: 1_000_000_000).hasSuffix("/step-1000000000"))
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
            #expect(lines.first.map(String.init) == MetricsLog.columns.joined(separator: ","))
            #expect(lines.dropFirst().map { $0.split(separator: ",")[1] } == ["1", "2", "3", "4"])
        }
    }

    @Test func aFileOfOtherOriginIsNoLog() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/metrics.csv"
            for text in [
                "a thesis\n\nof lines\n", "epoch\n1\n", "step,epoch,loss\n1,2,3\n", "\u{1B}[31m\n",
                MetricsLog.columns.dropLast().joined(separator: ",") + "\n1,1,,,,\n",
            ] {
                try AtomicFile.write(text, to: path)
                let error = #expect(throws: GimbalError.self) { try MetricsLog(path: path, resumingAt: 3) }
                #expect(error.map { "\($0)" }?.contains("move it elsewhere") == true)
                #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
            }
        }
    }

    @Test func nanHasNoSign() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/metrics.csv"
            let log = try MetricsLog(path: path, resumingAt: nil)
            let nan = -Double.nan
            try log.add(
                StepReport(
                    epoch: 1, epochs: 1, step: 1, steps: 9, learningRate: nan, loss: nan, gradientNorm: nan,
                    samplesPerSecond: 1, secondsLeft: 0))
            try log.add(EpochResult(epoch: 1, step: 1, trainLoss: nan, validation: ["loss": nan, "r2": -.infinity]))
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(!text.contains("-nan"), "\(text)")
            #expect(text.hasSuffix("1,1,nan,nan,nan,1,,,\n1,1,,,,,nan,nan,-inf\n"))
        }
    }

    @Test func figuresGetColumnsOfTheirOwn() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/metrics.csv"
            let report = StepReport(
                epoch: 1, epochs: 2, step: 1, steps: 2, learningRate: 0.1, loss: 0.5, gradientNorm: 2,
                samplesPerSecond: 1, secondsLeft: nil)
            var log: MetricsLog? = try MetricsLog(path: path, resumingAt: nil)
            try log?.add(report)
            try log?.add(EpochResult(epoch: 1, step: 1, trainLoss: nil, validation: ["loss": 0.25, "accuracy": 0.5]))
            log = try MetricsLog(path: path, resumingAt: 1)
            try log?.add(EpochResult(epoch: 2, step: 2, trainLoss: 3, validation: ["loss": .nan, "auc": 1]))
            log = nil
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
            #expect(
                lines == [
                    "epoch,step,learning_rate,loss,gradient_norm,samples_per_second,train_loss,validation_loss,"
                        + "validation_accuracy,validation_auc",
                    "1,1,0.1,0.5,2.0,1,,,,", "1,1,,,,,,0.25,0.5,", "2,2,,,,,3.0,nan,,1.0",
                ])
        }
    }
}
