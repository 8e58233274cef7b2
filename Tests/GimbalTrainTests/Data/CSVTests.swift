import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("CSV files")
struct CSVTests {
    private func read(_ bytes: [UInt8], _ options: TableOptions = TableOptions()) throws -> Dataset {
        try withTemporaryFolder { folder in
            try Data(bytes).write(to: URL(filePath: folder + "/table.csv"))
            return try Dataset.csv(path: folder + "/table.csv", options: options)
        }
    }

    private func read(_ text: String, _ options: TableOptions = TableOptions()) throws -> Dataset {
        try read(Array(text.utf8), options)
    }

    /// All of a data set in one batch.
    private func all(_ data: Dataset) -> HostBatch { data.batch(Array(0..<data.count)) }

    private func refusal(_ text: String, _ options: TableOptions = TableOptions()) throws -> String {
        let error = #expect(throws: GimbalError.self, "\(text)") { try read(text, options) }
        return switch error {
        case .invalidFile(_, let reason), .invalidSetting(_, let reason): reason
        default: String(describing: error)
        }
    }

    // MARK: Form

    @Test("Numbers and whole-number labels, without a header")
    func plain() throws {
        let data = try read("1,2.5,0\n-3,4e2,1\n.5,+6,0\n")
        #expect(data.count == 3 && data.inputShape == [2] && data.classNames == ["0", "1"])
        #expect(all(data).inputs == [1, 2.5, -3, 400, 0.5, 6])
        #expect(all(data).targets == .classes([0, 1, 0]))
    }

    @Test(
        "Line ends, byte order mark, empty lines and a missing last line end do not matter",
        arguments: [
            "a,b,y\n1,2,0\n3,4,1\n", "a,b,y\r\n1,2,0\r\n3,4,1\r\n", "a,b,y\r1,2,0\r3,4,1",
            "\u{FEFF}a,b,y\n1,2,0\n3,4,1", "\u{FEFF}\u{FEFF}\u{FEFF}a,b,y\n1,2,0\n3,4,1\n",
            "\n\na,b,y\n\n1,2,0\n\n3,4,1\n\n", "a;b;y\n1;2;0\n3;4;1\n", "a\tb\ty\n1\t2\t0\n3\t4\t1\n",
            "a, b, y\n 1, 2 ,0\n3 , 4,1 \n", "\"a,\n\",b,y\n\"1\",\"2\",\"0\"\n3,4,1\n",
        ])
    func form(text: String) throws {
        let data = try read(text)
        #expect(all(data).inputs == [1, 2, 3, 4])
        #expect(all(data).targets == .classes([0, 1]))
        #expect(try all(read(gzip(Array(text.utf8)))) == all(data))
    }

    @Test("A record may lie across the pieces a file is read in")
    func long() throws {
        let rows = (0..<30_000).map { "\($0),\($0 * 2),\($0 % 3)" }
        let data = try read(rows.joined(separator: "\r\n"))
        #expect(data.count == 30_000)
        #expect(data.batch([29_999]).inputs == [29_999, 59_998])
    }

    @Test("Quoted labels may hold delimiters, quotes and line ends")
    func quotes() throws {
        let data = try read("1,\"a,b\"\n2,\"say \"\"x\"\"\"\n3,\"two\nlines\"\n")
        #expect(data.classNames == ["a,b", "say \"x\"", "two\nlines"])
    }

    @Test("A header is told from data, or announced")
    func header() throws {
        #expect(try read("1,2,setosa\n3,4,virginica\n").count == 2)
        #expect(try read("1,2,0\n3,4,1\n", TableOptions(hasHeader: true)).count == 1)
        #expect(try refusal("a,2,0\n3,4,1\n").contains("line 1, column 1: 'a' is not a number, but 1 of"))
        #expect(
            try refusal("a,b,y\n1,2,0\n", TableOptions(hasHeader: false)).contains(
                "line 1, column 1: 'a' is not a number"))
        // One row proves too little.
        let refused = try refusal("150,4,setosa,versicolor,virginica\n5.1,3.5,1.4,0.2,0\n")
        #expect(refused.contains("may be a header or data") && refused.contains("--no-header"))
    }

    @Test("scikit-learn's line of counts and class names is told from a header")
    func counts() throws {
        let text = "4,2,no,yes\n1.5,2,0\n3,4.5,1\n5,6.5,0\n7.5,8,1\n"
        let data = try read(text)
        #expect(data.count == 4 && all(data).inputs.prefix(3) == [1.5, 2, 3])
    }

    // MARK: Target

    @Test("The target is the last column, or one by number or name")
    func target() throws {
        let text = "y,a,b\n1,2,3\n0,4,5\n"
        #expect(try all(read(text)).inputs == [1, 2, 0, 4])
        #expect(try all(read(text, TableOptions(target: .column(1)))).inputs == [2, 3, 4, 5])
        #expect(try all(read(text, TableOptions(target: .named("a")))).inputs == [1, 3, 0, 5])
        #expect(try all(read("2019,2020,2021\n1,2,0\n", TableOptions(target: .named("2020")))).inputs == [1, 0])
        #expect(try refusal(text, TableOptions(target: .named("c"))).contains("its columns are y, a, b"))
        #expect(try refusal("a,a\n1,2\n", TableOptions(target: .named("a"))).contains("two columns 'a'"))
        #expect(try refusal(text, TableOptions(target: .column(4))).contains("columns 1 to 3"))
    }

    @Test("Text labels are numbered in sorted order, whole numbers by value")
    func labels() throws {
        let texts = try read("1,b\n2,ä\n3,B\n4,a\n5,b\n")
        #expect(texts.classNames == ["B", "a", "b", "ä"])
        #expect(all(texts).targets == .classes([2, 3, 0, 1, 2]))
        let numbers = try read("1,10\n2,9\n3,-1\n4,9.0\n5,1e1\n")
        #expect(numbers.classNames == ["-1", "9", "10"])
        #expect(all(numbers).targets == .classes([2, 1, 0, 1, 2]))
    }

    @Test("Given class names fix the order, and refuse other labels")
    func classNames() throws {
        let options = TableOptions(task: .classification(names: ["no", "yes", "never met"]))
        let data = try read("1,yes\n2,no\n", options)
        #expect(all(data).targets == .classes([1, 0]) && data.classCount == 3)
        #expect(
            try refusal("1,yes\n2,maybe\n", options)
                == "column 2: 'maybe' is none of the classes no, yes, never met")
    }

    @Test("Numbers are predicted when asked for, and are no classes")
    func regression() throws {
        let data = try read("a,y\n1,0.5\n2,-7\n", TableOptions(task: .regression))
        #expect(all(data).targets == .values([0.5, -7], shape: [2, 1]))
        #expect(data.classCount == nil && data.outputCount == 1)
        #expect(try refusal("a,y\n1,2\n2,0.5\n").contains("column 2 (y): '0.5' is not a class"))
    }

    // MARK: Mistakes

    @Test(
        "A mistake is reported with its line and column",
        arguments: [
            ("a,b,y\n1,2,0\n1,x,0\n", "line 3, column 2 (b): 'x' is not a number"),
            ("1,2,0\n1,2\n", "line 2: 2 fields, where the first line has 3"),
            ("1,2,0\n1,2,0,\n", "line 2: 4 fields, where the first line has 3"),
            ("1,2,0\n-inf,2,0\n", "line 2, column 1: '-inf' is infinite, or too large for a float64"),
            ("1,2,0\n1e39,2,0\n", "line 2, column 1: '1e39' is too large for a float32"),
            ("1,2,0\n1e999,2,0\n", "line 2, column 1: '1e999' is infinite, or too large for a float64"),
            ("1,2,0\n0x10,2,0\n", "line 2, column 1: '0x10' is not a number"),
            ("1,2,0\n1 2,2,0\n", "line 2, column 1: '1 2' is not a number"),
            ("1,2,0\n\n\n1,x,0\n", "line 4, column 2: 'x' is not a number"),
            ("1,2,0\r\n1,x,0\r\n", "line 2, column 2: 'x' is not a number"),
            ("1,2,\"two\nlines\"\n1,x,0\n", "line 3, column 2: 'x' is not a number"),
            ("1,2,0\n1,\"2,0\n1,2,0\n", "line 2: the quote that opens there is never closed"),
            ("1,2,0\n1,\"2\"3,0\n", "line 2: text follows a closing quote"),
            ("1,2,0\n1,\u{0},0\n", "line 2: a byte of 0, which no text has"),
            ("", "empty"), ("\n\r\n", "empty"), ("a,b,y\n", "a header and no data"),
            ("1\n2\n", "only one column, where inputs and a target are expected; fields are separated by ','"),
        ])
    func mistakes(text: String, expected: String) throws {
        #expect(try refusal(text).contains(expected))
    }

    @Test("A delimiter that cannot be one is refused")
    func delimiter() throws {
        for character: Character in ["\"", "\n", "é"] {
            #expect(try refusal("1,2\n", TableOptions(delimiter: character)).contains("cannot separate fields"))
        }
        #expect(try all(read("1|2|0\n", TableOptions(delimiter: "|"))).inputs == [1, 2])
    }

    @Test("A compressed file that is cut is refused")
    func truncated() throws {
        let error = #expect(throws: GimbalError.self) { try read(gzip(Array("1,2,0\n".utf8)).dropLast(3)) }
        #expect(error?.description.contains("truncated") == true)
    }

    @Test("A missing file is an error that names the path")
    func missing() {
        #expect(
            throws: GimbalError.fileSystem(operation: "open", path: "/nowhere.csv", reason: "No such file or directory")
        ) { try Dataset.csv(path: "/nowhere.csv") }
    }
}
