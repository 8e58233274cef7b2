import ArgumentParser
import Foundation
import GimbalTrain

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Tells what is in a table, a text, a folder of images, a weight file or a run.",
        discussion: """
            EXAMPLES:
              gimbal inspect customers.csv                  columns, types, what is missing, classes
              gimbal inspect customers.csv --target churned
              gimbal inspect sales.csv --task forecast      a series: its season, gaps, what is missing
              gimbal inspect pairs.tsv --task tokens        a text, or pairs of texts
              gimbal inspect runs/churn                     a run: its model, its data, how far it has come
              gimbal inspect model.safetensors --values     tensors, how their values are spread, what is sick
              gimbal inspect checkpoint.pt                  what torch.save wrote; nothing in it is run
            """)

    @Argument(
        help:
            "A table, a text, a folder of pictures, a file or folder of IDX images, weights (.safetensors, .pt, .npz, .npy), a checkpoint or a run's folder.",
        completion: .file())
    var path: String
    @Option(
        help: ArgumentHelp(
            "The column of a table that is to be predicted: its name, or its number from 1.", valueName: "column"))
    var target: String?
    @Option(
        help: "What the target column of a table holds; forecast for a series, tokens for a text or pairs of texts.")
    var task: InspectedTask?
    @Flag(help: "Of weights, read the values: their range, mean and deviation, and how many are not finite.")
    var values = false
    @Flag(help: "Print one JSON object on standard output, and nothing else there.")
    var json = false
    @OptionGroup(title: "Tables") var table: TableFlags

    func run() throws { try SettingFlags.translating(inspect) }

    /// A table; of a file that is called a text and is no table, a text.
    private func tableOrText() throws -> any Inspection {
        do { return try TableInspection(path: path, flags: table, target: target, task: task?.model) } catch {
            guard path.hasSuffix(".txt"), target == nil, task == nil,
                var text = try? TextInspection(path: path, encoding: table.encoding)
            else { throw error }
            text.whyNoTable = "\(error)"
            return text
        }
    }

    private func inspect() throws {
        guard try isThere(path) else {
            throw GimbalError.fileSystem(operation: "inspect", path: path, reason: "there is no such file or folder")
        }
        let found: any Inspection
        let folds = try CrossValidation.runs(in: path)
        if !folds.isEmpty {
            found = try FoldsInspection(path: path, runs: folds)
        } else if isFolder(path) {
            let isRun =
                try RunRecord.exists(in: path) || RunFolder.newestCheckpoint(at: path) != path
                || Checkpoint.exists(at: path)
            if isRun {
                found = try RunInspection(path: path)
            } else if DataSource.isPictures(path) {
                found = try PictureInspection(path: path, table: table.options())
            } else {
                found = try ImageInspection(folder: path)
            }
        } else if task == .forecast {
            found = try SeriesInspection(path: path, flags: table, target: target)
        } else if let weights = try WeightInspection(path: path, readsValues: values) {
            found = weights
        } else if DataSource.isImageFile(path) {
            found = try ImageInspection(file: path)
        } else if DataSource.isPictures(path, options: try table.options(target: target)) {
            found = try PictureInspection(path: path, table: table.options(target: target))
        } else if task == .tokens {
            found = try TextInspection(path: path, encoding: table.encoding)
        } else {
            found = try tableOrText()
        }
        try json ? printJSON(found) : printLine(found.text)
    }
}

/// What a file is looked at for.
enum InspectedTask: String, ExpressibleByArgument, CaseIterable {
    case classification, regression, forecast, tokens

    /// What a model of a table is to tell.
    var model: ModelSettings.Task? { ModelSettings.Task(rawValue: rawValue) }
}

/// What is told of a file or a folder.
protocol Inspection: Encodable {
    var text: String { get }
}

/// A class, and how many samples are of it.
struct ClassCount: Encodable {
    var name: String
    var count: Int

    static func list(_ names: [String], _ counts: [Int]) -> [ClassCount] {
        zip(names, counts).map { ClassCount(name: $0, count: $1) }
    }
}
