import Foundation

/// `report.html`: what a run was, how it went and what it came to, in one file without scripts or outside references.
public struct Report {
    private let sections: [(title: String, body: String)]

    /// A page of result, curves, confusion matrix, model and settings. `data` and `summary` are shown as they are: the
    /// name of the data set and the printed model. The curves are read from the `MetricsLog` at `metricsPath`; without
    /// it they are empty.
    public init(
        model: ModelSettings, training: TrainingSettings, progress: TrainingProgress, evaluation: Evaluation,
        classNames: [String], data: String, device: DeviceDescription, summary: String, metricsPath: String
    ) {
        let steps = MetricsTable(path: metricsPath)
        var sections: [(String, String)] = []
        sections.append(("Result", Self.result(evaluation, progress, data: data, device: device)))
        sections.append(
            (
                "Loss",
                LinePlot(
                    title: "loss by optimizer step",
                    lines: [
                        .init(name: "training, each reported step", points: steps.points("loss")),
                        .init(name: "validation, each epoch", points: steps.points("validation_loss")),
                    ]
                ).svg
            ))
        sections.append(
            (
                "Gradient norm",
                LinePlot(
                    title: "global gradient norm before clipping", isLogarithmic: true,
                    lines: [.init(name: "norm", points: steps.points("gradient_norm"))]
                ).svg
            ))
        let (score, column) =
            evaluation.regression == nil ? ("accuracy", "validation_accuracy") : ("R²", "validation_r2")
        sections.append(
            (
                score == "accuracy" ? "Accuracy" : "R²",
                LinePlot(
                    title: "\(score) on the validation data",
                    lines: [.init(name: score, points: steps.points(Substring(column)))]
                ).svg
            ))
        if evaluation.regression == nil {
            sections.append(("Confusion", Self.confusion(evaluation.confusion, names: classNames)))
        }
        sections.append(("Model", "<pre>\(escaped(summary))</pre>"))
        sections.append(("Settings", Self.settings(model) + Self.settings(training)))
        self.sections = sections
    }

    /// Writes the page, whole or not at all.
    /// - Throws: `GimbalError.fileSystem`; an older report is then untouched.
    public func write(to path: String) throws { try page.write(to: path) }

    /// The page as HTML.
    public var html: String { page.html }

    private var page: Page { Page(title: "Gimbal run", sections: sections) }

    private static func result(
        _ evaluation: Evaluation, _ progress: TrainingProgress, data: String, device: DeviceDescription
    ) -> String {
        let scores: [(String, Double?)] =
            switch evaluation.scores {
            case .classes(let confusion):
                [("test accuracy", evaluation.accuracy), ("macro F1", confusion.macro.f1)]
            case .values(let scores):
                [
                    ("test R²", scores.determination), ("root mean squared error", scores.rootMeanSquaredError),
                    ("mean absolute error", scores.meanAbsoluteError),
                ]
            }
        let numbers = (scores + [("test loss", evaluation.loss)]).map { ($0, decimal($1)) }
        return table(
            numbers + [
                ("epochs, steps", "\(progress.epoch), \(progress.step)"),
                ("data", data), ("device", "\(device.id): \(device.name)"),
            ])
    }

    private static func settings(_ settings: some Encodable) -> String {
        let text = (try? CheckpointManifest.encoder.encode(settings)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return "<pre>\(escaped(text))</pre>"
    }

    private static func table(_ rows: [(String, String)]) -> String {
        let cells = rows.map { "<tr><td class=name>\(escaped($0.0))</td><td>\(escaped($0.1))</td></tr>" }
        return "<table>\(cells.joined())</table>"
    }

    /// Rows are true classes, columns predicted ones; the darker a cell, the larger its share of the row.
    private static func confusion(_ matrix: ConfusionMatrix, names: [String]) -> String {
        let head = names.map { "<th>\(escaped($0))</th>" }.joined()
        let rows = names.indices.map { truth in
            let support = max(1, names.indices.reduce(0) { $0 + matrix[truth, $1] })
            let cells = names.indices.map { prediction in
                let count = matrix[truth, prediction]
                let share = Double(count) / Double(support)
                let hue = truth == prediction ? "46,125,50" : "198,40,40"
                return String(format: "<td style=\"background:rgba(%@,%.2f)\">%d</td>", hue, share * 0.7, count)
            }
            return "<tr><th class=name>\(escaped(names[truth]))</th>\(cells.joined())</tr>"
        }
        return "<table><tr><th class=name>true \\ predicted</th>\(head)</tr>\(rows.joined())</table>"
    }
}

/// The columns of a `metrics.csv`.
private struct MetricsTable {
    private let rows: [[Substring]]
    private let columns: [Substring]

    init(path: String) {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        let lines = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        columns = lines.first ?? []
        rows = [[Substring]](lines.dropFirst())
    }

    /// The finite values of a column by step.
    func points(_ name: Substring) -> [(x: Double, y: Double)] {
        guard let step = columns.firstIndex(of: "step"), let column = columns.firstIndex(of: name) else { return [] }
        return rows.compactMap { row in
            guard row.count == columns.count, let x = Double(row[step]), let y = Double(row[column]), y.isFinite else {
                return nil
            }
            return (x, y)
        }
    }
}
