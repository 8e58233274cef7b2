import Foundation
import GimbalTestSupport
import Testing

@Suite("Options of each layer by itself")
struct LayerOptionsTests {
    private let fixed = ["train", "--data", "digits", "--device", "cpu", "--epochs", "1"]

    @Test("A net of several widths is trained, gone on with, judged and begun from")
    func widths() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let lists = [
                "--hidden", "16,12", "--dropout", "0.1,0.3", "--weight-decay", "1e-3", "--layer-decay", "0.*=0",
                "--layer-decay", "*.weight=2",
            ]
            let text = try Gimbal.run(fixed + lists + ["--run-dir", run]).succeeded().output
            for words in ["Linear(64, 16)", "Linear(16, 12)", "Linear(12, 10)", "Dropout(0.1)", "Dropout(0.3)"] {
                #expect(text.contains(words), "\(words)\n\(text)")
            }
            let resume = ["train", "--resume", "--run-dir", run, "--device", "cpu", "--epochs", "2"]
            try Gimbal.run(resume + ["--hidden", "16"]).refused("--hidden: the run began with 16,12")
            try Gimbal.run(resume + ["--hidden", "16,16"]).refused("--hidden: the run began with [16, 12]")
            try Gimbal.run(resume + ["--dropout", "0.3"]).refused("--dropout: the run began with 0.1,0.3")
            try Gimbal.run(resume + ["--layer-decay", "0.*=1"]).refused("--layer-decay: the run began with")
            let resumed = try Gimbal.run(resume + lists + ["--json"]).succeeded().objects().last
            let whole = try Gimbal.run(
                [
                    "train", "--data", "digits", "--device", "cpu", "--epochs", "2", "--json", "--run-dir",
                    folder + "/whole",
                ]
                    + lists
            ).succeeded().objects().last
            #expect(resumed?["testLoss"] as? Double == whole?["testLoss"] as? Double)
            let judged = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu", "--json").succeeded()
                .objects()
            #expect(judged.first?["loss"] as? Double == whole?["testLoss"] as? Double)
            let begun = try Gimbal.run(
                fixed + [
                    "--hidden", "16,12", "--dropout", "0.1,0.3", "--pretrained", run, "--run-dir", folder + "/begun",
                ]
            ).succeeded().output
            #expect(begun.contains("begins with 16 of 16 tensors"), "\(begun)")
        }
    }

    @Test("Options of a recurrent net are those of its recipe")
    func recurrent() throws {
        try withTemporaryFolder { folder in
            let options = ["--model", "lstm", "--hidden", "4", "--forget-bias", "2.5", "--bidirectional"]
            try Gimbal.run(fixed + options + ["--run-dir", folder + "/run"]).succeeded()
            let recipe = try String(contentsOfFile: folder + "/run/run.json", encoding: .utf8)
            #expect(recipe.contains(/"forgetGateBias" ?: ?2\.5/) && recipe.contains(/"isBidirectional" ?: ?true/))
        }
    }

    @Test("Lists that make no sense are refused in the words of the command")
    func refused() throws {
        try withTemporaryFolder { folder in
            func refused(_ options: [String], _ words: String, _ location: SourceLocation = #_sourceLocation) throws {
                try Gimbal.run(fixed + ["--run-dir", folder + "/no"] + options).refused(words, sourceLocation: location)
            }
            try refused(["--hidden", "16,8", "--residual"], "--hidden: must be one number with --residual")
            try refused(["--hidden", "16,8", "--layers", "3"], "--layers: is 3, but --hidden has 2 numbers")
            try refused(
                ["--hidden", "16,8", "--dropout", "0.1,0.2,0.3"], "--dropout: has 3 numbers for 2 hidden layers")
            try refused(["--hidden", "16,-8"], "--hidden: must be positive, not -8")
            try refused(["--model", "lstm", "--hidden", "16,8"], "--hidden: is one number for lstm")
            try refused(
                ["--layer-decay", "9.*=1", "--weight-decay", "1"], "--layer-decay: '9.*' fits no parameter; there are")
            for wrong in [["--hidden", "16,"], ["--hidden", "a"], ["--dropout", "0.1;0.2"], ["--layer-decay", "1"]] {
                let outcome = try Gimbal.run(fixed + ["--run-dir", folder + "/no"] + wrong)
                #expect(outcome.status == 64 && outcome.errors.contains(wrong[0]))
            }
            let note = try Gimbal.run(fixed + ["--run-dir", folder + "/run", "--hidden", "8", "--layer-decay", "*=2"])
                .succeeded()
            #expect(note.errors.contains("note: --layer-decay has no effect without --weight-decay"))
        }
    }

    @Test("The cured recipe's command line spells the lists")
    func cure() throws {
        try withTemporaryFolder { folder in
            let outcome = try Gimbal.run(
                [
                    "diagnose", "--data", "digits", "--hidden", "48,40", "--lr", "300", "--clip-norm", "0", "--norm",
                    "none",
                    "--epochs", "2", "--device", "cpu", "--apply", "--run-dir", folder + "/run",
                ])
            #expect(outcome.errors.contains("going on with: gimbal train --data digits --hidden 48,40"), "\(outcome)")
        }
    }

    @Test("Layers of a net of convolutions that look back beyond a sequence take no longer, and are told of")
    func layersBeyondTheSequence() throws {
        try withTemporaryFolder { folder in
            let train =
                fixed + ["--model", "tcn", "--hidden", "4", "--max-steps", "2", "--batch-size", "16", "--layers"]
            let note = "the last look back beyond a sequence of 8 steps, the whole of which 2 reach"
            for (layers, isTold) in [(60, true), (5, true), (4, false), (1, false)] {
                let outcome = try Gimbal.run(
                    train + ["\(layers)", "--run-dir", "\(folder)/\(layers)"], timeLimit: .seconds(20)
                ).succeeded()
                #expect(outcome.errors.contains("note: --layers \(layers): \(note)") == isTold, "\(outcome.errors)")
            }
        }
    }
}
