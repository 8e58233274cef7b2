import Foundation

// The parts of a page that tell about one evaluation.

extension ClassificationReport {
    /// The most classes whose confusion matrix is shown as a table; of more it could not be read.
    static let matrixLimit = 30
    /// Bins with fewer samples than this are drawn, but not joined.
    static let fewSamples = 10

    /// Scores, confusion matrix, curves and reliability, each with its title; those without anything to show are left
    /// out.
    /// - Parameter part: the part of the data, such as "test", that titles name.
    package func sections(part: String) -> [(title: String, body: String)] {
        var sections: [(title: String, body: String)] = [("Scores on \(part) data", scoresTable)]
        sections.append(("Confusion on \(part) data", confusionTables))
        sections.append(("Classes on \(part) data", classTable))
        if !rocCurves.isEmpty { sections.append(("ROC curves on \(part) data", rocPlot.html + areaNote(areaUnderROC))) }
        if !precisionRecallCurves.isEmpty {
            sections.append(
                ("Precision and recall on \(part) data", precisionRecallPlot.html + areaNote(averagePrecision)))
        }
        if reliability.contains(where: { $0.count > 0 }) {
            sections.append(("Reliability on \(part) data", reliabilityPlot.html + reliabilityTable))
        }
        if !notes.isEmpty {
            sections.append(("Left out", "<ul>\(notes.map { "<li>\(escaped($0))</li>" }.joined())</ul>"))
        }
        return sections
    }

    private var scoresTable: String {
        Page.table(
            [["samples", "\(samples)"]]
                + numbers.compactMap { name, value in
                    value.map { [escaped(name), number($0)] }
                })
    }

    // MARK: Confusion

    private var confusionTables: String {
        var parts: [String] = []
        if let confusion, confusion.count <= Self.matrixLimit {
            parts.append(Self.matrix(confusion, names: classes.map(\.name)))
        } else {
            parts.append(
                "<p class=note>A matrix of \(classCount) classes could not be read; these are the pairs that are confused "
                    + "most.</p>")
        }
        if mostConfused.isEmpty {
            parts.append("<p>\(samples == 0 ? "No samples." : "No class was taken for another.")</p>")
        } else {
            parts.append(
                Page.table(
                    head: ["most confused", "predicted as", "samples"],
                    mostConfused.map { [Self.label($0.truth), Self.label($0.prediction), "\($0.count)"] }))
            if confusionsLeftOut > 0 { parts.append("<p class=note>And \(confusionsLeftOut) more pairs.</p>") }
        }
        return parts.joined(separator: "\n")
    }

    private static func matrix(_ counts: [[Int]], names: [String]) -> String {
        // Errors by their share of the row, on a scale up to the largest such share.
        let supports = counts.map { $0.reduce(0, +) }
        var largest = 0.0
        for (truth, row) in counts.enumerated() {
            for (prediction, count) in row.enumerated() where truth != prediction && supports[truth] > 0 {
                largest = max(largest, Double(count) / Double(supports[truth]))
            }
        }
        let rows = counts.enumerated().map { truth, row in
            let cells = row.enumerated().map { prediction, count in
                guard count > 0 else { return "<td>0</td>" }
                let share = Double(count) / Double(max(1, supports[truth]))
                let strength = truth == prediction ? 0.28 : 0.15 + 0.6 * share / max(largest, .leastNormalMagnitude)
                let color = truth == prediction ? "--right" : "--error"
                return "<td style=\"background:rgba(var(\(color)),\(String(format: "%.2f", strength)))\">\(count)</td>"
            }
            return "<tr><th class=name>\(label(names[truth]))</th>\(cells.joined())</tr>"
        }
        let head = names.map { "<th>\(label($0))</th>" }.joined()
        return "<div class=\"scroll matrix\"><table><tr><th class=name>true \\ predicted</th>\(head)</tr>"
            + "\(rows.joined(separator: "\n"))</table></div><p class=note>Blue: right. Orange: taken for another class; the "
            + "stronger, the larger the share of the row, up to \(String(format: "%.2g", 100 * largest)) %.</p>"
    }

    private var classTable: String {
        // Without probabilities there are no areas.
        let hasAreas = classes.contains { $0.areaUnderROC != nil || $0.averagePrecision != nil }
        let rows = classes.map { row -> [String] in
            let areas = hasAreas ? [row.areaUnderROC, row.averagePrecision] : []
            let scores = [row.precision, row.recall, row.f1, row.specificity] + areas
            return [Self.label(row.name)] + scores.map { number($0) } + ["\(row.support)"]
        }
        let averages = [("macro", macro), ("weighted", weighted)].map { name, scores -> [String] in
            let means = [scores.precision, scores.recall, scores.f1].map { number($0) }
            return ["<b>\(name)</b>"] + means + (hasAreas ? ["", "", ""] : [""]) + ["\(samples)"]
        }
        let cut = classesLeftOut > 0 ? "The \(classes.count) classes with the lowest F1; \(classesLeftOut) more. " : ""
        return Page.table(
            head: ["class", "precision", "recall", "F1", "specificity"]
                + (hasAreas ? ["area under ROC", "average precision"] : []) + ["samples"],
            rows + averages)
            + "<p class=note>\(cut)“-” is undefined, such as the precision of a class that is never predicted. Macro is the "
            + "mean over the \(occurringClassCount) classes that occur, where undefined counts as 0; weighted is by "
            + "samples.</p>"
    }

    private static func label(_ name: String) -> String { escaped(shown(name, limit: 60)) }

    // MARK: Curves

    private static func axis(_ title: String) -> PlotAxis { PlotAxis(title: title, range: 0...1) }
    private static let diagonal = [(x: 0.0, y: 0.0), (x: 1.0, y: 1.0)]

    private func areaNote(_ mean: Double?) -> String {
        mean.map { "<p class=note>Mean area over classes: \(number($0)).</p>" } ?? ""
    }

    private static func lines(_ curves: [Curve]) -> [Plot.Series] {
        curves.map { curve in
            .init(
                name: "\(shown(curve.name, limit: 40)), area \(number(curve.area.ifFinite))",
                points: zip(curve.x, curve.y).map { (x: $0, y: $1) }.filter { $0.x.isFinite && $0.y.isFinite },
                isDotted: false)
        }
    }

    var rocPlot: Plot {
        Plot(
            title: "Receiver operating characteristic: each class against all others",
            horizontal: Self.axis("false positive rate (fraction)"),
            vertical: Self.axis("true positive rate (fraction)"),
            series: Self.lines(rocCurves) + [.init(name: "chance", points: Self.diagonal, isReference: true)])
    }

    var precisionRecallPlot: Plot {
        Plot(
            title: "Precision against recall: each class against all others",
            horizontal: Self.axis("recall (fraction)"), vertical: Self.axis("precision (fraction)"),
            series: Self.lines(precisionRecallCurves))
    }

    /// Runs of neighbouring bins that have enough samples are joined; the others are dots.
    var reliabilityPlot: Plot {
        let points = reliability.compactMap { bin in
            bin.meanConfidence.flatMap { x in bin.accuracy.map { (x: x, y: $0, count: bin.count) } }
        }
        func series(_ name: String, _ isShown: (Int) -> Bool) -> Plot.Series {
            let own = points.filter { isShown($0.count) }
            return .init(
                name: name, points: own.map { ($0.x, $0.y) }, isScattered: true, labels: own.map { "\($0.count)" })
        }
        return Plot(
            title: "Accuracy against confidence", horizontal: Self.axis("mean confidence of a bin (fraction)"),
            vertical: Self.axis("accuracy in the bin (fraction)"),
            series: [
                series("bins of \(Self.fewSamples) samples and more", { $0 >= Self.fewSamples }),
                series("bins of fewer samples", { $0 < Self.fewSamples }),
                .init(name: "calibrated", points: Self.diagonal, isReference: true),
            ], notes: ["Numbers are samples in each bin; bins with few of them say little."])
    }

    private var reliabilityTable: String {
        Page.table(
            head: ["confidence", "samples", "mean confidence", "accuracy"],
            reliability.map { bin in
                [
                    String(format: "%.2f to %.2f", bin.lower, bin.upper), "\(bin.count)", number(bin.meanConfidence),
                    number(bin.accuracy),
                ]
            })
    }
}

extension RegressionReport {
    /// Scores, predictions against targets, and errors, each with its title.
    /// - Parameter part: the part of the data, such as "test", that titles name.
    package func sections(part: String) -> [(title: String, body: String)] {
        let table = Page.table(
            [["samples", "\(samples)"]]
                + numbers.map { [escaped($0.name), $0.value.map { String(format: "%.6g", $0) } ?? "undefined"] })
        let drawn = points.filter { $0.target.isFinite && $0.prediction.isFinite }
        var sections: [(title: String, body: String)] = [("Scores on \(part) data", table)]
        guard let least = drawn.map(\.target).min(), let most = drawn.map(\.target).max() else { return sections }
        var notes: [String] = []
        if points.count >= RegressionScores.sampleLimit {
            notes.append("A sample of \(points.count) in even steps is drawn.")
        }
        if drawn.count < points.count {
            notes.append("\(points.count - drawn.count) that are not finite are left out.")
        }
        let predicted = Plot(
            title: "Predicted against true", horizontal: PlotAxis(title: "true value (units of the data)"),
            vertical: PlotAxis(title: "predicted value"),
            series: [
                .init(
                    name: "samples", points: drawn.map { ($0.target, $0.prediction) }, isScattered: true),
                .init(name: "exact", points: [(least, least), (most, most)], isReference: true),
            ], notes: notes)
        let guesses = drawn.map(\.prediction)
        let residuals = Plot(
            title: "Residuals", horizontal: PlotAxis(title: "predicted value (units of the data)"),
            vertical: PlotAxis(title: "true minus predicted"),
            series: [
                .init(
                    name: "samples", points: drawn.map { ($0.prediction, $0.target - $0.prediction) },
                    isScattered: true),
                .init(
                    name: "exact", points: [(guesses.min() ?? 0, 0), (guesses.max() ?? 0, 0)], isReference: true),
            ], notes: notes)
        sections.append(("Predictions on \(part) data", predicted.html + residuals.html))
        return sections
    }
}
