import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Tables as people have them: each is read rightly, or refused with a word that says what to do.
@Suite("Kinds of tables")
struct TableKindTests {
    private static let rows: [(a: Double, b: Int, town: String, y: String)] = (0..<60).map { row in
        (
            Double(row * 37 % 41 - 20) / 4, row * 13 % 51, ["Rome", "Oslo", "Kyiv"][row % 3],
            row * 5 % 7 % 2 == 0 ? "yes" : "no"
        )
    }

    private static func lines(
        _ mark: String = ",", a: (Double) -> String = { "\($0)" }, b: (Int) -> String = { "\($0)" },
        town: (String) -> String = { $0 }, y: (Int, String) -> String = { $1 }, end: String = ""
    ) -> [String] {
        rows.enumerated().map { number, row in
            [a(row.a), b(row.b), town(row.town), y(number, row.y)].joined(separator: mark) + end
        }
    }

    private static func text(_ header: String, _ lines: [String], end: String = "\n") -> String {
        ([header] + lines).joined(separator: end) + end
    }

    /// The columns a and b as numbers in their own units, and the names of the columns and the classes.
    private func read(
        _ bytes: [UInt8], _ change: (inout TableOptions) -> Void = { _ in }
    ) throws -> (numbers: [[Double]], table: Table) {
        try withTable(bytes) { path in
            let table = try Table(path: path, options: options(change), split: .init(test: 0, validation: 0))
            let schema = try table.fittedSchema()
            let rows = try schema.rows(path: path)
            var features = [Float](repeating: 0, count: schema.featureCount)
            var numbers: [[Double]] = []
            while try rows.next() {
                _ = try features.withUnsafeMutableBufferPointer { try rows.write(to: $0.baseAddress!) }
                numbers.append(
                    zip(features, schema.columns.filter { $0.type == .number && $0.role == .input }).map {
                        Double($0) * $1.deviation + $1.mean
                    })
            }
            return (numbers, table)
        }
    }

    private func expectRight(
        _ text: String, names: [String] = ["a", "b", "town", "y"], scale: Double = 1,
        _ change: (inout TableOptions) -> Void = { _ in }, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let found = try read(Array(text.utf8), change)
        let columns = found.table.schema.columns
        #expect(columns.prefix(4).map(\.name) == names, sourceLocation: sourceLocation)
        #expect(
            columns.prefix(4).map(\.type) == [.number, .number, .category, .category], sourceLocation: sourceLocation)
        #expect(found.table.schema.classNames == ["no", "yes"], sourceLocation: sourceLocation)
        #expect(found.numbers.count == Self.rows.count, sourceLocation: sourceLocation)
        for (numbers, row) in zip(found.numbers, Self.rows) {
            #expect(
                abs(numbers[0] - row.a) < 1e-4 && abs(numbers[1] - Double(row.b) * scale) < 1e-2 * scale,
                sourceLocation: sourceLocation)
        }
    }

    // MARK: What stands around a table

    @Test("A title, comments, Excel's line and delimiters at line ends are no part of a table")
    func around() throws {
        let (header, lines) = ("a,b,town,y", Self.lines())
        let semicolons = header.replacingOccurrences(of: ",", with: ";")
        for text in [
            "sep=;\n" + Self.text(semicolons, Self.lines(";")),
            "\u{FEFF}sep=;\r\n" + Self.text(semicolons, Self.lines(";"), end: "\r\n"),
            "SEP=,\n" + Self.text(header, lines),
            "Sales report, 2024\n\n" + Self.text(header, lines),
            "Sales report\nof the north\n" + Self.text(header, lines),
            "Sales report,,,\n,,,\n" + Self.text(header, lines),
            "# made by a tool\n# units: m, s, \"x\n" + Self.text(header, lines),
            "% made by a tool\n" + Self.text(header, lines),
            "# made by a tool\n"
                + Self.text(header, Array(lines.prefix(30)) + ["# second part, 7"] + lines.dropFirst(30)),
            "# one\n#a,b,town,y\n" + lines.joined(separator: "\n"),
            "# a,b,town,y\n" + lines.joined(separator: "\n"),
            "# a b town y\n" + Self.lines(" ").joined(separator: "\n"),
            Self.text(header + ",", Self.lines(end: ",")),
            Self.text(header, Self.lines(end: ",")),
            Self.text(header, lines) + ",,,\n,,,\n\n  \n",
            Self.text(header, lines, end: "\r"),
            Self.text(header.replacingOccurrences(of: ",", with: "^"), Self.lines("^")),
            Self.text(header.replacingOccurrences(of: ",", with: "~"), Self.lines("~")),
            Self.text(header, lines) + "Total,\(Self.rows.reduce(0) { $0 + $1.b }),,\n",
        ] { try expectRight(text) }
        let passed = "\(try table("# made by a tool\n" + Self.text(header, lines)).profile)"
        #expect(passed.contains("lines that begin with # passed over"))
        #expect("\(try table("Sales\n" + Self.text(header, lines)).profile)".contains("1 line before them passed over"))
    }

    @Test("What only looks like a comment is none")
    func noComments() throws {
        try expectRight(Self.text("#,b,town,y", Self.lines()), names: ["#", "b", "town", "y"])
        let colours = Self.lines(town: { "#" + $0 }).map { $0.split(separator: ",") }.map {
            "\($0[2]),\($0[0]),\($0[3])"
        }
        #expect(try table(Self.text("colour,a,y", colours)).profile.rows == 60)
        #expect(try table(colours.joined(separator: "\n"), options { $0.hasHeader = false }).profile.rows == 60)
    }

    // MARK: Numbers as people write them

    @Test("Per cents, currencies, parentheses and spaces of any kind do not hide a number")
    func dressed() throws {
        func grouped(_ number: Int, _ mark: String) -> String {
            number < 1000 ? "\(number)" : "\(number / 1000)\(mark)" + "\(1000 + number % 1000)".dropFirst()
        }
        let header = "a,b,town,y"
        for b: (Int) -> String in [
            { "\($0)%" }, { "\($0) %" }, { "$\($0)" }, { "€ \($0)" }, { "\($0)\u{A0}€" }, { "USD \($0)" },
            { "\($0) EUR" },
            { "\u{A0}\($0)\u{A0}" }, { "\($0).0 %" },
        ] { try expectRight(Self.text(header, Self.lines(b: b))) }
        for a: (Double) -> String in [
            { $0 < 0 ? "(\(-$0))" : "\($0)" }, { $0 < 0 ? "\(-$0)-" : "\($0)" },
            { "\($0)".replacingOccurrences(of: "-", with: "\u{2212}") }, { $0 < 0 ? "-$\(-$0)" : "$\($0)" },
            { $0 < 0 ? "($\(-$0))" : "$\($0)" }, { $0 > 0 ? "+\($0)" : "\($0)" },
        ] { try expectRight(Self.text(header, Self.lines(a: a))) }
        for mark in ["\u{2009}", "\u{202F}", "\u{A0}", "'"] {
            try expectRight(Self.text(header, Self.lines(b: { grouped($0 * 371, mark) })), scale: 371)
        }
        try expectRight(Self.text(header, Self.lines(b: { "\"$\(grouped($0 * 371, ",")).00\"" })), scale: 371)
        let euros = Self.lines(
            ";", a: { "\($0)".replacingOccurrences(of: ".", with: ",") }, b: { "\(grouped($0 * 371, ".")),00 €" })
        try expectRight(Self.text("a;b;town;y", euros), scale: 371)
        // What only looks like one is a text.
        for word in ["x%", "%", "()", "$", "-", "A12", "12A", "1-2", "€€5", "5%%", "(5", "--5", "USD"] {
            let column = try table(Self.text(header, Self.lines(b: { $0 % 2 == 0 ? word : "q" }))).schema.columns[1]
            #expect(column.type == .category, "\(word)")
        }
        // A class is named as it stands in the file.
        let classes = try table(Self.text(header, Self.lines(y: { number, _ in ["2.5%", "10%"][number % 2] })))
        #expect(classes.schema.classNames == ["10%", "2.5%"])
    }

    // MARK: Dates

    @Test(
        "Dates and times are read as they are written",
        arguments: [
            ("05-Jan-2023", "06-Feb-2023", 32.0), ("5 January 2023", "6 February 2023", 32),
            ("Jan 05, 2023", "Feb 06, 2023", 32),
            ("Thu, 05 Jan 2023 13:45:00 GMT", "Mon, 06 Feb 2023 13:45:00 GMT", 32),
            ("5/Jan/2023:13:45:00 +0000", "6/Feb/2023:13:45:00 +0000", 32),
            ("January 5 2023", "february 6 2023", 32), ("Thursday, January 5, 2023", "Monday, February 6, 2023", 32),
            ("2023-Jan-05", "2023-Feb-06", 32),
            ("2023-01", "2023-02", 31), ("2023-W01", "2023-W05", 28), ("2023-W01-4", "2023W062", 33),
            ("20230105T000000", "20230206T000000Z", 32),
            ("20230105000000", "20230206000000", 32), ("25/01/23", "26/02/23", 32),
            ("01/25/2023 01:45 PM", "02/26/2023 1:45 pm", 32),
            ("2023-01-05 00:00:00 UTC", "2023-02-06 00:00:00 UTC", 32),
            ("2023-01-05 00:00:00 CHAST", "2023-02-06 00:00:00 CHAST", 32),
            ("2023-01-05T00:00:00+02:00", "2023-02-06T00:00:00+02:00", 32),
            ("2023-01-05 00:00:00.123456", "2023-02-06 00:00:00.123456", 32), ("12:00 AM", "12:00 p.m.", 0.5),
            ("25.01.1999", "26.02.1999", 32),
        ])
    func dates(first: String, second: String, days: Double) throws {
        let quote = first.contains(",") ? "\"" : ""
        let lines = Self.lines(a: { $0 < 0 ? quote + first + quote : quote + second + quote })
        // Dates of digits alone must be many before they are no numbers.
        let told = options { if Double(first) != nil { $0.types = ["when": .date] } }
        try withTable(Array(Self.text("when,b,town,y", lines).utf8)) { path in
            let schema = try Table(path: path, options: told, split: .init(test: 0, validation: 0)).fittedSchema()
            #expect(schema.columns[0].type == .date)
            // Of two values a distance apart, p of the first: deviation = distance √(p (1 - p)).
            let p = Double(Self.rows.count { $0.a < 0 }) / 60
            let distance = schema.columns[0].deviation / (p * (1 - p)).squareRoot() / 86_400
            #expect(abs(distance - days) < 1e-6, "\(distance)")
        }
    }

    @Test("A date turns with the week and with the year")
    func calendar() throws {
        let days = (0..<60).map { (month: 1 + $0 / 5, day: 1 + 5 * ($0 % 5)) }
        let body = days.enumerated().map { "2023-\($1.month)-\($1.day),\($0).5,\(["u", "v"][$0 % 2])" }
        try withTable(Array((["when,n,y"] + body).joined(separator: "\n").utf8)) { path in
            let parts = try Table(path: path, split: .init(test: 0, validation: 0)).parts()
            let names = parts.schema.featureNames
            #expect(
                names == [
                    "when", "when weekday sine", "when weekday cosine", "when season sine", "when season cosine", "n",
                ])
            let inputs = parts.training.batch([Int](0..<60)).inputs
            let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            for (place, length) in [(1, 7), (3, 365.2425)] {
                func turn(_ row: Int) -> Double {
                    let start = row * names.count + place
                    return atan2(Double(inputs[start]), Double(inputs[start + 1])) / (2 * .pi)
                }
                for row in 1..<60 {
                    let passed = months[..<(days[row].month - 1)].reduce(0, +) + days[row].day - 1
                    let expected = Double(passed) / length
                    #expect(abs(remainder(turn(row) - turn(0) - expected, 1)) < 1e-5, "row \(row)")
                }
            }
        }
    }

    // MARK: Classes

    @Test("Classes and columns that only look alike stay apart, and that is said of upper and lower case")
    func classes() throws {
        let canonical = try table(
            Self.text("a,b,town,y", Self.lines(y: { $0 % 2 == 0 ? "caf\u{E9}" : $1.isEmpty ? "" : "cafe\u{301}" })))
        #expect(
            canonical.schema.classNames.map { Array($0.utf8) } == [Array("cafe\u{301}".utf8), Array("caf\u{E9}".utf8)])
        #expect(canonical.profile.classCounts == [30, 30])
        let columns = try table(Self.text("caf\u{E9},cafe\u{301},town,y", Self.lines())).schema.columns
        #expect(columns.prefix(2).map { Array($0.name.utf8).count } == [5, 6])
        let cases = try table(Self.text("a,b,town,y", Self.lines(y: { $0 % 3 == 0 ? $1.uppercased() : " \($1) " })))
        #expect(cases.schema.classNames == ["NO", "YES", "no", "yes"])
        #expect(cases.profile.warnings.contains { $0.contains("differ only in upper and lower case") })
    }

    // MARK: What is refused

    @Test("What is no table, or none that can be read, is refused with what to do")
    func refused() throws {
        let good = Self.text("a,b,town,y", Self.lines())
        for (bytes, words) in [
            (Array("PAR1....".utf8), "is Parquet"), (Array("<!DOCTYPE html><html>".utf8), "is a web page"),
            (Array("version https://git-lfs.github.com/spec/v1\noid sha256:1\n".utf8), "git lfs pull"),
            (Array("{\"a\": 1, \"y\": 2}\n".utf8), "is JSON"), (Array("@relation x\n@data\n1,2\n".utf8), "is ARFF"),
            (Array("1 1:0.5 3:4\n-1 2:1 3:2\n".utf8), "is in the sparse form of LIBSVM"),
            (Array("1 1::0.5 3::4\n-1 2::1 3::2\n".utf8), "may be a header or data"),
            (
                Array(("\"x\" \"y\"\n" + (1...20).map { "\"\($0)\" \($0).5 \"\($0 % 2)\"\n" }.joined()).utf8),
                "--delimiter space"
            ),
            (Array("BZh91AY".utf8), "bunzip2"), ([0xD0, 0xCF, 0x11, 0xE0, 0xA1], "workbook"),
            (Array("ARROW1\0\0".utf8), "is Arrow"), (Array("SQLite format 3\0".utf8), "SQLite database"),
            ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), "is HDF5"), (Array("%PDF-1.7\n".utf8), "is a PDF"),
            ([0xFD] + Array("7zXZ\0".utf8), "unxz"), ([0x28, 0xB5, 0x2F, 0xFD, 0x24], "unzstd"),
            (Array("7z".utf8) + [0xBC, 0xAF, 0x27, 0x1C], "7z archive"),
            (Array("<?xml version=\"1.0\"?>\n".utf8), "is XML"),
            (Array("y\nyes\nno\n".utf8), "only one column"), (Array("a,b,y\n".utf8), "a header and no data"),
            (Array(good.replacingOccurrences(of: "Rome", with: "Ro\0me").utf8), "line 2: a byte of 0"),
            (Array((good + "Source: office, 2024\n").utf8), "line 62: 2 fields, where the first line has 4"),
            (
                Array(Self.text("a,b,town,y", Self.lines(town: { "\"the \\\"\($0)\\\" town\"" })).utf8),
                "a quote within quotes is written twice"
            ),
            (
                Array(("a,b,town,y\n(m),(s),(name),(answer)\n" + Self.lines().joined(separator: "\n")).utf8),
                "line 2, column 1 (a): '(m)' is not a number"
            ),
        ] {
            try withTable(bytes) { path in
                let error = #expect(throws: GimbalError.self, "\(words)") { try Table(path: path) }
                #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
            }
        }
    }

    @Test("Of a ZIP archive, the one file is read")
    func zipped() throws {
        try withTemporaryFolder { folder in
            func archive(_ names: [String]) throws -> String {
                let path = folder + "/\(names.count).zip"
                let text = Self.text("a,b,town,y", Self.lines())
                let process = Process()
                process.executableURL = URL(filePath: "/usr/bin/python3")
                process.arguments =
                    [
                        "-c",
                        "import sys,zipfile\nwith zipfile.ZipFile(sys.argv[1],'w',zipfile.ZIP_DEFLATED) as z:\n  for n in sys.argv[3:]: z.writestr(n,sys.argv[2])",
                        path, text,
                    ] + names
                try process.run()
                process.waitUntilExit()
                return path
            }
            let one = try archive(["data/table.csv", "__MACOSX/._table.csv"])
            #expect(try Table(path: one).profile.rows == 60)
            let error = #expect(throws: GimbalError.self) { try Table(path: archive(["a.csv", "b.csv", "c.csv"])) }
            #expect(error?.description.contains("holds 3 files (a.csv, b.csv, c.csv); unpack it, and name one") == true)
        }
    }
}
