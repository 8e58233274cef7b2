import Foundation

/// Several runs side by side: what they came to, what differs between them, and their curves over each other.
///
/// ```swift
/// let comparison = RunComparison([try RunSummary(folder: "runs/sgd"), try RunSummary(folder: "runs/adam")])
/// print(comparison)
/// try comparison.write(to: "comparison.html")
/// ```
public struct RunComparison: Sendable {
    /// A setting, or another thing that runs were trained with, that is not the same in all of them.
    public struct Difference: Sendable, Equatable, Codable {
        /// What is set, in words.
        public var name: String
        /// The value in each run; nil where a run has none.
        public var values: [String?]
    }

    /// The runs, in the order they were given.
    public let runs: [RunSummary]
    /// What the runs are called, each differently: by name, or by path where two have the same name.
    public let names: [String]

    /// A comparison of `runs`, of which there may be any number.
    public init(_ runs: [RunSummary]) {
        self.runs = runs
        let facts = runs.map(\.facts)
        let counts = Dictionary(facts.map { ($0.name, 1) }, uniquingKeysWith: +)
        names = facts.enumerated().map { index, run in
            if counts[run.name] == 1 { return run.name }
            if let path = run.path, facts.count(where: { $0.path == path }) == 1 { return path }
            return "\(run.name) (\(index + 1))"
        }
    }

    /// The settings, and what else runs were trained with (data, device, version), that are not the same in all runs, in
    /// the order of the first run that has them.
    public var differences: [Difference] {
        var order: [String] = []
        var known: Set<String> = []
        let settings = runs.map(\.facts.compared)
        for name in settings.joined().map(\.name) where known.insert(name).inserted { order.append(name) }
        let values = settings.map { settings in Dictionary(settings.map { ($0.name, $0.value) }) { first, _ in first } }
        return order.compactMap { name in
            let row = values.map { $0[name] ?? nil }
            return Set(row).count > 1 ? Difference(name: name, values: row) : nil
        }
    }

    /// The names of the data that the runs were trained on, where they are known.
    private var data: Set<String> { Set(runs.compactMap(\.facts.data)) }

    /// The parts of the data that any run has results of, and the figures of each.
    private var columns: [(part: String, figure: String)] {
        var parts: [String] = []
        for name in runs.flatMap(\.parts).map(\.name) where !parts.contains(name) { parts.append(name) }
        return parts.flatMap { name in
            Report.figureNames(of: runs.compactMap { $0.part(name) }).map { (part: name, figure: $0) }
        }
    }

    private func value(_ run: RunSummary, _ column: (part: String, figure: String)) -> Double? {
        run.part(column.part)?.figures[column.figure]
    }

    /// The rows of the table of results, the first of which is the head.
    private var resultRows: [[String]] {
        let columns = columns
        let head =
            ["run", "epochs", "steps", "weights"] + columns.map { "\($0.part) \(MetricsTable.title(of: $0.figure))" }
        return [head]
            + zip(names, runs).map { name, run in
                [shown(name, limit: 60)]
                    + ["epoch", "step"].map { run.metrics.largest($0).map { "\($0)" } ?? "-" }
                    + [run.weights?.description ?? "-"] + columns.map { number(value(run, $0)) }
            }
    }

    private static let resultsNote =
        "Figures are of the weights that are named, or of the last epoch where none are; “-” was not measured. "
        + "Those on training data are means over that epoch, while its weights changed."

    private var dataNote: String? {
        data.count > 1
            ? "The runs were trained on different data (\(data.sorted().map { shown($0) }.joined(separator: ", "))): "
                + "their figures do not compare." : nil
    }

    // MARK: The page

    /// Writes the page, whole or not at all.
    /// - Throws: `GimbalError.fileSystem`; an older page is then untouched.
    public func write(to path: String) throws { try page.write(to: path) }

    /// The page as HTML.
    public var html: String { page.html }

    private var page: Page {
        let rows = resultRows.map { $0.map { escaped($0) } }
        var results = Page.table(head: rows[0], Array(rows.dropFirst())) + "<p class=note>\(Self.resultsNote)</p>"
        if let dataNote { results += "<p><b>\(escaped(dataNote))</b></p>" }
        var sections: [(title: String, body: String)] = [("Results", results)]
        let differences = differences
        sections.append(
            (
                "What differs",
                differences.isEmpty
                    ? "<p>Nothing that is known.</p>"
                    : Page.table(
                        head: ["setting"] + names.map { escaped(shown($0, limit: 60)) },
                        differences.map { [escaped($0.name)] + $0.values.map { escaped(shown($0 ?? "-", limit: 200)) } }
                    )
            ))
        let sick = zip(names, runs).filter { !$1.findings.isEmpty }
        if !sick.isEmpty {
            let parts = sick.map { "<h3>Run \(escaped(shown($0, limit: 60)))</h3>" + $1.findings.map(\.html).joined() }
            sections.append(("Findings", parts.joined()))
        }
        sections += plots.map { (title: $0.title, body: $0.html) }
        sections += HealthTable.sections(zip(names, runs).map { (name: $0, table: $1.health) })
        let facts = [("runs", "\(runs.count)"), ("data", data.sorted().joined(separator: ", "))]
        return Page(title: "Comparison of runs", facts: facts.filter { !$0.1.isEmpty }, sections: sections)
    }

    /// One plot for each curve that any run has, a line for each run.
    private var plots: [Plot] {
        let step = PlotAxis(title: "optimizer steps", isWhole: true)
        func plot(_ title: String, _ axis: PlotAxis, _ column: String) -> Plot? {
            let series = zip(names, runs).map { Plot.Series(name: $0, points: $1.metrics.points(column)) }
            guard series.contains(where: { !$0.points.isEmpty }) else { return nil }
            return Plot(title: title, horizontal: step, vertical: axis, series: series)
        }
        var columns: [String] = []
        for run in runs {
            for column in run.metrics.columns where MetricsTable.split(column) != nil && !columns.contains(column) {
                columns.append(column)
            }
        }
        var found = [plot("Training loss, each step", Report.axis(of: "loss"), "loss")]
        found += columns.map { column in
            guard let (part, figure) = MetricsTable.split(column) else { return nil }
            let name = MetricsTable.title(of: figure)
            return plot(
                "\(name.prefix(1).uppercased() + name.dropFirst()) on \(MetricsTable.title(ofPart: part)) data, each epoch",
                Report.axis(of: figure), column)
        }
        found.append(
            plot("Gradient norm", PlotAxis(title: "gradient norm", scale: .logarithmicWhereWide), "gradient_norm"))
        found.append(plot("Learning rate", PlotAxis(title: "learning rate"), "learning_rate"))
        return found.compactMap { $0 }
    }
}

extension RunComparison: CustomStringConvertible {
    /// The table of results, and that of the settings that differ.
    public var description: String {
        let rows = resultRows
        var results = TextTable(columns: rows[0].count)
        for row in rows { results.add(row) }
        var parts = ["\(results)", Self.resultsNote]
        if let dataNote { parts.append(dataNote) }
        let differences = differences
        guard !differences.isEmpty else {
            return (parts + ["Nothing that is known differs in settings, data, device and version."]).joined(
                separator: "\n\n")
        }
        var settings = TextTable(columns: 1 + runs.count)
        settings.add(["setting"] + names.map { shown($0, limit: 60) })
        for row in differences { settings.add([row.name] + row.values.map { shown($0 ?? "-", limit: 60) }) }
        return (parts + ["\(settings)"]).joined(separator: "\n\n")
    }
}

extension RunComparison: Encodable {
    private enum CodingKeys: String, CodingKey { case runs, differences }

    private struct Run: Encodable {
        var name: String
        var path, data: String?
        var epochs, steps: Int?
        var weights: ChosenWeights?
        var results: [String: [String: Double]]
    }

    /// The runs with their figures by part, and the settings that differ. Figures that are not finite are left out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        let runs = zip(names, runs).map { name, run in
            Run(
                name: name, path: run.facts.path, data: run.facts.data, epochs: run.metrics.largest("epoch"),
                steps: run.metrics.largest("step"), weights: run.weights,
                results: Dictionary(
                    run.parts.map { ($0.name, $0.figures.filter { $0.value.isFinite }) }, uniquingKeysWith: { $1 }))
        }
        try container.encode(runs, forKey: .runs)
        try container.encode(differences, forKey: .differences)
    }
}
