extension Cure {
    /// What was wrong with a recipe, what was tried, and what the best of it does to signal and gradient: a page in one file.
    /// - Parameters:
    ///   - title: such as the data's name.
    ///   - command: what trains the cured recipe.
    package func page(title: String, command: String) -> Page {
        let counted = before.findings.count == 1 ? "1 cause" : "\(before.findings.count) causes"
        return Page(
            title: title,
            facts: [
                ("found", counted + ": " + before.findings.map(\.illness.title).joined(separator: ", ")),
                ("done", isBetter ? best.remedies.map(\.title).joined(separator: "; ") : "nothing, as nothing helped"),
            ]
                + figures.prefix(1).map { name in
                    (
                        "\(name), after \(best.steps) steps",
                        "\(Self.shown(before.figures?[name])), then \(Self.shown(best.figures?[name]))"
                    )
                },
            sections: [
                ("What was wrong", before.findings.map(\.html).joined(separator: "\n")),
                (
                    "Before the first step",
                    plot("Signal: standard deviation of what each layer gives out", \.signal)
                        + plot("Gradient: root mean square behind each layer", \.gradient)
                        + "<p class=note>Where a line falls, what should pass from layer to layer vanishes; where it rises, it "
                        + "explodes. A layer without a point has a value of 0, or one that is not finite.</p>"
                ),
                ("What was tried", trialsTable),
                ("What is trained now", "<pre>\(escaped(command))</pre>"),
            ])
    }

    /// The names of what trials are judged by, the loss first.
    private var figures: [String] {
        let names = Set(([before] + trials).flatMap { ($0.figures ?? [:]).keys })
        return names.sorted { ($0 == "loss" ? "" : $0) < ($1 == "loss" ? "" : $1) }
    }

    private static func shown(_ value: Double?) -> String { value.map { decimal($0) } ?? "not finite" }

    private func plot(_ title: String, _ value: KeyPath<LayerSignal, Double?>) -> String {
        func series(_ name: String, _ trial: Trial) -> Plot.Series {
            let points = trial.layers.enumerated().compactMap { index, layer in
                layer[keyPath: value].flatMap { $0 > 0 ? (x: Double(index + 1), y: $0) : nil }
            }
            return Plot.Series(name: name, points: points)
        }
        return Plot(
            title: title, horizontal: PlotAxis(title: "layers with weights, from input to output"),
            vertical: PlotAxis(title: "value", scale: .logarithmicWhereWide),
            series: [series("as it was", before)] + (isBetter ? [series("cured", best)] : [])
        ).html
    }

    private var trialsTable: String {
        let rows = ([before] + trials).map { trial -> [String] in
            let name = trial.remedies.isEmpty ? "as it was" : trial.remedies.map(\.title).joined(separator: "; ")
            let left = trial.findings.map(\.illness.title).joined(separator: ", ")
            let cells =
                [escaped(name), left.isEmpty ? "nothing" : escaped(left), "\(trial.steps)"]
                + figures.map { Self.shown(trial.figures?[$0]) }
            return trial.recipe == best.recipe ? cells.map { "<b>\($0)</b>" } : cells
        }
        return Page.table(head: ["what", "what the doctor says of it", "steps"] + figures.map { escaped($0) }, rows)
            + "<p class=note>Each was trained for a short time and judged by the validation data; the best is in bold.</p>"
    }
}
