import Gimbal

/// A forecast that needs no model, and how far it is off: what a model has to be better than.
public struct ForecastBaseline: Codable, Sendable, Equatable {
    /// What it is called.
    public var name: String
    /// The root of its mean squared error over all steps ahead, in the units of the data.
    public var rootMeanSquaredError: Double
    /// Its mean absolute error over all steps ahead, in the units of the data.
    public var meanAbsoluteError: Double

    /// The naive forecast, that nothing changes, and the seasonal naive one, that what was a season ago comes again
    /// (Hyndman and Athanasopoulos 2021, section 5.2), on the examples that are predicted in `rows`.
    static func all(
        _ record: SeriesRecord, _ series: SeriesTable, predicting rows: Range<Int>
    ) -> [ForecastBaseline] {
        let ends = record.ends(rows, count: series.count)
        let values = series.columns[0].values
        func baseline(_ name: String, _ predict: (_ end: Int, _ step: Int) -> Double) -> ForecastBaseline {
            var (squares, sizes) = (0.0, 0.0)
            for end in ends {
                for step in 0..<record.horizon {
                    let error = predict(end, step) - values[end + step]
                    squares += error * error
                    sizes += abs(error)
                }
            }
            let count = Double(max(ends.count * record.horizon, 1))
            return ForecastBaseline(
                name: name, rootMeanSquaredError: (squares / count).squareRoot(), meanAbsoluteError: sizes / count)
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
