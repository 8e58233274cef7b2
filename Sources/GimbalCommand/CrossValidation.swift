import GimbalTrain

/// What the runs of a cross-validation came to on their test parts: mean and standard deviation (of the sample) of each figure.
struct CrossValidation: Encodable {
    struct Spread: Encodable {
        var mean: Double
        var deviation: Double
    }

    var event = "crossValidation"
    var folds: Int
    /// Of classifiers.
    var testAccuracy: Spread?
    /// Of regressions.
    var testR2: Spread?
    var testRMSE: Spread?
    var testLoss: Spread?
    var runDirectory: String

    init(_ results: [TrainingResult], runDirectory: String) {
        folds = results.count
        self.runDirectory = runDirectory
        func spread(_ figure: (TrainingResult) -> Double?) -> Spread? {
            // Unless each run has it, there is no figure of all.
            let values = results.compactMap(figure)
            guard values.count == results.count, values.count > 1 else { return nil }
            let mean = values.reduce(0, +) / Double(values.count)
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return Spread(mean: mean, deviation: (squares / Double(values.count - 1)).squareRoot())
        }
        testAccuracy = spread(\.testAccuracy)
        testR2 = spread(\.testR2)
        testRMSE = spread(\.testRMSE)
        testLoss = spread(\.testLoss)
    }

    var line: String {
        let figures = [
            ("testAccuracy", testAccuracy), ("testR2", testR2), ("testRMSE", testRMSE), ("testLoss", testLoss),
        ]
        let texts = figures.compactMap { name, spread in
            spread.map { "\(name) \(decimal($0.mean)) ± \(decimal($0.deviation))" }
        }
        return "\(folds) folds: " + texts.joined(separator: "  ")
    }
}
