import Foundation
import GimbalTrain

/// A run that is watched: what lies in its folder, and how that is shown.
struct WatchedRun {
    enum Style { case plain, heading, warning, curve, quiet }

    struct Line {
        var text: String
        var style = Style.plain
    }

    let folder: String
    private(set) var state = RunState.running
    private(set) var findings: [Finding] = []
    private var failure: String?
    private var metrics = MetricsTable(csv: "")
    private var health = HealthTable(csv: "")
    /// Epochs in the whole run, where that is known.
    private var epochs: Int?

    init(_ folder: String) { self.folder = folder }

    /// Looks at the folder again.
    mutating func update() {
        // What the state goes by is written before the rest: the last look at a run that ends sees all of it.
        // What cannot be read now is as it was seen last.
        let path = folder + "/metrics.csv"
        let step = (try? MetricsTable(path: path))?.largest("step") ?? self.step
        state = (try? RunState(folder: folder, steps: step)) ?? state
        metrics = (try? MetricsTable(path: path)) ?? metrics
        health = (try? HealthTable(path: "\(folder)/\(HealthTable.fileName)")) ?? health
        findings = (try? FindingsFile.findings(path: "\(folder)/\(FindingsFile.name)")) ?? findings
        // Nil where it goes on again.
        do { failure = try RunFolder.failure(at: folder) } catch {}
        if epochs == nil, (try? RunRecord.exists(in: folder)) ?? false {
            epochs = (try? RunRecord(path: folder))?.recipe.training.epochs
        }
    }

    // MARK: Lines of a log

    private var step: Int { metrics.largest("step") ?? 0 }

    /// The newest step; nil before the first.
    var stepLine: String? {
        guard let epoch = metrics.largest("epoch") else { return nil }
        var parts = ["epoch \(epoch)\(epochs.map { "/\($0)" } ?? "")", "step \(step)"]
        if let loss = metrics.last("loss") { parts.append("loss \(decimal(loss))") }
        if let norm = metrics.last("gradient_norm") { parts.append(String(format: "gradient norm %.3g", norm)) }
        if let speed = metrics.last("samples_per_second") { parts.append(String(format: "%.0f samples/s", speed)) }
        return parts.joined(separator: "  ")
    }

    /// What each epoch came to.
    var epochLines: [String] {
        (metrics.largest("epoch").map { Array(1...max($0, 1)) } ?? []).compactMap { epoch in
            let figures = metrics.figures.flatMap { figure in
                figure.parts.compactMap { part in
                    metrics.value("\(part)_\(figure.name)", epoch: epoch).map {
                        "\(partName(part, figure.name)) \(decimal($0))"
                    }
                }
            }
            return figures.isEmpty ? nil : (["epoch \(epoch)"] + figures).joined(separator: "  ")
        }
    }

    /// How the run ended.
    var ending: String {
        let way = shellCommand(["gimbal", "train", "--resume", "--run-dir", folder])
        switch state {
        case .running: return "the run goes on"
        case .unknown(let host): return "the run is on \(host)"
        case .finished:
            return "the run has ended after step \(step); its page is \(folder)/report.html"
        case .saved(let step):
            let isRecipe = (try? RunRecord.exists(in: folder)) ?? true
            return "the run has stopped after step \(step), and is saved" + (isRecipe ? "; go on with: \(way)" : "")
        case .lost(let step, let checkpoint):
            if let failure {
                return "the run has failed after step \(step): \(failure)"
                    + (checkpoint.map { "; it is saved up to step \($0)" } ?? "")
            }
            guard let checkpoint else {
                return
                    "the run's process has died after step \(step), or stopped with an error, before its first checkpoint"
            }
            return "the run's process has died after step \(step), or stopped with an error; it is saved up to step "
                + "\(checkpoint); go on with: \(way)"
        }
    }

    // MARK: The screen

    /// The run on a screen, `height` lines of at most `width` characters.
    func screen(width: Int, height: Int) -> [Line] {
        var lines = [Line(text: "\(shown(folder, limit: max(20, width - 12)))  \(headState)", style: .heading)]
        lines.append(Line(text: stepLine ?? "no step has been taken yet"))
        let found = findingLines(limit: max(2, min(6, height / 5)))
        let left = height - lines.count - found.count - 1
        let gradients = gradientLines(width: width, limit: max(4, left / 2))
        let losses = [
            TextPlot.Series(name: "training", mark: "*", points: metrics.points("loss")),
            TextPlot.Series(name: "validation", mark: "o", points: metrics.points("validation_loss")),
        ]
        lines += TextPlot(title: "loss", series: losses)
            .lines(width: width, height: max(6, min(20, left - gradients.count)))
            .enumerated().map { Line(text: $1, style: $0 == 0 ? .heading : .curve) }
        lines += gradients + found
        lines.append(Line(text: "q leaves; the run goes on", style: .quiet))
        return lines.prefix(height).map { Line(text: String($0.text.prefix(width)), style: $0.style) }
    }

    private var headState: String {
        switch state {
        case .running: "training"
        case .unknown(let host): "on \(host)"
        case .finished, .saved, .lost: "ended"
        }
    }

    private func findingLines(limit: Int) -> [Line] {
        guard !findings.isEmpty else { return [] }
        let lines = findings.suffix(limit - 1).map { finding in
            // What helps is shorter than why.
            let remedy = finding.remedies.first.map { "; try \($0.title)" } ?? ""
            return Line(text: "! step \(finding.step): \(finding.illness.title)\(remedy)", style: .warning)
        }
        return [Line(text: "findings: \(findings.count)", style: .heading)] + lines
    }

    /// The gradient behind each layer at the newest look, on a logarithmic scale; of many layers, some.
    private func gradientLines(width: Int, limit: Int) -> [Line] {
        var title = "gradient behind each layer (root mean square)"
        var tracks = health.tracks(.activationGradient, .rootMeanSquare)
        if tracks.isEmpty {
            title = "gradient of each parameter (norm)"
            tracks = health.tracks(.gradient, .norm)
        }
        guard let newest = tracks.compactMap({ $0.points.last?.step }).max(), limit > 2 else { return [] }
        let dead = Dictionary(
            health.tracks(.activation, .deadShare).compactMap { track in
                track.points.last.map { (track.name, $0.value) }
            }
        ) { first, _ in first }
        let rows = limit - 2
        let chosen =
            tracks.count <= rows || rows < 2 ? tracks : (0..<rows).map { tracks[$0 * (tracks.count - 1) / (rows - 1)] }
        let values = tracks.compactMap { $0.points.last?.value }.filter { $0 > 0 && $0.isFinite }.map(log10)
        let middle = ((values.min() ?? 0) + (values.max() ?? 0)) / 2
        let (low, high) = (min(values.min() ?? 0, middle - 1.5), max(values.max() ?? 0, middle + 1.5))
        let names = max(6, min(24, width / 4, chosen.map(\.name.count).max() ?? 6))
        let bars = max(4, width - names - 26)
        let body = chosen.prefix(rows).map { track -> Line in
            let value = track.points.last?.value ?? .nan
            let length = value > 0 && value.isFinite ? (log10(value) - low) / (high - low) * Double(bars) : 0
            let bar =
                value.isFinite ? String(repeating: "#", count: max(value > 0 ? 1 : 0, Int(length.rounded()))) : "!"
            let name = track.name.count > names ? "~" + track.name.suffix(names - 1) : track.name
            let share = dead[track.name].flatMap { $0 > 0 ? String(format: "%3.0f %% dead", 100 * $0) : nil } ?? ""
            let padded = bar + String(repeating: " ", count: max(0, bars - bar.count))
            return Line(
                text: name + String(repeating: " ", count: names - name.count) + " " + padded
                    + String(format: " %-9.2g ", value) + share,
                style: !value.isFinite || value == 0 ? .warning : .plain)
        }
        let broken = tracks.first { $0.points.last.map { !$0.value.isFinite } ?? false }
        let warning = broken.map { [Line(text: "! NaN or infinite behind \($0.name)", style: .warning)] } ?? []
        let cut = chosen.count < tracks.count ? ", \(chosen.count) of \(tracks.count)" : ""
        return [Line(text: "\(title), step \(newest)\(cut)", style: .heading)] + body + warning
    }
}
