import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("gimbal predict")
struct PredictTests {
    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    /// People of whom some are gone: by age and town, with an id, gaps and names that need quotes.
    private static let header = "customer,age,town,gone\n"
    private static let rows = (0..<200).map { row -> [String] in
        let (age, place) = (20 + row * 37 % 60, row * 7 % 3)
        let town = ["Rome", "Saint-Malo, France", "\"The Hague\""][place]
        let isGone = age + place * 10 > 55
        return ["c\(row)", row % 11 == 3 ? "" : "\(age)", town, isGone ? "yes" : "no"]
    }
    private static func line(_ fields: [String]) -> String {
        fields.map { field in
            field.contains(",") || field.contains("\"")
                ? "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : field
        }.joined(separator: ",") + "\n"
    }

    private func trained(_ folder: String, _ more: [String] = []) throws -> (run: String, file: String) {
        let (file, run) = (folder + "/people.csv", folder + "/run\(more.count)")
        try write(Self.header + Self.rows.map(Self.line).joined(), to: file)
        try Gimbal.run(
            [
                "train", "--data", file, "--epochs", "20", "--lr", "0.1", "--device", "cpu", "--run-dir", run, "--id",
                "customer",
            ] + more
        ).succeeded()
        return (run, file)
    }

    @Test("Rows without a target, with other columns and in another order, get the same classes and keep their ids")
    func otherOrder() throws {
        try withTemporaryFolder { folder in
            let (run, file) = try trained(folder)
            let arguments = ["predict", "--checkpoint", run, "--device", "cpu", "--data"]
            let own = try Gimbal.run(arguments + [file]).succeeded().lines
            #expect(own.first == "customer,prediction,probability")
            #expect(own.count == 201)
            #expect(own[5].hasPrefix("c4,"))
            let other = folder + "/other.csv"
            let text =
                "town;note;customer;age\n"
                + Self.rows.map { "\"\($0[2].replacingOccurrences(of: "\"", with: "\"\""))\";x;\($0[0]);\($0[1])\n" }
                .joined()
            try write(text, to: other)
            #expect(try Gimbal.run(arguments + [other]).succeeded().lines == own)
            // Whole or not at all, and the same bytes.
            let output = folder + "/predicted.csv"
            try Gimbal.run(arguments + [other, "--output", output, "--batch-size", "7"]).succeeded()
            let written = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map(String.init)
            #expect(written.map { $0.split(separator: ",")[1] } == own.map { $0.split(separator: ",")[1] })
            // They are what the model is judged by.
            let truth = Dictionary(uniqueKeysWithValues: Self.rows.map { ($0[0], $0[3]) })
            let right = own.dropFirst().count {
                truth[String($0.split(separator: ",")[0])] == String($0.split(separator: ",")[1])
            }
            let accuracy =
                try Gimbal.run(
                    "evaluate", "--checkpoint", run, "--device", "cpu", "--json", "--part", "all"
                ).succeeded().objects().first?["accuracy"] as? Double
            #expect(accuracy == Double(right) / 200)
        }
    }

    @Test("The most probable classes, all probabilities, and JSON")
    func forms() throws {
        try withTemporaryFolder { folder in
            let (run, file) = try trained(folder)
            let arguments = ["predict", "--checkpoint", run, "--device", "cpu", "--data", file]
            let two = try Gimbal.run(arguments + ["--top", "5", "--probabilities"]).succeeded().lines
            #expect(
                two.first
                    == "customer,prediction,probability,prediction 2,probability 2,probability of no,probability of yes"
            )
            for line in two.dropFirst() {
                let fields = line.split(separator: ",").map(String.init)
                let (first, second) = (try #require(Double(fields[2])), try #require(Double(fields[4])))
                #expect(first >= second && abs(first + second - 1) < 1e-6)
                #expect(Set([fields[1], fields[3]]) == ["no", "yes"])
                #expect(fields[fields[1] == "no" ? 5 : 6] == fields[2])
            }
            let objects = try Gimbal.run(arguments + ["--json", "--probabilities"]).succeeded().objects()
            #expect(objects.count == 200)
            #expect((objects[3]["ids"] as? [String: String]) == ["customer": "c3"])
            #expect(objects[3]["row"] as? Int == 4)
            let all = try #require(objects[3]["probabilities"] as? [String: Double])
            #expect(abs(all.values.reduce(0, +) - 1) < 1e-6)
        }
    }

    @Test("Numbers come in the data's units, also where float32 could not tell them apart")
    func regression() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/big.csv", folder + "/r")
            let steps = (0..<300).map { Double($0 * 37 % 101) / 50 }
            let truths = steps.map { 1e9 + $0 }
            let text = zip(steps, truths).map { "\($0 - 1),\($1)\n" }
            try write("x,y\n" + text.joined(), to: file)
            try Gimbal.run(
                "train", "--data", file, "--task", "regression", "--epochs", "60", "--lr", "0.05", "--device", "cpu",
                "--run-dir", run
            ).succeeded()
            let lines = try Gimbal.run("predict", "--checkpoint", run, "--data", file, "--device", "cpu").succeeded()
                .lines
            #expect(lines.first == "row,prediction")
            for option in [["--top", "3"], ["--probabilities"]] {
                try Gimbal.run(["predict", "--checkpoint", run, "--data", file, "--device", "cpu"] + option).refused(
                    "\(option[0]): is for classes; this run predicts numbers")
            }
            let found = try lines.dropFirst().map { try #require(Double($0.split(separator: ",")[1])) }
            #expect(lines.dropFirst().first?.hasPrefix("1,") == true)
            let errors = zip(found, truths).map { abs($0 - $1) }
            #expect(errors.count == 300 && errors.reduce(0, +) / 300 < 0.2)
        }
    }

    @Test(
        "A table of one input is predicted with the target and without, with a header and without",
        arguments: [true, false])
    func oneColumn(hasHeader: Bool) throws {
        try withTemporaryFolder { folder in
            let (file, run, other) = (folder + "/t.csv", folder + "/r", folder + "/inputs.csv")
            let steps = (0..<120).map { $0 * 37 % 101 }
            try write((hasHeader ? "x,y\n" : "") + steps.map { "\($0).5,\(3 * $0)\n" }.joined(), to: file)
            try write((hasHeader ? "x\n" : "") + steps.map { "\($0).5\n" }.joined(), to: other)
            try Gimbal.run(
                "train", "--data", file, "--task", "regression", "--epochs", "2", "--device", "cpu", "--run-dir", run
            ).succeeded()
            let predict = ["predict", "--checkpoint", run, "--device", "cpu", "--data"]
            let (own, alone) = (try Gimbal.run(predict + [file]), try Gimbal.run(predict + [other]))
            #expect(own.succeeded().lines.count == 121)
            #expect(alone.succeeded().lines == own.lines)
        }
    }

    @Test("A row that lacks what the run leaves out is there, with nothing predicted")
    func unknown() throws {
        try withTemporaryFolder { folder in
            let (run, file) = try trained(folder, ["--missing-rows", "drop"])
            let outcome = try Gimbal.run("predict", "--checkpoint", run, "--data", file, "--device", "cpu").succeeded()
            #expect(outcome.lines.count == 201)
            #expect(outcome.lines[4] == "c3,,")
            #expect(outcome.errors.contains("nothing is predicted of 18 of 200 samples"))
        }
    }

    @Test("Several runs give the mean of their probabilities; other classes, or a column too few, are refused by name")
    func ensemble() throws {
        try withTemporaryFolder { folder in
            let (first, file) = try trained(folder)
            let (second, _) = try trained(folder, ["--seed", "5"])
            func probabilities(_ runs: [String]) throws -> [Double] {
                let outcome = try Gimbal.run(
                    ["predict", "--data", file, "--device", "cpu", "--json", "--probabilities"]
                        + runs.flatMap { ["--checkpoint", $0] }
                ).succeeded()
                return try outcome.objects().map { ($0["probabilities"] as? [String: Double])?["yes"] ?? .nan }
            }
            let (a, b, mean) = (
                try probabilities([first]), try probabilities([second]), try probabilities([first, second])
            )
            #expect(a != b)
            #expect(zip(zip(a, b), mean).allSatisfy { abs(($0.0 + $0.1) / 2 - $1) < 1e-12 })

            try Gimbal.run(
                "train", "--data", "digits", "--epochs", "1", "--device", "cpu", "--run-dir", folder + "/digits"
            ).succeeded()
            try Gimbal.run(
                "predict", "--data", file, "--device", "cpu", "--checkpoint", first, "--checkpoint", folder + "/digits"
            ).refused("predicts the classes 0, 1, 2")
            try write("customer,age\nc1,30\n", to: folder + "/narrow.csv")
            try Gimbal.run("predict", "--data", folder + "/narrow.csv", "--device", "cpu", "--checkpoint", first)
                .refused("has no column 'town', which the model was trained with")
            try Gimbal.run("predict", "--data", file, "--device", "cpu", "--checkpoint", first, "--output", file)
                .refused("is the file that is read")
        }
    }

    @Test("In a program: rows by the names of their columns, and a table in batches")
    func library() throws {
        try withTemporaryFolder { folder in
            let (run, file) = try trained(folder)
            let predictor = try Predictor(run, device: .cpu)
            #expect(predictor.classNames == ["no", "yes"])
            let predictions = try predictor.predictions(of: .table(path: file), batchSize: 64)
            var all: [Prediction] = []
            while let batch = try predictions.next() { all += batch }
            #expect(all.count == 200 && all[199].place == 199)
            let given = try predictor.predict(
                rows: Self.rows.prefix(30).map {
                    ["customer": $0[0], "age": $0[1], "town": $0[2]]
                })
            for (row, same) in zip(given, all) {
                #expect(row.best?.name == same.best?.name)
                #expect(abs((row.best?.probability ?? 0) - (same.best?.probability ?? 1)) < 1e-6)
            }
            #expect(given[7].ids.first?.text == "c7")
            #expect(try predictor.predict(rows: []).isEmpty)
            #expect { try predictor.predict(rows: [["age": "3"]]) } throws: { "\($0)".contains("no value of town") }
            #expect { try predictor.predict(rows: [["age": "3", "town": "Rome", "hat": "1"]]) } throws: {
                "\($0)".contains("a value of hat, which the model does not know")
            }
        }
    }
}
