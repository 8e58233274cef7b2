import ArgumentParser
import Foundation
import GimbalTrain

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Tests a trained model.",
        discussion: """
            Of the data that was trained on, only the rows that were held back are tested; of another table, all rows. \
            Columns are found by name.
            """)

    @Option(
        help: ArgumentHelp("A checkpoint, or the folder of a run, whose newest is taken.", valueName: "dir"),
        completion: .directory)
    var checkpoint: String
    @OptionGroup var data: DataOptions
    @OptionGroup var device: DeviceOptions
    @Option(
        help:
            "The part of the run's data to test on; all is for tables. Of other data than the run's, all is tested.")
    var part = EvaluatedPart.test
    @Option(
        help:
            "Which of the run's weights to test: the best by validation loss, the moving average, or the last. (default: as in training)"
    )
    var weights: WeightChoice?
    @Option(help: "What products are computed in. (default: as in training)")
    var precision: Precision?
    @Option(help: "Samples in a batch. (default: \(Defaults.byKind { $0.evaluationBatchSize }))")
    var batchSize: Int?
    @Option(
        help: ArgumentHelp(
            "Write a page with the numbers and, for a classifier, its ROC, precision-recall and reliability curves.",
            valueName: "FILE.html"),
        completion: .file())
    var report: String?
    @Flag(help: "Print one JSON object on standard output, and nothing else there.")
    var json = false

    func validate() throws {
        if (batchSize ?? 1) < 1 { throw ValidationError("--batch-size must be positive") }
    }

    func run() throws { try SettingFlags.translating(evaluate) }

    private func evaluate() throws {
        let device = try device.chosen()
        if let fold = try CrossValidation.runs(in: checkpoint).first {
            throw GimbalError.invalidSetting(
                name: "--checkpoint",
                reason:
                    "\(checkpoint) holds the folds of a cross-validation, each tested on rows that the others were trained "
                    + "on: name one of them, such as \(fold); gimbal inspect \(checkpoint) tells what they came to")
        }
        let run = try SavedRun(checkpoint, weights: weights, device: device)
        let (checkpoint, recipe, model) = (run.checkpoint, run.record.recipe, run.model)
        let source = try data.source(of: recipe.data)
        if let report { try requireOutput(report, "--report", inputs: [source.path] + recipe.data.files, kind: .page) }
        let (test, notes) = try source.evaluationData(of: recipe.data, part: part.part)
        for note in notes { printNotice("note: \(note)") }
        guard test.count > 0 else {
            throw GimbalError.invalidSetting(
                name: "--part",
                reason: "nothing of \(shown(test.name)) is held back as the \(part.rawValue) part: there is nothing to "
                    + "measure")
        }
        try recipe.model.requireFit(test, "the model of \(checkpoint.path)", name: "data")
        let precision = precision ?? recipe.training.precision
        if let notice = precision.use(on: device) { printNotice(notice) }
        // By the same way as in training, so that the figures are the same to the last digit.
        let trained = try recipe.test(model, on: test, batchSize: batchSize, precision: precision)
        let batchSize = batchSize ?? recipe.model.evaluationBatchSize
        var output: EvaluationOutput
        switch recipe.model.task {
        case .classification:
            let found = try withPrecision(precision) {
                try ClassificationReport(
                    of: model, on: test, sampleShape: recipe.model.sampleShape, batchSize: batchSize, device: device)
            }
            output = EvaluationOutput(
                found, loss: trained.loss, text: found.text(loss: trained.loss),
                sections: found.sections(part: part.rawValue))
        case .regression:
            guard let scores = trained.regression else { preconditionFailure("numbers have scores") }
            let found = RegressionReport(scores)
            let head = "r2 \(decimal(found.determination))  loss \(decimal(trained.loss))  samples \(found.samples)"
            output = EvaluationOutput(
                found, loss: trained.loss, text: head + "\n\n" + found.description,
                sections: found.sections(part: part.rawValue))
        case .tokens:
            guard let scores = trained.text else { preconditionFailure("tokens have scores") }
            let found = TextReport(scores)
            output = EvaluationOutput(
                found, loss: trained.loss, text: found.text(loss: trained.loss),
                sections: found.sections(part: part.rawValue))
        }
        output.classNames = test.classNames
        output.device = device.id
        output.part = part
        output.weights = checkpoint.manifest.chosenWeights(weights)
        if let report { try output.page(data: test.name, checkpoint: checkpoint.path).write(to: report) }
        try json ? printJSON(output) : printLine(output.text)
    }
}

/// What is evaluated.
enum EvaluatedPart: String, ExpressibleByArgument, CaseIterable {
    case test, validation, training, all

    /// Nil for all of them.
    var part: TableSplit.Part? { TableSplit.Part(rawValue: rawValue) }
}

/// What an evaluation found: as one flat JSON object, as text, and as a page.
private struct EvaluationOutput: Encodable {
    private let found: any Encodable
    /// What is trained with: with label smoothing, and of a regression over standardised targets.
    private let loss: Double?
    let text: String
    private let sections: [(title: String, body: String)]
    var classNames: [String] = []
    var device = ""
    var part = EvaluatedPart.test
    var weights: ChosenWeights?

    init(_ found: any Encodable, loss: Double?, text: String, sections: [(title: String, body: String)]) {
        self.found = found
        self.loss = loss
        self.text = text
        self.sections = sections
    }

    /// The page of an evaluation of `checkpoint` on the data called `data`.
    func page(data: String, checkpoint: String) -> Page {
        var facts = RunFacts(name: checkpoint)
        (facts.data, facts.date, facts.device, facts.version) = (data, Date(), device, gimbalVersion)
        facts.command = shellCommand(["gimbal"] + CommandLine.arguments.dropFirst())
        let rows = facts.rows + (weights.map { [("weights", $0.description)] } ?? [])
        return Page(title: "Evaluation of \(shown(checkpoint, limit: 200))", facts: rows, sections: sections)
    }

    private enum Key: String, CodingKey { case event, part, loss, classNames, device, weights }

    func encode(to encoder: any Encoder) throws {
        try found.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode("evaluation", forKey: .event)
        try container.encode(part.rawValue, forKey: .part)
        try container.encodeIfPresent(loss?.ifFinite, forKey: .loss)
        if !classNames.isEmpty, classNames.count <= ClassificationReport.classLimit {
            try container.encode(classNames, forKey: .classNames)
        }
        try container.encode(device, forKey: .device)
        try container.encodeIfPresent(weights, forKey: .weights)
    }
}

/// What an evaluation of a model of texts tells.
private struct TextReport: Encodable {
    var accuracy: Double?
    var perplexity: Double?
    var bitsPerCharacter: Double?
    /// Of pairs of texts, in 0...100.
    var bleu: Double?
    var tokens: Int
    var characters: Int?

    init(_ scores: TokenScores) {
        (tokens, characters) = (scores.tokenCount, scores.characterCount)
        accuracy = scores.accuracy.ifFinite
        perplexity = scores.perplexity.ifFinite
        bitsPerCharacter = scores.bitsPerCharacter?.ifFinite
        bleu = scores.bleu
    }

    /// Each figure by name.
    private func rows(loss: Double?) -> [(name: String, value: String)] {
        var rows = [("loss (nats a token)", decimal(loss)), ("perplexity", decimal(perplexity))]
        if let bitsPerCharacter { rows.append(("bits a character", decimal(bitsPerCharacter))) }
        if let bleu { rows.append(("BLEU", decimal(bleu))) }
        rows += [("accuracy", decimal(accuracy)), ("tokens", "\(tokens)")]
        if let characters { rows.append(("characters", "\(characters)")) }
        return rows
    }

    func text(loss: Double?) -> String { rows(loss: loss).map { "\($0.name) \($0.value)" }.joined(separator: "  ") }

    func sections(part: String) -> [(title: String, body: String)] {
        [
            (
                "Results on the \(part) data",
                Page.table(head: ["figure", "value"], rows(loss: nil).dropFirst().map { [$0.name, $0.value] })
            )
        ]
    }
}

extension ClassificationReport {
    /// The numbers, and the confusion matrix where it fits a screen.
    fileprivate func text(loss: Double?) -> String {
        let names = classes.map { shown($0.name, limit: 40) }
        let head = "accuracy \(decimal(accuracy))  loss \(decimal(loss))  samples \(samples)"
        guard names.count <= 20, let confusion else { return head + "\n\n" + description }
        let width = max(9, names.map(\.count).max() ?? 0) + 1
        func cell(_ text: String) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
        var lines = [head, "", "confusion: a row for each true class, a column for each predicted one"]
        lines.append(cell("") + names.map(cell).joined())
        for (name, row) in zip(names, confusion) { lines.append(cell(name) + row.map { cell("\($0)") }.joined()) }
        return (lines + ["", description]).joined(separator: "\n")
    }
}
