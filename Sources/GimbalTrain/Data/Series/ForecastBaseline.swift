import Gimbal

/// A forecast that needs no model, and how far it is off: what a model has to be better than.
public struct ForecastBaseline: Codable, Sendable, Equatable {
    /// What it is called.
    public var name: String
    /// The mean over all steps ahead of the root of its mean squared error, in the units of the data.
    public var rootMeanSquaredError: Double
    /// Its mean absolute error over all steps ahead, in the units of the data.
    public var meanAbsoluteError: Double

    /// The naive forecast, that nothing changes, and the seasonal naive one, that what was a season ago comes again
    /// (Hyndman and Athanasopoulos 2021, section 5.2), on the examples that are predicted in `rows`.
    static func all(
        _ record: SeriesRecord, _ series: SeriesTable, predicting rows: Range<Int>
    ) -> [ForecastBaseline] {
        let ends = record.ends(rows, of: series, isJudged: true)
        let values = series.columns[0].values
        func baseline(_ name: String, _ predict: (_ end: Int, _ step: Int) -> Double) -> ForecastBaseline {
            func all(_ value: (_ end: Int, _ step: Int) -> Double) -> [Double] {
                ends.flatMap { end in (0..<record.horizon).map { value(end, $0) } }
            }
            // By the scores that the model has too.
            let scores = RegressionScores(
                predictions: all(predict), targets: all { values[$0 + $1] }, width: record.horizon)
            return ForecastBaseline(
                name: name, rootMeanSquaredError: scores.rootMeanSquaredError,
                meanAbsoluteError: scores.meanAbsoluteError)
        }
        var result = [baseline("naive") { end, _ in values[end - 1] }]
        if let season = record.season, let first = ends.first, first >= season {
            result.append(
                baseline("seasonal naive") { end, step in
                    // The newest season that is over when the forecast is made.
                    values[end + step - season * (step / season + 1)]
                })
        }
        return result
    }
}
