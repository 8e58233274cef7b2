import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Parts of tables")
struct TableSplitTests {
    private static let lines = (0..<400).map { "\($0 * 7 % 400).5,\($0 * $0 % 97),\($0 % 10 == 0 ? "rare" : "usual")" }

    /// The rows of each part of a file, by what is in them, as a record of `trained` puts them.
    private func parts(
        _ lines: [String], header: String = "a,b,y", by trained: TableRecord? = nil, seed: UInt64 = 0
    ) throws -> (record: TableRecord, of: [TableSplit.Part: Set<String>]) {
        try withTable(Array((header + "\n" + lines.joined(separator: "\n")).utf8)) { path in
            var record = trained
            if record == nil {
                let table = try Table(path: path, split: .init(test: 0.2, validation: 0.1, seed: seed))
                record = TableRecord(schema: try table.fittedSchema(), split: table.split)
            }
            let rows = try record!.schema.rows(path: path)
            var of: [TableSplit.Part: Set<String>] = [:]
            var number = 0
            while try rows.next() {
                of[rows.part(of: record!.split), default: []].insert(lines[number])
                number += 1
            }
            return (record!, of)
        }
    }

    @Test("Parts are as large as they are to be, to a row")
    func sizes() throws {
        for count in 6...45 {
            let (_, parts) = try parts((0..<count).map { "\($0).25,\($0 * 5 % 31),\($0 % 2 == 0 ? "a" : "b")" })
            let test = max(1, Int((Double(count) * 0.2).rounded()))
            let validation = max(1, Int((Double(count - test) * 0.1).rounded()))
            #expect(parts[.test]?.count == test && parts[.validation]?.count == validation, "\(count) rows")
        }
    }

    @Test("A share that is none is refused", arguments: [0, 1, -0.1, 1.5, .nan])
    func shares(_ share: Double) throws {
        let error = #expect(throws: GimbalError.self) { try SplitPlan(validationFraction: share).validate() }
        #expect(error?.description.hasPrefix("validationFraction: ") == true)
        try SplitPlan(validationFraction: nil).validate()
    }

    @Test("A row has the same hash in every process, on every machine and in every version")
    func hashes() throws {
        try withTable(Array(("a,b,y\n" + Self.lines.joined(separator: "\n")).utf8)) { path in
            let rows = try Table(path: path).fittedSchema().rows(path: path)
            for expected: UInt64 in [0x5A43_232C_636E_D982, 0x7C39_7486_A788_E3DA, 0xB99B_338C_BE03_C06B] {
                #expect(try rows.next())
                #expect(rows.hash(seed: 7) == expected)
            }
        }
    }

    @Test("Parts have the wanted sizes in each class")
    func stratified() throws {
        let of = try parts(Self.lines).of
        #expect(of[.test]?.count == 80 && of[.validation]?.count == 32 && of[.training]?.count == 288)
        #expect(of[.test]?.count { $0.hasSuffix("rare") } == 8)
        #expect(try parts(Self.lines, seed: 1).of[.test] != of[.test])
    }

    @Test("The same rows stay held back in a file in another order, shortened, appended to, with columns exchanged")
    func byContent() throws {
        let (record, of) = try parts(Self.lines)
        let held = try #require(of[.test])
        #expect(try parts(Self.lines.reversed(), by: record).of[.test] == held)
        let half = Array(Self.lines.prefix(150))
        #expect(try parts(half, by: record).of[.test] == held.intersection(half))
        let more = Self.lines + (0..<100).map { "\($0).25,3,usual" }
        let longer = try parts(more, by: record).of
        #expect(try #require(longer[.test]).isSuperset(of: held) && longer[.training]!.isDisjoint(with: held))
        // Numbers written in another way are the same numbers.
        let exchanged = Self.lines.map { line in
            let fields = line.split(separator: ",")
            return "\(fields[2]),\(fields[0])0,\(fields[1]).0"
        }
        let found = try parts(exchanged, header: "y,a,b", by: record).of[.test]
        #expect(found?.count == held.count)
    }

    @Test("Equal rows never lie in two parts")
    func duplicates() throws {
        let lines = (0..<600).map { "\($0 % 150).5,\($0 % 150 * 3 % 31),\($0 % 2 == 0 ? "u" : "v")" }
        let of = try parts(lines).of
        let (training, test) = (of[.training]!, of[.test]!)
        #expect(training.isDisjoint(with: test) && of[.validation]!.isDisjoint(with: training.union(test)))
    }

    @Test("Where few rows differ, equal rows are shared out among the parts, in any order of the file alike")
    func fewDistinctRows() throws {
        let kinds = ["a", "b", "c", "d", "e"]
        let lines = (0..<1000).map { "\(kinds[$0 % 5]),\(kinds[$0 / 5 % 2]),\($0 % 3 == 0 ? "yes" : "no")" }
        func counts(_ parts: TableParts) -> [[Float]: Int] {
            let test = parts.test.batch(Array(0..<parts.test.count)).inputs
            let width = parts.schema.featureCount
            return (0..<parts.test.count).reduce(into: [:]) { counts, row in
                counts[Array(test[row * width..<(row + 1) * width]), default: 0] += 1
            }
        }
        try withTable(Array(("u,v,y\n" + lines.joined(separator: "\n")).utf8)) { path in
            let table = try Table(path: path, split: .init(test: 0.2, validation: 0.1))
            #expect(table.profile.warnings.contains { $0.hasPrefix("only 20 of 1000 rows differ") })
            let parts = try table.parts()
            #expect(parts.test.count == 200 && parts.validation.count == 80 && parts.training.count == 720)
            let found = counts(parts)
            // Every kind of row is tested, about a fifth of it.
            #expect(found.count == 10 && found.values.allSatisfy { (8...35).contains($0) })
            for number in 0..<5 { #expect(try table.fold(number, of: 5).parts().test.count == 200) }
            let record = TableRecord(schema: try table.fittedSchema(), split: table.split)
            try withTable(Array(("u,v,y\n" + lines.reversed().joined(separator: "\n")).utf8)) { other in
                let again = try record.parts(path: other)
                #expect(counts(again) == found)
                #expect(try record.evaluationData(path: other).data.count == 200)
            }
        }
    }

    @Test("Of every class a row is left to train on")
    func smallClasses() throws {
        let lines = (0..<40).map { "\($0).5,\($0 % 7),c\($0 < 30 ? 0 : $0)" }
        let of = try parts(lines).of
        for label in ["c0"] + (30..<40).map({ "c\($0)" }) {
            #expect(of[.training]!.contains { $0.hasSuffix(",\(label)") }, "\(label)")
        }
    }

    @Test("Another file is tested whole, the trained one where it was held back, and that is said")
    func evaluation() throws {
        let (record, of) = try parts(Self.lines)
        func evaluated(_ lines: [String]) throws -> (Int, String) {
            try withTable(Array(("a,b,y\n" + lines.joined(separator: "\n")).utf8)) { path in
                let found = try record.evaluationData(path: path)
                return (found.data.count, found.notes.joined())
            }
        }
        let same = try evaluated(Self.lines)
        #expect(same.0 == of[.test]!.count && same.1.contains("80 of 400 rows are tested"))
        let other = try evaluated((0..<200).map { "\($0).75,\($0 % 5),usual" })
        #expect(other.0 == 200 && other.1.contains("all 200 rows are tested"))
    }

    // MARK: Folds

    @Test(
        "The folds of a table share no row and leave none out, in each class; equal rows lie in one", arguments: [2, 5])
    func folds(count: Int) throws {
        let lines =
            (0..<600).map { "\($0 % 300).5,\($0 % 300 * 3 % 31),\($0 % 300 % 20 == 0 ? "rare" : "usual")" } + [
                "9.9,1,one"
            ]
        try withTable(Array(("a,b,y\n" + lines.joined(separator: "\n")).utf8)) { path in
            let table = try Table(path: path)
            var of: [String: Set<Int>] = [:]
            for number in 0..<count {
                let fold = try table.fold(number, of: count)
                let rows = try fold.schema.rows(path: path)
                var sizes: [TableSplit.Part: Int] = [:]
                var line = 0
                while try rows.next() {
                    let part = rows.part(of: fold.split)
                    sizes[part, default: 0] += 1
                    if part == .test { of[lines[line], default: []].insert(number) }
                    line += 1
                }
                #expect(abs(sizes[.test]! - 600 / count) <= 8, "\(sizes)")
                #expect(abs(sizes[.validation]! - (601 - sizes[.test]!) / 10) <= 4, "\(sizes)")
                let parts = try fold.parts()
                #expect(parts.training.count == sizes[.training] && parts.test.count == sizes[.test])
                // Each fold's schema is fitted to its own training part.
                let inputs = parts.training.batch(Array(0..<parts.training.count)).inputs
                let mean = stride(from: 0, to: inputs.count, by: 2).reduce(0.0) { $0 + Double(inputs[$1]) }
                #expect(abs(mean / Double(parts.training.count)) < 1e-5)
                let rare = lines.indices.count {
                    lines[$0].hasSuffix("rare") && of[lines[$0]]?.contains(number) == true
                }
                #expect(abs(rare - 30 / count) <= 2)
                _ = try CheckpointManifestCoding.roundTrip(TableRecord(schema: parts.schema, split: parts.split))
            }
            #expect(lines.allSatisfy { of[$0]?.count == 1 })
            let error = #expect(throws: GimbalError.self) { try table.fold(0, of: 602) }
            #expect(error?.description.contains("between 2 and the number of rows, 601") == true)
        }
    }

    @Test("As many folds as rows, or nearly so, leave no fold without a row", arguments: [57, 60])
    func smallFolds(count: Int) throws {
        let lines = (0..<60).map { "\($0).5,\($0 * 3 % 31),\($0 % 10 == 0 ? "rare" : $0 % 3 == 0 ? "some" : "usual")" }
        try withTable(Array(("a,b,y\n" + lines.joined(separator: "\n")).utf8)) { path in
            let table = try Table(path: path)
            let sizes = try (0..<count).map { try table.fold($0, of: count).parts().test.count }
            #expect(sizes.allSatisfy { 1...2 ~= $0 } && sizes.reduce(0, +) == 60, "\(sizes)")
        }
    }

    // MARK: Other files

    @Test("A test file and a validation file are taken whole, and what they share with training is said")
    func files() throws {
        try withTemporaryFolder { folder in
            func write(_ name: String, _ header: String, _ lines: [String]) throws -> String {
                let path = folder + "/" + name
                try Data((header + "\n" + lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: path))
                return path
            }
            let train = try write("train.csv", "a,b,y", Self.lines)
            let other = (0..<50).map { "usual;\($0 % 5);\($0),75" }
            let test = try write("test.csv", "y;b;a", other)
            let validation = try write("validation.csv", "a,b,y", Array(Self.lines.prefix(30)) + ["7.75,1,rare"])
            let table = try Table(path: train, split: .init(test: 0, validation: 0))
            let data = try table.data(validation: validation, test: test)
            #expect(data.training.count == 400 && data.validation.count == 31 && data.test.count == 50)
            #expect(
                data.notes == [
                    "30 of 31 rows of \(validation) are in \(train) as well: figures on them tell little of new data"
                ])
            let record = try CheckpointManifestCoding.roundTrip(data.record)
            let again = try record.data(path: train, validation: validation, test: test)
            #expect(try again.test.examples(limit: 9).batch([8]) == data.test.examples(limit: 9).batch([8]))
            let stranger = try write("stranger.csv", "a,b,y", ["1,2,often"])
            let error = #expect(throws: GimbalError.self) { try table.data(test: stranger) }
            #expect(error?.description.contains("line 2, column 3 (y): 'often' is none of the classes") == true)
        }
    }

    // MARK: Messy tables

    @Test("Messy tables are read without preparing them", arguments: MessyTable.all)
    func messy(table: MessyTable) throws {
        // For Benchmarks/tables.py.
        if let folder = ProcessInfo.processInfo.environment["GIMBAL_WRITE_TABLES"] {
            try Data(table.text.utf8).write(to: URL(filePath: "\(folder)/\(table.name).csv"))
        }
        try withTable(Array(table.text.utf8)) { path in
            let options = options {
                $0.target = .written(table.target)
                $0.task = table.isRegression ? .regression : .classification()
            }
            let found = try Table(path: path, options: options)
            #expect(found.profile.rows == table.rows)
            let parts = try found.parts()
            #expect(parts.training.count + parts.validation.count + parts.test.count == table.rows)
            #expect(
                parts.training.batch(Array(0..<parts.training.count)).inputs.allSatisfy { $0.isFinite && abs($0) < 60 })
            let record = try CheckpointManifestCoding.roundTrip(TableRecord(schema: parts.schema, split: parts.split))
            let again = try record.parts(path: path)
            #expect(
                again.test.batch([0, 1]) == parts.test.batch([0, 1]) && again.training.count == parts.training.count)
        }
    }

    @Test(
        "Public tables are read without preparing them",
        arguments: [
            ("sklearn-toy/iris.csv", 150, ["0", "1", "2"]), ("sklearn-toy/breast_cancer.csv", 569, ["0", "1"]),
            ("sklearn-toy/digits.csv.gz", 1797, (0...9).map(String.init)),
            ("sklearn-toy/diabetes_data_raw.csv.gz", 442, []),
            ("timeseries/co2-mauna-loa-weekly.csv", 2225, []), ("timeseries/sunspots-yearly.csv", 309, []),
            ("timeseries/nile.csv", 100, []),
        ])
    func publicTables(file: String, rows: Int, classes: [String]) throws {
        let path = packagePath("../shared/data/" + file)
        guard FileManager.default.fileExists(atPath: path) else { return }
        let table = try Table(path: path, options: options { if classes.isEmpty { $0.task = .regression } })
        #expect(table.profile.rows == rows && table.schema.classNames == classes, "\(table.profile)")
        let parts = try table.parts()
        let again = try TableRecord(schema: parts.schema, split: parts.split).parts(path: path)
        #expect(parts.training.count > 0 && again.training.count == parts.training.count)
        #expect(again.test.batch([0, 1]) == parts.test.batch([0, 1]))
    }

    @Test("A first line of counts is passed over whenever the file is read", arguments: [nil, false])
    func counts(hasHeader: Bool?) throws {
        let lines = (0..<40).map { "\($0).5,\($0 % 7),\($0 % 2)" }
        try withTable(Array((["40,2,even,odd"] + lines).joined(separator: "\n").utf8)) { path in
            let table = try Table(path: path, options: options { $0.hasHeader = hasHeader })
            #expect(table.profile.rows == 40 && table.schema.classNames == ["0", "1"])
            let parts = try table.parts()
            let again = try TableRecord(schema: parts.schema, split: parts.split).parts(path: path)
            #expect(again.test.batch([0, 1]) == parts.test.batch([0, 1]))
        }
    }
}
