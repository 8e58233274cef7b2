import ArgumentParser
import Foundation
import GimbalTrain

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Trains a model to tell classes apart or to predict numbers.",
        discussion: HelpTexts.train)

    @OptionGroup var data: DataOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup var training: TrainingOptions

    @OptionGroup var device: DeviceOptions
    @OptionGroup(title: "Several devices and machines") var ranks: RankOptions
    @Option(
        help: ArgumentHelp("The folder of the run; runs/<data>-<time> unless given.", valueName: "dir"),
        completion: .directory)
    var runDir: String?
    @Option(
        help: ArgumentHelp(
            "Train a run for each of so many folds of a table, and tell how the test figures spread.",
            valueName: "count"))
    var folds: Int?
    @Flag(help: "Go on from the last checkpoint of --run-dir.")
    var resume = false
    @Option(help: "Save a checkpoint every so many steps, beside those at the end of each epoch.")
    var checkpointEvery: Int?
    @Flag(
        inversion: .prefixedNo,
        help: "Look at the model before the first step, follow the run, and say why it goes wrong where it does.")
    var doctor = true
    @Option(help: "Write histograms of weights and gradients for TensorBoard every so many steps.")
    var histograms: Int?
    @Flag(help: "Print one JSON object per line on standard output, and nothing else there.")
    var json = false
    @Option(help: ArgumentHelp("Save and leave with 130 after so many epochs of the run.", visibility: .private))
    var pauseEpoch: Int?
    @Option(
        help: ArgumentHelp(
            "Save at ends of epochs where the last checkpoint is so old, and at the end.", visibility: .private))
    var saveSeconds = 0
    @Option(help: ArgumentHelp("Save and leave with 130 when this process has ended.", visibility: .private))
    var parent: Int32?
    @Flag(help: ArgumentHelp("Print the flag of each setting as JSON.", visibility: .private))
    var listSettings = false

    func validate() throws {
        if !resume && data.data == nil && !listSettings { throw ValidationError("--data is needed: what to train on") }
        if resume && runDir == nil { throw ValidationError("--resume needs --run-dir") }
        if (folds ?? 2) < 2 { throw ValidationError("--folds must be at least 2") }
        if (histograms ?? 1) < 1 { throw ValidationError("--histograms must be positive") }
        if (checkpointEvery ?? 1) < 1 { throw ValidationError("--checkpoint-every must be positive") }
    }

    func run() throws { try run(attaching: [:]) }

    /// - Parameter attachments: texts for the run's folder, by the name of the file.
    func run(attaching attachments: [String: String]) throws {
        if listSettings { return try printJSON(SettingFlags.byProperty) }
        try CommandRanks.run(on: device.device, ranks) { device in
            try SettingFlags.translating {
                if let folds { return try crossValidate(folds, on: device) }
                try train(in: runDir, on: device, attachments: attachments)
            }
        }
    }

    /// A run for each fold, one after another, each in a folder of its own; a run that was stopped goes on with --resume.
    private func crossValidate(_ count: Int, on device: String?) throws {
        let first = resume ? runDir.flatMap { try? RunRecord(path: CrossValidation.path(of: 1, in: $0)) } : nil
        guard first != nil || data.data != nil else {
            throw GimbalError.invalidSetting(
                name: "folds",
                reason: "\(runDir ?? "the run") holds none to go on with; --data names a table to train anew")
        }
        let source = try data.source(of: first?.recipe.data, for: model.kind)
        guard source.kind == .table else {
            let what = source.kind == .series ? "a series" : source.isOfTexts ? "a text" : "images"
            throw GimbalError.invalidSetting(name: "folds", reason: "is for tables; \(source.path) holds \(what)")
        }
        guard first != nil || data.test == nil else {
            throw GimbalError.invalidSetting(
                name: "folds", reason: "are the test parts, one after another; leave --test out")
        }
        let parent = runDir ?? newPath(in: "runs", data: source.path)
        var results: [RunResult] = []
        for number in 0..<count {
            let path = CrossValidation.path(of: number + 1, in: parent)
            results.append(try train(in: path, on: device, fold: SplitPlan.Fold(number, of: count)))
        }
        guard CommandRanks.isFirst else { return }
        let summary = CrossValidation(results)
        try summary.write(to: parent)
        try json ? printJSON(CrossValidationLine(summary: summary, runDirectory: parent)) : printLine("\(summary)")
    }

    /// What a run needs before its first step.
    private struct Prepared {
        var run: RecipeRun
        var parts: DataParts
        var device: Device
        /// The first rank's alone.
        var folder: RunFolder?
        var isResumed: Bool
    }

    /// - Parameters:
    ///   - runDir: the folder of the run; nil for one of the time's name.
    ///   - device: its name; nil for the usual one.
    ///   - fold: of a cross-validation; nil for no such.
    ///   - attachments: texts for the run's folder, by the name of the file.
    @discardableResult
    private func train(
        in runDir: String?, on device: String?, fold: SplitPlan.Fold? = nil, attachments: [String: String] = [:]
    ) throws -> RunResult {
        let prepared = try CommandRanks.preparing {
            try prepare(in: runDir, on: device, fold: fold, attachments: attachments)
        }
        let (run, parts, device, folder) = (prepared.run, prepared.parts, prepared.device, prepared.folder)
        if let fold, !json { try printLine("fold \(fold.number + 1) of \(fold.count)") }
        let trainer = run.trainer
        let display = TrainingDisplay(
            isJSON: json, stepsInEpoch: trainer.maxSteps == nil ? trainer.stepsPerEpoch : nil)
        if CommandRanks.isFirst { trainer.callbacks = [display, TensorBoardLog(histogramInterval: histograms)] }
        try introduce(parts)
        if parts.test.isCountExact, parts.test.count == 0 {
            printNotice("note: nothing is held back to test: the run ends without test figures; see --test")
        }
        for note in run.pretrainingNotes { printNotice("warning: \(note)") }
        if !json { try introduce(run, parts: parts, device: device, folder: folder) }
        if prepared.isResumed { sayWhatIsLeft(of: trainer) }

        // Of ranks that are threads, each takes over the signals of all.
        let interruption = Interruption(isQuiet: !CommandRanks.isFirst && CommandRanks.launchedCount > 1)
        let outcome: TrainingOutcome
        do {
            outcome = try trainer.run { interruption.isRequested || parent.map { getppid() != $0 } ?? false }
        } catch {
            display.endLine()
            // What was seen until then, and what it failed with.
            if let folder { try? Report(RunSummary(folder: folder.path)).write(to: folder.reportPath) }
            throw error
        }
        display.endLine()
        interruption.end()
        // What came while the last step was saved has been answered by a word, and nothing is left to save.
        if outcome == .interrupted || interruption.isRequested {
            if let folder {
                printNotice(
                    "interrupted after step \(trainer.progress.step) and saved; go on with: "
                        + wayOn(folder: folder, device: device))
            }
            throw ExitCode(130)
        }
        let evaluation = try run.test(on: parts.test)
        let result = RunResult(run, test: evaluation)
        guard let folder else { return result }
        try result.write(to: folder)
        try Report(RunSummary(folder: folder.path)).write(to: folder.reportPath)
        var line = try TrainingResult(run, test: evaluation, folder: folder, device: device)
        if !parts.baselines.isEmpty { line.baselines = parts.baselines }
        try json ? printJSON(line) : printLine(line.line)
        if !json, !parts.baselines.isEmpty { try printLine(ForecastComparison(evaluation, parts).text) }
        return result
    }

    private func prepare(
        in runDir: String?, on device: String?, fold: SplitPlan.Fold?, attachments: [String: String]
    ) throws -> Prepared {
        // Before anything of it is read: another run may be using it, and removing what it no longer needs.
        let isFirst = CommandRanks.isFirst
        let held =
            try resume && isFirst ? runDir.flatMap { try RunFolder.isRun(at: $0) ? RunFolder(path: $0) : nil } : nil
        let (saved, checkpoint) = try runToResume(in: runDir)
        if let fold, let saved, let runDir, saved.recipe.data.plan.fold != fold {
            let begun = saved.recipe.data.plan.fold.map { "as fold \($0.number + 1) of \($0.count)" } ?? "without folds"
            throw GimbalError.invalidSetting(
                name: "folds", reason: "the run in \(runDir) began \(begun), which cannot be changed")
        }
        var plan = try data.plan(resuming: saved?.recipe.data)
        let source = try data.source(of: saved?.recipe.data, for: model.kind)
        let isTable = source.isOfRows
        var trainingSettings = try training.settings(
            resuming: saved?.recipe.training, for: model.kind, isTable: isTable,
            validates: plan.validationFraction != nil || plan.validationPath != nil)
        // The recipe knows the whole batch, so that it is the same on another number of ranks.
        if saved == nil, training.course.batchSize == nil { trainingSettings.batchSize *= CommandRanks.size }
        (plan.seed, plan.fold) = (trainingSettings.seed, fold)
        let parts = try hintingAtTexts(source) {
            try saved.map { try source.parts(continuing: $0.recipe.data) } ?? source.parts(plan)
        }
        if isFirst, let writeSplit = data.writeSplit { try write(parts.record, to: writeSplit) }
        let recipe = Recipe(
            model: try model.settings(for: parts.train, isTable: isTable, resuming: saved?.recipe.model),
            training: trainingSettings, data: parts.record)
        for note in training.unused(in: recipe.training) + model.unused(in: recipe.model) {
            printNotice("note: \(note)")
        }
        let device = try DeviceOptions.chosen(device, continuing: saved?.starts.last)
        if let notice = trainingSettings.precision.use(on: device) { printNotice(notice) }
        let run = try recipe.makeRun(
            train: parts.train, validation: parts.validation, device: device, continuing: saved?.starts ?? [],
            command: CommandRanks.launchingWords + CommandLine.arguments, loadsPretrained: checkpoint == nil,
            shardedOver: ranks.shardOptimizer ? CommandRanks.current : nil,
            ranks: ranks.syncBatchNorm ? 1 : CommandRanks.size)
        let trainer = run.trainer
        if let exchange = CommandRanks.current {
            (trainer.exchange, trainer.exchangeSettings, trainer.testExamples) = (exchange, ranks.settings, parts.test)
            if ranks.syncBatchNorm { run.model.synchronizeBatchNorm(exchange) }
            trainer.sameOnRanks = [("settings of the model", run.recipe.model), ("settings", run.recipe.training)]
            if !ranks.syncBatchNorm, run.model.modules.contains(where: { $0 is BatchNorm }) {
                printNotice(
                    "note: each rank normalises batches by its own rows; --sync-batch-norm does by those of all, as one "
                        + "rank would")
            }
        }
        try refuseBlindChoices(trainer, trainingSettings)
        for note in training.unused(in: trainer) { printNotice("note: \(note)") }
        trainer.attachments.merge(attachments) { $1 }
        trainer.checkpointInterval = checkpointEvery
        trainer.pauseEpoch = pauseEpoch
        trainer.leastSaveInterval = .seconds(saveSeconds)
        if doctor { trainer.examinesFirst = true } else { trainer.doctor = nil }
        if let checkpoint { try trainer.resume(from: checkpoint) }
        // Only now that nothing is left to refuse: a mistake in an option leaves no folder behind.
        if isFirst { trainer.folder = try held ?? RunFolder(path: runDir ?? newPath(in: "runs", data: source.path)) }
        return Prepared(
            run: run, parts: parts, device: device, folder: trainer.folder, isResumed: checkpoint != nil)
    }

    /// A text is no table: who gives one without a model that reads it is told of those that do.
    private func hintingAtTexts(_ source: DataSource, _ read: () throws -> DataParts) throws -> DataParts {
        do { return try read() } catch GimbalError.invalidFile(let path, let reason)
            where source.kind == .table && path.hasSuffix(".txt")
        {
            throw GimbalError.invalidFile(
                path: path, reason: reason + "; a text is learnt by --model lstm-lm, gru-lm or transformer-lm")
        }
    }

    /// A choice that looks at validation data needs some.
    private func refuseBlindChoices(_ trainer: Trainer<Batch>, _ settings: TrainingSettings) throws {
        guard trainer.evaluation == nil else { return }
        let cause = settings.patience != nil ? "patience" : settings.schedule == .plateau ? "schedule" : nil
        if let cause {
            throw GimbalError.invalidSetting(
                name: cause,
                reason: "looks at validation data, of which there is none; see `validationFraction`")
        }
    }

    /// Why a run that is taken up does not train, where that is so, and how it would.
    private func sayWhatIsLeft(of trainer: Trainer<Batch>) {
        let progress = trainer.progress
        if progress.hasStopped, let stopping = progress.stopping {
            printNotice(
                "the run was stopped early after epoch \(progress.epoch): epoch \((stopping.bestEpoch ?? -1) + 1) was the "
                    + "best, and \(counted(stopping.badCount, "epoch")) after it \(stopping.badCount == 1 ? "was" : "were") not better; go on with a larger "
                    + "--early-stopping, or with --early-stopping 0")
        } else if progress.epoch >= trainer.settings.epochs {
            printNotice(
                "the run has had its \(counted(progress.epoch, "epoch")); go on with a larger --epochs")
        } else if let maxSteps = trainer.maxSteps, progress.step >= maxSteps {
            printNotice(
                "the run has had its \(counted(progress.step, "step")); go on with a larger --max-steps, or with --max-steps 0"
            )
        }
    }

    private static func isTaken(_ runDir: String) -> GimbalError {
        .invalidSetting(
            name: "--run-dir",
            reason: "\(shown(runDir, limit: 200)) holds a run; add --resume to go on with it, or name another folder")
    }

    /// Makes sure that a new run can have the folder, before much is done for it.
    static func requireNew(_ runDir: String) throws {
        if try RunFolder.newestCheckpoint(at: runDir) != runDir { throw isTaken(runDir) }
        try RunFolder.requireNoFile(at: runDir)
    }

    /// The run to go on with and its newest checkpoint. Of a run that ended before it saved one there is the record alone;
    /// of a new run, neither.
    private func runToResume(in runDir: String?) throws -> (record: RunRecord?, checkpoint: Checkpoint?) {
        guard let runDir else { return (nil, nil) }
        let newest = try RunFolder.newestCheckpoint(at: runDir)
        guard newest != runDir else {
            guard resume else { return (nil, nil) }
            let record = try RunRecord.exists(in: runDir) ? RunRecord(path: runDir) : nil
            guard record != nil || data.data != nil else {
                throw GimbalError.invalidSetting(
                    name: "--resume",
                    reason: try !CrossValidation.runs(in: runDir).isEmpty
                        ? "\(runDir) holds the folds of a cross-validation: repeat its command, with --resume, or go on with "
                            + "one of them by --run-dir \(runDir)/fold-1"
                        : "there is no run in \(runDir) to go on with; name its folder, or --data to begin a run there")
            }
            printNotice("no checkpoint in \(runDir): starting from the beginning")
            return (record, nil)
        }
        guard resume else { throw Self.isTaken(runDir) }
        return try RunFolder.withNewestCheckpoint(at: runDir) { path in
            let checkpoint = try Checkpoint(path: path)
            try checkpoint.requireFiles()
            return (try RunRecord(of: checkpoint), checkpoint)
        }
    }

    /// The part of each row of a table, for comparisons with other programs on the same rows.
    private func write(_ data: DataRecord, to path: String) throws {
        guard let table = data.table, let file = data.path else {
            throw GimbalError.invalidSetting(name: "--write-split", reason: "is for tables")
        }
        try requireOutput(path, "--write-split", inputs: data.files, kind: .parts)
        let rows = try table.schema.rows(path: file, options: self.data.table.options())
        try AtomicFile.write(to: path) { writer in
            while try rows.next() { try writer.write(rows.part(of: table.split).rawValue + "\n") }
        }
    }

    /// The command that goes on with this run, with the same bits if the device is the same.
    private func wayOn(folder: RunFolder, device: Device) -> String {
        // The folds that have not begun are in no folder yet.
        guard folds == nil else {
            let parent = URL(fileURLWithPath: folder.path).deletingLastPathComponent().relativePath
            return shellCommand(
                ["gimbal"] + CommandLine.arguments.dropFirst() + (runDir == nil ? ["--run-dir", parent] : [])
                    + (resume ? [] : ["--resume"]))
        }
        var words = CommandRanks.launchingWords + ["gimbal", "train", "--resume", "--run-dir", folder.path]
        words += ["--device", CommandRanks.size > 1 ? self.device.device ?? device.id : device.id] + ranks.words
        // The run knows its data, but for where it lies now.
        if let given = data.data, resume { words += ["--data", given] }
        if let folder = data.dataDir, resume { words += ["--data-dir", folder] }
        if let checkpointEvery { words += ["--checkpoint-every", "\(checkpointEvery)"] }
        if let histograms { words += ["--histograms", "\(histograms)"] }
        return shellCommand(words)
    }

    /// What was read, and what of it is doubtful.
    private func introduce(_ parts: DataParts) throws {
        if !json, let profile = parts.profile {
            try printLine("\(profile)\n")
            for note in parts.notes { printNotice("note: \(note)") }
        } else {
            for remark in parts.remarks { printNotice(remark) }
        }
    }

    private func introduce(
        _ run: RecipeRun, parts: DataParts, device: Device, folder: RunFolder?
    ) throws {
        try printLine(run.summary)
        let validation = parts.validation.map { ", \($0.count) to validate on" } ?? ""
        try printLine(
            "\(parts.train.isCountExact ? "" : "about ")\(parts.train.count) samples to train on\(validation), \(parts.test.count) to test on; device \(device.id): "
                + "\(device.description.name); run \(folder?.path ?? "")")
        if CommandRanks.size > 1 {
            let batch = run.recipe.training.batchSize
            try printLine(
                "\(CommandRanks.size) ranks, batches of \(batch): \(batch / CommandRanks.size) samples for each")
        }
        if let text = parts.record.text {
            try printLine(
                "\(text.tokenizerName), a vocabulary of \(parts.train.outputCount), up to \(text.length) in a sample; losses are in nats a token"
            )
        }
        for note in device.description.notes { printNotice("note: \(note)") }
        if let report = run.pretraining { try printLine(report.summary(partial: run.partlyPretrained)) }
        let (step, steps) = (run.trainer.progress.step, run.trainer.totalSteps ?? 0)
        if step > 0, step < steps { try printLine("resuming after step \(step) of \(steps)") }
    }
}

/// The line a cross-validation ends with.
private struct CrossValidationLine: Encodable {
    var summary: CrossValidation
    var runDirectory: String

    private enum Key: String, CodingKey { case event, runDirectory }

    func encode(to encoder: any Encoder) throws {
        try summary.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode("crossValidation", forKey: .event)
        try container.encode(runDirectory, forKey: .runDirectory)
    }
}

extension LoadReport {
    /// What was loaded, and what begins anew, in a line.
    /// - Parameter partial: tensors of which some rows were loaded.
    fileprivate func summary(partial: [String]) -> String {
        let anew = missing + misshaped
        let count = loaded.count + partial.count + anew.count + unreadable.count
        var line = "begins with \(loaded.count) of \(count) tensors of \(path)"
        if !partial.isEmpty { line += "; in part: \(listed(partial))" }
        if !anew.isEmpty { line += "; anew: \(listed(anew, length: 80))" }
        if !unexpected.isEmpty { line += "; not in the model: \(listed(unexpected))" }
        return line
    }
}

/// The line a run ends with. What was not measured is absent.
struct TrainingResult: Encodable {
    var event = "result"
    /// Of a classifier.
    var testAccuracy: Double?
    /// Of a regression.
    var testR2: Double?
    /// Of a regression, in the units of the data.
    var testRMSE: Double?
    var testLoss: Double?
    /// Of tokens: exp of the mean cross-entropy, and, of a text, bits for each character.
    var testPerplexity: Double?
    var testBitsPerCharacter: Double?
    /// Of pairs of texts, in 0...100.
    var testBLEU: Double?
    /// Of a forecast: those that need no model.
    var baselines: [ForecastBaseline]?
    /// With the best weights, where there are any.
    var validationLoss: Double?
    /// Of the last epoch.
    var trainLoss: Double?
    /// Which weights were tested, and are the checkpoint's.
    var weights: WeightChoice
    /// The epoch of the best weights.
    var bestEpoch: Int?
    var steps: Int
    /// Of float16: steps left out because a gradient overflowed, and the scale at the end.
    var skippedSteps: Int?
    var lossScale: Double?
    /// In training steps; evaluation and saving not counted.
    var seconds: Double
    var samplesPerSecond: Double
    /// The share of those seconds in which a step waited for its batch.
    var waitingShare: Double
    /// The most memory that the process has had in use on the host.
    var peakMemoryBytes: Int
    var device: String
    var runDirectory: String
    var checkpoint: String?
    var report: String

    init(_ run: RecipeRun, test: Evaluation, folder: RunFolder, device: Device) throws {
        let trainer = run.trainer
        let scaling = try trainer.lossScaling()
        testAccuracy = test.accuracy?.ifFinite
        testR2 = test.figures["r2"]?.ifFinite
        testRMSE = test.regression?.rootMeanSquaredError.ifFinite
        testLoss = test.loss?.ifFinite
        testPerplexity = test.text?.perplexity.ifFinite
        testBitsPerCharacter = test.text?.bitsPerCharacter?.ifFinite
        testBLEU = test.text?.bleu
        weights = trainer.weights.kind(for: trainer.settings.weights)
        if weights == .best {
            validationLoss = trainer.progress.best?.value.ifFinite
            bestEpoch = trainer.progress.best?.epoch
        }
        trainLoss = trainer.trainLoss?.ifFinite
        steps = trainer.progress.step
        skippedSteps = scaling?.skippedSteps
        lossScale = scaling?.scale
        seconds = trainer.trainingSeconds
        samplesPerSecond = seconds > 0 ? Double(trainer.trainedSamples) / seconds : 0
        waitingShare = seconds > 0 ? trainer.waitingSeconds / seconds : 0
        peakMemoryBytes = GimbalCommand.peakMemoryBytes()
        self.device = device.id
        runDirectory = folder.path
        checkpoint = try folder.checkpoints.last
        report = folder.reportPath
    }

    var line: String {
        var parts = testRMSE == nil ? ["testAccuracy \(decimal(testAccuracy))"] : ["testR2 \(decimal(testR2))"]
        if let skippedSteps { parts.append("skippedSteps \(skippedSteps)") }
        if let lossScale { parts.append("lossScale \(lossScale)") }
        parts.append("testLoss \(decimal(testLoss))")
        if let testPerplexity { parts.append("testPerplexity \(decimal(testPerplexity))") }
        if let testBitsPerCharacter { parts.append("testBitsPerCharacter \(decimal(testBitsPerCharacter))") }
        if let testBLEU { parts.append("testBLEU \(decimal(testBLEU))") }
        if let validationLoss { parts.append("validationLoss \(decimal(validationLoss))") }
        parts += ["trainLoss \(decimal(trainLoss))", "weights \(weights.rawValue)"]
        if let bestEpoch { parts.append("bestEpoch \(bestEpoch)") }
        parts.append("steps \(steps)")
        parts.append(
            String(
                format: "seconds %.2f  samplesPerSecond %.0f  waitingShare %.3f", seconds, samplesPerSecond,
                waitingShare))
        parts += ["peakMemoryBytes \(peakMemoryBytes)", "device \(device)"]
        parts.append("report \(shown(report, limit: 400))")
        return parts.joined(separator: "  ")
    }
}

/// The high-water mark of this process's resident memory; 0 where the system does not tell.
func peakMemoryBytes() -> Int {
    guard let status = systemFileText("/proc/self/status"),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
        let kibibytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
    else { return 0 }
    return kibibytes * 1024
}

extension DataParts {
    /// What is doubtful in what was read, a line each.
    var remarks: [String] {
        (profile?.warnings ?? []).map { "warning: \($0)" } + ((profile?.notes ?? []) + notes).map { "note: \($0)" }
    }
}
