import ArgumentParser
import Foundation
import GimbalTrain

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Tests a trained model.",
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
        let (_, test, standardization) = try data.load(seed: manifest.training.seed, as: manifest)
        try manifest.model.requireFit(test, "the model of \(checkpoint.path)", name: "--data")
        let device = try device.chosen()
        let model = manifest.model.makeModel(device: device)
        try checkpoint.restore(model: model)
        let evaluation = try Evaluation(
            of: model, on: test.reshaped(manifest.model.sampleShape), batchSize: batchSize, device: device,
            standardization: standardization)
        let names = test.classNames
        if let scores = evaluation.regression {
            let line = RegressionLine(scores, loss: evaluation.loss, device: device.id)
            try json ? printJSON(line) : printLine(line.text)
        } else if json {
            try printJSON(EvaluationLine(evaluation, names: names, samples: test.count, device: device.id))
        } else {
            try printLine(evaluation.text(names: names))
        }
    }
}

private struct RegressionLine: Encodable {
    var event = "evaluation"
    var loss: Double
    var r2: Double
    /// In the units of the data.
    var rootMeanSquaredError: Double
    var meanAbsoluteError: Double
    var samples: Int
    var device: String

    init(_ scores: RegressionScores, loss: Double, device: String) {
        self.loss = loss
        r2 = scores.r2
        rootMeanSquaredError = scores.rootMeanSquaredError
        meanAbsoluteError = scores.meanAbsoluteError
        samples = scores.count
        self.device = device
    }

    var text: String {
        String(
            format: "R² %.4f  root mean squared error %.6g  mean absolute error %.6g  loss %.4f  samples %d", r2,
            rootMeanSquaredError, meanAbsoluteError, loss, samples)
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
