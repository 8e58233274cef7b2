import ArgumentParser
import Foundation
import GimbalTrain

struct PredictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict", abstract: "Tells what a trained model makes of new data.",
        discussion: """
            Reads the data as the run read its own, columns by name; what is to be predicted need not be there. Writes a \
            table of one line for each row or image: the columns that tell rows apart, or the row's number from 1; the \
            predicted class and its probability, or the predicted number in the data's units. What nothing can be \
            predicted of stays empty.

            EXAMPLES:
              gimbal predict --checkpoint runs/churn --data new.csv --output predicted.csv
              gimbal predict --checkpoint runs/a --checkpoint runs/b --data new.csv --top 3
            """)

    @Option(
        help: ArgumentHelp(
            "A checkpoint, or the folder of a run, whose newest is taken. Given several times, or of the folder of folds, the answers are averaged.",
            valueName: "dir"), completion: .directory)
    var checkpoint: [String]
    @OptionGroup var data: DataOptions
    @Option(
        help: ArgumentHelp("Where to write, whole or not at all; standard output unless given.", valueName: "FILE.csv"),
        completion: .file())
    var output: String?
    @Option(help: "How many of the most probable classes to write.")
    var top = 1
    @Flag(help: "Write the probability of every class, in a column called “probability of” it.")
    var probabilities = false
    @Flag(help: "Write one JSON object a line in place of a table.")
    var json = false
    @OptionGroup var device: DeviceOptions
    @Option(
        help:
            "Which of the run's weights to use: the best by validation loss, the moving average, or the last. (default: as in training)"
    )
    var weights: WeightChoice?
    @Option(help: "What products are computed in. (default: as in training)")
    var precision: Precision?
    @Option(help: "Samples in a batch. (default: \(Defaults.byKind { $0.evaluationBatchSize }))")
    var batchSize: Int?

    func validate() throws {
        if checkpoint.isEmpty { throw ValidationError("--checkpoint is needed") }
        if data.data == nil { throw ValidationError("--data is needed: what is to be predicted") }
        if top < 1 { throw ValidationError("--top must be positive") }
        if (batchSize ?? 1) < 1 { throw ValidationError("--batch-size must be positive") }
    }

    func run() throws { try SettingFlags.translating(predict) }

    private func predict() throws {
        let device = try device.chosen()
        let predictor = try Predictor(
            ensemble: try checkpoint.flatMap(runs(at:)), weights: weights, device: device, precision: precision)
        guard predictor.task != .tokens else {
            throw GimbalError.invalidSetting(
                name: "--checkpoint", reason: "\(checkpoint[0]) is a model of texts: gimbal generate writes with it")
        }
        for path in checkpoint where try runs(at: path) != [path] {
            printNotice("note: the answers of the \(try runs(at: path).count) folds in \(path) are averaged")
        }
        if predictor.task == .regression, top > 1 || probabilities {
            throw GimbalError.invalidSetting(
                name: top > 1 ? "--top" : "--probabilities", reason: "is for classes; this run predicts numbers")
        }
        let source = try data.source(of: predictor.data)
        if let output {
            try requireOutput(
                output, "--output", inputs: [source.path] + predictor.data.files, kind: .predictions)
        }
        if let notice = precision?.use(on: device) { printNotice(notice) }
        let predictions = try predictor.predictions(of: source, batchSize: batchSize)
        let format = PredictionFormat(
            predictor: predictor, idNames: predictions.idNames, top: top, hasAll: probabilities, isJSON: json)
        var (count, unknown) = (0, 0)
        func write(_ line: (String) throws -> Void) throws {
            if let header = format.header { try line(header) }
            while let batch = try predictions.next() {
                count += batch.count
                unknown += batch.count { !$0.isKnown }
                try line(try batch.map(format.line).joined(separator: "\n"))
            }
        }
        if let output {
            try AtomicFile.write(to: output) { writer in try write { try writer.write($0 + "\n") } }
        } else {
            try write { try printData($0 + "\n") }
        }
        for note in predictions.notes { printNotice("note: \(note)") }
        if unknown > 0 {
            printNotice("note: nothing is predicted of \(unknown) of \(counted(count, "sample"))")
        }
    }
}

/// How predictions are written: as a table in the format of RFC 4180, or as JSON.
struct PredictionFormat {
    let predictor: Predictor
    let idNames: [String]
    let top: Int
    let hasAll: Bool
    let isJSON: Bool

    private var isClassifier: Bool { predictor.task == .classification }
    private var topCount: Int { min(top, max(predictor.classNames.count, 1)) }

    /// The first line; nil where there is none.
    var header: String? {
        guard !isJSON else { return nil }
        var names = idNames.isEmpty ? ["row"] : idNames
        if isClassifier {
            for rank in 1...topCount {
                names += rank == 1 ? ["prediction", "probability"] : ["prediction \(rank)", "probability \(rank)"]
            }
            if hasAll { names += predictor.classNames.map { "probability of \($0)" } }
        } else {
            names += valueNames
        }
        return csvRecord(names)
    }

    private var valueNames: [String] {
        let count = predictor.outputCount
        return count == 1 ? ["prediction"] : (1...count).map { "prediction \($0)" }
    }

    func line(_ prediction: Prediction) throws -> String {
        guard !isJSON else { return try json(prediction) }
        var fields = idNames.isEmpty ? ["\(prediction.place + 1)"] : prediction.ids.map(\.text)
        if isClassifier {
            let best = prediction.top(topCount)
            for rank in 0..<topCount {
                fields += rank < best.count ? [best[rank].name, Self.text(best[rank].probability)] : ["", ""]
            }
            if hasAll {
                fields +=
                    prediction.isKnown
                    ? prediction.probabilities.map(Self.text) : predictor.classNames.map { _ in "" }
            }
        } else {
            fields += prediction.isKnown ? prediction.values.map { "\($0)" } : valueNames.map { _ in "" }
        }
        return csvRecord(fields)
    }

    /// A probability is known to no more than the seven digits of a float32.
    private static func text(_ probability: Double) -> String { "\(Float(probability))" }

    private struct Line: Encodable {
        var row: Int
        var ids: [String: String]?
        var prediction: Value?
        var probability: Double?
        var top: [Ranked]?
        var probabilities: [String: Double]?
    }

    private struct Ranked: Encodable { var name: String, probability: Double }

    private enum Value: Encodable {
        case name(String), number(Double), numbers([Double])

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .name(let name): try container.encode(name)
            case .number(let number): try container.encode(number)
            case .numbers(let numbers): try container.encode(numbers)
            }
        }
    }

    private func json(_ prediction: Prediction) throws -> String {
        var line = Line(row: prediction.place + 1)
        if !prediction.ids.isEmpty {
            line.ids = Dictionary(prediction.ids.map { ($0.name, $0.text) }) { first, _ in first }
        }
        if let best = prediction.best {
            line.prediction = .name(best.name)
            line.probability = best.probability
            if top > 1 {
                line.top = prediction.top(topCount).map { Ranked(name: $0.name, probability: $0.probability) }
            }
            if hasAll {
                line.probabilities = Dictionary(zip(prediction.classNames, prediction.probabilities)) { a, _ in a }
            }
        } else if !prediction.values.isEmpty {
            line.prediction = prediction.values.count == 1 ? .number(prediction.values[0]) : .numbers(prediction.values)
        }
        return try jsonText(line)
    }
}
