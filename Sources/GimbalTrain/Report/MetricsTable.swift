import Foundation

/// The rows of a `metrics.csv`, also of a run that is still going on.
///
/// A column that ends in the name of a figure, after that of a part of the data, such as `test_accuracy`, is known by
/// its name alone, so that tables of any version are read.
public struct MetricsTable: Sendable {
    /// Names of the columns.
    public let columns: [String]
    private let rows: [[Double?]]

    /// The table in a file; empty where there is none. A last row that is not whole yet is left out.
    /// - Throws: `GimbalError.fileSystem` for a file that is there and cannot be read.
    public init(path: String) throws { self.init(csv: try textIfThere(of: path)) }

    /// The table in `csv`, whose first line has the names of the columns.
    public init(csv: String) {
        let lines = csv.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        let columns = (lines.first ?? []).map(String.init)
        self.columns = columns
        rows = lines.dropFirst().filter { $0.count == columns.count }.map { $0.map { Double($0) } }
    }

    /// The finite values of a column by optimizer step; empty for a column that is not there.
    public func points(_ name: String) -> [(x: Double, y: Double)] {
        guard let step = columns.firstIndex(of: "step"), let column = columns.firstIndex(of: name) else { return [] }
        return rows.compactMap { row in
            guard let x = row[step], let y = row[column], y.isFinite else { return nil }
            return (x, y)
        }
    }

    /// The last finite value of a column; nil where there is none.
    public func last(_ name: String) -> Double? { points(name).last?.y }

    /// The finite value of a column in the row of what epoch `epoch` came to; nil where there is none.
    package func value(_ name: String, epoch: Int) -> Double? {
        guard let place = columns.firstIndex(of: "epoch"), let column = columns.firstIndex(of: name) else { return nil }
        return rows.last { $0[place] == Double(epoch) && $0[column] != nil }.flatMap { $0[column]?.ifFinite }
    }

    /// The largest value of a column of whole numbers, such as `step`; nil where there is none.
    public func largest(_ name: String) -> Int? {
        guard let column = columns.firstIndex(of: name) else { return nil }
        return rows.compactMap { $0[column] }.filter(\.isFinite).max().flatMap { Int(exactly: $0) }
    }

    /// The figures that have values, in the order of the columns, with the parts that they were measured on.
    public var figures: [(name: String, parts: [String])] {
        var found: [(name: String, parts: [String])] = []
        for column in columns {
            guard let (part, name) = Self.split(column), !points(column).isEmpty else { continue }
            if let place = found.firstIndex(where: { $0.name == name }) {
                found[place].parts.append(part)
            } else {
                found.append((name, [part]))
            }
        }
        return found
    }

    /// The part of the data and the figure that a column is of; nil for another column.
    static func split(_ column: String) -> (part: String, figure: String)? {
        for part in ["train", "validation", "test"] where column.hasPrefix(part + "_") {
            return (part, String(column.dropFirst(part.count + 1)))
        }
        return nil
    }

    /// A figure's name as it is read.
    static func title(of figure: String) -> String {
        switch figure {
        case "r2": "R²"
        default: figure.replacing("_", with: " ")
        }
    }

    /// A part's name as it is read.
    static func title(ofPart part: String) -> String { part == "train" ? "training" : part }
}
