import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// A table in a file, for as long as `body` runs.
func withTable<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
    try withTemporaryFolder { folder in
        try Data(bytes).write(to: URL(filePath: folder + "/table.csv"))
        return try body(folder + "/table.csv")
    }
}

/// What is known of a table.
func table(
    _ text: String, _ options: TableOptions = TableOptions(), split: TableSplit.Request = TableSplit.Request()
) throws -> Table {
    try withTable(Array(text.utf8)) { try Table(path: $0, options: options, split: split) }
}

/// Why a table is refused.
func refusal(_ text: String, _ options: TableOptions = TableOptions()) throws -> String {
    let error = #expect(throws: GimbalError.self, "\(text.prefix(200))") { try table(text, options) }
    return error.map { "\($0)" } ?? ""
}

/// Options by what differs from the usual.
func options(_ change: (inout TableOptions) -> Void) -> TableOptions {
    var options = TableOptions()
    change(&options)
    return options
}

@Suite("How tables are written")
struct TableDialectTests {
    /// Rows of two numbers and a class, for a test to write in its own way.
    private static let rows: [[Double]] = (0..<40).map { (row: Int) -> [Double] in
        let (first, second, third) = (row % 7, row * 3 % 11, row % 2)
        return [Double(first) + 0.5, Double(second) / 4 - 1, Double(third)]
    }

    private func text(_ delimiter: String, decimal: String = ".") -> String {
        let lines = Self.rows.map { row in
            row.enumerated().map { column, value in
                column == 2 ? ["red", "blue"][Int(value)] : "\(value)".split(separator: ".").joined(separator: decimal)
            }.joined(separator: delimiter)
        }
        return (["first", "second", "colour"].joined(separator: delimiter) + "\n") + lines.joined(separator: "\n")
    }

    @Test(
        "Delimiter and decimal mark are proven",
        arguments: [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", "."), (" ", "."), ("   ", ",")])
    func marks(delimiter: String, decimal: String) throws {
        try withTable(Array(text(delimiter, decimal: decimal).utf8)) { path in
            let table = try Table(path: path)
            #expect(table.schema.dialect.delimiter == String(delimiter.prefix(1)))
            #expect(table.schema.dialect.decimalMark == decimal && table.schema.dialect.hasHeader)
            let data = try Dataset.csv(path: path)
            #expect(data.classNames == ["blue", "red"])
            #expect(data.batch([0, 39]).inputs == [0.5, -1, Float(Self.rows[39][0]), Float(Self.rows[39][1])])
        }
    }

    @Test("Thousands separators are proven by groups of three")
    func thousands() throws {
        for (mark, decimal) in [(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u{A0}", ",")] {
            let body = (0..<30).map { "\($0 + 1)\(mark)\(100 + $0)\(decimal)5;\($0 * 37);\($0 % 2)" }
            let text = "population;other;class\n" + body.joined(separator: "\n")
            try withTable(Array(text.utf8)) { path in
                let data = try Dataset.csv(path: path)
                #expect(data.batch([2]).inputs == [3102.5, 74], "\(mark)")
            }
        }
        // A comma that may be either is asked about, and told.
        let text = "a;b;class\n" + (0..<20).map { "\($0 % 9 + 1),\(123 + $0);\($0);\($0 % 2)" }.joined(separator: "\n")
        #expect(try refusal(text).contains("--decimal"))
        for (options, value) in [
            (options { $0.thousandsMark = "," }, Float(1123)), (options { $0.decimalMark = "," }, 1.123),
        ] {
            try withTable(Array(text.utf8)) { path in
                let data = try Dataset.csv(path: path, options: options)
                #expect(data.batch([0]).inputs[0] == value)
            }
        }
    }

    @Test("Numbers are read as C reads them, however they are written")
    func numbers() throws {
        let written = [
            "0", "-0", "1", "12345678901234567890", "0.1", "1e-5", "1E+3", "9007199254740993", ".5", "5.", "+7",
            "1e-300",
            "123456789.123456789123456789", "2.2250738585072014e-308", "1.7976931348623157e308", "4.35", "0.000001234",
        ]
        let options = options { $0.task = .regression }
        for number in written {
            // The mean of equal numbers is that number.
            let found = try withTable(Array("x,b,a\n1.5,7,\(number)\n2.5,9.5,\(number)\n".utf8)) {
                try Table(path: $0, options: options, split: .init(test: 0, validation: 0)).fittedSchema().target?.mean
            }
            #expect(found == strtod(number, nil), "\(number)")
        }
    }

    // MARK: Encodings

    @Test("UTF-16 and UTF-32 are recognised, with a mark and UTF-16 without")
    func utf16() throws {
        let text =
            "größe,b,klasse\n" + (0..<30).map { "\($0).5,\($0 % 7),\(["å", "ä", "ö"][$0 % 3])" }.joined(separator: "\n")
        let encodings: [(String.Encoding, [UInt8])] = [
            (.utf16LittleEndian, [0xFF, 0xFE]), (.utf16BigEndian, [0xFE, 0xFF]), (.utf16LittleEndian, []),
            (.utf16BigEndian, []), (.utf32LittleEndian, [0xFF, 0xFE, 0, 0]), (.utf8, [0xEF, 0xBB, 0xBF]),
        ]
        for (encoding, mark) in encodings {
            try withTable(mark + Array(text.data(using: encoding)!)) { path in
                let table = try Table(path: path)
                #expect(table.schema.classNames == ["ä", "å", "ö"], "\(encoding)")
                #expect(table.schema.columns.map(\.name) == ["größe", "b", "klasse"])
            }
        }
    }

    @Test("Another encoding is refused with the line, and read when it is named")
    func latin1() throws {
        let bytes =
            Array("a,b,letter\n".utf8)
            + (0..<60).flatMap { Array("\($0).5,\($0 % 7),".utf8) + [[0xE5, 0xE4, 0xF6][$0 % 3], 10] }
        try withTable(bytes) { path in
            let error = #expect(throws: GimbalError.self) { try Table(path: path) }
            #expect(error?.description.contains("line 2, column 3: the byte 0xE5 is no UTF-8") == true)
            #expect(error?.description.contains("--encoding") == true)
            for name in ["iso-8859-1", "windows-1252", "latin1"] {
                let table = try Table(path: path, options: options { $0.encoding = name })
                #expect(table.schema.classNames == ["ä", "å", "ö"] && table.profile.rows == 60)
            }
            let unknown = #expect(throws: GimbalError.self) {
                try Table(path: path, options: options { $0.encoding = "klingon" })
            }
            #expect(unknown?.description.contains("knows no 'klingon'") == true)
            let other = #expect(throws: GimbalError.self) {
                try Table(path: path, options: options { $0.encoding = "ascii" })
            }
            #expect(other?.description.contains("line 2: the byte 0xE5 stands for nothing in ascii") == true)
        }
    }

    /// A reader asks for as many bytes as it has room for, which may be fewer than a converted character has.
    @Test("Records longer than what is read at once are converted whole", arguments: 0..<4)
    func longConverted(offset: Int) throws {
        let long = [UInt8](repeating: 0x80, count: 300_000)  // € in windows-1252: three bytes of UTF-8.
        var bytes = Array("a,text,letter\n".utf8) + [UInt8](repeating: 0x20, count: offset)
        for row in 0..<60 {
            bytes += Array("\(row).5,".utf8) + (20..<23 ~= row ? long : [0x61])
            bytes += [0x2C, 0x61 + UInt8(row % 2), 10]
        }
        try withTable(bytes) { path in
            let table = try Table(path: path, options: options { $0.encoding = "windows-1252" })
            #expect(table.profile.rows == 60 && table.schema.classNames == ["a", "b"])
        }
    }

    // MARK: Headers

    @Test(
        "A header is proven",
        arguments: [
            "0,1,2,3,4", "2019,2020,2021,2022,rating", ",a,b,c,d", "a,b,c,d,e", "V1,V2,V3,V4,V5", "1,2,3,4,5",
            "10,20,30,40,y",
            "age,2019,2020,2021,y",
        ])
    func header(line: String) throws {
        let body = (0..<120).map {
            "0.\(100 + $0 * 7 % 800),1.\($0 % 90 + 10),-2.\($0 % 70 + 10),0.\($0 % 50 + 11),\($0 % 2)"
        }
        let table = try table(([line] + body).joined(separator: "\n"))
        #expect(table.profile.rows == 120 && table.schema.classNames == ["0", "1"])
        #expect(table.schema.dialect.hasHeader)
    }

    @Test(
        "Data is proven to be no header",
        arguments: [
            [
                "'40-49','premeno','15-19','0-2','yes'", "'50-59','ge40','15-19','0-2','no'",
                "'40-49','ge40','35-39','0-2','no'",
            ],
            ["5.1,3.5,1.4,0.2,Iris-setosa", "4.9,3.0,1.4,0.2,Iris-setosa", "7.0,3.2,4.7,1.4,Iris-versicolor"],
            ["vhigh,vhigh,2,2,unacc", "vhigh,low,3,4,acc", "low,vhigh,2,4,unacc"],
            ["1,0,3,7.25,0", "0,1,1,71.28,1", "1,1,3,7.92,1"], ["?,1,2,3,a", "4,1,?,3,b", "2,7,3,1,a"],
        ])
    func noHeader(lines: [String]) throws {
        let all = (0..<20).flatMap { _ in lines }
        #expect(try table(all.joined(separator: "\n")).profile.rows == 60)
    }

    @Test("What is not certain is asked about, and told")
    func uncertain() throws {
        let text = "north,low\nsouth,high\n"
        #expect(try refusal(text).contains("--header or --no-header"))
        #expect(try table(text, TableOptions(hasHeader: false)).profile.rows == 2)
        #expect(try table(text, TableOptions(hasHeader: true)).profile.rows == 1)
    }

    @Test("Columns of one name, and of none, are told apart")
    func names() throws {
        let body = (0..<20).map { "\($0).5,\($0 * 3 % 7).25,\($0 % 5).5,\($0 % 2)" }.joined(separator: "\n")
        #expect(try table("a,a,,y\n" + body).schema.columns.map(\.name) == ["a", "a (2)", "column 3", "y"])
        // As R writes row names: one name fewer than fields.
        let rows = (0..<20).map { "r\($0),\($0 * 3 % 7).25,\($0 % 5).5,\($0 % 2)" }.joined(separator: "\n")
        #expect(try table("a,b,y\n" + rows).schema.columns.map(\.name) == ["column 1", "a", "b", "y"])
    }

    @Test("Columns of one name are never taken for each other")
    func repeatedNames() throws {
        let body = (0..<20).map { "\($0).5,\($0 * 3 % 7).25,\($0 % 2)" }.joined(separator: "\n")
        let text = "a,a,y\n" + body
        let warning =
            "2 columns are called 'a': they are told apart by their order, here and in other tables, as a, a (2)"
        #expect(try table(text).profile.warnings.contains(warning))
        let words = "two columns 'a', numbers 1, 2; name the one that is meant by its number"
        for options in [
            TableOptions(target: .written("a")), TableOptions(target: .named("a")), options { $0.excluded = ["a"] },
            options { $0.ids = ["a"] }, options { $0.columns = ["a"] }, options { $0.types = ["a": .number] },
        ] { #expect(try refusal(text, options).contains(words)) }
        #expect(try table(text, TableOptions(target: .written("2"), task: .regression)).schema.target?.name == "a (2)")
        let one = try table(text, options { $0.excluded = ["2"] })
        #expect(one.schema.columns.filter { $0.role == .input }.map(\.name) == ["a"])
        // What is predicted unless something is named.
        #expect(try refusal("y,a,y\n" + body).contains("two columns 'y', numbers 1, 3"))
        #expect(try table("y,a,y\n" + body, TableOptions(target: .written("3"))).schema.target?.name == "y (2)")
    }

    @Test("What is to be predicted is neither left out nor an id")
    func targetOfOtherUse() throws {
        let text = "a,b,y\n" + (0..<20).map { "\($0).5,\($0 * 3 % 7).25,\($0 % 2)" }.joined(separator: "\n")
        #expect(
            try refusal(text, options { $0.excluded = ["y"] }).contains(
                "y is what is to be predicted, as the last column"))
        #expect(try refusal(text, options { $0.ids = ["3"] }).contains("y is what is to be predicted"))
        var both = options { $0.excluded = ["a"] }
        both.target = .written("a")
        #expect(try refusal(text, both).contains("excluded: a is what is to be predicted"))
    }

    @Test("Twenty thousand columns are gone through in time, of one name or of many", .timeLimit(.minutes(1)))
    func manyColumns() throws {
        let count = 20_000
        let rows = (0..<4).map { row in
            (0..<count).map { "\(($0 + row) % 7).5" }.joined(separator: ",") + ",\(row % 2)\n"
        }
        for names in [[String](repeating: "a", count: count), (0..<count).map { "a\($0)" }] {
            let start = ContinuousClock.now
            let found = try table(names.joined(separator: ",") + ",y\n" + rows.joined())
            #expect(found.schema.columns.count == count + 1)
            #expect(Set(found.schema.columns.map(\.name)).count == count + 1)
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }

    @Test("Control characters of a file are shown escaped, and long texts cut")
    func messages() throws {
        let escaped = try refusal("a,b,y\n1,2,0\n1,\u{1B}]0;owned\u{7}\u{1B}[31mred,1\n")
        #expect(escaped.contains("\\u{1B}]0;owned") && !escaped.contains("\u{1B}"))
        let broken = try refusal("a,b,y\n1,2,0\n\"x\nError: all is well\n\",2,1\n")
        #expect(!broken.contains("\n") && broken.contains("\\nError"))
        #expect(try refusal("a,b,y\n1,2,0\n\(String(repeating: "z", count: 1_000_000)),2,1\n").utf8.count < 1_000)
        let wide = (0..<20_000).map { "c\($0)" }.joined(separator: ",")
        let many = try refusal(
            wide + "\n" + wide.replacingOccurrences(of: "c", with: "") + "\n", TableOptions(target: .named("d")))
        #expect(many.utf8.count < 1_000 && many.contains("more"))
    }

    @Test("A device that never ends is no table", arguments: ["/dev/zero", "/dev/full", "/dev/urandom"])
    func endless(path: String) throws {
        let error = #expect(throws: GimbalError.self) { try Dataset.csv(path: path) }
        #expect(error?.description == "\(path): a device, whose bytes never end; name a file or a pipe")
    }

    @Test("A pipe is read as a file is")
    func pipe() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/pipe.csv"
            #expect(mkfifo(path, 0o600) == 0)
            let bytes = Array("a,b,y\n1.5,2,0\n3,4.5,1\n".utf8)
            let writer = Thread { FileHandle(forWritingAtPath: path)?.write(Data(bytes)) }
            writer.start()
            let data = try Dataset.csv(path: path)
            #expect(data.batch([1]).inputs == [3, 4.5])
        }
    }
}
