import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Help and spelling of options")
struct HelpTests {
    /// Without the line breaks and columns that fit it to a screen.
    private func help(_ arguments: String...) throws -> String {
        try Gimbal.run(arguments).succeeded().output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    @Test("The help of train has sections and examples, and all options of data come first")
    func train() throws {
        let lines = try Gimbal.run("train", "--help").succeeded().lines
        let sections = lines.filter { $0.hasSuffix(":") && $0 == $0.uppercased() }
        #expect(
            sections == [
                "EXAMPLES:", "DATA:", "TABLES:", "PICTURES:", "FORECASTS:", "TEXTS:", "MODEL:",
                "LOSS AND CHANGES TO THE DATA:",
                "FIRST WEIGHTS:", "OPTIMIZER:", "REGULARISATION:", "SCHEDULE OF THE LEARNING RATE:",
                "GRADIENT CLIPPING:", "COURSE OF TRAINING:",
                "SEVERAL DEVICES AND MACHINES:", "OPTIONS:",
            ])
        #expect(lines.contains("  gimbal train --data digits"))
        #expect(lines.allSatisfy { $0.count <= 120 })
    }

    @Test("Defaults are those of the settings")
    func defaults() throws {
        let text = try help("train", "--help")
        let resNet = TrainingSettings(for: .resnet20)
        #expect(
            text.contains("--lr <lr> Learning rate. (default: 0.05 for mlp; \(resNet.rate) for resnet20, resnet56; "))
        #expect(text.contains("; with another optimizer 0.01 for sgd, adagrad, rmsprop; 1 for adadelta; "))
        #expect(text.contains("(default: 0.9) --beta2"))
        let patience = try #require(TrainingSettings(for: .mlp, isTable: true).patience)
        #expect(text.contains("may be changed when resuming. (default: 0; \(patience) for tables)"))
        #expect(text.contains("(default: 0.999 for adam, adamw, amsgrad, nadam, radam, adamax, lamb; 0.99 for lion)"))
        #expect(
            text.contains(
                "--batch-size <batch-size> Samples in a batch, or in that of each of several ranks. (default: "))
        let texts = "lstm-lm, gru-lm, transformer-lm, seq2seq, transformer-seq2seq"
        let none = "mlp, rnn, lstm, gru, tcn, transformer, \(texts)"
        let crop = "resnet20, resnet56, resnet18, resnet34, resnet50"
        #expect(text.contains("(default: none for \(none); crop for \(crop))"))
    }

    @Test("The help of the program says how to begin")
    func program() throws {
        let text = try help("--help")
        for words in ["gimbal train --data digits", "gimbal evaluate --checkpoint", "gimbal recipes", "gimbal new"] {
            #expect(text.contains(words))
        }
    }

    @Test("A negative number is a value, and refused by what it means")
    func negativeNumbers() throws {
        try withTemporaryFolder { folder in
            let start = ["train", "--data", "digits", "--run-dir", folder + "/run"]
            try Gimbal.run(start + ["--lr", "-1"]).refused("--lr: must be positive, not -1")
            try Gimbal.run(start + ["--hidden", "-5"]).refused("--hidden: must be positive, not -5")
            try Gimbal.run(start + ["--weight-decay", "-1e-3"]).refused("--weight-decay: must not be negative")
            let table = folder + "/table.csv"
            try "a,c\n1,x\n-999,y\n3,x\n4,y\n5,x\n6,y\n7,x\n8,y\n9,x\n10,y\n".write(
                toFile: table, atomically: true, encoding: .utf8)
            let outcome = try Gimbal.run([
                "train", "--data", table, "--missing", "-999", "--max-steps", "1", "--device", "cpu", "--run-dir",
                folder + "/table",
            ]).succeeded()
            #expect(outcome.output.contains(#/a +number +1 +1 to 10/#))
        }
    }

    @Test("A long run says how long it is going to take")
    func estimate() throws {
        try withTemporaryFolder { folder in
            let run = try Gimbal.start([
                "train", "--data", "digits", "--hidden", "256", "--layers", "4", "--epochs", "100000", "--device",
                "cpu",
                "--run-dir", folder + "/run", "--json",
            ])
            #expect(run.wait { run.errorsSoFar.contains("a step\n") })
            run.send(SIGINT)
            let outcome = try run.outcome()
            let line = try #require(outcome.errors.split(separator: "\n").first)
            #expect(
                line.contains(#/^about [0-9.]+ (minutes|hours?|days?): 100000 epochs of 21 steps, [0-9.]+ s a step$/#),
                "\(line)")
            #expect(try outcome.objects().allSatisfy { ["epoch", "finding"].contains($0["event"] as? String) })
        }
    }
}
