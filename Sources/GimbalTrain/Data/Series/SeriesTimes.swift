import Gimbal

/// The column of a table that says when each row was measured, and whether the rows follow each other in time.
struct SeriesTimes {
    /// Which column it is.
    let column: Int
    private let name: String
    private let path: String
    /// What each field may be: a date in one of some forms, or a number.
    private var readings: [Reading]
    private var lines: [Int] = []
    private var texts: [String] = []

    /// The fields read in one way, NaN where one cannot be.
    private struct Reading {
        /// Nil for numbers.
        var form: DateForm?
        var times: [Double] = []

        var readCount: Int { times.count { !$0.isNaN } }
        var steps: [Double] { zip(times.dropFirst(), times).map { $0 - $1 } }
    }

    /// A time of day comes again every day.
    private static let forms = DateForm.allCases.filter { $0 != .time }

    /// The first column of dates, or else the first column, whose numbers may be times; nil where that is used otherwise.
    /// - Parameters:
    ///   - names: of all columns.
    ///   - used: columns that are predicted, or seen by a model.
    ///   - rows: some rows of the table.
    init?(names: [String], used: [Int], rows: [[String]], path: String) {
        func holdsDates(_ column: Int) -> Bool {
            let fields = rows.compactMap { column < $0.count ? $0[column] : nil }
            return Self.forms.contains { form in
                let dates = fields.count { field in
                    var field = field
                    return field.withUTF8 { Self.time($0, form) != nil }
                }
                return dates > 2 && 3 * dates > fields.count
            }
        }
        let free = names.indices.filter { !used.contains($0) }
        let ofDates = free.first(where: holdsDates)
        guard let column = ofDates ?? free.first, ofDates != nil || column == 0 else { return nil }
        (self.column, name, self.path) = (column, names[column], path)
        readings = (ofDates == nil ? [] : Self.forms.map { Reading(form: $0) }) + [Reading()]
    }

    /// Takes in the field of the next row.
    mutating func add(_ reader: TableReader) {
        let field = reader.field(column)
        let bytes = UnsafeBufferPointer(start: field.start, count: field.count)
        let text = reader.text(column)
        for index in readings.indices {
            let time = readings[index].form.map { Self.time(bytes, $0) } ?? Double(text)
            readings[index].times.append(time.flatMap { $0.isFinite ? $0 : nil } ?? .nan)
        }
        lines.append(reader.line)
        texts.append(text)
    }

    /// Makes sure that every row is later than the one before.
    /// - Returns: what is doubtful, in sentences: rows that lie further apart than others.
    /// - Throws: `GimbalError.invalidFile` with the first line that is not in order, that repeats a time, or that has none.
    func check() throws -> [String] {
        guard let times = times() else { return [] }
        func fail(_ row: Int, _ reason: String) -> GimbalError {
            .invalidFile(path: path, reason: "line \(lines[row]): \(reason)")
        }
        if let row = times.times.firstIndex(where: \.isNaN) {
            throw fail(
                row,
                "'\(shown(texts[row]))' in \(TableNames.place(column, name)) is no \(times.form == nil ? "number" : "date"), or is "
                    + "written in another way than the others; put it right, or remove the row")
        }
        let steps = times.steps
        if steps.count > 1, 10 * steps.count(where: { $0 < 0 }) > 9 * steps.count {
            throw GimbalError.invalidFile(
                path: path,
                reason: "\(shown(name)) falls from row to row: the rows run backwards in time; turn them around")
        }
        // Days whose hours stand in another column, or years and their months.
        if steps.allSatisfy({ $0 >= 0 }), 10 * steps.count(where: { $0 == 0 }) > 6 * steps.count {
            return [
                "\(shown(name)) is the same in several rows, which are taken as following each other; of several series in one "
                    + "file, keep one"
            ]
        }
        if let step = steps.firstIndex(where: { $0 <= 0 }) {
            let (time, before) = (shown(texts[step + 1]), shown(texts[step]))
            throw fail(
                step + 1,
                (steps[step] == 0
                    ? "\(shown(name)) is \(time), as in line \(lines[step]): each row of a series has a time of its own; keep one, or"
                    : "\(shown(name)) goes back from \(before) to \(time): the rows must be in the order of time; sort them, or keep")
                    + " one series where the file holds several")
        }
        return gaps(times, steps).map { [$0] } ?? []
    }

    /// The way in which most fields can be read; of several alike, one in which they are in order. Nil where the column tells
    /// no time.
    private func times() -> Reading? {
        func falls(_ reading: Reading) -> Int { reading.steps.count { $0 <= 0 } }
        let dates = readings.filter { $0.form != nil && $0.readCount > 2 && 3 * $0.readCount > lines.count }
        let most = dates.map(\.readCount).max()
        if let best = dates.filter({ $0.readCount == most }).min(by: { falls($0) < falls($1) }) { return best }
        return readings.first { $0.form == nil && isTime($0) }
    }

    /// Numbers are times where nearly all of them rise, or fall, or where they are years. Those of months or hours come again
    /// and again.
    private func isTime(_ reading: Reading) -> Bool {
        let (times, steps) = (reading.times.filter { !$0.isNaN }, reading.steps.filter { !$0.isNaN })
        guard times.count > 2, 10 * times.count >= 9 * lines.count, let first = times.min(), let last = times.max()
        else {
            return false
        }
        func isNearlyAll(_ count: Int) -> Bool { 10 * count > 9 * steps.count }
        let distinct = Set(times).count
        if isNearlyAll(steps.count { $0 > 0 }) || isNearlyAll(steps.count { $0 < 0 }) {
            return 2 * distinct >= times.count
        }
        return first >= 1500 && last < 2500 && times.allSatisfy { $0 == $0.rounded() }
            && Double(distinct) > 0.9 * (last - first + 1) && times.count == distinct
    }

    /// Rows that do not lie as far apart as most do; months and years may differ in length.
    private func gaps(_ times: Reading, _ steps: [Double]) -> String? {
        guard steps.count > 1 else { return nil }
        let usual = steps.sorted()[steps.count / 2]
        let odd = steps.indices.filter { steps[$0] > 1.5 * usual || steps[$0] < 0.5 * usual }
        // Numbers that only rise count something else than time.
        guard let first = odd.first, times.form != nil || 10 * odd.count <= steps.count else { return nil }
        return "\(shown(name)) does not go on evenly: from line \(lines[first]) to line \(lines[first + 1]) it takes "
            + "\(String(format: "%.3g", steps[first] / usual)) of the usual steps"
            + (odd.count == 1 ? "" : ", and so \(odd.count) times in all") + "; windows count rows, not times"
    }

    // MARK: Reading

    /// Seconds of a date, in one time zone where it says its own.
    private static func time(_ bytes: UnsafeBufferPointer<UInt8>, _ form: DateForm) -> Double? {
        guard let start = bytes.baseAddress, let reading = readDate(start, bytes.count, form) else { return nil }
        return reading.seconds - offset(bytes)
    }

    /// Seconds by which a time is ahead of UTC, where it ends in +hh:mm or +hhmm.
    private static func offset(_ bytes: UnsafeBufferPointer<UInt8>) -> Double {
        guard let sign = bytes.lastIndex(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }),
            bytes[..<sign].contains(UInt8(ascii: ":"))
        else { return 0 }
        let digits = bytes[(sign + 1)...].filter { $0 != UInt8(ascii: ":") }.map { Double($0) - 48 }
        guard digits.count == 4, digits.allSatisfy((0...9).contains) else { return 0 }
        let minutes = 60 * (10 * digits[0] + digits[1]) + 10 * digits[2] + digits[3]
        return (bytes[sign] == UInt8(ascii: "-") ? -60 : 60) * minutes
    }
}
