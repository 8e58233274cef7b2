import Foundation

/// What a report needs of the probabilities of all samples, taken in batch by batch: some numbers of each sample, and the
/// probabilities themselves only while they are few.
struct ClassificationTally {
    /// The most probabilities that are kept for curves, and that are taken in at once: 80 MB.
    static let keptLimit = 10_000_000

    let classCount: Int
    private(set) var truths: [Int32] = []
    private(set) var predictions: [Int32] = []
    private(set) var confidences: [Double] = []
    private(set) var logLossSum = 0.0
    private(set) var brierSum = 0.0
    private(set) var top5Hits = 0
    /// Row-major [samples, classes]; nil once there were more than `keptLimit`.
    private(set) var probabilities: [Double]? = []

    init(classCount: Int) { self.classCount = classCount }

    /// Takes in rows of probabilities, [samples, classes], and the class of each.
    mutating func add(probabilities rows: [Double], truths: [Int32]) {
        requireRows("ClassificationReport", rows, classCount, truths)
        let largest = largestOfRows(rows, classCount)
        let confidences = largest.enumerated().map { rows[$0 * classCount + Int($1)] }
        self.truths += truths
        // Nothing is predicted by NaN.
        predictions += zip(largest, confidences).map { $1.isFinite ? $0 : -1 }
        self.confidences += confidences
        let sum = logLoss(probabilities: rows, classCount: classCount, truths: truths) * Double(truths.count)
        logLossSum += truths.isEmpty ? 0 : sum
        for (row, truth) in truths.enumerated() {
            let (start, right) = (row * classCount, row * classCount + Int(truth))
            // As `TopKAccuracy`.
            var behind = 0
            for place in start..<start + classCount {
                let distance = rows[place] - (place == right ? 1 : 0)
                brierSum += distance * distance
                if rows[place] < rows[right] || (rows[place] == rows[right] && place <= right) { behind += 1 }
            }
            if behind > classCount - 5 { top5Hits += 1 }
        }
        if let kept = probabilities?.count, kept + rows.count <= Self.keptLimit {
            probabilities?.append(contentsOf: rows)
        } else {
            probabilities = nil
        }
    }
}

/// Areas under the curves of each class, and the curves that are drawn.
struct ClassAreas {
    /// Of each class by its number.
    private(set) var roc: [Int: Double] = [:]
    private(set) var averagePrecision: [Int: Double] = [:]
    private(set) var meanROC: Double?
    private(set) var meanAveragePrecision: Double?
    private(set) var rocCurves: [ClassificationReport.Curve] = []
    private(set) var precisionRecallCurves: [ClassificationReport.Curve] = []
    private(set) var notes: [String] = []

    /// No areas.
    init() {}

    init(_ tally: ClassificationTally, supports: [Int], names: [String]) {
        guard let probabilities = tally.probabilities else {
            notes = [
                "areas under curves are left out: they need all \(tally.truths.count) x \(tally.classCount) "
                    + "probabilities at once"
            ]
            return
        }
        let total = tally.truths.count
        let drawn = tally.classCount == 2 ? 1..<2 : 0..<tally.classCount
        for index in 0..<tally.classCount where supports[index] > 0 {
            let counts = counts(of: index, probabilities, tally)
            averagePrecision[index] = PrecisionRecallCurve(counts).averagePrecision.ifFinite
            if supports[index] < total { roc[index] = ROCCurve(counts).area.ifFinite }
        }
        let areas = drawn.map { roc[$0] }
        if !areas.isEmpty, !areas.contains(nil) {
            meanROC = areas.reduce(0) { $0 + ($1 ?? 0) / Double(drawn.count) }.ifFinite
        }
        let precisions = drawn.compactMap { averagePrecision[$0] }
        if !precisions.isEmpty { meanAveragePrecision = precisions.reduce(0, +) / Double(precisions.count) }

        for index in Self.smallest(roc, of: drawn) {
            let curve = ROCCurve(counts(of: index, probabilities, tally))
            rocCurves.append(
                Self.curve(names[index], roc[index] ?? .nan, curve.falsePositiveRates, curve.truePositiveRates))
        }
        for index in Self.smallest(averagePrecision, of: drawn) {
            let curve = PrecisionRecallCurve(counts(of: index, probabilities, tally), dropsIntermediate: true)
            precisionRecallCurves.append(
                Self.curve(names[index], averagePrecision[index] ?? .nan, curve.recalls, curve.precisions))
        }
        let limit = ClassificationReport.curveLimit.classes
        if drawn.count > limit {
            notes.append(
                "curves are of the \(limit) classes with the smallest areas, and not of \(drawn.count - limit) more")
        }
    }

    private func counts(of index: Int, _ probabilities: [Double], _ tally: ClassificationTally) -> ThresholdCounts {
        ThresholdCounts(
            scores: tally.truths.indices.map { probabilities[$0 * tally.classCount + index] },
            truths: tally.truths.map { $0 == index })
    }

    /// The classes with the smallest areas, as many as are drawn, in the order of their numbers.
    private static func smallest(_ areas: [Int: Double], of classes: Range<Int>) -> [Int] {
        classes.filter { areas[$0] != nil }
            .sorted { (areas[$0] ?? 2, $0) < (areas[$1] ?? 2, $1) }
            .prefix(ClassificationReport.curveLimit.classes).sorted()
    }

    private static func curve(
        _ name: String, _ area: Double, _ x: [Double], _ y: [Double]
    ) -> ClassificationReport.Curve {
        let limit = ClassificationReport.curveLimit.points
        guard x.count > limit else { return .init(name: name, area: area, x: x, y: y) }
        let places = (0..<limit).map { $0 * (x.count - 1) / (limit - 1) }
        return .init(name: name, area: area, x: places.map { x[$0] }, y: places.map { y[$0] })
    }
}
