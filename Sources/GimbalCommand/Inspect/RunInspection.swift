import Foundation
import GimbalTrain

/// A run: what it is, and how far it has come.
struct RunInspection: Inspection {
    var path: String
    /// Absent of a run of a program's own.
    var record: RunRecord?
    /// Absent before the first is saved.
    var checkpoint: String?
    var manifest: CheckpointManifest?
    /// What the chosen weights came to on the test data; absent before the run has ended.
    var test: Test?

    struct Test: Encodable {
        var weights: ChosenWeights?
        var figures: Figures
    }

    init(path: String) throws {
        self = try RunFolder.withNewestCheckpoint(at: path) { try RunInspection(path: path, newest: $0) }
    }

    /// - Parameter newest: the newest checkpoint; `path` itself where that is one, or there is none.
    private init(path: String, newest: String) throws {
        self.path = path
        if try newest != path || !RunRecord.exists(in: path) || Checkpoint.exists(at: path) {
            let checkpoint = try Checkpoint(path: newest)
            self.checkpoint = checkpoint.path
            manifest = checkpoint.manifest
            record = try RunRecord.exists(in: checkpoint.path) ? RunRecord(of: checkpoint) : nil
        } else {
            record = try RunRecord(path: path)
        }
        guard try !Checkpoint.exists(at: path) else { return }
        let summary = try RunSummary(folder: path)
        test = summary.part("test").map { Test(weights: summary.weights, figures: $0.figures.filter(\.value.isFinite)) }
    }

    var text: String {
        var rows: [[String]] = []
        if let record {
            let recipe = record.recipe
            let data = recipe.data
            let counts = TableSplit.Part.allCases.compactMap { part in
                data.counts[part].map { "\($0) \(part.rawValue)" }
            }
            rows.append(["data", "\(shown(data.name)): \(counts.joined(separator: ", "))"])
            if let path = data.path { rows.append(["", shown(path, limit: 200)]) }
            if let schema = data.table?.schema {
                let inputs = schema.columns.filter { $0.role == .input }
                rows.append(
                    ["inputs", "\(listed(inputs.map(\.name), limit: 20)); \(schema.featureCount) features"])
                if let target = schema.target { rows.append(["predicts", shown(target.name)]) }
            }
            if let text = data.text {
                let vocabulary = "\(text.tokenizerName), a vocabulary of \(recipe.model.outputs)"
                rows.append(["tokens", "\(vocabulary), up to \(text.length) in a sample"])
            }
            if let series = data.series {
                rows.append(
                    [
                        "forecasts",
                        "\(shown(series.columns[0])), \(series.horizon) ahead, from windows of \(series.window) rows"
                            + (series.columns.count > 1
                                ? " with \(listed(Array(series.columns.dropFirst()), limit: 20))" : "")
                            + (series.season.map { "; season \($0)" } ?? ""),
                    ])
            }
            if !data.classNames.isEmpty {
                rows.append(["classes", "\(data.classNames.count): \(listed(data.classNames, limit: 20))"])
            }
            rows.append(
                [
                    "model",
                    "\(recipe.model.kind.rawValue) for \(recipe.model.task.rawValue), samples of "
                        + "\(Shape(recipe.model.inputShape)), \(recipe.model.outputs) outputs",
                ])
            for (index, start) in record.starts.enumerated() {
                rows.append(
                    [
                        index == 0 ? "started" : "went on",
                        "\(start.date.formatted(.iso8601)) on \(start.device) (\(start.deviceName)), gimbal \(start.version)",
                    ])
                rows.append(["", shellCommand(start.command)])
            }
        }
        if let manifest, let checkpoint {
            let progress = manifest.progress
            rows.append(["checkpoint", shown(checkpoint, limit: 200)])
            rows.append(
                [
                    "progress",
                    "epoch \(progress.epoch) of \(manifest.settings.epochs), step \(progress.step)"
                        + (progress.hasStopped ? ", stopped early" : ""),
                ])
            if let best = progress.best {
                rows.append(
                    ["best", "epoch \(best.epoch), validation \(manifest.settings.monitor) \(decimal(best.value))"])
            }
            if let last = progress.history.last {
                let figures = last.validation.sorted { $0.key < $1.key }.map {
                    "validation \($0.key) \(decimal($0.value))"
                }
                rows.append(
                    ["last epoch", (["training loss \(decimal(last.trainLoss))"] + figures).joined(separator: ", ")])
            }
            if let test {
                let figures = test.figures.inOrder.map { "\($0.name) \(decimal($0.value))" }
                rows.append(
                    [
                        "test",
                        figures.joined(separator: ", ") + (test.weights.map { ", of the weights: \($0)" } ?? ""),
                    ])
            }
            rows.append(["weights", manifest.weightFiles.keys.sorted().joined(separator: ", ")])
        } else {
            rows.append(["progress", "nothing is saved yet"])
        }
        return (["\(shown(path, limit: 200)): a run"] + aligned(rows).map { "  " + $0 }).joined(separator: "\n")
    }
}
