import Foundation
import GimbalTestSupport
import Testing

@Suite("gimbal on tables")
struct TableTests {
    private struct Result: Decodable { var testAccuracy, testR2: Double? }
    private struct Scores: Decodable {
        var samples: Int
        var accuracy, determination: Double?
        var classNames: [String]?
    }

    /// Prices that follow from rooms and age; the garden says nothing.
    private static func houses(_ count: Int, from first: Int) -> String {
        "price,rooms,age,garden\n"
            + (first..<first + count).map { row in
                let (rooms, age) = (Double(row * 37 % 101) / 50 - 1, Double(row * 53 % 97) / 48 - 1)
                return "\(3 * rooms - 2 * age),\(rooms),\(age),\(Double(row * 29 % 89) / 44 - 1)\n"
            }.joined()
    }

    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    private func result(_ arguments: [String], _ location: SourceLocation = #_sourceLocation) throws -> Result {
        let outcome = try Gimbal.run(["train", "--device", "cpu", "--json"] + arguments).succeeded(
            sourceLocation: location)
        return try JSONDecoder().decode(Result.self, from: Data((outcome.lines.last ?? "").utf8))
    }

    private func scores(_ run: String, _ file: String, _ more: [String] = []) throws -> Scores {
        let outcome = try Gimbal.run(
            ["evaluate", "--checkpoint", run, "--data", file, "--device", "cpu", "--json"] + more
        ).succeeded()
        return try JSONDecoder().decode(Scores.self, from: Data((outcome.lines.last ?? "").utf8))
    }

    @Test("What a run makes of its table may be said again, not otherwise, and another table is refused")
    func knowsItsColumns() throws {
        try withTemporaryFolder { folder in
            let (file, other, run) = (folder + "/house.csv", folder + "/new.csv", folder + "/r")
            try write(Self.houses(60, from: 0), to: file)
            try write(Self.houses(60, from: 1_000), to: other)
            // All rows in one batch: another table has the same number of steps.
            let told = ["--target", "price", "--task", "regression", "--exclude", "garden", "--test", "0.3"]
            try Gimbal.run(
                ["train", "--data", file, "--run-dir", run, "--epochs", "1", "--batch-size", "100", "--device", "cpu"]
                    + told
            ).succeeded()
            let inputs = Self.houses(1, from: 0).prefix { $0 != "\n" }.split(separator: ",").map(String.init)
            let input = try #require(inputs.first { !["price", "garden"].contains($0) })
            let commands = [
                ["train", "--resume", "--run-dir", run, "--epochs", "2"], ["evaluate", "--checkpoint", run],
                ["predict", "--checkpoint", run, "--data", file],
            ].map { $0 + ["--device", "cpu"] }
            for command in commands {
                for (option, value) in [
                    ("--exclude", input), ("--columns", "garden"), ("--id", input), ("--types", "\(input)=category"),
                    ("--missing-rows", "drop"), ("--missing", "none"), ("--test", "0.2"), ("--test", other),
                    ("--validation", "none"),
                ] {
                    // Another file than the run's may have other marks for what is missing.
                    if command[0] == "predict", option == "--missing" { continue }
                    try Gimbal.run(command + [option, value]).refused("\(option): the run began with")
                }
                try Gimbal.run(command + told).succeeded()
            }
            try Gimbal.run(["train", "--resume", "--run-dir", run, "--epochs", "3", "--data", other, "--device", "cpu"])
                .refused("\(other): shares no row with the table that the run was trained on, ")
            try Gimbal.run("train", "--resume", "--run-dir", folder + "/none", "--device", "cpu").refused(
                "there is no run in \(folder)/none")
            // A damaged checkpoint is not the end of a run.
            let checkpoints = try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints").sorted()
            try FileManager.default.removeItem(atPath: "\(run)/checkpoints/\(checkpoints[1])/optimizer.safetensors")
            let resumed = try Gimbal.run(commands[0]).succeeded().errors
            #expect(resumed.contains("optimizer.safetensors: No such file"), "\(resumed)")
            #expect(resumed.contains("the checkpoint before it is used, \(run)/checkpoints/\(checkpoints[0])"))
        }
    }

    @Test("A run knows its target: resumed and evaluated without a word about it")
    func knowsItsTarget() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/house.csv", folder + "/r")
            try write(Self.houses(300, from: 0), to: file)
            let fixed = ["--data", file, "--run-dir", run]
            let first = try result(
                fixed + ["--target", "price", "--task", "regression", "--epochs", "60", "--lr", "0.05", "--seed", "3"])
            #expect(try #require(first.testR2) > 0.9)
            // The same rows, whatever is said or left out.
            let same = try scores(run, file)
            let determination = try #require(same.determination)
            #expect(same.samples == 60 && abs(determination - (first.testR2 ?? 0)) < 1e-6)
            #expect(
                try scores(run, file, ["--target", "price", "--task", "regression"]).determination
                    == same.determination)
            let more = try result(fixed + ["--resume", "--epochs", "80"])
            #expect(try #require(more.testR2) > 0.9)
            try Gimbal.run(["train", "--device", "cpu", "--resume", "--epochs", "90", "--target", "garden"] + fixed)
                .refused("--target: the run began with price")
            try Gimbal.run(
                ["train", "--device", "cpu", "--resume", "--epochs", "90", "--task", "classification"] + fixed
            )
            .refused("--task: the run began with regression")

            // Another file is tested whole, its columns found by name.
            let other = folder + "/new.csv"
            let lines = Self.houses(200, from: 1_000).split(separator: "\n").map { line in
                let fields = line.split(separator: ",")
                return "\(fields[3]);\(fields[2]);\(fields[0]);\(fields[1]);x"
            }
            try write(lines.joined(separator: "\n") + "\n", to: other)
            let tested = try Gimbal.run(["evaluate", "--checkpoint", run, "--data", other, "--device", "cpu"])
                .succeeded()
            #expect(tested.errors.contains("all 200 rows are tested"))
            #expect(try #require(scores(run, other).determination) > 0.9)
            try write("rooms,age,price\n1,2,3\n", to: other)
            try Gimbal.run(["evaluate", "--checkpoint", run, "--data", other, "--device", "cpu"])
                .refused("has no column 'garden', which the model was trained with")
        }
    }

    @Test("A class in the first column stays the class")
    func labelFirst() throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/label.csv", folder + "/r")
            let rows = (0..<150).map { "\($0 % 3),\($0 % 3 * 40 + $0 % 7),\($0 * 7 % 13),0\n" }.joined()
            try write("label,pixel0,pixel1,pixel2\n" + rows, to: file)
            let fixed = ["--data", file, "--run-dir", run]
            let first = try result(fixed + ["--target", "label", "--epochs", "10", "--lr", "0.1"])
            #expect(try #require(first.testAccuracy) > 0.9)
            #expect(try scores(run, file).classNames == ["0", "1", "2"])
            #expect(try result(fixed + ["--resume", "--epochs", "12"]).testAccuracy == first.testAccuracy)
            // The last column is constant: there is nothing to learn from it, and it is no input.
            try Gimbal.run(["train", "--data", file, "--device", "cpu", "--run-dir", folder + "/s"])
                .refused("every row has the class '0' in pixel2")
        }
    }

    @Test("What was read is shown before training, and what a file does not prove is told by flags")
    func flags() throws {
        try withTemporaryFolder { folder in
            let file = folder + "/t.txt"
            let rows = (0..<90).map {
                "\($0);\($0 % 9),\($0 % 10);\($0 % 3 == 0 ? "gone" : "\($0 % 7)");\(["é", "è"][$0 % 2])\n"
            }
            let text = "row;size;count;kind\n" + rows.joined()
            try Data(text.data(using: .isoLatin1)!).write(to: URL(filePath: file))
            let train = ["train", "--data", file, "--device", "cpu", "--epochs", "1", "--run-dir"]
            try Gimbal.run(train + [folder + "/a"]).refused("--encoding")
            let latin = ["--encoding", "latin1"]
            try Gimbal.run(train + [folder + "/a"] + latin + ["--exclude", "nothing"]).refused("no column 'nothing'")
            let outcome = try Gimbal.run(
                train + [folder + "/a"] + latin + ["--missing", "gone", "--id", "row", "--types", "size=number"]
            ).succeeded()
            for words in [
                "90 rows, 4 columns; separated by semicolons", "decimal commas", "2 classes: è 45, é 45",
                "left out: row",
            ] {
                #expect(outcome.output.contains(words), "\(outcome)")
            }
            #expect(try scores(folder + "/a", file).classNames == ["è", "é"])
        }
    }

    @Test("Messy tables are trained on and tested without preparing them", arguments: MessyTable.all)
    func messy(table: MessyTable) throws {
        try withTemporaryFolder { folder in
            let (file, run) = (folder + "/table.csv", folder + "/r")
            try write(table.text, to: file)
            let found = try result(
                [
                    "--data", file, "--run-dir", run, "--target", table.target, "--epochs", "40", "--lr", "0.05",
                    "--hidden", "32",
                ]
                    + (table.isRegression ? ["--task", "regression"] : []))
            let score = try #require(found.testAccuracy ?? found.testR2)
            #expect(score >= table.leastScore)
            let again = try scores(run, file)
            let same = try #require(again.determination ?? again.accuracy)
            #expect(abs(same - score) < 1e-6)
        }
    }
}
