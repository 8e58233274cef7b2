import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("The rows of a series")
struct SeriesRowsTests {
    private func parts(_ path: String, _ table: TableOptions = TableOptions()) throws -> DataParts {
        var options = SeriesOptions()
        (options.window, options.season) = (4, 12)
        return try DataSource.series(path: path, options: options, table: table).parts()
    }

    /// What is said of a table that is refused.
    private func refusal(_ rows: [String], _ table: TableOptions = TableOptions()) throws -> String {
        var message = ""
        try withSeries(rows) { path in
            let error = #expect(throws: GimbalError.self) { try parts(path, table) }
            message = String(describing: error)
        }
        return message
    }

    /// A row a day, from 1 January 2020.
    private static func days(_ count: Int, _ date: (Int, Int, Int) -> String = { "\($0)-\(two($1))-\(two($2))" })
        -> [String]
    {
        var (month, day) = (1, 1)
        let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return ["day,sales"]
            + (0..<count).map { row in
                defer {
                    day += 1
                    if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
                }
                return "\(date(2020, month, day)),\((row * row) % 17)"
            }
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    @Test("That go back, repeat a time or have none are refused with the line")
    func order() throws {
        var rows = Self.days(100)
        rows.swapAt(7, 8)
        #expect(try refusal(rows).contains("line 9: day goes back from 2020-01-08 to 2020-01-07"))
        rows = Self.days(100)
        rows.insert(rows[4], at: 5)
        #expect(try refusal(rows).contains("line 6: day is 2020-01-04, as in line 5"))
        for wrong in ["Total", "", "2020-13-45", "05/02/2020"] {
            rows = Self.days(100)
            rows[50] = "\(wrong),3"
            #expect(try refusal(rows).contains("line 51: '\(wrong)' in"))
        }
        // Stores one after another, in a column before.
        rows =
            ["store,day,sales"] + ["a", "b"].flatMap { store in Self.days(100).dropFirst().map { "\(store),\($0)" } }
        #expect(try refusal(rows).contains("line 102: day goes back"))
        rows = ["year,sales"] + (0..<100).map { "\(1900 + ($0 * 37) % 100),\($0 % 7)" }
        #expect(try refusal(rows).contains("year goes back from 1974 to 1911"))
    }

    @Test(
        "That follow each other are taken, however their times are written, and columns that tell no time",
        arguments: ["dmy", "mdy", "compact", "zone", "number", "other", "month", "year and month"])
    func taken(form: String) throws {
        var rows = Self.days(200) { year, month, day in
            switch form {
            case "dmy": "\(Self.two(day)).\(Self.two(month)).\(year)"
            case "mdy": "\(Self.two(month))/\(Self.two(day))/\(year)"
            case "compact": "\(year)\(Self.two(month))\(Self.two(day))"
            default: "\(year)-\(Self.two(month))-\(Self.two(day))"
            }
        }
        if form == "zone" {
            // The clock is turned back at three o'clock.
            rows = ["time,sales"] + (0..<4).map { "2024-10-26T2\($0):00:00+02:00,\($0)" }
            rows += (0..<3).map { "2024-10-27T0\($0):00:00+02:00,\($0)" }
            rows += (2..<60).map { "2024-10-\(27 + $0 / 24)T\(Self.two($0 % 24)):00:00+01:00,\($0 % 5)" }
        }
        if form == "number" { rows = ["step,sales"] + (0..<60).map { "\($0).5,\($0 % 5)" } }
        if form == "month" { rows = ["month,sales"] + (0..<96).map { "\($0 % 12 + 1),\($0 % 5)" } }
        if form == "year and month" {
            rows = ["year,month,sales"] + (0..<96).map { "\(2000 + $0 / 12),\($0 % 12 + 1),\($0 % 5)" }
        }
        if form == "other" { rows = ["price,sales"] + (0..<60).map { "\(($0 * 7) % 11),\($0 % 5)" } }
        try withSeries(rows) { path in
            let notes = try parts(path).notes
            #expect(notes.isEmpty, "\(notes)")
        }
    }

    @Test("Days whose hours stand in another column follow each other, which is told")
    func hours() throws {
        let rows =
            ["day,hour,sales"]
            + Self.days(10).dropFirst().flatMap { day in
                (0..<24).map { "\(day.prefix(10)),\($0),\($0 * $0 % 17)" }
            }
        var table = TableOptions()
        table.target = .named("sales")
        try withSeries(rows) { path in
            let notes = try parts(path, table).notes
            #expect(notes.contains { $0.contains("day is the same in several rows") } && notes.count == 1, "\(notes)")
        }
    }

    @Test("Times that are left out are told")
    func gaps() throws {
        var rows = Self.days(200)
        rows.removeSubrange(20..<24)
        rows.remove(at: 100)
        try withSeries(rows) { path in
            let notes = try parts(path).notes
            #expect(notes.count == 1 && notes[0].contains("from line 20 to line 21 it takes 5 of the usual steps"))
            #expect(notes.first?.contains("2 times in all") == true)
        }
    }

    @Test("Without a number at the ends are left out; what is filled in between is no truth")
    func missing() throws {
        var rows = ["sales"] + (0..<100).map { "\(($0 * $0) % 17)" }
        for line in [1, 2, 90, 97, 98, 99, 100] { rows[line] = "NA" }
        try withSeries(rows) { path in
            let parts = try parts(path)
            #expect(parts.notes.contains { $0.contains("2 rows at the start and 4 rows at the end") })
            #expect(parts.notes.contains { $0.contains("1 missing values of sales") })
            // 94 rows, of which the last 19 are the test; one of these was not measured, and one would be predicted from it.
            #expect(parts.test.count == 17)
            let record = try #require(parts.record.series)
            #expect(record.rows[.test] == 19)
            let known = (75..<94).map { $0 + 2 }.filter { $0 != 89 && $0 != 90 }
            let naive = known.map { abs(($0 * $0) % 17 - (($0 - 1) * ($0 - 1)) % 17) }.reduce(0, +)
            #expect(abs(parts.baselines[0].meanAbsoluteError - Double(naive) / 17) < 1e-9)
        }
        var table = TableOptions()
        table.missing = .refuse
        #expect(try refusal(rows, table).contains("line 2, column 1 (sales): missing value"))
    }

    @Test(
        "What a forecast does not know of is refused by its name", arguments: ["excluded", "ids", "types", "missing"])
    func unused(name: String) throws {
        var table = TableOptions()
        switch name {
        case "excluded": table.excluded = ["day"]
        case "ids": table.ids = ["day"]
        case "types": table.types = ["day": .date]
        default: table.missing = .drop
        }
        #expect(try refusal(Self.days(100), table).contains(name))
    }

    @Test("Of another series are too few for a window; of the run's, its own columns are read")
    func others() throws {
        try withSeries(Self.days(100)) { path in
            let record = try parts(path).record
            try withSeries(Self.days(4)) { short in
                let error = #expect(throws: GimbalError.self) {
                    _ = try DataSource.series(path: short).evaluationData(of: record)
                }
                #expect(String(describing: error).contains("4 rows, where a window has 4"))
            }
            for (target, columns) in [("day", nil), ("sales", ["day"])] {
                var table = TableOptions(target: .written(target))
                table.columns = columns
                #expect(throws: GimbalError.self) {
                    _ = try DataSource.series(path: path, table: table).parts(continuing: record)
                }
            }
            let again = TableOptions(target: .written("2"))
            _ = try DataSource.series(path: path, table: again).parts(continuing: record)
        }
    }

    @Test("That never change are refused, and a number that may stand for a missing one is told")
    func doubts() throws {
        #expect(try refusal(["sales"] + (0..<100).map { _ in "5" }).contains("there is nothing to learn"))
        try withSeries(["sales"] + (0..<200).map { $0 % 20 == 3 ? "-999" : "\($0 % 7)" }) { path in
            let notes = try parts(path).notes
            #expect(notes.contains { $0.contains("--missing -999 says so") })
        }
    }

    @Test("Are not changed as images are")
    func augmentation() throws {
        try withSeries(Self.days(100)) { path in
            let parts = try parts(path)
            var training = TrainingSettings()
            training.augmentation = [.shift]
            #expect(throws: GimbalError.self) {
                _ = try Recipe(
                    model: ModelSettings(kind: .gru, for: parts.train, isTable: true), training: training,
                    data: parts.record
                ).makeRun(train: parts.train, device: .cpu)
            }
        }
    }
}
