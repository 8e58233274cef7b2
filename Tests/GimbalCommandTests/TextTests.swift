import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Texts and pairs of texts")
struct TextTests {
    private static let text = String(repeating: "To be, or not to be, that is the question.\n", count: 60)

    private func withText(
        _ text: String = text, name: String = "play.txt", _ body: (_ folder: String, _ path: String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/" + name
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            try body(folder, path)
        }
    }

    private func train(_ path: String, _ model: String, _ run: String, _ more: String...) throws -> ChildProcess.Outcome
    {
        try Gimbal.run(
            [
                "train", "--data", path, "--model", model, "--hidden", "16", "--layers", "1", "--epochs", "2",
                "--device", "cpu", "--run-dir", run,
            ] + more)
    }

    @Test(
        "Language models are trained, judged, gone on with, written with and exported",
        arguments: [
            "lstm-lm", "gru-lm", "transformer-lm",
        ])
    func languageModels(model: String) throws {
        try withText { folder, path in
            let run = folder + "/run"
            let trained = try train(path, model, run, "--length", "32", "--dropout", "0").succeeded()
            #expect(trained.output.contains("testBitsPerCharacter") && trained.output.contains("testPerplexity"))
            let all = try train(path, model, folder + "/long", "--length", "32", "--dropout", "0", "--epochs", "3")
                .succeeded()
            #expect(all.output.contains("epoch 3"))

            let judged = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu", "--json").succeeded()
            let figures = try #require(
                try JSONSerialization.jsonObject(with: Data(judged.output.utf8)) as? [String: Any])
            let perplexity = try #require(figures["perplexity"] as? Double)
            #expect(perplexity > 1 && perplexity < 30)

            func written(_ more: String...) throws -> String {
                try Gimbal.run(
                    ["generate", "--checkpoint", run, "--prompt", "To be", "--count", "40", "--device", "cpu"] + more
                )
                .succeeded().output
            }
            let (first, second) = (try written("--seed", "1"), try written("--seed", "2"))
            #expect(first.hasPrefix("To be") && first.unicodeScalars.count == 46)
            #expect(try written("--seed", "1") == first && second != first)
            #expect(try written("--temperature", "0", "--seed", "1") == written("--temperature", "0", "--seed", "2"))
            #expect(try written("--beam", "2").hasPrefix("To be"))
            let lines = try written("--json", "--samples", "3", "--top-k", "5", "--top-p", "0.9").split(separator: "\n")
            #expect(lines.count == 3 && lines.allSatisfy { $0.contains("\"tokens\":40") })

            let file = folder + "/model.onnx"
            let exported = try Gimbal.run("export", "--checkpoint", run, file).succeeded()
            #expect(exported.output.contains("int32 [batch, 32]"))
        }
    }

    @Test("A run that is gone on with is the run that was longer from the start")
    func resuming() throws {
        try withText { folder, path in
            let settings = ["--length", "32", "--schedule", "constant", "--tokenizer", "bpe", "--vocabulary", "300"]
            func loss(_ run: String, _ arguments: [String]) throws -> String {
                let outcome = try Gimbal.run(
                    arguments + ["--device", "cpu", "--run-dir", folder + "/" + run, "--json"]
                )
                .succeeded()
                let line = try #require(outcome.lines.last)
                let result = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                return "\(try #require(result["testLoss"]))"
            }
            let start = ["train", "--data", path, "--model", "lstm-lm", "--hidden", "16", "--layers", "1"] + settings
            let whole = try loss("whole", start + ["--epochs", "3"])
            _ = try loss("parts", start + ["--epochs", "1"])
            // What is said once more is no change.
            #expect(try loss("parts", ["train", "--resume", "--epochs", "2"] + settings) != whole)
            #expect(try loss("parts", ["train", "--resume", "--epochs", "3"]) == whole)
            try Gimbal.run("train", "--resume", "--run-dir", folder + "/parts", "--vocabulary", "279")
                .refused("--vocabulary: the run began with a tokenizer that it keeps")
            try Gimbal.run("train", "--resume", "--run-dir", folder + "/parts", "--length", "16")
                .refused("--length: the run began with 32")
            try Gimbal.run("train", "--resume", "--run-dir", folder + "/parts", "--tokenizer", "words")
                .refused("--tokenizer: the run began with a tokenizer that it keeps")
        }
    }

    @Test("Pairs of texts are trained on, judged by BLEU, and written", arguments: ["seq2seq", "transformer-seq2seq"])
    func pairs(model: String) throws {
        let pairs = (0..<40).map { "I have \($0) cats.\tУ меня \($0) кошек.\tsource \($0)\n" }.joined()
        try withText(pairs, name: "pairs.tsv") { folder, path in
            let run = folder + "/run"
            let trained = try train(path, model, run, "--vocabulary", "300").succeeded()
            #expect(trained.output.contains("testBLEU"))
            let judged = try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").succeeded()
            #expect(judged.output.contains("BLEU"))
            try "I have 3 cats.\n\nI have cats.\n".write(
                toFile: folder + "/in.txt", atomically: true, encoding: .utf8)
            let written = try Gimbal.run(
                "generate", "--checkpoint", run, "--data", folder + "/in.txt", "--device", "cpu", "--count", "12"
            )
            .succeeded()
            // A line for each, empty or not.
            #expect(written.output.count { $0 == "\n" } == 3)
            let one = try Gimbal.run(
                "generate", "--checkpoint", run, "--prompt", "I have 3 cats.", "--device", "cpu", "--count", "12"
            )
            .succeeded()
            #expect(one.output == written.output.prefix { $0 != "\n" } + "\n")
            try Gimbal.run("generate", "--checkpoint", run).refused("--prompt: is needed")
            try Gimbal.run("generate", "--checkpoint", run, "--prompt", "I", "--top-k", "3").refused("--top-k: is for")
            try Gimbal.run("export", "--checkpoint", run, folder + "/model.onnx").succeeded()
        }
    }

    @Test("A line that cannot be read ends a file of sources by its number, and what stands before it is written")
    func badLines() throws {
        let pairs = (0..<40).map { "I have \($0) cats.\tУ меня \($0) кошек.\n" }.joined()
        try withText(pairs, name: "pairs.tsv") { folder, path in
            let run = folder + "/run"
            _ = try train(path, "transformer-seq2seq", run, "--tokenizer", "characters").succeeded()
            for bad in ["I have € cats.", String(repeating: "I have 3 cats. ", count: 20)] {
                try "I have 3 cats.\n\(bad)\nI have 4 cats.\n".write(
                    toFile: folder + "/in.txt", atomically: true, encoding: .utf8)
                let outcome = try Gimbal.run(
                    "generate", "--checkpoint", run, "--data", folder + "/in.txt", "--device", "cpu", "--count", "9")
                outcome.failed(["in.txt: line 2: "])
                #expect(outcome.output.count { $0 == "\n" } == 1)
            }
        }
    }

    @Test("A part that nothing is held back for is told, and not evaluated")
    func nothingToTest() throws {
        try withText("a b\tx y\nb c\ty z\nc d\tz x\n", name: "pairs.tsv") { folder, path in
            let run = folder + "/run"
            let trained = try train(path, "seq2seq", run, "--test", "0.01", "--validation", "none").succeeded()
            #expect(trained.errors.contains("nothing is held back to test"))
            try Gimbal.run("evaluate", "--checkpoint", run, "--device", "cpu").refused("there is nothing to measure")
        }
    }

    @Test("Texts and pairs are inspected")
    func inspecting() throws {
        try withText { folder, path in
            let found = try Gimbal.run("inspect", path).succeeded().output
            #expect(found.contains(": a text") && found.contains("60"))
            let pairs = folder + "/pairs.tsv"
            try "a\tb\na\tc\nd\tef\n".write(toFile: pairs, atomically: true, encoding: .utf8)
            let json = try Gimbal.run("inspect", pairs, "--task", "tokens", "--json").succeeded().output
            #expect(json.contains("\"count\":3") && json.contains("\"repeatedSources\":1"))
            let runs = ["words", "characters"].map { folder + "/" + $0 }
            for run in runs {
                let kind = URL(fileURLWithPath: run).lastPathComponent
                _ = try train(path, "lstm-lm", run, "--length", "16", "--tokenizer", kind).succeeded()
                let row = try Gimbal.run("inspect", run).succeeded().output
                #expect(row.contains("\(kind), a vocabulary of"))
            }
            let compared = try Gimbal.run(["compare"] + runs).succeeded().output
            #expect(compared.contains("fingerprint of the tokenizer") && compared.contains("words"))
        }
    }

    @Test("Control characters that a model writes are escaped in JSON, and bytes as they are in a pipe")
    func controls() throws {
        try withText(String(repeating: "\u{1B}\u{7F}\u{9B}", count: 200)) { folder, path in
            let run = folder + "/run"
            _ = try train(path, "lstm-lm", run, "--length", "16").succeeded()
            let words = ["generate", "--checkpoint", run, "--prompt", "\u{1B}", "--count", "40", "--device", "cpu"]
            #expect(try Gimbal.run(words).succeeded().output.hasPrefix("\u{1B}"))
            let json = try Gimbal.run(words + ["--json"]).succeeded().output
            #expect(
                json.unicodeScalars.allSatisfy { $0 == "\n" || 0x20...0x7E ~= $0.value } && json.contains("\\u007f"))
        }
    }

    @Test("What cannot be is refused by the flag that is to blame")
    func refusals() throws {
        try withText { folder, path in
            let run = folder + "/run"
            func refused(_ arguments: [String], _ words: String) throws {
                try Gimbal.run(["train", "--device", "cpu", "--run-dir", run] + arguments).refused(words)
            }
            try refused(["--data", "digits", "--length", "3"], "--length: is for texts")
            try refused(["--data", "digits", "--model", "lstm-lm"], "digits are images")
            for (option, value) in [
                ("--delimiter", "comma"), ("--decimal", "comma"), ("--thousands", "point"), ("--missing", "?"),
                ("--missing-rows", "drop"), ("--ragged-rows", "skip"), ("--columns", "1"), ("--exclude", "1"),
                ("--id", "1"), ("--types", "1=text"),
            ] {
                try refused(["--data", path, "--model", "lstm-lm", option, value], "\(option): is for tables")
                try refused(["--data", "digits", option, value], "\(option): is for tables")
            }
            try refused(["--data", path, "--model", "lstm-lm", "--header"], "--header: is for tables")
            try refused(["--data", "digits", "--encoding", "utf-16"], "--encoding: is for tables")
            try refused(
                ["--data", path, "--model", "lstm-lm", "--data-dir", folder], "--data-dir: is for --data mnist")
            for (option, value, words) in [
                ("--beam", "2000", "--beam must be from 1 to"),
                ("--temperature", "inf", "--temperature must be a number"),
                ("--repetition-penalty", "inf", "--repetition-penalty must be a positive number"),
            ] {
                let outcome = try Gimbal.run("generate", "--checkpoint", run, "--prompt", "a", option, value)
                #expect(outcome.status == 64 && outcome.errors.contains(words))
            }
            try refused(["--data", path, "--model", "lstm-lm", "--target", "x"], "--target: is for tables")
            for length in ["0", "1048577", "1000000000"] {
                let train = ["--data", path, "--model", "lstm-lm", "--length", length]
                try refused(train, "--length: must be from 1 to 1048576, not")
            }
            try refused(["--data", path, "--model", "lstm-lm", "--length", "100000"], "too few for one window")
            try refused(["--data", path, "--model", "seq2seq"], "line 1 has no tab")
            try refused(["--data", folder, "--model", "gru-lm"], "is a folder")
            try refused(["--data", path], "a text is learnt by --model lstm-lm")
            try refused(["--data", path, "--model", "lstm-lm", "--folds", "3"], "--folds: is for tables")
            try refused(["--data", path, "--model", "lstm-lm", "--augment", "flip"], "--augment: is for images")
            try refused(["--data", path, "--model", "lstm-lm", "--loss", "mse"], "--loss: mse is not for tokens")
            try refused(["--data", path, "--model", "transformer-lm", "--heads", "3"], "--heads")
            try refused(
                ["--data", path, "--model", "lstm-lm", "--tokenizer", folder + "/none.json"], "none.json")
            #expect(!FileManager.default.fileExists(atPath: run))

            try Data([0x61, 0xFF, 0x0A]).write(to: URL(fileURLWithPath: folder + "/bad.txt"))
            try refused(["--data", folder + "/bad.txt", "--model", "lstm-lm"], "is not UTF-8")

            _ = try train(path, "lstm-lm", run, "--length", "16").succeeded()
            try Gimbal.run("predict", "--checkpoint", run, "--data", path).refused("gimbal generate writes with it")
            try Gimbal.run("generate", "--checkpoint", run, "--prompt", "€").refused("U+20AC")
            try Gimbal.run("generate", "--checkpoint", run, "--prompt", "").refused("--prompt: is empty")
            try Gimbal.run("generate", "--checkpoint", run, "--data", path).refused("--data: is for models of pairs")
        }
        try withTemporaryFolder { folder in
            try Gimbal.run(
                "train", "--data", "digits", "--max-steps", "1", "--device", "cpu", "--run-dir", folder + "/digits"
            )
            .succeeded()
            try Gimbal.run("generate", "--checkpoint", folder + "/digits").refused("writes no texts")
        }
    }
}
