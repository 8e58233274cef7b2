/// How a series of numbers is cut into examples for a forecast, where something else is wanted than what suits most.
///
/// ```swift
/// var options = SeriesOptions()
/// (options.window, options.horizon) = (48, 12)
/// let parts = try DataSource.series(path: "sales.csv", options: options).parts()
/// ```
public struct SeriesOptions: Sendable, Equatable {
    /// Steps that a model sees; nil for three seasons where there is one, or fewer where those are more than 200 rows,
    /// else 24; for a fifth of the series where that is less.
    public var window: Int?
    /// Steps ahead that it predicts, from the next one on.
    public var horizon = 1
    /// Steps after which the series resembles itself; nil for what is found in it.
    public var season: Int?

    /// What suits most series.
    public init() {}

    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        try checkSetting((window ?? 1) > 0, "window", "must be positive, not \(window ?? 0)")
        try checkSetting(horizon > 0, "horizon", "must be positive, not \(horizon)")
        try checkSetting((season ?? 2) > 1, "season", "must be at least 2, not \(season ?? 0)")
        for (name, steps) in [("window", window ?? 1), ("horizon", horizon), ("season", season ?? 2)] {
            try checkSetting(steps <= 1_000_000_000, name, "must be at most 1000000000, not \(steps)")
        }
    }
}
