import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Columns that hold more than one kind of thing: each is refused with the line and with what to do, and never becomes
/// categories in silence.
@Suite("Columns of more than one kind")
struct TableMixtureTests {
    /// A table of a column x as given, a number and a class.
    private static func text(_ x: [String]) -> String {
        "x,b,y\n"
            + x.enumerated().map {
                "\($1.contains(",") ? "\"\($1)\"" : $1),\($0 * 13 % 51),\(["no", "yes"][$0 * 5 % 7 % 2])\n"
            }
            .joined()
    }

    private static func column(count: Int = 120, _ field: (Int) -> String) -> [String] { (0..<count).map(field) }

    private static func number(_ row: Int) -> String { "\(Double(row * 37 % 101) / 4)" }

    private func type(_ x: [String], _ change: (inout TableOptions) -> Void = { _ in }) throws -> ColumnType {
        try table(Self.text(x), options(change)).schema.columns[0].type
    }

    // MARK: Marks

    @Test(
        "A mark among numbers that nobody told is named, and read when it is told",
        arguments: [
            "..", "#DIV/0!", "#VALUE!", "unknown", "missing", "n.d.", "*", ":", "Nicht verfügbar", "—", "x", "(b)",
        ])
    func marks(mark: String) throws {
        for every in [3, 7, 40] {
            let x = Self.column { $0 % every == 1 ? mark : Self.number($0) }
            let reason = try refusal(Self.text(x))
            #expect(reason.contains("line 3, column 1 (x): '\(mark)' is not a number"), "\(reason)")
            #expect(reason.contains("--missing '\(mark)'") && reason.contains("--types x=category"), "\(reason)")
            #expect(try type(x) { $0.missingMarks = [mark] } == .number)
            #expect(try type(x) { $0.types = ["x": .category] } == .category)
        }
    }

    @Test("Several marks are named together, and the usual ones need no word")
    func severalMarks() throws {
        let marks = ["..", "#REF!", "unknown"]
        let reason = try refusal(Self.text(Self.column { $0 % 6 == 1 ? marks[$0 / 6 % 3] : Self.number($0) }))
        #expect(reason.contains("--missing '..,#REF!,unknown'"), "\(reason)")
        for mark in ["?", "-", "--", "n/a", "#N/A", "NaN"] {
            #expect(try type(Self.column { $0 % 6 == 1 ? mark : Self.number($0) }) == .number)
        }
    }

    @Test("Few numbers among texts, and few different numbers beside a text, are categories")
    func categories() throws {
        #expect(try type(Self.column { ["0", "1", "2", "3+"][$0 % 4] }) == .category)
        #expect(try type(Self.column { ["1", "2", "A", "B", "C"][$0 % 5] }) == .category)
        #expect(try type(Self.column { $0 % 4 == 0 ? "7" : ["red", "green"][$0 % 2] }) == .category)
    }

    @Test("A mark is told however the zeros of its fraction are written")
    func numericMarks() throws {
        for written in ["-999", "-999.0", "-999.00"] {
            let x = Self.column { $0 % 6 == 1 ? written : Self.number($0) }
            let column = try table(Self.text(x), options { $0.missingMarks = ["-999"] }).profile.columns[0]
            #expect(column.missing == 20 && column.range?.lowerBound == 0, "\(written)")
        }
        let codes = Self.column { ["1.000", "1", "7"][$0 % 3] }
        #expect(try table(Self.text(codes), options { $0.missingMarks = ["1"] }).profile.columns[0].missing == 40)
    }

    // MARK: Units

    @Test("Numbers with units are refused by name, of one unit and of several")
    func units() throws {
        for units in [["kg"], [" kg"], ["km/h"], [" °C"], ["m2"], ["kg", "g"], ["cm", "in", "mm"], [" bhp"], ["h."]] {
            let x = Self.column { Self.number($0) + units[$0 % units.count] }
            let reason = try refusal(Self.text(x))
            #expect(reason.contains("line 2, column 1 (x): '\(x[0])' is a number with the unit"), "\(reason)")
            for unit in units {
                #expect(reason.contains(unit.trimmingCharacters(in: .whitespaces)), "\(reason)")
            }
            #expect(try type(x) { $0.types = ["x": .category] } == .category)
        }
        let partly = Self.column { Self.number($0) + ($0 % 2 == 0 ? " kg" : "") }
        #expect(try refusal(Self.text(partly)).contains("'0.0 kg' is a number with the unit kg"))
        // What only looks like it.
        for texts in [
            ["36 months", "60 months"], ["1st", "2nd", "3rd", "4th", "5th"], ["12A", "12B", "7C", "8D", "9E", "1F"],
        ] { #expect(try type(Self.column { texts[$0 % texts.count] }) == .category) }
    }

    @Test("Per cents beside fractions, and two currencies, are refused; one unit is read")
    func mixedUnits() throws {
        for (first, second): ((Int) -> String, (Int) -> String) in [
            ({ "\($0)%" }, { "0.\($0)" }), ({ "$\($0)" }, { "€\($0)" }), ({ "\($0) USD" }, { "\($0) EUR" }),
            ({ "\($0)%" }, { "$\($0)" }),
        ] {
            let reason = try refusal(Self.text(Self.column { $0 % 2 == 0 ? first($0) : second($0) }))
            #expect(reason.contains("are not of one unit") && reason.contains("line 3"), "\(reason)")
        }
        for field: (Int) -> String in [
            { "\($0)%" }, { $0 == 5 ? "0" : "\($0)%" }, { "$\($0 + 1),000.00" }, { $0 % 2 == 0 ? "$\($0)" : "\($0)" },
            { $0 % 2 == 0 ? "USD \($0)" : "$\($0)" },
        ] { #expect(try type(Self.column(field)) == .number) }
    }

    @Test("Another file has the units that were trained with")
    func otherUnits() throws {
        func read(_ trained: (Int) -> String, _ other: (Int) -> String) throws {
            let schema = try withTable(Array(Self.text(Self.column(trained)).utf8)) {
                try Table(path: $0).fittedSchema()
            }
            try withTable(Array(Self.text(Self.column(other)).utf8)) { path in
                let rows = try schema.rows(path: path)
                var features = [Float](repeating: 0, count: schema.featureCount)
                while try rows.next() {
                    _ = try features.withUnsafeMutableBufferPointer { try rows.write(to: $0.baseAddress!) }
                }
            }
        }
        let percent: (Int) -> String = { "\($0)%" }
        let plain: (Int) -> String = { "\($0)" }
        let (dollars, euros): ((Int) -> String, (Int) -> String) = ({ "$\($0)" }, { "€\($0)" })
        for (trained, other) in [(percent, plain), (plain, percent), (dollars, euros)] {
            let error = #expect(throws: GimbalError.self) { try read(trained, other) }
            #expect(error?.description.contains("line 3, column 1 (x)") == true, "\(String(describing: error))")
        }
        for (trained, other) in [(percent, percent), (plain, dollars), (dollars, plain)] { try read(trained, other) }
    }

    // MARK: Dates

    @Test(
        "One date that is none does not make categories of the others",
        arguments: ["2023-02-30", "2023-13-01", "0000-00-00", "soon", "2023-06-31", "2023/2/29"])
    func impossibleDate(text: String) throws {
        let x = Self.column { $0 == 7 ? text : "2023-0\($0 % 9 + 1)-1\($0 % 10)" }
        let reason = try refusal(Self.text(x))
        #expect(reason.contains("line 9, column 1 (x): '\(text)' is no date, but 119 of 120 texts are"), "\(reason)")
        #expect(reason.contains("--missing '\(text)'"))
        #expect(try type(x) { $0.missingMarks = [text] } == .date)
    }

    @Test("Nor does one number that is no date make numbers of dates in digits alone")
    func impossibleCompactDate() throws {
        let x = Self.column { $0 == 7 ? "20231345" : "202301\(10 + $0 % 20)" }
        let reason = try refusal(Self.text(x))
        #expect(
            reason.contains("line 9, column 1 (x): '20231345' is no date, but 119 of the 120 fields are"), "\(reason)")
        #expect(try type(x) { $0.missingMarks = ["20231345"] } == .date)
        #expect(try type(x) { $0.types = ["x": .number] } == .number)
        #expect(try type(Self.column { "\(20_230_000 + $0 * 7)" }) == .number)
    }

    @Test("Dates in two forms are named, each with its line")
    func twoForms() throws {
        for (first, second) in [
            ("2023-01-1", "31/12/202"), ("13/12/202", "12/13/202"), ("Jan 5, 202", "2023-01-0"),
            ("2023-W1", "2023-01-0"),
        ] {
            let x = Self.column { "\($0 < 60 ? first : second)\($0 % 8 + 1)" }
            let reason = try refusal(Self.text(x))
            #expect(reason.contains("line 62, column 1 (x): '\(second)5' is a date in another form"), "\(reason)")
            #expect(reason.contains("'\(first)1' in line 2"), "\(reason)")
        }
        // Days in Excel's numbers among dates.
        let numbers = Self.column { $0 % 4 == 0 ? "\(45_000 + $0)" : "2023-01-1\($0 % 8)" }
        #expect(
            try refusal(Self.text(numbers)).contains("'2023-01-11' is a date, but 30 of the 120 fields are numbers"))
    }

    // MARK: Sentinels

    @Test("A number that stands for a missing value is asked about")
    func sentinels() throws {
        func warnings(_ x: [String]) throws -> [String] {
            try table(Self.text(x)).profile.warnings.filter { $0.contains("missing value") }
        }
        for sentinel in ["-999", "-9999", "9999", "99999", "-99", "-1", "-200", "999.9", "8888", "1e+30"] {
            let found = try warnings(Self.column { $0 % 6 == 1 ? sentinel : Self.number($0) })
            #expect(found.count == 1, "\(sentinel)")
            #expect(
                found.first?.contains("20 rows have \(sentinel) in x, whose other values go from 0 to 25") == true
                    && found.first?.contains("--missing \(sentinel) ") == true, "\(found)")
        }
        #expect(try warnings(Self.column { $0 % 6 == 1 ? "99" : "\($0 % 5)" }).count == 1)
        #expect(try warnings(Self.column { $0 % 6 == 1 ? ["-999", "9999"][$0 / 6 % 2] : Self.number($0) }).count == 2)
        for x in [
            Self.column(Self.number), Self.column { "\($0 % 100)" }, Self.column { "\($0 - 60)" },
            Self.column { $0 == 5 ? "-999" : Self.number($0) }, Self.column { "\($0 % 2 * 2 - 1)" },
            Self.column { $0 % 3 == 0 ? "0" : "\(1000 + $0)" },
        ] { #expect(try warnings(x).isEmpty, "\(x.prefix(9))") }
        #expect(try warnings(Self.column { $0 % 6 == 1 ? "9999-12-31" : "2023-01-1\($0 % 8)" }).count == 1)
    }

    // MARK: Lines that are no rows

    @Test(
        "Lines of another number of fields are named, and left out when that is told",
        arguments: [["(1,234 rows)"], ["", "Source: office"], ["a,b,c,d,e"], ["1"], ["Total;1", "", "end"]])
    func ragged(lines: [String]) throws {
        let body = Self.text(Self.column(Self.number)).split(separator: "\n").map(String.init)
        for place in [121, 60] {
            var all = body
            all.insert(contentsOf: lines, at: place)
            let text = all.joined(separator: "\n")
            #expect(try refusal(text).contains("--ragged-rows skip"))
            let skip = options { $0.raggedRows = .skip }
            let found = try table(text, skip)
            #expect(found.profile.rows == 120 && found.schema.columns[0].type == .number)
            #expect(
                found.profile.raggedRows == lines.count { !$0.isEmpty }
                    && "\(found.profile)".contains("of another number"))
            try withTable(Array(text.utf8)) { path in
                // What is told of the file that is trained on holds for others.
                let schema = try Table(path: path, options: skip).schema
                let rows = try schema.rows(path: path)
                var count = 0
                while try rows.next() { count += 1 }
                #expect(count == 120 && rows.notes.contains { $0.contains("of another number of fields left out") })
            }
        }
    }

    @Test("Decimal commas are found beside lines that are left out, wherever these stand", arguments: [1, 40, 121])
    func raggedMarks(place: Int) throws {
        var lines = ["x;b;y"] + (0..<120).map { "\($0 % 9),5;\($0 * 13 % 51),25;\(["no", "yes"][$0 * 5 % 7 % 2])" }
        lines.insert("a note of the office", at: place)
        let found = try table(lines.joined(separator: "\n"), options { $0.raggedRows = .skip })
        #expect(found.schema.columns.prefix(2).allSatisfy { $0.type == .number } && found.profile.rows == 120)
        #expect(found.schema.dialect.decimalMark == ",")
    }

    @Test("Rows of empty fields are left out, and counted")
    func blankRows() throws {
        var lines = ["a,b,y"] + (0..<60).map { "\($0 % 9).5,\($0 * 13 % 51),\(["no", "yes"][$0 * 5 % 7 % 2])" }
        #expect(try table(lines.joined(separator: "\n")).profile.blankRows == 0)
        for place in [1, 20, 62] { lines.insert(",,", at: place) }
        let profile = try table(lines.joined(separator: "\n")).profile
        #expect(profile.rows == 60 && profile.blankRows == 3)
    }

    @Test("A last row that is called a total is asked about")
    func totals() throws {
        let body = "town,b,y\n" + (0..<60).map { "\(["Rome", "Oslo"][$0 % 2]),\($0),\($0 * 7 % 3)\n" }.joined()
        #expect(
            try table(body + "Total,1770,1\n").profile.warnings.contains { $0.contains("the last row, in line 62") })
        #expect(try table(body).profile.warnings.allSatisfy { !$0.contains("last row") })
    }

    // MARK: The task

    @Test("Many different numbers are predicted as numbers, few are classes, and a note says which")
    func task() throws {
        func found(_ y: [String], _ task: TableOptions.Task = .automatic) throws -> (
            isRegression: Bool, notes: [String]
        ) {
            let text = "a,b,y\n" + y.enumerated().map { "\($0 * 7 % 31),\($0 * 13 % 51),\($1)\n" }.joined()
            let table = try table(text, options { $0.task = task })
            return (table.schema.isRegression, table.profile.notes)
        }
        let nile = Self.column(count: 100) { "\(450 + $0 * 37 % 85 * 10)" }
        #expect(try found(nile).isRegression && found(nile).notes[0].contains("85 different whole numbers in 100 rows"))
        #expect(try !found(nile, .classification()).isRegression && found(nile, .classification()).notes.isEmpty)
        for numbers in [
            Self.column(Self.number), Self.column { "\($0 % 2).5" }, Self.column(count: 12) { "\($0 * 3)" },
        ] {
            #expect(try found(numbers).isRegression)
        }
        let digits = Self.column(count: 1797) { "\($0 % 10)" }
        #expect(try !found(digits).isRegression && found(digits).notes[0].contains("taken for 10 classes"))
        for classes in [
            Self.column { "\($0 % 2)" }, Self.column { ["yes", "no"][$0 % 2] },
            Self.column(count: 600) { "\($0 % 26)" },
            Self.column { $0 % 3 == 0 ? "7" : "seven" },
        ] { #expect(try !found(classes).isRegression) }
        let marked = "a,y\n" + Self.column { "\($0 % 7),\($0 % 6 == 1 ? ".." : Self.number($0))\n" }.joined()
        let reason = try refusal(marked, options { $0.task = .automatic })
        #expect(reason.contains("line 3, column 2 (y): '..' is not a number") && reason.contains("--missing '..'"))
        #expect(try table(marked, options { ($0.task, $0.missingMarks) = (.automatic, [".."]) }).schema.isRegression)
    }

    // MARK: Numbers of any size

    @Test("Mean and deviation are right for all finite numbers", arguments: [1, 1e300, 1.7e308, 1e-300, 1e-307])
    func magnitudes(size: Double) throws {
        let values = (0..<60).map { Double($0 * 37 % 41 - 20) / 20 * size }
        let text = "x,b,y\n" + values.enumerated().map { "\($1),\($0 * 13 % 51),\($0 % 2)\n" }.joined()
        try withTable(Array(text.utf8)) { path in
            let table = try Table(path: path, split: .init(test: 0, validation: 0))
            let column = try table.fittedSchema().columns[0]
            let units = values.map { $0 / size }
            let mean = units.reduce(0, +) / 60
            let deviation = (units.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 60).squareRoot()
            #expect(abs(column.mean / size - mean) < 1e-12 && abs(column.deviation / size - deviation) < 1e-12)
            let inputs = try table.parts().training.batch([Int](0..<60)).inputs
            for (row, unit) in units.enumerated() {
                #expect(abs(Double(inputs[2 * row]) - (unit - mean) / deviation) < 1e-5)
            }
        }
    }
}
