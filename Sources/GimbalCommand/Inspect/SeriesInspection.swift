import GimbalTrain

/// A table as a forecast would see it.
struct SeriesInspection: Inspection {
    var path: String
    var series: SeriesProfile

    init(path: String, flags: TableFlags, target: String?) throws {
        self.path = path
        series = try SeriesProfile(path: path, options: flags.options(target: target))
    }

    func encode(to encoder: any Encoder) throws {
        try series.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(path, forKey: .path)
    }

    private enum Key: CodingKey { case path }

    var text: String {
        let rows = series.columns.enumerated().map { index, column in
            [
                index == 0 ? "to be forecast" : "seen beside it", shown(column.name),
                "\(TableProfile.short(column.minimum)) to \(TableProfile.short(column.maximum))",
                column.missing == 0 ? "" : "\(column.missing) missing",
            ]
        }
        let season = series.season.map { "resembles itself after \($0) rows" } ?? "has no season"
        return
            (["\(shown(path, limit: 200)): \(series.rows) rows, one after another in time"]
            + aligned(rows).map { "  " + $0 } + ["\(shown(series.columns[0].name)) \(season)"]
            + series.notes.map { "note: \($0)" }).joined(separator: "\n")
    }
}
