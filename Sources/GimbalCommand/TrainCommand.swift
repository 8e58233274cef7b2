import ArgumentParser
import Foundation
import GimbalTrain

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Trains a model to tell classes apart or to predict numbers.",
        discussion: """
            Writes metrics.csv, checkpoints and report.html to the run folder. Ctrl-C saves and leaves; --resume goes on \
            from the last checkpoint with the same bits as if the run had never stopped, and takes every setting from it.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var model: ModelOptions
    @OptionGroup var training: TrainingOptions

    @OptionGroup var device: DeviceOptions
    @Option(help: ArgumentHelp("The folder of the run; runs/<data>-<time> unless given.", valueName: "dir"))
    var runDir: String?
    @Flag(help: "Go on from the last checkpoint of --run-dir.")
    var resume = false
    @Option(help: "Save a checkpoint every so many steps, beside those at the end of each epoch.")
    var checkpointEvery: Int?
    @Option(help: "Stop after so many optimizer steps.")
    var maxSteps: Int?
    @Flag(help: "Print one JSON object per line on standard output, and nothing else there.")
    var json = false

    func validate() throws {
        if resume && runDir == nil { throw ValidationError("--resume needs --run-dir") }
        if (checkpointEvery ?? 1) < 1 { throw ValidationError("--checkpoint-every must be positive") }
        if (maxSteps ?? 1) < 1 { throw ValidationError("--max-steps must be positive") }
    }

    func run() throws {
        let checkpoint = try checkpointToResume()
        let trainingSettings = try training.settings(resuming: checkpoint?.manifest.training)
        let (train, test, standardization) = try data.load(seed: trainingSettings.seed, as: checkpoint?.manifest)
        if let checkpoint, checkpoint.manifest.data != train.name {
            throw GimbalError.invalidSetting(
                name: "--data", reason: "the run was trained on \(checkpoint.manifest.data), not on \(train.name)")
        }
        let modelSettings = try model.settings(
            for: train, resuming: checkpoint?.manifest.model)
        let device = try device.chosen()
        if let notice = trainingSettings.precision.use(on: device) { printNotice(notice) }
        let trainer = try Trainer(
            model: modelSettings, training: trainingSettings, train: train, test: test, device: device)
        trainer.checkpointInterval = checkpointEvery
        trainer.maxSteps = maxSteps
        trainer.standardization = standardization
        if let checkpoint { try trainer.resume(from: checkpoint) }
        // Only now that nothing is left to refuse: a mistake in an option leaves no folder behind.
        let folder = try RunFolder(path: runDir ?? Self.newRunPath(data: data.data))
        trainer.folder = folder
        let display = TrainingDisplay(
            isJSON: json,
            log: try MetricsLog(path: folder.metricsPath, resumingAt: checkpoint?.manifest.progress.step))
        trainer.observer = display
        if !json { try introduce(trainer, train: train, test: test, device: device, folder: folder) }

        let interruption = Interruption()
        let outcome: Trainer.Outcome
        do {
            outcome = try trainer.run { interruption.isRequested }
        } catch {
            display.endLine()
            throw error
        }
        display.endLine()
        interruption.end()
        if outcome == .interrupted {
            printNotice(
                "interrupted after step \(trainer.progress.step) and saved; go on with: "
                    + wayOn(folder: folder, device: device))
            throw ExitCode(130)
        }
        let evaluation = try trainer.evaluate()
        let checkpointPath = RunFolder.newestCheckpoint(at: folder.path)
        try report(of: trainer, evaluation, train: train, device: device, folder: folder).write(to: folder.reportPath)
        let scaling = try trainer.lossScaling()
        let result = TrainingResult(
            testAccuracy: evaluation.regression == nil ? evaluation.accuracy : nil,
            testR2: evaluation.regression?.determination,
            testRMSE: evaluation.regression?.rootMeanSquaredError, testLoss: evaluation.loss,
            trainLoss: trainer.trainLoss,
            steps: trainer.progress.step, skippedSteps: scaling?.skippedSteps, lossScale: scaling?.scale,
            seconds: trainer.trainingSeconds,
            samplesPerSecond: trainer.trainingSeconds > 0
                ? Double(trainer.trainedSamples) / trainer.trainingSeconds : 0,
            peakMemoryBytes: peakMemoryBytes(), device: device.id, runDirectory: folder.path,
            checkpoint: checkpointPath, report: folder.reportPath)
        try json ? printJSON(result) : printLine(result.line)
    }

    /// The checkpoint to go on from. Nil for a new run, or where none was saved before the last one ended.
    private func checkpointToResume() throws -> Checkpoint? {
        guard let runDir else { return nil }
        let newest = RunFolder.newestCheckpoint(at: runDir)
        guard newest != runDir else {
            if resume { printNotice("no checkpoint in \(runDir): starting from the beginning") }
            return nil
        }
        guard resume else {
            throw GimbalError.invalidSetting(
                name: "--run-dir",
                reason: "\(runDir) holds a run; add --resume to go on with it, or name another folder")
        }
        return try Checkpoint(path: newest)
    }

    /// The command that goes on with this run, with the same bits if the device is the same.
    private func wayOn(folder: RunFolder, device: Device) -> String {
        var words = ["gimbal", "train", "--resume", "--run-dir", folder.path, "--data", data.data]
        if let folder = data.dataDir { words += ["--data-dir", folder] }
        words += ["--device", device.id]
        if let checkpointEvery { words += ["--checkpoint-every", "\(checkpointEvery)"] }
        if let maxSteps { words += ["--max-steps", "\(maxSteps)"] }
        return shellCommand(words)
    }

    /// The page of a run that has ended, with what its folder does not tell.
    private func report(
        of trainer: Trainer, _ evaluation: Evaluation, train: Dataset, device: Device, folder: RunFolder
    ) throws -> Report {
        var run = try RunSummary(folder: folder.path)
        run.date = RunSummary.text(Date())
        run.command = shellCommand(["gimbal"] + CommandLine.arguments.dropFirst())
        run.seconds = trainer.trainingSeconds
        run.version = gimbalVersion
        run.device = "\(device.id): \(device.description.name)"
        run.model = trainer.summary
        var test = run.part("test") ?? RunSummary.Part(name: "test", figures: [:])
        test.figures["loss"] = evaluation.loss
        switch evaluation.scores {
        case .classes(let confusion):
            test.figures["accuracy"] = confusion.accuracy
            test.classes = ClassificationReport(confusion, classNames: train.classNames)
        case .values(let scores):
            test.figures["r2"] = scores.determination
            test.numbers = RegressionReport(scores)
        }
        run.parts = run.parts.filter { $0.name != "test" } + [test]
        return Report(run)
    }

    private func introduce(
        _ trainer: Trainer, train: Dataset, test: Dataset, device: Device, folder: RunFolder
    ) throws {
        try printLine(trainer.summary)
        try printLine(
            "\(train.count) samples to train on, \(test.count) to test on; device \(device.id): "
                + "\(device.description.name); run \(folder.path)")
        for note in device.description.notes { printNotice("note: \(note)") }
        if trainer.progress.step > 0 {
            try printLine("resuming after step \(trainer.progress.step) of \(trainer.totalSteps)")
        }
    }

    private static func newRunPath(data: String) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyyMMdd-HHmmss"
        let name = URL(fileURLWithPath: data).deletingPathExtension().lastPathComponent
        let path = "runs/\(name)-\(formatter.string(from: Date()))"
        // Two runs may start in one second.
        let taken = (2...).lazy.map { "\(path)-\($0)" }.first { !FileManager.default.fileExists(atPath: $0) }
        return FileManager.default.fileExists(atPath: path) ? taken ?? path : path
    }
}

/// The line a run ends with.
struct TrainingResult: Encodable {
    var event = "result"
    /// Of a classifier.
    var testAccuracy: Double?
    /// Of a regression.
    var testR2: Double?
    /// Of a regression, in the units of the data.
    var testRMSE: Double?
    var testLoss: Double
    var trainLoss: Double
    var steps: Int
    /// Of float16: steps left out because a gradient overflowed, and the scale at the end.
    var skippedSteps: Int?
    var lossScale: Double?
    /// In training steps; evaluation and saving not counted.
    var seconds: Double
    var samplesPerSecond: Double
    /// The most memory that the process has had in use on the host.
    var peakMemoryBytes: Int
    var device: String
    var runDirectory: String
    var checkpoint: String
    var report: String

    var line: String {
        scoreText(accuracy: testAccuracy, r2: testR2)
            + (skippedSteps.map { "  skippedSteps \($0)" } ?? "") + (lossScale.map { "  lossScale \($0)" } ?? "")
            + String(
                format: "  testLoss %.4f  trainLoss %.4f  steps %d  seconds %.2f  samplesPerSecond %.0f  "
                    + "peakMemoryBytes %d  device %@  report %@",
                testLoss, trainLoss, steps, seconds, samplesPerSecond, peakMemoryBytes, device, report)
    }
}

/// The high-water mark of this process's resident memory; 0 where the system does not tell.
func peakMemoryBytes() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
        let kibibytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
    else { return 0 }
    return kibibytes * 1024
}
