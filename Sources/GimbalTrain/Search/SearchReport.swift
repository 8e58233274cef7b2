import Foundation

/// What a search has found so far: as a table in text, and as `search.html`, a page in one file.
public struct SearchReport {
    private let record: SearchRecord
    private let results: [TrialResult]
    private let ranked: [TrialResult]
    private let points: [[String]]
    /// What won when it was tested, by name, such as `loss`; empty before.
    private let test: Figures

    /// - Parameters:
    ///   - record: what the search is.
    ///   - results: of trials, in the order in which they came.
    ///   - test: what the winner came to on the test data; empty before.
    public init(_ record: SearchRecord, _ results: [TrialResult], test: Figures = [:]) {
        (self.record, self.results, self.test) = (record, results, test)
        (ranked, points) = (record.plan.ranked(results), record.plan.points)
    }

    private var plan: SearchPlan { record.plan }
    /// The figures that trials have, the loss first.
    private var figures: [String] {
        let names = ["loss", "accuracy", "r2"]
        return names.filter { name in results.contains { $0.figures[name] != nil } }
    }

    /// The command that trains the winner by itself; nil before there is one.
    public var command: String? {
        plan.best(of: results).map { shellCommand(["gimbal"] + record.trainArguments(points[$0.trial - 1])) }
    }

    // MARK: The table

    private var head: [String] {
        ["trial"] + plan.space.dimensions.map(\.name) + ["epochs"] + figures + ["seconds", "run"]
    }

    private func row(_ result: TrialResult) -> [String] {
        let all = results.filter { $0.trial == result.trial }
        let numbers = figures.map { name in result.failure == nil ? decimal(result.figures[name]) : "-" }
        return ["\(result.trial)"] + points[result.trial - 1] + ["\(result.epochs)"] + numbers
            + [
                String(format: "%.1f", all.reduce(0) { $0 + $1.seconds }),
                result.failure == nil ? SearchFolder.trialName(result.trial) : "failed",
            ]
    }

    /// The trials that failed, with their reasons.
    private var failures: [String] {
        ranked.compactMap { result in result.failure.map { "trial \(result.trial) failed: \(shown($0, limit: 300))" } }
    }

    /// The trials, the best first, in columns.
    /// - Parameter limit: how many rows are shown; nil for all.
    public func table(limit: Int? = nil) -> String {
        let rows = ranked.prefix(limit ?? ranked.count).map { row($0).map { shown($0, limit: 60) } }
        var lines = aligned([head] + rows)
        if rows.count < ranked.count { lines.append("and \(ranked.count - rows.count) more") }
        lines += failures.prefix(limit ?? .max)
        return lines.joined(separator: "\n")
    }

    // MARK: The page

    /// Writes the page, whole or not at all.
    /// - Throws: `GimbalError.fileSystem`; an older page is then untouched.
    public func write(to path: String) throws { try page.write(to: path) }

    /// The page as HTML.
    public var html: String { page.html }

    private var page: Page {
        var sections: [(title: String, body: String)] = []
        if let command {
            sections.append(("What won", "<pre>\(escaped(command))</pre>" + testTable))
        }
        let rows = ranked.map { result in
            row(result).map { result == ranked.first ? "<b>\(escaped($0))</b>" : escaped(shown($0, limit: 200)) }
        }
        sections.append(
            (
                "Trials",
                rows.isEmpty
                    ? "<p>None has ended yet.</p>"
                    : Page.table(head: head.map { escaped($0) }, rows)
                        + "<p class=note>The best first, by \(metricTitle) of the epoch whose weights a trial would end with; those "
                        + "that were trained longer stand before others.</p>"
                        + failures.map { "<p class=note>\(escaped($0))</p>" }.joined()
            ))
        sections.append(("The best over time", progress.html))
        for (place, dimension) in plan.space.dimensions.enumerated() {
            sections.append(("\(shown(dimension.name))", plot(dimension, place).html))
        }
        let facts = [
            ("method", "\(plan.method.rawValue), \(points.count) settings, up to \(plan.epochs) epochs"),
            ("judged by", metricTitle), ("trained with", shellCommand(["gimbal", "train"] + record.arguments)),
            ("took", results.map(\.elapsed).max().map { String(format: "%.1f s", $0) } ?? "-"),
            ("version", "Gimbal \(record.version)"),
        ]
        return Page(title: "Search", facts: facts, sections: sections)
    }

    private var metricTitle: String { "\(MetricsTable.title(of: plan.metric.rawValue)) on validation data" }

    private var testTable: String {
        guard !test.isEmpty else { return "" }
        return Page.table(
            head: ["figure", "test data"],
            test.inOrder.map { [escaped(MetricsTable.title(of: $0.name)), decimal($0.value)] })
            + "<p class=note>Test data was looked at once, when the winner's run had ended.</p>"
    }

    private func figure(_ result: TrialResult) -> Double? {
        result.failure == nil ? result.figures[plan.metric.rawValue]?.ifFinite : nil
    }

    private var verticalAxis: PlotAxis { Report.axis(of: plan.metric.rawValue) }

    private var progress: Plot {
        var best: Double?
        var points: [(x: Double, y: Double)] = []
        for result in results.sorted(by: { $0.elapsed < $1.elapsed }) {
            guard let value = figure(result) else { continue }
            let isBetter = best.map { plan.metric == .loss ? value < $0 : value > $0 } ?? true
            // A step: what was the best stays so until there is a better one.
            if isBetter {
                if let best { points.append((result.elapsed, best)) }
                best = value
            }
            points.append((result.elapsed, best ?? value))
        }
        return Plot(
            title: "the best \(metricTitle) so far", horizontal: PlotAxis(title: "seconds of the search"),
            vertical: verticalAxis, series: [Plot.Series(name: "best so far", points: points)])
    }

    /// Figure against value, a colour for each length of training.
    private func plot(_ dimension: SearchSpace.Dimension, _ place: Int) -> Plot {
        // Choices stand side by side, also those that are numbers.
        let isNamed = dimension.range == nil
        let lengths = Set(results.map(\.epochs)).sorted()
        let series = lengths.map { epochs in
            Plot.Series(
                name: "after \(counted(epochs, "epoch"))",
                points: results.filter { $0.epochs == epochs }.compactMap { result in
                    let value = points[result.trial - 1][place]
                    let x = isNamed ? dimension.choices.firstIndex(of: value).map(Double.init) : Double(value)
                    guard let x, let y = figure(result) else { return nil }
                    return (x, y)
                }, isScattered: true)
        }
        let scale = dimension.range?.isLogarithmic == true ? PlotAxis.Scale.logarithmicWhereWide : .linear
        return Plot(
            title: "\(metricTitle) against \(dimension.name)",
            horizontal: PlotAxis(title: dimension.name, scale: scale, names: dimension.choices),
            vertical: verticalAxis, series: series)
    }
}
