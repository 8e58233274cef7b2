import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Writes rows of a table and gives its path.
func withSeries(_ rows: [String], _ body: (String) throws -> Void) throws {
    try withTemporaryFolder { folder in
        let path = folder + "/series.csv"
        try (rows.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        try body(path)
    }
}

@Suite("Series to be forecast")
struct SeriesTests {
    /// A rising wave of period 12, a row a month.
    private static func wave(_ count: Int = 240) -> [String] {
        ["month,other,sales"]
            + (0..<count).map { row in
                let value = 100 + 0.5 * Double(row) + 20 * sin(2 * .pi * Double(row) / 12)
                return "\(row),\(row % 7),\(value)"
            }
    }

    private func parts(
        _ path: String, columns: [String]? = nil, _ change: (inout SeriesOptions) -> Void = { _ in }
    ) throws -> DataParts {
        var options = SeriesOptions()
        change(&options)
        var table = TableOptions()
        table.columns = columns
        return try DataSource.series(path: path, options: options, table: table).parts()
    }

    @Test("Windows are changes from their last number over the scale, and parts follow each other in time")
    func windows() throws {
        try withSeries(Self.wave()) { path in
            let parts = try parts(path) { ($0.window, $0.horizon) = (5, 3) }
            let record = try #require(parts.record.series)
            #expect(record.columns == ["sales"] && record.season == 12)
            // 48 rows for the test, 19 of the other 192 for validation; windows of the later parts reach back.
            #expect(record.rows == [.training: 173, .validation: 19, .test: 48])
            #expect(parts.test.count == 48 - 2 && parts.validation?.count == 19 - 2 && parts.train.count == 173 - 5 - 2)
            let test = try parts.test.examples(limit: 1)
            func value(_ row: Int) -> Double { 100 + 0.5 * Double(row) + 20 * sin(2 * .pi * Double(row) / 12) }
            let scale = record.scales[0]
            guard case .floats(let inputs) = test.inputs, case .values(let targets, 3) = test.targets else {
                Issue.record("\(test)")
                return
            }
            let window = (187..<192).map { Float((value($0) - value(191)) / scale) }
            #expect(zip(inputs, window).allSatisfy { abs($0 - $1) < 1e-5 } && inputs.count == 5 && inputs[4] == 0)
            let ahead = (192..<195).map { Float((value($0) - value(191)) / scale) }
            #expect(zip(targets, ahead).allSatisfy { abs($0 - $1) < 1e-5 })
        }
    }

    @Test("The naive forecasts are those of the textbook")
    func baselines() throws {
        try withSeries(Self.wave()) { path in
            let parts = try parts(path) { $0.horizon = 1 }
            func value(_ row: Int) -> Double { 100 + 0.5 * Double(row) + 20 * sin(2 * .pi * Double(row) / 12) }
            let naive = (192..<240).map { abs(value($0) - value($0 - 1)) }.reduce(0, +) / 48
            #expect(parts.baselines.map(\.name) == ["naive", "seasonal naive"])
            #expect(abs(parts.baselines[0].meanAbsoluteError - naive) < 1e-9)
            // A year's rise.
            #expect(abs(parts.baselines[1].meanAbsoluteError - 6) < 1e-9)
            #expect(abs(parts.baselines[1].rootMeanSquaredError - 6) < 1e-9)
        }
    }

    @Test(
        "A net beats them, goes on beyond all that it has seen, and predicts what follows the file",
        arguments: [
            ModelSettings.Kind.mlp, .gru, .tcn,
        ])
    func trains(kind: ModelSettings.Kind) throws {
        try withSeries(Self.wave()) { path in
            let parts = try parts(path) { ($0.window, $0.horizon) = (24, 2) }
            var model = ModelSettings(kind: kind, for: parts.train, isTable: true)
            model.hidden = 16
            var training = TrainingSettings(for: kind, isTable: true)
            training.epochs = 40
            let run = try Recipe(model: model, training: training, data: parts.record).makeRun(
                train: parts.train, validation: parts.validation, device: .cpu, folder: RunFolder(path: path + "-run"))
            try run.trainer.run()
            let error = try #require(try run.evaluate(on: parts.test).regression?.rootMeanSquaredError)
            #expect(error < 0.5 * parts.baselines.map(\.rootMeanSquaredError).min()!, "\(error) \(parts.baselines)")

            let predictor = try Predictor(path + "-run", device: .cpu)
            let ahead = try predictor.predictions(of: .series(path: path)).next()?.first?.values ?? []
            for (step, found) in ahead.enumerated() {
                let expected = 100 + 0.5 * Double(240 + step) + 20 * sin(2 * .pi * Double(240 + step) / 12)
                #expect(abs(found - expected) < 4, "\(found) \(expected)")
            }
            #expect(ahead.count == 2)
        }
    }

    @Test("Scores are those of the values, not of their changes")
    func scores() throws {
        // Some of the true values are 0, of which no error is a share.
        let value = { (row: Int) in Double((row * row + row / 3) % 50) }
        try withSeries(["sales"] + (0..<200).map { "\(value($0))" }) { path in
            let parts = try parts(path) { ($0.window, $0.horizon) = (4, 2) }
            let run = try Recipe(
                model: ModelSettings(kind: .mlp, for: parts.train, isTable: true), training: TrainingSettings(),
                data: parts.record
            ).makeRun(train: parts.train, validation: parts.validation, device: .cpu)
            // That nothing changes is the naive forecast.
            for parameter in run.model.parameters {
                parameter.assign(Tensor(repeating: 0, parameter.shape, device: .cpu))
            }
            let found = try #require(try run.evaluate(on: parts.test).regression)
            let ends = 160...198
            let naive = RegressionScores(
                predictions: ends.flatMap { [value($0 - 1), value($0 - 1)] },
                targets: ends.flatMap { [value($0), value($0 + 1)] }, width: 2)
            #expect(abs(found.determination - naive.determination) < 1e-9 && naive.determination < 0.5)
            #expect(abs(found.rootMeanSquaredError - parts.baselines[0].rootMeanSquaredError) < 1e-9)
            #expect(RegressionReport(found).meanAbsolutePercentageErrorFraction == nil)
            #expect(RegressionReport(found).points.contains { $0.target == 0 })
        }
    }

    @Test("Other columns are seen beside the one to be predicted")
    func columns() throws {
        try withSeries(Self.wave()) { path in
            let parts = try parts(path, columns: ["other"]) { $0.window = 4 }
            #expect(parts.record.series?.columns == ["sales", "other"])
            #expect(parts.train.inputShape == [4, 2])
            let again = try DataSource.series(path: path).parts(continuing: parts.record)
            #expect(again.train.inputShape == [4, 2] && again.record.series == parts.record.series)
        }
    }

    @Test("What is missing lies between its neighbours, and is told")
    func missing() throws {
        var rows = Self.wave(60)
        rows[10] = "9,1,"
        rows[11] = "10,1,NA"
        try withSeries(rows) { path in
            let parts = try parts(path) { ($0.window, $0.season) = (4, 12) }
            #expect(
                parts.notes.contains { $0.contains("2 missing values of sales") && $0.contains("at most 2 one after") })
        }
    }

    @Test(
        "What is no series is told so", arguments: ["backwards", "dates", "text", "short", "empty column", "changed"])
    func refuses(kind: String) throws {
        var rows = Self.wave(60)
        var expected = ""
        switch kind {
        case "backwards":
            rows = [rows[0]] + rows.dropFirst().reversed()
            expected = "the rows run backwards in time"
        case "dates":
            rows = ["day,sales"] + (1...28).reversed().map { "2024-03-\($0 < 10 ? "0" : "")\($0),\($0)" }
            expected = "the rows run backwards in time"
        case "text":
            rows[7] = "6,1,many"
            expected = "line 8: 'many' in"
        case "short":
            rows = Array(rows.prefix(7))
            expected = "too few"
        case "empty column":
            rows = ["a,sales"] + (0..<30).map { "\($0)," }
            expected = "has no number in any row"
        default: expected = "the run was trained on other numbers"
        }
        try withSeries(rows) { path in
            let error = #expect(throws: GimbalError.self) {
                let parts = try parts(path) { $0.window = kind == "short" ? 10 : 4 }
                if kind == "changed" {
                    rows[5] = "4,1,0"
                    try rows.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
                    _ = try DataSource.series(path: path).parts(continuing: parts.record)
                }
            }
            #expect("\(String(describing: error))".contains(expected), "\(String(describing: error))")
        }
    }

    @Test("A series that has grown keeps what was trained on, and tests the rest")
    func grows() throws {
        try withSeries(Self.wave()) { path in
            let record = try parts(path) { $0.window = 12 }.record
            try (Self.wave(300).joined(separator: "\n")).write(toFile: path, atomically: true, encoding: .utf8)
            let parts = try DataSource.series(path: path).parts(continuing: record)
            #expect(parts.record.series == record.series && parts.test.count == 48 + 60)
        }
    }
}
