import ArgumentParser
import Foundation
import GimbalTrain

/// What a table's target is to be used for.
enum DataTask: String, ExpressibleByArgument, CaseIterable {
    case classification, regression, forecast

    /// What the model is to tell; a forecast tells numbers.
    var model: ModelSettings.Task { self == .classification ? .classification : .regression }
}

/// How a series is cut into examples. What was said when a run began, it keeps.
struct SeriesFlags: ParsableArguments {
    @Option(
        help:
            "Rows that a model sees of a series. (default: up to three seasons where there is one, else 24; a fifth of the rows at most)"
    )
    var window: Int?
    @Option(help: "Rows ahead that are forecast, from the next one on. (default: \(SeriesOptions().horizon))")
    var horizon: Int?
    @Option(help: "Rows after which the series resembles itself. (default: found in it, where it does)")
    var season: Int?

    /// What is to be made of a series.
    var options: SeriesOptions {
        var options = SeriesOptions()
        (options.window, options.season) = (window, season)
        options.horizon = horizon ?? options.horizon
        return options
    }

    /// Makes sure that what was given has a meaning, and is what the run began with.
    func check(_ source: DataSource, _ known: SeriesRecord?) throws {
        let given = [("--window", window), ("--horizon", horizon), ("--season", season)]
        if source.kind != .series, let (name, _) = given.first(where: { $0.1 != nil }) {
            throw GimbalError.invalidSetting(name: name, reason: "is for --task forecast")
        }
        guard let known else { return }
        for ((name, now), begun) in zip(given, [known.window, known.horizon, known.season]) {
            guard let now, now != begun else { continue }
            throw begunOtherwise(name, begun.map(String.init) ?? "none")
        }
    }
}

/// A forecast beside those that need no model, on the test part.
struct ForecastComparison {
    let text: String

    init(_ test: Evaluation, _ parts: DataParts) {
        let series = parts.record.series
        var rows = [("model", test.regression?.rootMeanSquaredError, test.regression?.meanAbsoluteError)]
        rows += parts.baselines.map { ($0.name, $0.rootMeanSquaredError, $0.meanAbsoluteError) }
        let head =
            "\(parts.test.count) forecasts of \(shown(series?.columns.first ?? "")), \(series?.horizon ?? 1) ahead"
        let lines = rows.map { name, root, absolute in
            "  \(name.padding(toLength: 16, withPad: " ", startingAt: 0))RMSE \(Self.digits(root))  MAE \(Self.digits(absolute))"
        }
        text = ([head] + lines).joined(separator: "\n")
    }

    /// Errors are of the size of the data, whatever that is.
    private static func digits(_ error: Double?) -> String {
        error.map { String(format: "%.6g", $0) } ?? "-"
    }
}
