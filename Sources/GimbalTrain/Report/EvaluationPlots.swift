extension ClassificationReport {
    /// Curves of the report as SVG, each with its title: the receiver operating characteristic, precision against
    /// recall, and reliability. Those without points are left out.
    public var plots: [(title: String, svg: String)] {
        let diagonal = [(x: 0.0, y: 0.0), (x: 1.0, y: 1.0)]
        func lines(_ curves: [Curve]) -> [LinePlot.Line] {
            curves.map { .init(name: $0.name, points: zip($0.x, $0.y).map { (x: $0, y: $1) }) }
        }
        let filled = reliability.filter { $0.count > 0 }
        let bins = LinePlot.Line(
            name: "bins of samples", points: filled.map { (x: $0.meanConfidence, y: $0.accuracy) })
        let all: [(title: String, lines: [LinePlot.Line], reference: LinePlot.Line?)] = [
            (
                "True against false positive rate", lines(rocCurves),
                .init(name: "chance", points: diagonal, isReference: true)
            ),
            ("Precision against recall", lines(precisionRecallCurves), nil),
            (
                "Accuracy against confidence", filled.isEmpty ? [] : [bins],
                .init(name: "calibrated", points: diagonal, isReference: true)
            ),
        ]
        return all.filter { !$0.lines.isEmpty }.map { title, lines, reference in
            let plot = LinePlot(
                title: title, lines: lines + (reference.map { [$0] } ?? []), horizontal: 0...1, vertical: 0...1)
            return (title, plot.svg)
        }
    }
}
