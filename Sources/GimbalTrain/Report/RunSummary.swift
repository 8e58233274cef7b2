import Foundation

/// What is told about one run, by value: what it was, how it went and what it came to. `Report` makes a page of one,
/// `RunComparison` of several.
public struct RunSummary: Sendable {
    /// What a run came to on one part of the data.
    public struct Part: Sendable {
        /// What the part is called: training, validation or test.
        public var name: String
        /// Figures, by the names that `metrics.csv` has them under: `loss`, `accuracy`, `r2`.
        public var figures: [String: Double]
        /// The scores of a classifier, where the part was evaluated.
        public var classes: ClassificationReport?
        /// The scores of a regression, where the part was evaluated.
        public var numbers: RegressionReport?

        /// The results on the part called `name`: all that is known, the rest is left out.
        public init(
            name: String, figures: [String: Double], classes: ClassificationReport? = nil,
            numbers: RegressionReport? = nil
        ) {
            self.name = name
            self.figures = figures
            self.classes = classes
            self.numbers = numbers
        }
    }

    /// What it was: its name, settings and all that stands at the head of its page.
    public var facts: RunFacts
    /// What was measured on the way.
    public var metrics: MetricsTable
    /// Why it went wrong, in the order in which that was found; empty where nothing was.
    public var findings: [Finding] = []
    /// What it failed with; nil where it did not.
    public var failure: String?
    /// How it was saved from divergence, in the order of time.
    public var recoveries: [Recovery] = []
    /// What its monitors saw of layers and parameters.
    package var health = HealthTable(csv: "")
    /// The spread of weights and gradients, where it was written.
    var histograms: [EventFile.HistogramAtStep] = []
    /// What it came to on each part of the data.
    public var parts: [Part]
    /// The weights that `parts` are of; nil where that is not known, and the results are those of the last epoch.
    public let weights: ChosenWeights?

    /// A run by what it was and what it measured, with the results of an epoch.
    /// - Parameters:
    ///   - facts: what it was.
    ///   - metrics: what was measured on the way.
    ///   - weights: those whose epoch is told; that of the last epoch unless given.
    public init(_ facts: RunFacts, metrics: MetricsTable, weights: ChosenWeights? = nil) {
        self.facts = facts
        self.metrics = metrics
        self.weights = weights
        let all = metrics.figures
        let names = ["train", "validation", "test"].filter { part in all.contains { $0.parts.contains(part) } }
        parts = names.map { part in
            let values = all.filter { $0.parts.contains(part) }.compactMap { figure -> (String, Double)? in
                let column = "\(part)_\(figure.name)"
                let value = weights?.epoch.map { metrics.value(column, epoch: $0) } ?? metrics.last(column)
                return value.map { (figure.name, $0) }
            }
            return Part(name: MetricsTable.title(ofPart: part), figures: Dictionary(values) { $1 })
        }
    }

    /// Reads a run's folder: its `run.json`, its `metrics.csv`, its newest checkpoint, what its doctor saw and found, and,
    /// where it has ended, its `result.json`. The run may be over, interrupted or still going on.
    /// - Throws: `GimbalError.fileSystem` for a folder that is not there or is no run's, `GimbalError.invalidFile` for a
    ///   manifest that cannot be read.
    public init(folder: String) throws {
        self = try RunFolder.withNewestCheckpoint(at: folder) { try RunSummary(folder: folder, checkpoint: $0) }
    }

    /// - Parameter checkpoint: the newest of the folder; the folder itself where there is none.
    private init(folder: String, checkpoint: String) throws {
        let metricsPath = folder + "/metrics.csv"
        let files = FileManager.default
        let isCheckpoint = try checkpoint != folder || Checkpoint.exists(at: folder)
        guard try isCheckpoint || isThere(metricsPath) || RunRecord.exists(in: folder) else {
            throw GimbalError.fileSystem(
                operation: "read", path: folder,
                reason: try isThere(folder)
                    ? "it holds neither metrics.csv nor a checkpoint; name the folder of a run"
                    : "there is no such folder; name the folder of a run")
        }
        let name = URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent
        let manifest = isCheckpoint ? try Checkpoint(path: checkpoint).manifest : nil
        // After the manifest: what is in a checkpoint was written to the table before.
        let metrics = try MetricsTable(path: metricsPath)
        // A run that has been gone on with has another end.
        let steps = [metrics.largest("step"), manifest?.progress.step].compactMap { $0 }.max()
        let result = try RunResult(folder: folder).flatMap { steps == nil || $0.steps == steps ? $0 : nil }
        self.init(RunFacts(name: name), metrics: metrics, weights: result?.weights ?? manifest?.chosenWeights())
        findings = try FindingsFile.findings(path: "\(folder)/\(FindingsFile.name)")
        failure = try RunFolder.failure(at: folder)
        recoveries = manifest?.progress.recoveries ?? []
        health = try HealthTable(path: "\(folder)/\(HealthTable.fileName)")
        histograms = try EventFile(folder: folder)?.histograms ?? []
        facts.path = folder
        facts.lastWritten = (try? files.attributesOfItem(atPath: metricsPath))?[.modificationDate] as? Date
        // A run of the command's has a record; one of a program's own, the trainer's settings alone.
        if try RunRecord.exists(in: folder) || RunRecord.exists(in: checkpoint) {
            facts.add(try RunRecord(path: folder))
        } else if let manifest {
            facts.settings = RunSettings.list(of: manifest.settings)
        }
        if let result { add(result) }
    }

    private mutating func add(_ result: RunResult) {
        (facts.seconds, facts.model) = (result.seconds, result.model)
        facts.ended = result.date
        // Over no samples there are no scores, and no figures.
        guard (result.classes?.samples ?? result.numbers?.samples ?? result.figures.count) > 0 else { return }
        parts.removeAll { $0.name == "test" }
        parts.append(
            Part(name: "test", figures: result.figures, classes: result.classes, numbers: result.numbers))
    }

    /// The part called `name`; nil for one that there are no results of.
    public func part(_ name: String) -> Part? { parts.first { $0.name == name } }
}
