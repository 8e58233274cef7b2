import ArgumentParser
import Foundation
import GimbalTrain

struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Finds settings that a model trains well with.",
        discussion: HelpTexts.search)

    @OptionGroup(title: "Search") var search: SearchOptions
    @OptionGroup var data: DataOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup var training: TrainingOptions
    @OptionGroup var device: DeviceOptions
    @Flag(help: "Print one JSON object per line on standard output, and nothing else there.")
    var json = false

    func validate() throws {
        if !search.resume && data.data == nil { throw ValidationError("--data is needed: what to train on") }
        if CommandRanks.launchedCount > 1 {
            throw ValidationError("the trials of a search train alone: start it without mpirun, or with one process")
        }
    }

    func run() throws { try SettingFlags.translating(find) }

    private func find() throws {
        let folder = try openFolder()
        let record = folder.record
        // Paths in its arguments are those of where it began.
        guard FileManager.default.changeCurrentDirectoryPath(record.directory) else {
            throw GimbalError.fileSystem(
                operation: "enter", path: record.directory, reason: "the search began there, and its paths start there")
        }
        if search.resume, !record.plan.steps(after: folder.results).isEmpty {
            let trial = try TrainCommand.parse(record.arguments)
            try record.requireSameData(try SearchDefinition.parts(trial.data, trial.model, trial.training).parts.record)
        }
        let parallel = try search.parallel ?? usualParallel(record)
        if !json { try introduce(folder, parallel: parallel) }
        let display = SearchDisplay(isJSON: json)
        let runner = SearchRunner(
            folder, parallel: parallel, timeLimit: search.timeLimit.map { .seconds($0 * 60) }, display: display)
        let outcome: SearchRunner.Outcome
        do { outcome = try runner.run() } catch {
            display.endLine()
            printNotice("what was found is in \(shown(folder.path, limit: 400)); go on with: \(wayOn(folder))")
            throw error
        }
        display.endLine()
        try tell(folder)
        switch outcome {
        case .finished: break
        case .outOfTime: printNotice("the time is over; go on with: \(wayOn(folder))")
        case .interrupted:
            printNotice("interrupted and saved; go on with: \(wayOn(folder))")
            throw ExitCode(130)
        }
        if outcome == .finished, record.plan.best(of: folder.results) == nil {
            throw GimbalError.invalidSetting(name: "--vary", reason: "led to no trial that could be judged; all failed")
        }
    }

    /// The folder of a new search, or of the one to go on with.
    private func openFolder() throws -> SearchFolder {
        let words = SearchOptions.definition(CommandLine.arguments.dropFirst(2))
        guard search.resume, let path = search.searchDir else {
            if let path = search.searchDir { try SearchFolder.requireNew(path) }
            let record = try SearchDefinition(
                options: search, data: data, model: model, training: training, device: device, words: words
            ).record()
            // Only now that nothing is left to refuse: a mistake in an option leaves no folder behind.
            return try SearchFolder(
                path: absolute(search.searchDir ?? newPath(in: "searches", data: data.data ?? "")), beginning: record)
        }
        let folder = try SearchFolder(resuming: absolute(path))
        // What is said once more is no change.
        let known = SearchOptions.groups(of: folder.record.definition)
        guard SearchOptions.groups(of: words).allSatisfy(known.contains) else {
            throw GimbalError.invalidSetting(
                name: "--resume",
                reason:
                    "the search began with \(shellCommand(folder.record.definition)), which cannot be changed; leave "
                    + "other options out")
        }
        return folder
    }

    /// One trial for each processor; another device has none to share.
    private func usualParallel(_ record: SearchRecord) throws -> Int {
        let device = try TrainCommand.parse(record.arguments).device.chosen()
        let cores = ProcessInfo.processInfo.activeProcessorCount
        return device.isOnHost ? min(cores, SearchOptions.mostParallel) : 1
    }

    private func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }

    private func wayOn(_ folder: SearchFolder) -> String {
        var words = ["gimbal", "search", "--resume", "--search-dir", folder.path]
        if let parallel = search.parallel { words += ["--parallel", "\(parallel)"] }
        if json { words.append("--json") }
        return shellCommand(words)
    }

    // MARK: What is said

    private func introduce(_ folder: SearchFolder, parallel: Int) throws {
        let plan = folder.record.plan
        let rungs = plan.rungs.map { "\($0.trials) for \(counted($0.epochs, "epoch"))" }
        for dimension in plan.space.dimensions {
            try printLine("  \(dimension)")
        }
        try printLine(
            "\(plan.method.rawValue): \(rungs.joined(separator: ", then ")); \(parallel) side by side; search \(folder.path)"
        )
        if !folder.results.isEmpty { try printLine("going on after \(folder.results.count) results") }
    }

    /// The trials, what won, and the page.
    private func tell(_ folder: SearchFolder) throws {
        let plan = folder.record.plan
        let best = plan.best(of: folder.results)
        let test = try best.flatMap { try RunResult(folder: folder.trialPath($0.trial)) }
        let report = SearchReport(folder.record, folder.results, test: test?.figures ?? [:])
        try report.write(to: folder.pagePath)
        guard !json else {
            return try printJSON(ResultLine(folder, best, test, command: report.command))
        }
        try printLine("\n" + report.table(limit: Self.shownTrials))
        guard let best, let command = report.command else { return }
        var line = "trial \(best.trial) won"
        if let test {
            line +=
                ": "
                + test.figures.inOrder.map { "\(partName("test", $0.name)) \(decimal($0.value))" }.joined(
                    separator: "  ")
        }
        try printLine("\n\(line)\nreport \(shown(folder.pagePath, limit: 400))\n\(command)")
    }

    private static let shownTrials = 30

    /// The line a search ends with.
    private struct ResultLine: Encodable {
        var event = "result"
        var trials: Int
        var results: Int
        var best: TrialLine?
        /// What the winner came to on the test data; absent before its run has ended.
        var test: Figures?
        var command: String?
        var arguments: [String]?
        var seconds: Double
        var searchDirectory: String
        var report: String

        init(_ folder: SearchFolder, _ best: TrialResult?, _ test: RunResult?, command: String?) {
            let (plan, points) = (folder.record.plan, folder.record.plan.points)
            (trials, results) = (points.count, folder.results.count)
            self.best = best.map { TrialLine($0, plan.space, points[$0.trial - 1]) }
            self.test = test?.figures.filter(\.value.isFinite)
            self.command = command
            arguments = best.map { folder.record.trainArguments(points[$0.trial - 1]) }
            seconds = folder.results.map(\.elapsed).max() ?? 0
            (searchDirectory, report) = (folder.path, folder.pagePath)
        }
    }
}
