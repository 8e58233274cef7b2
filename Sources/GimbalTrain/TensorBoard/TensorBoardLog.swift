import Foundation
import Gimbal
import GimbalNN

/// Writes a run's curves, settings and model for TensorBoard.
///
/// A trainer with a folder has one of itself, which writes to that folder. Another one takes its place:
/// ```swift
/// trainer.callbacks.append(TensorBoardLog(histogramInterval: 100))
/// ```
/// Scalars are `loss/step`, `optimizer/learning_rate`, `optimizer/gradient_norm` and `speed/samples_per_second` of each
/// reported step, and of each epoch `loss/training` and the figures of the validation data, such as `accuracy/validation`.
public final class TensorBoardLog: TrainingCallback {
    /// Where it writes; nil for the trainer's own folder.
    private let folder: String?
    private let histogramInterval: Int?
    private var writer: EventWriter?

    /// - Parameters:
    ///   - folder: where the event file is to be; nil for the trainer's own folder.
    ///   - histogramInterval: steps between two histograms of all weights and gradients, each of which waits for the device
    ///     and reads them; nil for none.
    public init(folder: String? = nil, histogramInterval: Int? = nil) {
        require((histogramInterval ?? 1) > 0, "TensorBoardLog", "histograms every \(histogramInterval ?? 0) steps")
        self.folder = folder
        self.histogramInterval = histogramInterval
    }

    /// Called when a run begins or goes on.
    /// - Parameters:
    ///   - runFolder: the trainer's; nil where it has none.
    ///   - step: events after it are removed; nil begins anew.
    ///   - settings: what the run was set to.
    /// - Throws: `GimbalError.fileSystem`; `GimbalError.invalidSetting` where there is no folder.
    func begin(in runFolder: String?, resumingAt step: Int?, model: Module, settings: [RunFacts.Setting]) throws {
        let writer: EventWriter
        if let folder {
            writer = try EventWriter(folder: folder, resumingAt: step)
        } else if let runFolder {
            writer = try EventWriter(existingFolder: runFolder, resumingAt: step)
        } else {
            throw GimbalError.invalidSetting(
                name: "TensorBoardLog", reason: "needs a folder, as the trainer has none: TensorBoardLog(folder: …)")
        }
        self.writer = writer
        guard step == nil else { return }
        try writer.hyperparameters(Self.hyperparameters(settings))
        let rows = settings.map { "| \(Self.cell($0.name)) | \(Self.cell($0.value ?? "not set")) |" }
        try writer.text("settings", (["| setting | value |", "| --- | --- |"] + rows).joined(separator: "\n"))
        try writer.text("model", "```\n\(model)\n```")
    }

    private static func cell(_ text: String) -> String { shown(text, limit: 200).replacing("|", with: "\\|") }

    /// What was or could have been chosen, not what follows from the data.
    private static func hyperparameters(_ settings: [RunFacts.Setting]) -> [String: EventWriter.Hyperparameter] {
        let chosen = settings.filter(\.hasDefault).compactMap { setting in
            setting.value.map { text -> (String, EventWriter.Hyperparameter) in
                let flag: Bool? = text == "yes" ? true : text == "no" ? false : nil
                return (setting.name, flag.map { .flag($0) } ?? Double(text).map { .number($0) } ?? .text(text))
            }
        }
        return Dictionary(chosen) { first, _ in first }
    }

    // MARK: The run

    public func willUpdate(_ step: TrainingStep) throws {
        guard let writer, let histogramInterval, step.number % histogramInterval == 0 else { return }
        for parameter in step.parameters {
            try writer.histogram("weights/\(parameter.name)", parameter.value.detached(), step: step.number)
            guard let gradient = parameter.gradient else { continue }
            try writer.histogram("gradients/\(parameter.name)", gradient, step: step.number)
        }
    }

    public func didReport(_ report: StepReport) throws {
        var values: [(tag: String, value: Double)] = [("loss/step", report.loss)]
        if report.losses.count > 1 {
            values = report.losses.sorted { $0.key < $1.key }.map { ("loss/\($0.key)", $0.value) }
        }
        values.append(("optimizer/learning_rate", report.learningRate))
        if let norm = report.gradientNorm { values.append(("optimizer/gradient_norm", norm)) }
        values.append(("speed/samples_per_second", report.samplesPerSecond))
        try writer?.scalars(values, step: report.step)
    }

    public func didFinishEpoch(_ result: EpochResult) throws {
        var values: [(tag: String, value: Double)] = result.trainLoss.map { [("loss/training", $0)] } ?? []
        values += result.validation.inOrder.map { ("\($0.name)/validation", $0.value) }
        if !values.isEmpty { try writer?.scalars(values, step: result.step) }
    }
}

extension Trainer {
    /// Begins TensorBoard's logs: those among the callbacks, or one of the trainer's own where it has a folder.
    func beginTensorBoardLogs() throws {
        var logs = callbacks.compactMap { $0 as? TensorBoardLog }
        if logs.isEmpty, folder != nil {
            let log = TensorBoardLog()
            callbacks.append(log)
            logs = [log]
        }
        for log in logs {
            try log.begin(
                in: folder?.path, resumingAt: progress.step > 0 ? progress.step : nil, model: model,
                settings: shownSettings ?? RunSettings.list(of: settings))
        }
    }
}
