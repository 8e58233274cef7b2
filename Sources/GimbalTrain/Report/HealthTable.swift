import Foundation

/// The rows of a run's `health.csv`: what its monitors saw of each layer and parameter, at each step that they looked.
package struct HealthTable: Sendable {
    /// The name of the file in a run's folder.
    package static let fileName = "health.csv"
    /// The columns; what does not apply to a row is empty.
    package static let columns = ["step", "kind", "name"] + Quantity.allCases.map(\.rawValue)

    package typealias Kind = HealthRow.Kind

    /// A figure of a row.
    package enum Quantity: String, CaseIterable, Sendable {
        /// The Euclidean norm.
        case norm
        /// The root of the mean square.
        case rootMeanSquare = "rms"
        /// The mean.
        case mean
        /// The standard deviation.
        case deviation
        /// The share of elements that are exactly 0.
        case zeroShare = "zero_share"
        /// The share of elements whose activation function is all but flat there.
        case saturatedShare = "saturated_share"
        /// The share of units that nothing has switched on for a while.
        case deadShare = "dead_share"
        /// The norm of the update over that of the parameter.
        case updateRatio = "update_ratio"
        /// The number of elements that are NaN or infinite.
        case nonFinite = "non_finite"
    }

    /// Figures of one layer or parameter over the steps; what was not measured is absent, what is NaN or infinite is kept.
    package struct Track: Sendable {
        /// The path of the layer, or the name of the parameter.
        package var name: String
        package var points: [(step: Int, value: Double)]
    }

    private struct Key: Hashable {
        var kind: Kind
        var name: String
    }

    private var rows: [Key: [(step: Int, values: [Double?])]] = [:]
    /// In the order in which they first appear, that of depth.
    private var order: [Key] = []

    /// The table in a file; empty where there is none. A last row that is not whole yet is left out.
    /// - Throws: `GimbalError.fileSystem` for a file that cannot be read.
    package init(path: String) throws { self.init(csv: try textIfThere(of: path)) }

    /// The table in `csv`, whose first line has the names of the columns, in any order.
    package init(csv: String) {
        let newline = UInt8(ascii: "\n")
        var lines = csv.utf8.split(separator: newline)[...]
        if csv.utf8.last != newline { lines = lines.dropLast() }
        guard let head = lines.popFirst().map(Self.fields), let step = head.firstIndex(of: "step"),
            let kind = head.firstIndex(of: "kind"), let name = head.firstIndex(of: "name")
        else { return }
        let places = Quantity.allCases.map { head.firstIndex(of: $0.rawValue) }
        for line in lines {
            let fields = Self.fields(line)
            guard fields.count == head.count, let step = Int(fields[step]), let kind = Kind(rawValue: fields[kind])
            else { continue }
            let key = Key(kind: kind, name: fields[name])
            if rows[key] == nil { order.append(key) }
            rows[key, default: []].append((step, places.map { $0.flatMap { Double(fields[$0]) } }))
        }
    }

    /// Fields of a line, those in quotes without them (RFC 4180).
    private static func fields(_ line: Substring.UTF8View) -> [String] {
        guard line.contains(UInt8(ascii: "\"")) else {
            return line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
                String(Substring($0))
            }
        }
        var (fields, isQuoted, afterQuote) = ([""], false, false)
        for character in Substring(line) {
            let isQuote = character == "\""
            if character == ",", !isQuoted {
                fields.append("")
            } else if !isQuote || (!isQuoted && afterQuote) {
                // A quote within quotes is written twice: the first of them seems to end the field.
                fields[fields.count - 1].append(character)
            }
            if isQuote { isQuoted.toggle() }
            afterQuote = isQuote && !isQuoted
        }
        return fields
    }

    package var isEmpty: Bool { order.isEmpty }

    /// A figure of all layers or parameters, by depth; those without any value are left out.
    package func tracks(_ kind: Kind, _ quantity: Quantity) -> [Track] {
        let place = Quantity.allCases.firstIndex(of: quantity) ?? 0
        return order.filter { $0.kind == kind }.compactMap { key in
            let points = (rows[key] ?? []).compactMap { row in row.values[place].map { (step: row.step, value: $0) } }
            return points.isEmpty ? nil : Track(name: key.name, points: points)
        }
    }
}
