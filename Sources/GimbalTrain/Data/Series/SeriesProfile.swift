import Gimbal

/// What is in a series, as a forecast would see it.
package struct SeriesProfile: Encodable {
    /// A column that is used.
    package struct Column: Encodable {
        package var name: String
        /// Values that were filled in.
        package var missing: Int
        package var minimum: Double
        package var maximum: Double
    }

    /// Rows from the first to the last that have a number.
    package var rows: Int
    /// The column to be predicted, and then others that a model sees.
    package var columns: [Column]
    /// Steps after which the first column resembles itself; nil where it does not.
    package var season: Int?
    package var notes: [String]

    /// - Throws: as a forecast of the series.
    package init(path: String, options: TableOptions) throws {
        let series = try SeriesTable(path: path, options: options)
        rows = series.count
        columns = series.columns.map { column in
            Column(
                name: column.name, missing: column.isMeasured.count { !$0 }, minimum: column.values.min() ?? .nan,
                maximum: column.values.max() ?? .nan)
        }
        season = GimbalTrain.season(of: series.columns[0].values)
        notes = try series.notes + series.doubts(series.count, path: path)
    }
}
