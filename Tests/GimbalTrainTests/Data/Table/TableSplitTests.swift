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

    @Test("Equal rows never lie in two parts, nor in two folds")
    func duplicates() throws {
        let lines = (0..<600).map { "\($0 % 150).5,\($0 % 150 * 3 % 31),\($0 % 2 == 0 ? "u" : "v")" }
        let of = try parts(lines).of
        let (training, test) = (of[.training]!, of[.test]!)
        #expect(training.isDisjoint(with: test) && of[.validation]!.isDisjoint(with: training.union(test)))
        try withTable(Array(("a,b,y\n" + lines.joined(separator: "\n")).utf8)) { path in
            let folds = try #require(try Table(path: path).folds(5))
            var fold: [String: Int] = [:]
            for (line, number) in zip(lines, folds) {
                #expect(fold.updateValue(number, forKey: line) ?? number == number)
            }
            #expect((0..<5).allSatisfy { number in abs(folds.count { $0 == number } - 120) <= 8 })
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
                let found = try record.evaluationRows(path: path)
                return (found.dataset.count, found.notes.joined())
            }
        }
        let same = try evaluated(Self.lines)
        #expect(same.0 == of[.test]!.count && same.1.contains("80 of 400 rows are tested"))
        let other = try evaluated((0..<200).map { "\($0).75,\($0 % 5),usual" })
        #expect(other.0 == 200 && other.1.contains("all 200 rows are tested"))
    }

    // MARK: Streams

    @Test("A stream gives every row of a part once, in an order that follows from seed and epoch, from any batch on")
    func stream() throws {
        try withTable(Array(("a,b,y\n" + Self.lines.joined(separator: "\n")).utf8)) { path in
            let table = try Table(path: path)
            let parts = try table.parts()
            let schema = try table.fittedSchema()
            #expect(schema == parts.schema)
            // A buffer of three batches.
            let stream = try TableStream(
                table, schema: schema, part: .training, batchSize: 32, seed: 3, bufferBytes: 3 * 32 * 12)
            func batches(_ epoch: Int, from first: Int = 0) throws -> [HostBatch] {
                let iterator = try stream.batches(epoch: epoch, from: first)
                var result: [HostBatch] = []
                while let batch = try iterator.next() { result.append(batch) }
                return result
            }
            let first = try batches(0)
            #expect(stream.count == parts.training.count && first.count == stream.batchCount)
            func rows(_ batches: [HostBatch]) -> [[Float]] {
                batches.flatMap { batch in (0..<batch.count).map { Array(batch.inputs[$0 * 2..<$0 * 2 + 2]) } }
            }
            let all = parts.training.batch(Array(0..<parts.training.count))
            let sorted = { (rows: [[Float]]) in rows.sorted { $0.lexicographicallyPrecedes($1) } }
            #expect(sorted(rows(first)) == sorted(rows([all])))
            #expect(rows(first) != rows([all]))
            #expect(try batches(0) == first)
            #expect(try rows(batches(1)) != rows(first))
            for start in [1, 3, 4, stream.batchCount - 1] {
                #expect(try batches(0, from: start) == Array(first[start...]), "\(start)")
            }
        }
    }

    @Test("A file that is too large for memory is read from several places at once, and loses no row")
    func largeFile() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/large.csv"
            // Sorted by class, with line ends in quotes.
            let block = (0..<10_000).map {
                "\($0).5,\"a text that fills\nthe file, one of three: \($0 % 3)\",\($0 * 7 % 1000).25,0\n"
            }.joined()
            let other = block.replacingOccurrences(of: ",0\n", with: ",1\n")
            try Data().write(to: URL(filePath: path))
            let file = try #require(FileHandle(forWritingAtPath: path))
            file.write(Data("a,t,b,y\n".utf8))
            for part in [block, other] { for _ in 0..<60 { file.write(Data(part.utf8)) } }
            try file.close()
            let table = try Table(path: path)
            #expect(table.profile.rows == 1_200_000 && table.schema.classNames == ["0", "1"])
            let stream = try TableStream(table, schema: table.fittedSchema(), part: .training, batchSize: 256)
            let iterator = try stream.batches(epoch: 0)
            var count = 0
            var batch = try iterator.next()
            if case .classes(let labels) = try #require(batch).targets {
                #expect(Set(labels).count == 2, "the first batch holds both classes")
            }
            while let found = batch {
                count += found.count
                batch = try iterator.next()
            }
            #expect(count == stream.count && abs(Double(count) / 1_200_000 - 0.72) < 0.05)
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
        #expect(try table.parts().training.count > 0)
    }
}
