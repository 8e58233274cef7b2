import ArgumentParser
import Foundation
import GimbalTrain

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Tests a trained classifier.",
        discussion: "Data that training split in two is split the same way again; only the test part is used.")

    @Option(help: ArgumentHelp("A checkpoint, or the folder of a run, whose newest is taken.", valueName: "dir"))
    var checkpoint: String
    @OptionGroup var data: DataOptions
    @OptionGroup var device: DeviceOptions
    @Option(help: "Samples in a batch.")
    var batchSize = 1000
    @Flag(help: "Print one JSON object on standard output, and nothing else there.")
    var json = false

    func validate() throws {
        if batchSize < 1 { throw ValidationError("--batch-size must be positive") }
    }

    func run() throws {
        let checkpoint = try Checkpoint(path: RunFolder.newestCheckpoint(at: checkpoint))
        let manifest = checkpoint.manifest
        let (_, test) = try data.load(seed: manifest.training.seed)
        guard manifest.model.inputs == test.featureCount && manifest.model.outputs == test.outputCount else {
            throw GimbalError.invalidSetting(
                name: "--data",
                reason: "the model of \(checkpoint.path) takes \(manifest.model.inputs) features and tells "
                    + "\(manifest.model.outputs) classes, \(test.name) has \(test.featureCount) and \(test.outputCount)"
            )
        }
        let device = try device.chosen()
        let model = manifest.model.makeModel(device: device)
        try checkpoint.restore(model: model)
        let evaluation = try Evaluation(of: model, on: test, batchSize: batchSize, device: device)
        let names = test.classNames
        if json {
            try printJSON(EvaluationLine(evaluation, names: names, samples: test.count, device: device.id))
        } else {
            try printLine(evaluation.text(names: names))
        }
    }
}

private struct EvaluationLine: Encodable {
    var event = "evaluation"
    var loss: Double
    var accuracy: Double
    var samples: Int
    var classNames: [String]
    /// A row for each true class, a column for each predicted one.
    var confusion: [[Int]]
    var classes: [ClassScores]
    var macro: ClassScores
    var micro: ClassScores
    var device: String

    init(_ evaluation: Evaluation, names: [String], samples: Int, device: String) {
        let confusion = evaluation.confusion
        loss = evaluation.loss
        accuracy = evaluation.accuracy
        self.samples = samples
        classNames = names
        self.confusion = (0..<confusion.classCount).map { truth in
            (0..<confusion.classCount).map { confusion[truth, $0] }
        }
        classes = confusion.classes
        macro = confusion.macro
        micro = confusion.micro
        self.device = device
    }
}

extension Evaluation {
    /// Loss, accuracy, the confusion matrix and the scores of each class, as tables.
    fileprivate func text(names: [String]) -> String {
        let width = max(9, names.map(\.count).max() ?? 0) + 1
        func cell(_ text: String) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
        func row(_ name: String, _ scores: ClassScores) -> String {
            cell(name) + [scores.precision, scores.recall, scores.f1].map { cell(String(format: "%.4f", $0)) }.joined()
                + cell("\(scores.support)")
        }
        var lines = [String(format: "accuracy %.4f  loss %.4f  samples %d", accuracy, loss, confusion.total), ""]
        lines.append("confusion: a row for each true class, a column for each predicted one")
        lines.append(cell("") + names.map(cell).joined())
        for truth in names.indices {
            lines.append(cell(names[truth]) + names.indices.map { cell("\(confusion[truth, $0])") }.joined())
        }
        lines += ["", cell("class") + ["precision", "recall", "f1", "support"].map(cell).joined()]
        for (name, scores) in zip(names, confusion.classes) { lines.append(row(name, scores)) }
        lines += [row("macro", confusion.macro), row("micro", confusion.micro)]
        return lines.joined(separator: "\n")
    }
}
