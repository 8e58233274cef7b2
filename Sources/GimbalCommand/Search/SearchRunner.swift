import Foundation
import GimbalCPU
import GimbalTrain

/// Trains the trials of a search side by side, until it is over or has to stop.
final class SearchRunner {
    /// Why there is nothing more to do for now.
    enum Outcome { case finished, interrupted, outOfTime }

    private struct Running {
        var process: TrialProcess
        var began: ContinuousClock.Instant
    }

    private let folder: SearchFolder
    private let parallel: Int
    private let threads: Int
    private let timeLimit: Duration?
    private let display: SearchDisplay
    private let points: [[String]]
    /// How many results there will be.
    private let total: Int
    /// What can be trained after the results so far: to work it out takes longer than a look at the trials.
    private var steps: [SearchPlan.Step]
    private var running: [SearchPlan.Step: Running] = [:]
    private let began = ContinuousClock.now
    /// What the search had taken before it was gone on with.
    private let earlier: Double
    private var hasSaidToWait = false

    /// - Parameters:
    ///   - folder: of the search.
    ///   - parallel: trials that are trained at a time.
    ///   - timeLimit: after which trials are stopped; nil for none.
    ///   - display: is told what comes.
    init(_ folder: SearchFolder, parallel: Int, timeLimit: Duration?, display: SearchDisplay) {
        (self.folder, self.parallel, self.timeLimit, self.display) = (folder, parallel, timeLimit, display)
        let plan = folder.record.plan
        points = plan.points
        total = plan.rungs.reduce(0) { $0 + $1.trials }
        steps = plan.steps(after: folder.results)
        earlier = folder.results.map(\.elapsed).max() ?? 0
        let given = CPUSettings.threads(in: ProcessInfo.processInfo.environment)
        threads = max(1, (given ?? ProcessInfo.processInfo.activeProcessorCount) / parallel)
    }

    private var elapsed: Double { earlier + (ContinuousClock.now - began).seconds }

    /// - Throws: `GimbalError.fileSystem`, such as for a full disk; trials are stopped then, and what they had saved is kept.
    func run() throws -> Outcome {
        let interruption = Interruption()
        defer { interruption.end() }
        do {
            while true {
                if interruption.isRequested { return try stop(.interrupted) }
                if let timeLimit, ContinuousClock.now - began >= timeLimit { return try stop(.outOfTime) }
                let open = steps.filter { running[$0] == nil }
                if open.isEmpty && running.isEmpty { return .finished }
                for step in open where running.count < parallel { try begin(step) }
                try takeEnded(isStopping: false)
                display.show(folder, of: total, running: running.count, elapsed: elapsed)
                usleep(Self.pause)
            }
        } catch {
            // What failed is told, not what failed after it.
            _ = try? stop(.interrupted)
            throw error
        }
    }

    /// Microseconds between two looks at the trials.
    private static let pause: UInt32 = 5_000

    /// Lets all trials save and leave.
    private func stop(_ outcome: Outcome) throws -> Outcome {
        for trial in running.values { trial.process.interrupt() }
        while !running.isEmpty {
            try takeEnded(isStopping: true)
            usleep(Self.pause)
        }
        return outcome
    }

    // MARK: One trial

    private func logPath(_ trial: Int) -> String { folder.trialPath(trial) + ".log" }

    private func begin(_ step: SearchPlan.Step) throws {
        let path = folder.trialPath(step.trial)
        // Of a search that was killed: it leaves when it has noticed.
        if try RunState(folder: path, steps: 0) == .running {
            if !hasSaidToWait { display.say("waiting for a trial of the search that was killed to save and leave") }
            hasSaidToWait = true
            return
        }
        if let progress = try Self.progress(of: path), progress.isOver || progress.epochs >= step.epochs {
            // It had come so far when the search was killed, or needs no more epochs.
            if try !progress.isOver || isThere(path + "/result.json") {
                return try add(step, seconds: 0, failure: nil)
            }
        }
        var arguments = folder.record.trainArguments(points[step.trial - 1])
        if try RunRecord.exists(in: path) {
            let device = try RunRecord(path: path).starts.last?.device
            arguments = ["train", "--resume"] + (device.map { ["--device", $0] } ?? [])
        } else if try RunFolder.isRun(at: path) {
            arguments.append("--resume")
        }
        arguments += ["--run-dir", path, "--no-doctor", "--json", "--parent", "\(getpid())"]
        // A trial that is killed loses little, and one whose epochs are short does not wait for the disk.
        arguments += ["--save-seconds", "10"]
        if step.epochs < folder.record.plan.epochs { arguments += ["--pause-epoch", "\(step.epochs)"] }
        // OpenBLAS computes in Gimbal's threads, however many there are with the same bits. PoCL's own are left alone: what it
        // computes depends on them.
        let environment = ["GIMBAL_THREADS": "\(threads)"]
        running[step] = Running(
            process: try TrialProcess(
                arguments, environment: environment, errors: logPath(step.trial)),
            began: .now)
    }

    /// Takes up what the trials that have ended came to.
    private func takeEnded(isStopping: Bool) throws {
        for (step, trial) in running.sorted(by: { $0.key.trial < $1.key.trial }) {
            guard let end = trial.process.poll() else { continue }
            running[step] = nil
            let seconds = (ContinuousClock.now - trial.began).seconds
            switch end {
            case .status(0): try add(step, seconds: seconds, failure: nil)
            case .status(130):
                // By the search, or from elsewhere: then it is begun again.
                let epochs = try Self.progress(of: folder.trialPath(step.trial))?.epochs ?? 0
                if epochs >= step.epochs { try add(step, seconds: seconds, failure: nil) }
            case .signal(let signal):
                if !isStopping { try add(step, seconds: seconds, failure: "was ended by signal \(signal)") }
            case .status(let status):
                let reason = try reason(of: step.trial) ?? "ended with status \(status)"
                // One of a search that was killed has begun meanwhile: it is waited for while it runs, and then gone on with.
                if !["another run is using it", "holds a run; add --resume"].contains(where: reason.contains) {
                    try add(step, seconds: seconds, failure: reason)
                }
            }
        }
    }

    /// What a trial failed with, in a line.
    /// - Throws: `GimbalError.fileSystem` for a full disk, which is no fault of the trial.
    private func reason(of trial: Int) throws -> String? {
        let text = (try? String(contentsOfFile: logPath(trial), encoding: .utf8)) ?? ""
        guard let line = text.split(separator: "\n").last(where: { $0.hasPrefix("Error: ") }) else { return nil }
        let reason = String(line.dropFirst("Error: ".count))
        for code in [ENOSPC, EDQUOT, EFBIG] {
            let cause = String(cString: strerror(code))
            guard !reason.contains(cause) else {
                throw GimbalError.fileSystem(operation: "write", path: folder.trialPath(trial), reason: cause)
            }
        }
        return reason
    }

    private func add(_ step: SearchPlan.Step, seconds: Double, failure: String?) throws {
        var result = TrialResult(
            trial: step.trial, rung: step.rung, epochs: 0, figures: [:], seconds: seconds, elapsed: elapsed,
            failure: failure)
        if let progress = try Self.progress(of: folder.trialPath(step.trial)) {
            (result.epochs, result.epoch, result.figures) = (progress.epochs, progress.epoch, progress.figures)
        }
        if result.failure == nil, result.figures["loss"] == nil {
            result.failure = "its validation loss was not finite"
        }
        try folder.add(result)
        steps = folder.record.plan.steps(after: folder.results)
        if result.failure == nil { try? FileManager.default.removeItem(atPath: logPath(step.trial)) }
        try display.add(result, folder.record.plan.space, points[step.trial - 1])
    }

    /// How far a run has come, and what its weights came to on the validation data.
    private struct Progress {
        var epochs: Int
        var epoch: Int?
        var figures: Figures
        /// Whether there are no more epochs for it.
        var isOver: Bool
    }

    /// Nil for a run that has saved nothing.
    private static func progress(of path: String) throws -> Progress? {
        let newest = try RunFolder.newestCheckpoint(at: path)
        guard newest != path, let manifest = try? Checkpoint(path: newest).manifest else { return nil }
        let progress = manifest.progress
        let epoch = manifest.chosenWeights().epoch ?? progress.history.last?.epoch
        let figures = progress.history.first { $0.epoch == epoch }?.validation ?? [:]
        return Progress(
            epochs: progress.epoch, epoch: epoch, figures: figures.filter(\.value.isFinite),
            isOver: progress.hasStopped || progress.epoch >= manifest.settings.epochs)
    }
}
