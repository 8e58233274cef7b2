import Foundation

/// `report.html`: what a run was, how it went and what it came to, in one file without scripts or outside references.
///
/// ```swift
/// try Report(RunSummary(folder: "runs/first")).write(to: "first.html")
/// ```
public struct Report {
    private let page: Page

    /// A page of a run; what the summary does not have is left out.
    public init(_ run: RunSummary) {
        var sections: [(title: String, body: String)] = [("Result", Self.results(run))]
        if !run.findings.isEmpty { sections.append(("Findings", run.findings.map(\.html).joined())) }
        if !run.recoveries.isEmpty {
            let items = run.recoveries.map { "<li>\(escaped($0.description))</li>" }.joined()
            sections.append(
                ("Recoveries", "<p>The run diverged, went back and went on otherwise:</p><ul>\(items)</ul>"))
        }
        sections += Self.curves(run.metrics, isTargetStandardized: run.facts.isTargetStandardized).map {
            (title: $0.heading, body: $0.plot.html)
        }
        sections += HealthTable.sections([(name: "", table: run.health)])
        if !run.histograms.isEmpty {
            sections.append(("Histograms of weights and gradients", HistogramSections.html(run.histograms)))
        }
        for part in run.parts {
            if let classes = part.classes { sections += classes.sections(part: part.name) }
            if let numbers = part.numbers { sections += numbers.sections(part: part.name) }
        }
        if let model = run.facts.model { sections.append(("Model", "<pre>\(escaped(model, keepsLines: true))</pre>")) }
        if !run.facts.settings.isEmpty { sections.append(("Settings", Self.settings(run.facts.settings))) }
        page = Page(title: "Run \(shown(run.facts.name, limit: 200))", facts: run.facts.rows, sections: sections)
    }

    /// Writes the page, whole or not at all.
    /// - Throws: `GimbalError.fileSystem`; an older report is then untouched.
    public func write(to path: String) throws { try page.write(to: path) }

    /// The page as HTML.
    public var html: String { page.html }

    // MARK: Sections

    private static func results(_ run: RunSummary) -> String {
        var rows: [[String]] = []
        for figure in figureNames(of: run.parts) {
            rows.append(
                [escaped(MetricsTable.title(of: figure))] + run.parts.map { number($0.figures[figure]) })
        }
        if run.parts.contains(where: { $0.classes != nil }) {
            rows.append(["macro F1"] + run.parts.map { number($0.classes?.macro.f1) })
            rows.append(
                ["accuracy of always saying the most frequent class"]
                    + run.parts.map { number($0.classes?.majorityAccuracy) })
        }
        let table =
            rows.isEmpty
            ? "<p>Nothing was measured yet.</p>"
            : Page.table(head: ["figure"] + run.parts.map { "\(escaped($0.name)) data" }, rows)
        let progress = [
            run.metrics.largest("epoch").map { "\($0) epochs" }, run.metrics.largest("step").map { "\($0) steps" },
        ]
        .compactMap { $0 }.joined(separator: ", ")
        var notes: [String] = []
        if !rows.isEmpty, let weights = run.weights { notes.append(note(of: weights)) }
        if !progress.isEmpty { notes.append("The run has come to \(progress).") }
        if run.facts.command != nil, run.facts.ended == nil, run.failure == nil {
            notes.append("It is tested when it ends, which it has not, or not since it was gone on with.")
        }
        if run.facts.isTargetStandardized { notes.append(standardizedNote) }
        let failure = run.failure.map { "<p class=bad>The run failed: \(escaped($0))</p>" } ?? ""
        return failure + table + (notes.isEmpty ? "" : "<p class=note>\(notes.joined(separator: " "))</p>")
    }

    private static let standardizedNote =
        "The loss is over standardised targets (mean 0 and deviation 1 in the training data), not in units of the data."

    /// Which weights results are of.
    private static func note(of weights: ChosenWeights) -> String {
        let training = "Those on training data are means over the epoch, while its weights changed."
        let name =
            weights.kind == .averaged ? "the moving average of the weights" : "the \(weights.kind.rawValue) weights"
        guard let epoch = weights.epoch else {
            return
                "Test figures are of \(name), after step \(weights.step); others of the last epoch that was finished. "
                + training
        }
        let choice = weights.kind == .best ? ", the best on the validation data" : ""
        let average = weights.isValidatedByAverage ? "Those on validation data are of their moving average. " : ""
        return "Figures are of \(name), those of epoch \(epoch)\(choice). \(average)\(training)"
    }

    /// The figures that any part has, the loss first.
    static func figureNames(of parts: [RunSummary.Part]) -> [String] {
        Set(parts.flatMap(\.figures.keys)).sorted { ($0 != "loss" ? 1 : 0, $0) < ($1 != "loss" ? 1 : 0, $1) }
    }

    /// The curves that the metrics have, with the headings that they stand under.
    private static func curves(
        _ metrics: MetricsTable, isTargetStandardized: Bool
    ) -> [(heading: String, plot: Plot)] {
        var curves: [(heading: String, plot: Plot)] = []
        let step = PlotAxis(title: "optimizer steps", isWhole: true)
        func add(_ heading: String, _ title: String, _ axis: PlotAxis, _ series: [Plot.Series]) {
            guard series.contains(where: { !$0.points.isEmpty }) else { return }
            let notes = isTargetStandardized && heading == "Loss" ? [standardizedNote] : []
            curves.append(
                (heading, Plot(title: title, horizontal: step, vertical: axis, series: series, notes: notes)))
        }
        for figure in metrics.figures {
            var series = figure.parts.map { part in
                Plot.Series(
                    name: "\(MetricsTable.title(ofPart: part)) data, each epoch",
                    points: metrics.points("\(part)_\(figure.name)"))
            }
            if figure.name == "loss" {
                series.insert(.init(name: "training data, each step", points: metrics.points("loss")), at: 0)
            }
            let name = MetricsTable.title(of: figure.name)
            let parts = figure.parts.map(MetricsTable.title(ofPart:)).joined(separator: " and ")
            add(
                name.prefix(1).uppercased() + name.dropFirst(), "\(name) on the \(parts) data", axis(of: figure.name),
                series)
        }
        if !metrics.figures.contains(where: { $0.name == "loss" }) {
            add(
                "Loss", "loss on the training data", axis(of: "loss"),
                [.init(name: "training data, each step", points: metrics.points("loss"))])
        }
        add(
            "Gradient norm", "norm of all gradients together, before clipping",
            PlotAxis(title: "gradient norm", scale: .logarithmicWhereWide),
            [.init(name: "norm", points: metrics.points("gradient_norm"))])
        add(
            "Learning rate", "learning rate", PlotAxis(title: "learning rate"),
            [.init(name: "rate", points: metrics.points("learning_rate"))])
        return curves
    }

    /// The vertical axis of a figure.
    static func axis(of figure: String) -> PlotAxis {
        switch figure {
        case "loss": PlotAxis(title: "mean loss of a sample", scale: .logarithmicWhereWide)
        case "accuracy": PlotAxis(title: "accuracy (fraction)")
        default: PlotAxis(title: MetricsTable.title(of: figure))
        }
    }

    private static func settings(_ settings: [RunFacts.Setting]) -> String {
        func table(_ settings: [RunFacts.Setting], _ head: [String]) -> String {
            Page.table(
                head: head,
                settings.map { setting in
                    let cells = [setting.name, setting.value ?? "not set", setting.defaultValue ?? "not set"]
                    return cells.prefix(head.count).map { escaped(shown($0, limit: 200)) }
                })
        }
        let (given, following) = (settings.filter(\.isGiven), settings.filter { !$0.hasDefault })
        let rest = settings.filter { $0.hasDefault && !$0.isGiven }
        var parts: [String] = []
        if !given.isEmpty {
            parts.append("<h3>Other than by default</h3>" + table(given, ["setting", "value", "by default"]))
        }
        if !following.isEmpty {
            parts.append("<h3>From the data, or without a default</h3>" + table(following, ["setting", "value"]))
        }
        if !rest.isEmpty {
            parts.append(
                "<details><summary>\(rest.count) settings as by default</summary>" + table(rest, ["setting", "value"])
                    + "</details>")
        }
        return parts.joined(separator: "\n")
    }
}
