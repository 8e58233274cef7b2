import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Recipes of models")
struct RecipeTests {
    private struct Line: Decodable {
        var model: String
        var isTable: Bool
        var flags: [String]
    }

    private func settings(
        _ data: String, _ arguments: [String], in folder: String, errors: String = ""
    ) throws -> TrainingSettings {
        let run = "\(folder)/\(UUID().uuidString)"
        let outcome = try Gimbal.run(
            ["train", "--data", data, "--device", "cpu", "--run-dir", run, "--json", "--max-steps", "1"] + arguments
        ).succeeded()
        #expect(outcome.errors == errors)
        let recipe = try RunRecord(path: run).recipe
        return recipe.training
    }

    @Test("What is listed is what a model is trained by")
    func listed() throws {
        let lines: [Line] = try Gimbal.run("recipes", "--json").succeeded().decoded()
        #expect(lines.filter { !$0.isTable }.map(\.model) == ModelSettings.Kind.allCases.map(\.rawValue))
        try withTemporaryFolder { folder in
            let table = folder + "/table.csv"
            try (["a,b,class"] + (0..<60).map { "\($0),\($0 * $0 % 7),\($0 % 2 == 0 ? "x" : "y")" })
                .joined(separator: "\n").write(toFile: table, atomically: true, encoding: .utf8)
            for line in lines where line.model != "resnet56" {
                let kind = try #require(ModelSettings.Kind(rawValue: line.model))
                let data = line.isTable ? table : try kind.exampleData(in: folder) ?? "digits"
                let own = try settings(data, ["--model", line.model], in: folder)
                let given = try settings(data, ["--model", line.model] + line.flags, in: folder)
                #expect(own == given, "\(line)")
                var expected = TrainingSettings(for: kind, isTable: line.isTable)
                expected.maxSteps = 1
                #expect(own == expected)
            }
        }
        let text = try Gimbal.run("recipes").succeeded()
        #expect(text.lines.count == 2 * lines.count)
        #expect(text.lines.first == "gimbal train --model mlp")
    }

    @Test("A table's mlp has no normalisation unless one is given", arguments: [[], ["--norm", "batch"]])
    func tableModel(flags: [String]) throws {
        try withTemporaryFolder { folder in
            let table = folder + "/table.csv"
            try (["a,b,class"] + (0..<60).map { "\($0),\($0 * $0 % 7),\($0 % 2 == 0 ? "x" : "y")" })
                .joined(separator: "\n").write(toFile: table, atomically: true, encoding: .utf8)
            let run = folder + "/run"
            _ = try Gimbal.run(
                ["train", "--data", table, "--device", "cpu", "--max-steps", "1", "--run-dir", run] + flags
            ).succeeded()
            #expect(try RunRecord(path: run).recipe.model.normalization == (flags.isEmpty ? .none : .batch))
        }
    }

    @Test("Another optimizer brings its own rate and no momentum; what is given counts")
    func otherOptimizer() throws {
        try withTemporaryFolder { folder in
            let adam = try settings(
                "digits", ["--model", "resnet20", "--hidden", "4", "--optimizer", "adam"], in: folder)
            #expect(adam.learningRate == 0.001 && adam.momentum == 0 && adam.weightDecay == 0)
            #expect(adam.schedule == .oneCycle && adam.augmentation == [.crop])
            let given = try settings(
                "digits",
                [
                    "--model", "resnet20", "--hidden", "4", "--lr", "0.3", "--momentum", "0", "--augment", "none",
                    "--schedule", "constant", "--weight-decay", "0",
                ], in: folder)
            #expect(given.learningRate == 0.3 && given.momentum == 0 && given.weightDecay == 0)
            #expect(given.schedule == .constant && given.augmentation == [])
        }
    }

    @Test("Without validation data a table's recipe stops by epochs alone")
    func withoutValidation() throws {
        try withTemporaryFolder { folder in
            let table = folder + "/table.csv"
            try (["a,class"] + (0..<60).map { "\($0),\($0 % 2 == 0 ? "x" : "y")" })
                .joined(separator: "\n").write(toFile: table, atomically: true, encoding: .utf8)
            let stopping = try settings(table, [], in: folder)
            #expect(stopping.patience == 20 && stopping.batchSize == 32 && stopping.optimizer == .adam)
            #expect(try settings(table, ["--validation", "none"], in: folder).patience == nil)
            // Who says how many epochs there are to be gets so many.
            #expect(try settings(table, ["--epochs", "30"], in: folder).patience == nil)
        }
    }

    @Test("The digits are learnt by the recipe of each model", arguments: ["mlp", "lstm", "gru", "rnn", "transformer"])
    func learns(model: String) throws {
        try withTemporaryFolder { folder in
            let outcome = try Gimbal.run(
                "train", "--data", "digits", "--model", model, "--device", "cpu", "--run-dir", folder + "/run", "--json"
            ).succeeded()
            let line = try JSONDecoder().decode(ResultLine.self, from: Data((outcome.lines.last ?? "").utf8))
            #expect(line.testAccuracy > 0.93)
        }
    }

    @Test("An option that has no effect is said to have none")
    func withoutEffect() throws {
        try withTemporaryFolder { folder in
            _ = try settings(
                "digits", ["--power", "2", "--clip-order", "1", "--clip-norm", "0", "--init-scale", "1"], in: folder,
                errors: """
                    note: --power has no effect with --schedule constant
                    note: --clip-order has no effect without --clip-norm or --clip-layer
                    note: --init-scale has no effect with --init default

                    """)
            _ = try settings("digits", ["--schedule", "polynomial", "--power", "2"], in: folder)
            _ = try settings(
                "digits",
                [
                    "--warmup", "7", "--weights", "best", "--validation", "none", "--schedule", "step", "--step-epochs",
                    "3",
                    "--epochs", "3",
                ], in: folder,
                errors: """
                    note: --warmup 7 is not over before the run, of 1 step, is: the rate stays below --lr, and no schedule begins
                    note: --step-epochs 3 never reduces the rate in 3 epochs
                    note: --weights best has no effect without validation data: the last weights are taken

                    """)
        }
    }

    @Test("The activation of a Transformer is the one that is asked for")
    func transformerActivation() throws {
        try withTemporaryFolder { folder in
            let losses = try ["relu", "gelu"].map { activation in
                let outcome = try Gimbal.run(
                    "train", "--data", "digits", "--model", "transformer", "--activation", activation, "--max-steps",
                    "1",
                    "--device", "cpu", "--run-dir", "\(folder)/\(activation)", "--json"
                ).succeeded()
                return try JSONDecoder().decode(ResultLine.self, from: Data((outcome.lines.last ?? "").utf8)).trainLoss
            }
            #expect(losses[0] != losses[1])
        }
    }
}
