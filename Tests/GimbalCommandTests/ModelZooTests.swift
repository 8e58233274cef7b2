import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// Every model, optimizer, schedule, initializer, activation, normalisation and clipping mode is reachable by its flag.
@Suite("gimbal train: the model zoo")
struct ModelZooTests {
    private func trains(_ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation) throws {
        try withTemporaryFolder { folder in
            let outcome = try Gimbal.run(
                ["train", "--data", "digits", "--device", "cpu", "--run-dir", folder + "/run", "--json"] + arguments)
            #expect(
                outcome.status == 0, "\(arguments.joined(separator: " ")): \(outcome.errors)",
                sourceLocation: sourceLocation)
            let last = try #require(outcome.lines.last)
            let line = try JSONDecoder().decode(ResultLine.self, from: Data(last.utf8))
            #expect(line.trainLoss.isFinite && line.steps > 0, sourceLocation: sourceLocation)
        }
    }

    private static let short = ["--max-steps", "2", "--hidden", "16", "--batch-size", "32"]

    @Test("Models learn the digits", arguments: ["lstm", "gru", "rnn", "transformer"])
    func sequences(model: String) throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let outcome = try Gimbal.run(
                "train", "--data", "digits", "--model", model, "--optimizer", "adam", "--lr", "0.005", "--epochs", "8",
                "--device", "cpu", "--run-dir", run, "--json"
            ).succeeded()
            let line = try JSONDecoder().decode(ResultLine.self, from: Data((outcome.lines.last ?? "").utf8))
            #expect(line.testAccuracy > 0.85)
            try Gimbal.run("evaluate", "--checkpoint", run, "--data", "digits", "--device", "cpu").succeeded()
        }
    }

    @Test("ResNets", arguments: ["resnet20", "resnet56"])
    func residual(model: String) throws {
        try trains(["--model", model, "--max-steps", "2", "--hidden", "4", "--zero-init-residual"])
        try trains(["--model", model, "--max-steps", "2", "--hidden", "4", "--no-residual", "--init", "he"])
    }

    @Test("Optimizers", arguments: TrainingSettings.OptimizerKind.allCases)
    func optimizer(kind: TrainingSettings.OptimizerKind) throws {
        try trains(Self.short + ["--optimizer", kind.rawValue, "--weight-decay", "1e-4"])
    }

    @Test("Schedules", arguments: TrainingSettings.ScheduleKind.allCases)
    func schedule(kind: TrainingSettings.ScheduleKind) throws {
        try trains(Self.short + ["--schedule", kind.rawValue, "--warmup", "1", "--milestones", "1,3"])
    }

    @Test("Initializers", arguments: ModelSettings.Initialization.allCases)
    func initializer(kind: ModelSettings.Initialization) throws {
        try trains(Self.short + ["--init", kind.rawValue])
    }

    @Test("Activations", arguments: ModelSettings.Activation.allCases)
    func activation(kind: ModelSettings.Activation) throws {
        try trains(Self.short + ["--activation", kind.rawValue, "--init", "xavier"])
    }

    @Test("Normalisations", arguments: ModelSettings.Normalization.allCases)
    func normalization(kind: ModelSettings.Normalization) throws {
        try trains(Self.short + ["--norm", kind.rawValue])
    }

    @Test(
        "Clipping, and what else is done to gradients and weights",
        arguments: [
            ["--clip-value", "0.1"], ["--clip-norm", "1", "--clip-order", "inf"], ["--clip-layer", "0.5"],
            ["--clip-adaptive", "0.01"], ["--clip-percentile", "10"], ["--non-finite", "error"],
            ["--non-finite", "skip"], ["--non-finite", "zero"], ["--l1", "1e-4"], ["--max-norm", "2"],
            ["--gradient-noise", "0.1"], ["--lookahead", "2"], ["--ema", "0.9"], ["--layerwise-decay", "0.9"],
            ["--decay-weights-only", "--weight-decay", "0.1"], ["--label-smoothing", "0.1"],
            ["--early-stopping", "1"], ["--augment", "flip,shift,crop,rotate,cutout"], ["--mixup", "0.2"],
        ])
    func gradients(options: [String]) throws { try trains(Self.short + options) }

    @Test("Options without a meaning are refused by name")
    func foreign() throws {
        try withTemporaryFolder { folder in
            func refuse(_ words: String, _ arguments: [String]) throws {
                try Gimbal.run(["train", "--device", "cpu", "--run-dir", folder + "/run", "--data"] + arguments)
                    .refused(words)
            }
            try refuse("--norm: has no meaning for --model lstm", ["digits", "--model", "lstm", "--norm", "layer"])
            try refuse("--heads: has no meaning for --model mlp", ["digits", "--heads", "2"])
            try refuse("--activation: is tanh or relu", ["digits", "--model", "rnn", "--activation", "gelu"])
            try refuse("--heads: 10 units", ["digits", "--model", "transformer", "--hidden", "10", "--heads", "4"])
            try refuse("--momentum: is for", ["digits", "--optimizer", "adam", "--momentum", "0.9"])
            try refuse("--milestones", ["digits", "--schedule", "multi-step"])
            try refuse("--augment: no change 'blur'", ["digits", "--augment", "blur"])
            let table = folder + "/table.csv"
            try "a,b,c\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n".write(toFile: table, atomically: true, encoding: .utf8)
            try refuse("--model: resnet20 needs images", [table, "--model", "resnet20"])
            try refuse("--augment: is for images", [table, "--augment", "flip"])
            try refuse("--loss: mse is not for classification", [table, "--loss", "mse"])
        }
    }
}
