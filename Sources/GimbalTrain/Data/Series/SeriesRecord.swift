import Gimbal

/// How the columns of a table become examples for a forecast: what a run keeps of it, so that other tables are read in the same
/// way.
///
/// An example has the last `window` numbers of each column, each less the column's last one and divided by its scale; what is
/// to be predicted are the `horizon` numbers that follow in the first column, seen in the same way. A model thus predicts
/// changes, and a series that has grown beyond all that was trained on is read as well as any other.
public struct SeriesRecord: Codable, Sendable, Equatable {
    /// The column that is predicted, and then others that a model sees.
    public var columns: [String]
    /// Steps that a model sees.
    public var window: Int
    /// Steps ahead that it predicts.
    public var horizon: Int
    /// The root of the mean square of the changes in the windows to train on, for each column.
    public var scales: [Double]
    /// Steps after which the series resembles itself; nil where no season is known.
    public var season: Int?
    /// Rows of each part when the run began: those to train on come first, those of the test last.
    public var rows: [TableSplit.Part: Int]
    /// A hash of the rows to train on.
    public var fingerprint = ""

    /// The shape of one input: [window, columns].
    public var inputShape: Shape { [window, columns.count] }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        var options = SeriesOptions()
        (options.window, options.horizon, options.season) = (window, horizon, season)
        try options.validate()
        try checkSetting(
            !columns.isEmpty && scales.count == columns.count && scales.allSatisfy { $0 > 0 && $0.isFinite }
                && rows.values.allSatisfy { $0 >= 0 }, "series", "has the columns \(columns) and the scales \(scales)")
    }

    /// How a table is read, so that it gives this record's columns.
    func reading(_ options: TableOptions) -> TableOptions {
        var options = options
        options.target = .named(columns[0])
        options.columns = columns.count > 1 ? Array(columns.dropFirst()) : nil
        return options
    }

    /// Makes sure that a series gives a window at all.
    /// - Throws: `GimbalError.invalidFile` for one that is shorter.
    func requireWindow(_ table: SeriesTable, path: String, ahead: Int) throws {
        guard table.count < window + ahead else { return }
        throw GimbalError.invalidFile(
            path: path,
            reason: "\(table.count) rows, where a window has \(window)"
                + (ahead == 0 ? "" : " and a forecast \(ahead) more to be judged by"))
    }

    // MARK: Examples

    /// The inputs of the window that ends before row `end`.
    func inputs(_ table: SeriesTable, before end: Int) -> [Float] {
        var result = [Float](repeating: 0, count: window * columns.count)
        for (column, scale) in scales.enumerated() {
            let values = table.columns[column].values
            for step in 0..<window {
                let change = values[end - window + step] - values[end - 1]
                result[step * columns.count + column] = Float(change / scale)
            }
        }
        return result
    }

    /// Examples whose first number to be predicted lies in one of `rows`, and their last in no later row than the last of
    /// these. Their windows may reach back before them.
    /// - Parameter isJudged: whether only those count that can be judged by what was measured.
    func examples(_ table: SeriesTable, predicting rows: Range<Int>, isJudged: Bool, name: String) -> Dataset {
        let ends = ends(rows, of: table, isJudged: isJudged)
        let target = table.columns[0].values
        let values = ends.flatMap { target[$0..<$0 + horizon] }
        let origins = ends.map { target[$0 - 1] }
        var examples = Dataset(
            name: name, inputShape: inputShape, inputs: .floats(ends.flatMap { inputs(table, before: $0) }),
            targets: .values(
                values.enumerated().map { Float(($1 - origins[$0 / horizon]) / scales[0]) }, width: horizon))
        examples.changes = Dataset.Changes(origins: origins, values: values)
        return examples
    }

    /// The rows before which the windows of these examples end.
    func ends(_ rows: Range<Int>, of table: SeriesTable, isJudged: Bool) -> [Int] {
        let first = max(rows.lowerBound, window)
        let last = min(rows.upperBound, table.count) - horizon
        guard first <= last else { return [] }
        return (first...last).filter { !isJudged || table.isJudged($0, horizon) }
    }

    /// What was done to the numbers to be predicted: changes in the units of the data, over the scale.
    var standardization: Standardization {
        Standardization(
            means: [], deviations: [], targetMeans: [Double](repeating: 0, count: horizon),
            targetDeviations: [Double](repeating: scales[0], count: horizon))
    }
}
