import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("What tables hold")
struct TableSchemaTests {
    /// A table of a column under test, a number, and a class.
    private func one(_ values: [String], name: String = "c", _ change: (inout TableOptions) -> Void = { _ in }) throws
        -> Table
    {
        let body = values.enumerated().map { "\($1),\($0 * 7 % 11).5,\(["u", "v"][$0 * 5 % 7 % 2])" }
        return try table((["\(name),n,y"] + body).joined(separator: "\n"), options(change))
    }

    private func column(_ values: [String], name: String = "c", _ change: (inout TableOptions) -> Void = { _ in })
        throws -> TableSchema.Column
    {
        try one(values, name: name, change).schema.columns[0]
    }

    private func many(_ count: Int, _ value: (Int) -> String) -> [String] { (0..<count).map(value) }

    // MARK: Types

    @Test("Types are proven by what is in a column")
    func types() throws {
        #expect(try column(many(40) { "\($0 % 7)" }).type == .number)
        #expect(try column(many(40) { ["yes", "No", "NO", "Yes"][$0 % 4] }).type == .boolean)
        #expect(try column(many(40) { ["true", "false", "NA"][$0 % 3] }).type == .boolean)
        #expect(try column(many(40) { ["red", "green", "blue"][$0 % 3] }).type == .category)
        #expect(try column(many(40) { $0 % 3 == 0 ? "\($0 % 4)" : ["3+", "none at all"][$0 % 2] }).type == .category)
        for (form, values) in [
            ("yearFirst", many(40) { "2024-0\($0 % 9 + 1)-\($0 % 18 + 11)" }),
            ("yearFirst", many(40) { "2024-0\($0 % 9 + 1)-11T\(10 + $0 % 14):22:33.5Z" }),
            ("yearFirst", many(40) { "2024/0\($0 % 9 + 1)/\($0 % 18 + 11) 03:04" }),
            ("dayFirst", many(40) { "\($0 % 28 + 1).0\($0 % 9 + 1).2024" }),
            ("monthFirst", many(40) { "0\($0 % 9 + 1)/\($0 % 28 + 1)/2024 3:04:05" }),
            ("time", many(40) { "\($0 % 24):0\($0 % 9)" }),
            ("compact", many(40) { "2024\(10 + $0 % 3)\(10 + $0 % 20)" }),
        ] {
            let found = try column(values)
            #expect(found.type == .date && found.dateForm == form, "\(values[0])")
        }
        let text = try column(many(40) { "sentence number \($0) of them" })
        #expect(text.type == .text && text.role == .ignored && text.reason.contains("40 different values"))
    }

    @Test("What the values leave open is asked about by name, and told")
    func uncertain() throws {
        let dates = many(40) { "0\($0 % 9 + 1)/0\($0 % 8 + 1)/2024" }
        let error = #expect(throws: GimbalError.self) { try column(dates) }
        #expect(error?.description.contains("--types c=date-dmy or date-mdy") == true)
        #expect(try column(dates) { $0.types = ["c": .dateDayFirst] }.dateForm == "dayFirst")
        #expect(try column(dates) { $0.types = ["1": .dateMonthFirst] }.dateForm == "monthFirst")

        let stray = many(200) { $0 == 150 ? "unknown" : "\($0)" }
        let mixed = #expect(throws: GimbalError.self) { try column(stray) }
        #expect(
            mixed?.description.contains("line 152, column 1 (c): 'unknown' is not a number, but 199 of its 200") == true
        )
        for word in ["--missing", "--types c=category", "--exclude"] {
            #expect(mixed?.description.contains(word) == true)
        }
        #expect(try column(stray) { $0.missingMarks = ["unknown"] }.hasMissingFeature)
        #expect(try column(stray) { $0.types = ["c": .category] }.sharedFeatures == 8)
        #expect(try column(stray) { $0.excluded = ["c"] }.role == .ignored)
        #expect(
            try column(many(40) { $0 % 2 == 0 ? "1" : "2" }) { $0.types = ["c": .category] }.categories == ["1", "2"])
        let told = #expect(throws: GimbalError.self) {
            try column(many(40) { "x\($0 % 3)" }) { $0.types = ["c": .number] }
        }
        #expect(told?.description.contains("line 2, column 1 (c): 'x0' is no number") == true)
    }

    // MARK: Missing values

    @Test(
        "Missing numbers become the median of what is trained on, and a feature says so",
        arguments: ["", "NA", "?", "null", "-"])
    func missing(mark: String) throws {
        let values = many(50) { $0 % 5 == 0 ? mark : $0 % 10 == 9 ? "49" : "\($0 % 10)" }
        let body = values.enumerated().map { "\($1),\($0).5,\(["u", "v"][$0 % 2])" }
        try withTable(Array((["c,n,y"] + body).joined(separator: "\n").utf8)) { path in
            let parts = try Table(path: path, split: .init(test: 0, validation: 0)).parts()
            let column = parts.schema.columns[0]
            // 1, 2, 3, 4, 6, 7, 8, 49, each five times.
            #expect(column.hasMissingFeature && column.substitute == 5 && abs(column.mean - 10) < 1e-12)
            let inputs = parts.training.batch([0, 1]).inputs
            let median = Float((5 - column.mean) / column.deviation)
            #expect(abs(inputs[0] - median) < 1e-6 && inputs[1] == 1 && inputs[3] < median && inputs[4] == 0)
            #expect(parts.schema.featureNames == ["c", "c is missing", "n"])
        }
    }

    @Test("What is named as missing stands beside the usual marks, and other files may have more of it")
    func namedMarks() throws {
        func text(_ mark: String) -> [UInt8] {
            let body = (0..<40).map { "\($0 % 5 == 0 ? mark : $0 % 7 == 0 ? "NA" : "\($0)"),\(["u", "v"][$0 % 2])" }
            return Array((["c,y"] + body).joined(separator: "\n").utf8)
        }
        func options(_ mark: String) -> TableOptions {
            var options = TableOptions()
            options.missingMarks = [mark]
            return options
        }
        try withTable(text("-999")) { path in
            let table = try Table(path: path, options: options("-999"), split: .init(test: 0, validation: 0))
            let parts = try table.parts()
            #expect(parts.training.count == 40 && table.profile.columns[0].missing == 12)
            let room = UnsafeMutablePointer<Float>.allocate(capacity: parts.schema.featureCount)
            defer { room.deallocate() }
            try withTable(text("oops")) { other in
                func missing(_ options: TableOptions) throws -> Int {
                    let rows = try parts.schema.rows(path: other, options: options)
                    var missing = 0
                    while try rows.next() { if try rows.write(to: room) { missing += Int(room[1]) } }
                    return missing
                }
                #expect(throws: GimbalError.self) { try missing(TableOptions()) }
                let found = try missing(options("oops"))
                #expect(found == 12)
            }
        }
    }

    @Test("Rows with missing values are left out or refused where that is wanted")
    func missingPolicy() throws {
        let text =
            "c,n,y\n"
            + (0..<40).map { "\($0 == 7 ? "" : "\($0 % 9)"),\($0).5,\(["u", "v"][$0 % 2])" }.joined(separator: "\n")
        try withTable(Array(text.utf8)) { path in
            let dropped = try Table(
                path: path, options: options { $0.missing = .drop }, split: .init(test: 0, validation: 0)
            ).parts()
            #expect(dropped.training.count == 39 && dropped.notes == ["1 row with missing values left out"])
            let table = try Table(path: path, options: options { $0.missing = .refuse })
            let error = #expect(throws: GimbalError.self) { try table.parts() }
            #expect(error?.description.contains("line 9, column 1 (c): missing value ''") == true)
        }
    }

    @Test("A missing category is a category; marks in texts are texts")
    func missingCategory() throws {
        let found = try column(many(40) { ["NA", "x", "", "None"][$0 % 4] })
        #expect(found.categories == ["NA", "None", "x"] && found.hasMissingFeature && found.featureCount == 4)
    }

    @Test("Infinity is no number to train on")
    func infinite() throws {
        let error = #expect(throws: GimbalError.self) { try column(many(40) { $0 == 3 ? "-Inf" : "\($0)" }) }
        #expect(error?.description.contains("line 5, column 1 (c): '-Inf' is infinite") == true)
    }

    // MARK: Columns that are left out

    @Test("Indices, ids, constants and repetitions are left out, and said")
    func leftOut() throws {
        let index = try one(many(40) { "\($0)" }, name: "")
        #expect(index.schema.columns[0].role == .id && "\(index.profile)".contains("left out: column 1, an index"))
        #expect(try column(many(40) { "\(9_000 - $0 * 13)" }, name: "customer_id").role == .id)
        #expect(
            try column(many(40) { "\(9_000 - $0 * 13)" }, name: "customer_id") { $0.columns = ["customer_id"] }.role
                == .input)
        #expect(try column(many(40) { "\($0)" }, name: "t").role == .input)
        #expect(try column(many(40) { _ in "7" }).reason == "never changes: always '7'")
        #expect(try column(many(40) { "\($0 * 7 % 11).50" }).role == .input)
        #expect(try one(many(40) { "\($0 * 7 % 11).50" }).schema.columns[1].reason == "repeats c")
        #expect(try column(many(40) { _ in "" }).reason == "holds nothing")
        // The only input stays.
        let only = try table("id,y\n" + (0..<20).map { "\($0),\($0 % 2)" }.joined(separator: "\n"))
        #expect(only.schema.columns[0].role == .input)
    }

    @Test("A column that gives the answer away is warned of")
    func giveaway() throws {
        let text =
            "code,n,y\n" + (0..<60).map { "k\($0 % 6),\($0 * 7 % 13).5,\(["u", "v"][$0 % 2])" }.joined(separator: "\n")
        let warnings = try table(text).profile.warnings
        #expect(warnings.count == 1 && warnings[0].contains("code gives the answer away: each of its 6 values"))
        #expect(try table(text, options { $0.excluded = ["code"] }).profile.warnings.isEmpty)
        #expect(try one(many(60) { "k\($0 % 5)" }).profile.warnings.isEmpty)
    }

    @Test("Columns are chosen by name, a name before a number")
    func chosen() throws {
        let body = (0..<30).map { "0.\($0 % 9)1,1.\($0 % 7)2,2.\($0 % 5)3,\($0 % 3)" }.joined(separator: "\n")
        let text = "2019,2,x,rating\n" + body
        func inputs(_ change: (inout TableOptions) -> Void) throws -> [String] {
            try table(text, options(change)).schema.columns.filter { $0.role == .input }.map(\.name)
        }
        #expect(
            try inputs {
                $0.target = .written("2"); $0.task = .regression
            } == ["2019", "x", "rating"])
        #expect(try inputs { $0.target = .written("4") } == ["2019", "2", "x"])
        #expect(try inputs { $0.columns = ["x", "2"] } == ["2", "x"])
        #expect(try inputs { $0.excluded = ["1", "x"] } == ["2"])
        #expect(try refusal(text, options { $0.excluded = ["nothing"] }).contains("no column 'nothing'"))
        #expect(try refusal(text, options { $0.target = .written("9") }).contains("counted from 1 to 4"))
    }

    // MARK: Labels

    @Test("Labels are one class only where that is certain, and are named as in the file")
    func labels() throws {
        func names(_ labels: [String]) throws -> [String] {
            let body = (0..<40).map { "\($0).5,\($0 * 7 % 11),\(labels[$0 % labels.count])" }
            return try table((["a,b,label"] + body).joined(separator: "\n")).schema.classNames
        }
        #expect(try names(["1", "1.0", "2"]) == ["1", "2"])
        #expect(try names(["1.0", "2.0"]) == ["1.0", "2.0"])
        #expect(try names(["01", "1"]) == ["01", "1"])
        #expect(try names(["1e5", "7"]) == ["7", "1e5"])
        #expect(try names(["None", "NA", "Apnea", "?"]) == ["?", "Apnea", "NA", "None"])
        #expect(try names(["é", "e\u{301}"]).count == 2)
        #expect(try names(["yes", "Yes"]) == ["Yes", "yes"])
        #expect(try names(["10", "9", "-1"]) == ["-1", "9", "10"])
        #expect(try names(["1", "1.0", "x"]) == ["1", "1.0", "x"])
    }

    @Test("Rows without a label are left out and counted, or refused")
    func missingLabels() throws {
        let text =
            "a,b,y\n"
            + (0..<30).map { "\($0).5,\($0 * 7 % 11),\($0 % 10 == 3 ? "" : ["u", "v"][$0 % 2])" }.joined(
                separator: "\n")
        let found = try table(text)
        #expect(found.profile.rows == 27 && "\(found.profile)".contains("left out: 3 rows without a target"))
        #expect(
            try refusal(text, options { $0.refusesMissingTargets = true }).contains("line 5, column 3 (y): no target"))
    }

    @Test("What is doubtful about a target is said")
    func doubtful() throws {
        func found(_ label: (Int) -> String, _ change: (inout TableOptions) -> Void = { _ in }) throws -> TableProfile {
            try table(
                "a,b,y\n" + (0..<100).map { "\($0).5,\($0 * 7 % 11),\(label($0))" }.joined(separator: "\n"),
                options(change)
            ).profile
        }
        #expect(throws: GimbalError.self) { try found { _ in "u" }.requireLearnable() }
        #expect(throws: GimbalError.self) { try found { "\($0 * 3)" }.requireLearnable() }
        #expect(throws: GimbalError.self) { try found({ _ in "3" }) { $0.task = .regression }.requireLearnable() }
        let prices = try found { "\($0 < 90 ? $0 : 1)" }
        #expect(prices.warnings.contains { $0.contains("--task regression") })
        try prices.requireLearnable()
        let uneven = try found { $0 % 50 == 0 ? "rare" : "usual" }
        #expect(uneven.warnings.contains { $0.contains("2 rows of 'rare', 98 of 'usual'") })
        #expect(uneven.balancedClassWeights == [25, 100.0 / 196])
    }

    // MARK: Float64 before float32

    @Test("Nothing is lost that float64 keeps: time stamps and targets far from 0")
    func precision() throws {
        func parts(_ stamp: Int, _ target: Int) throws -> TableParts {
            let body = (0..<120).map { "\(stamp + $0 * 53 % 120 * 1000),\($0 % 7).25,\(target + $0 * 53 % 120).5" }
            return try withTable(Array((["stamp,b,y"] + body).joined(separator: "\n").utf8)) { path in
                try Table(path: path, options: TableOptions(task: .regression), split: .init(test: 0, validation: 0))
                    .parts()
            }
        }
        let (far, near) = try (parts(1_700_000_000_000, 1_000_000_000), parts(0, 0))
        let rows = Array(0..<120)
        let (a, b) = (far.training.batch(rows), near.training.batch(rows))
        #expect(zip(a.inputs, b.inputs).allSatisfy { abs($0 - $1) < 1e-6 })
        guard case .values(let ours, _) = a.targets, case .values(let theirs, _) = b.targets else { return }
        #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) < 1e-6 })
        let restored = far.schema.targetStandardization?.restoringTargets(ours.map(Double.init)) ?? []
        #expect(abs(restored[1] - 1_000_000_053.5) < 1e-3)
    }

    // MARK: Other files

    private static let trained =
        "id,age,town,y\n"
        + (0..<60).map {
            "\($0),\($0 % 3 == 2 ? "" : "\($0 % 17)"),\(["Rome", "Oslo", "Kyiv"][$0 % 3]),\(["u", "v"][$0 % 2])"
        }.joined(separator: "\n")

    private func record(_ text: String = trained) throws -> (TableRecord, Dataset) {
        try withTable(Array(text.utf8)) { path in
            let parts = try Table(path: path, split: .init(test: 0, validation: 0)).parts()
            let data = try CheckpointManifestCoding.roundTrip(TableRecord(schema: parts.schema, split: parts.split))
            return (data, parts.training)
        }
    }

    @Test("Columns of another file are found by name: in another order, beside others, without the target")
    func byName() throws {
        let (record, training) = try record()
        func features(_ text: String, needsTarget: Bool = true) throws -> [Float] {
            try withTable(Array(text.utf8)) { path in
                let rows = try record.schema.rows(path: path, needsTarget: needsTarget)
                var features = [Float](repeating: 0, count: record.schema.featureCount)
                #expect(try rows.next())
                _ = try features.withUnsafeMutableBufferPointer { try rows.write(to: $0.baseAddress!) }
                return features
            }
        }
        let expected = training.batch([0]).inputs
        #expect(try features("id,age,town,y\n7,0,Rome,u\n") == expected)
        #expect(try features("town;y;extra;age\nRome;v;1;0\n") == expected)
        #expect(try features("town,age\nRome,0\nOslo,1\n", needsTarget: false) == expected)
        for (text, words) in [
            ("age,y\n1,u\n", "has no column 'town', which the model was trained with; its columns are age, y"),
            ("age,town\n1,Rome\n", "has no column 'y'"),
            ("age,town,y\n1,Rome,w\n", "line 2, column 3 (y): 'w' is none of the classes u, v"),
            ("age,town,y\nold,Rome,u\n", "line 2, column 1 (age): 'old' is not a number"),
            ("1,Rome,u\n2,Oslo,v\n", "--no-header"),
        ] {
            let error = #expect(throws: GimbalError.self, "\(text)") { try features(text) }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
        }
    }

    @Test("A row without a number to be predicted has none, whatever the row before has")
    func withoutTarget() throws {
        let body = (0..<60).map { "\($0).5,\($0 * $0).25" }
        let schema = try withTable(Array((["x,y"] + body).joined(separator: "\n").utf8)) { path in
            try Table(path: path, options: TableOptions(task: .regression), split: .init(test: 0, validation: 0))
                .parts()
                .schema
        }
        #expect(schema.isRegression)
        try withTable(Array("x,y\n1.5,2.25\n2.5,\n3.5,nothing\n4.5,3\n".utf8)) { path in
            let rows = try schema.rows(path: path, needsTarget: false)
            var values: [Double] = []
            while try rows.next() { values.append(rows.value) }
            #expect(values.map(\.description) == ["2.25", "nan", "nan", "3.0"])
        }
    }

    @Test("Values that training did not meet are counted and said")
    func unseen() throws {
        let (record, _) = try record()
        try withTable(Array("age,town,y,more\n1,Lima,u,0\n2,,v,0\n3,Oslo,u,0\n".utf8)) { path in
            let rows = try record.schema.rows(path: path)
            var features = [Float](repeating: 9, count: record.schema.featureCount)
            while try rows.next() {
                _ = try features.withUnsafeMutableBufferPointer { try rows.write(to: $0.baseAddress!) }
            }
            #expect(rows.count == 3 && rows.unknownColumns == ["more"])
            #expect(
                rows.notes.contains("1 row with a value of town that training did not meet: none of its categories"))
        }
    }

    @Test("Many values of a category share features, and every row has one")
    func highCardinality() throws {
        let text =
            "code,n,y\n"
            + (0..<2_000).map { "c\($0 * $0 % 401),\($0 % 13).5,\(["u", "v"][$0 % 2])" }.joined(separator: "\n")
        try withTable(Array(text.utf8)) { path in
            let parts = try Table(path: path, split: .init(test: 0, validation: 0)).parts()
            let column = parts.schema.columns[0]
            #expect(column.categories.count == 32 && column.sharedFeatures == 8)
            let width = parts.schema.featureCount
            let inputs = parts.training.batch(Array(0..<2_000)).inputs
            #expect((0..<2_000).allSatisfy { row in inputs[row * width..<row * width + 40].reduce(0, +) == 1 })
        }
    }

    @Test("Dates become numbers, times of day and places in the week and the year")
    func dates() throws {
        let text =
            "when,n,y\n"
            + (0..<60).map {
                "2024-0\($0 % 9 + 1)-\(10 + $0 % 20) \(10 + $0 % 14):30:00,\($0 % 13).5,\(["u", "v"][$0 % 2])"
            }
            .joined(separator: "\n")
        let found = try table(text)
        #expect(found.schema.columns[0].featureCount == 7)
        #expect(found.schema.featureNames.prefix(3) == ["when", "when time sine", "when time cosine"])
    }

    // MARK: The summary

    @Test("A summary tells columns, types, missing values, ranges, classes and what was left out")
    func summary() throws {
        let text =
            "id,age,town,y\n"
            + (0..<60).map {
                "\($0),\($0 % 3 == 2 ? "" : "\($0 % 17)"),\(["Rome", "Oslo\u{1B}", "Kyiv"][$0 % 3]),\(["u", "v"][$0 % 2])"
            }.joined(separator: "\n")
        let summary = "\(try table(text).profile)"
        for words in [
            "60 rows, 4 columns; separated by commas, names in the first line", "age     number    20       0 to 16",
            "Rome 20, Oslo\\u{1B} 20, Kyiv 20", "2 classes: u 30, v 30", "left out: id, an index: it rises by one",
        ] { #expect(summary.contains(words), "\(summary)") }
        #expect(!summary.contains("\u{1B}"))
    }
}

/// What is kept of a run goes through JSON.
enum CheckpointManifestCoding {
    static func roundTrip(_ record: TableRecord) throws -> TableRecord {
        let found = try JSONDecoder().decode(TableRecord.self, from: try JSONEncoder().encode(record))
        #expect(found == record)
        try found.validate()
        return found
    }
}
