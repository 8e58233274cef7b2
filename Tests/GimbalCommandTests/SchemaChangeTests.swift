import Foundation
import GimbalTestSupport
import Testing

/// What may happen to a table between training and what comes after, each with what `train --resume`, `evaluate` and
/// `predict` make of it.
@Suite("A table that changed since training")
struct SchemaChangeTests {
    /// What is right: the same rows mean the same, or a refusal that names what is wrong.
    private enum Outcome: Sendable {
        case same
        case refused(String)
    }

    private struct Change: Sendable, CustomTestStringConvertible {
        var name: String
        var header: [String]? = ["age", "town", "income", "gone"]
        var fields: @Sendable ([String]) -> [String] = { $0 }
        var separator = ","
        var encoding = String.Encoding.utf8
        var begins: [UInt8] = []
        var resume = Outcome.same
        var evaluate = Outcome.same
        var predict = Outcome.same
        var testDescription: String { name }
    }

    private static let rows = (0..<160).map { row -> [String] in
        let (age, income) = (20 + row * 37 % 61, 1000 + row * 53 % 97 * 25)
        let town = ["Köln", "Lyon", "Oulu"][row * 11 % 3]
        return ["\(age)", town, "\(income)", age > 50 || town == "Oulu" ? "yes" : "no"]
    }

    private static func change(
        _ name: String, _ header: [String]? = ["age", "town", "income", "gone"], separator: String = ",",
        encoding: String.Encoding = .utf8, begins: [UInt8] = [], resume: Outcome = .same, evaluate: Outcome = .same,
        predict: Outcome = .same, _ fields: @escaping @Sendable ([String]) -> [String] = { $0 }
    ) -> Change {
        Change(
            name: name, header: header, fields: fields, separator: separator, encoding: encoding, begins: begins,
            resume: resume, evaluate: evaluate, predict: predict)
    }

    private static let changes: [Change] = [
        change("nothing"),
        change("columns in another order", ["gone", "income", "town", "age"]) { $0.reversed() },
        change("a column more", ["age", "extra", "town", "income", "gone"]) { [$0[0], "7", $0[1], $0[2], $0[3]] },
        change("an index before", ["", "age", "town", "income", "gone"]) { ["9"] + $0 },
        change("semicolons", separator: ";"),
        change("tabs", separator: "\t"),
        change("UTF-16", encoding: .utf16),
        change("a byte order mark", begins: [0xEF, 0xBB, 0xBF]),
        change("quotes everywhere") { $0.map { "\"\($0)\"" } },
        change("whole numbers as fractions") { ["\($0[0]).0", $0[1], "\($0[2]).00", $0[3]] },
        change("spaces around fields") { $0.map { " \($0) " } },
        change(
            "an input is gone", ["age", "town", "gone"], resume: .refused("has no column 'income'"),
            evaluate: .refused("has no column 'income'"), predict: .refused("has no column 'income'")
        ) { [$0[0], $0[1], $0[3]] },
        change(
            "an input is called otherwise", ["age", "town", "salary", "gone"],
            resume: .refused("has no column 'income'"), evaluate: .refused("has no column 'income'"),
            predict: .refused("has no column 'income'")),
        change(
            "a name in capitals", ["Age", "town", "income", "gone"], resume: .refused("has no column 'age'"),
            evaluate: .refused("has no column 'age'"), predict: .refused("has no column 'age'")),
        change(
            "the target is gone", ["age", "town", "income"], resume: .refused("has no column 'gone'"),
            evaluate: .refused("has no column 'gone'")
        ) { Array($0.dropLast()) },
        change(
            "the target is empty", resume: .refused("no samples"),
            evaluate: .refused("no row of it is of the test part")
        ) { [$0[0], $0[1], $0[2], ""] },
        change(
            "another class", resume: .refused("'maybe' is none of the classes no, yes"),
            evaluate: .refused("'maybe' is none of the classes no, yes")
        ) { [$0[0], $0[1], $0[2], $0[0] == "21" ? "maybe" : $0[3]] },
        change(
            "text in a column of numbers", resume: .refused("'many' is not a number"),
            evaluate: .refused("'many' is not a number"), predict: .refused("'many' is not a number")
        ) { [$0[0], $0[1], $0[0].hasSuffix("1") ? "many" : $0[2], $0[3]] },
        change(
            "no header", nil, resume: .refused("has no header"), evaluate: .refused("has no header"),
            predict: .refused("has no header")),
    ]

    private func text(_ change: Change) throws -> Data {
        let lines = (change.header.map { [$0] } ?? []) + Self.rows.map(change.fields)
        let text = lines.map { $0.joined(separator: change.separator) + "\n" }.joined()
        return Data(change.begins) + (try #require(text.data(using: change.encoding)))
    }

    private func check(_ outcome: Outcome, _ found: ChildProcess.Outcome, _ words: Comment, _ isSame: () throws -> Bool)
        rethrows
    {
        switch outcome {
        case .same: #expect(try found.status == 0 && isSame(), words)
        case .refused(let reason): #expect(found.status != 0 && found.errors.contains(reason), "\(words): \(found)")
        }
    }

    @Test("Columns are found by name, or the file is refused by name")
    func changed() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/people.csv", folder + "/run")
            try text(Self.changes[0]).write(to: URL(filePath: file))
            try Gimbal.run(
                "train", "--data", file, "--epochs", "2", "--lr", "0.1", "--device", "cpu", "--run-dir", run
            ).succeeded()
            func evaluation(_ path: String) throws -> ChildProcess.Outcome {
                try Gimbal.run("evaluate", "--checkpoint", run, "--data", path, "--device", "cpu", "--json")
            }
            func predictions(_ path: String) throws -> ChildProcess.Outcome {
                try Gimbal.run("predict", "--checkpoint", run, "--data", path, "--device", "cpu")
            }
            func resumed(_ path: String) throws -> ChildProcess.Outcome {
                let copy = folder + "/copy"
                try? FileManager.default.removeItem(atPath: copy)
                try FileManager.default.copyItem(atPath: run, toPath: copy)
                return try Gimbal.run(
                    "train", "--resume", "--run-dir", copy, "--data", path, "--epochs", "3", "--device", "cpu", "--json"
                )
            }
            func loss(_ outcome: ChildProcess.Outcome, _ name: String) throws -> Double? {
                try outcome.objects().last?[name] as? Double
            }
            let (scores, output) = (try evaluation(file).succeeded(), try predictions(file).succeeded().output)
            let trained = try resumed(file).succeeded()
            for change in Self.changes.dropFirst() {
                let path = folder + "/changed.csv"
                try text(change).write(to: URL(filePath: path))
                let (evaluated, predicted, again) = (try evaluation(path), try predictions(path), try resumed(path))
                try check(change.evaluate, evaluated, "evaluate, \(change.name)") {
                    try loss(evaluated, "loss") == loss(scores, "loss")
                }
                check(change.predict, predicted, "predict, \(change.name)") { predicted.output == output }
                try check(change.resume, again, "resume, \(change.name)") {
                    try loss(again, "testLoss") == loss(trained, "testLoss")
                }
            }
        }
    }
}
