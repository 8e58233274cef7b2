import ArgumentParser
import Foundation
import GimbalTrain

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Writes on from a text, or a text from another, with a trained model.",
        discussion: """
            A language model (gimbal train --model lstm-lm, gru-lm or transformer-lm) goes on from the prompt, and what it \
            writes appears as it comes. A model of pairs of texts (--model seq2seq or transformer-seq2seq) writes the second \
            text of a pair from the first: the prompt, or each line of a file.

            EXAMPLES:
              gimbal generate --checkpoint runs/plays --prompt "ROMEO:" --temperature 0.8
              gimbal generate --checkpoint runs/plays --prompt-file opening.txt --count 2000 --top-p 0.9 --seed 7
              gimbal generate --checkpoint runs/english-russian --prompt "I am cold." --beam 4
              gimbal generate --checkpoint runs/english-russian --data english.txt > russian.txt
            """)

    @Option(
        help: ArgumentHelp("A checkpoint, or the folder of a run, whose newest is taken.", valueName: "dir"),
        completion: .directory)
    var checkpoint: String
    @Option(
        help: ArgumentHelp(
            "What is gone on from, or what the text is written from. (default: the end of a line)", valueName: "text"))
    var prompt: String?
    @Option(
        help: ArgumentHelp("A file with the prompt; - for standard input.", valueName: "FILE.txt"), completion: .file())
    var promptFile: String?
    @Option(
        help: ArgumentHelp(
            "Texts, one in each line, from each of which a model of pairs writes a line; - for standard input.",
            valueName: "FILE.txt"), completion: .file())
    var data: String?
    @OptionGroup(title: "Sampling") var sampling: SamplingFlags
    @OptionGroup var device: DeviceOptions
    @Option(
        help:
            "Which of the run's weights to write with: the best by validation loss, the moving average, or the last. (default: as in training)"
    )
    var weights: WeightChoice?
    @Option(help: "What products are computed in. (default: as in training)")
    var precision: Precision?
    @Flag(help: "Print one JSON object for each text on standard output, and nothing else there.")
    var json = false

    func validate() throws {
        if [prompt, promptFile, data].count(where: { $0 != nil }) > 1 {
            throw ValidationError("--prompt, --prompt-file and --data exclude each other")
        }
        try sampling.check()
    }

    func run() throws { try SettingFlags.translating(generate) }

    private func generate() throws {
        let device = try device.chosen()
        let run = try SavedRun(checkpoint, weights: weights, device: device)
        let recipe = run.record.recipe
        guard recipe.model.task == .tokens, let text = recipe.data.text else {
            throw GimbalError.invalidSetting(
                name: "--checkpoint",
                reason:
                    "\(checkpoint) is of --model \(recipe.model.kind.rawValue), which writes no texts; gimbal predict tells "
                    + "what it predicts")
        }
        let tokenizer = try text.makeTokenizer()
        let precision = precision ?? recipe.training.precision
        if let notice = precision.use(on: device) { printNotice(notice) }
        try withPrecision(precision) {
            if let model = run.model as? any SequenceToSequenceModel {
                try writePairs(try PairWriter(model, tokenizer))
            } else if let model = run.model as? any AutoregressiveModel {
                guard data == nil else {
                    throw GimbalError.invalidSetting(
                        name: "--data", reason: "is for models of pairs of texts; name the text's file by --prompt-file"
                    )
                }
                try write(model, tokenizer, prompt: try givenPrompt() ?? "\n")
            }
        }
    }

    /// The prompt that was given; nil for none.
    private func givenPrompt() throws -> String? {
        if let prompt { return prompt }
        return try promptFile.map { try TextFile.read($0 == "-" ? "/dev/stdin" : $0) }
    }

    // MARK: Pairs of texts

    private func writePairs(_ writer: PairWriter) throws {
        try sampling.requireSearch()
        guard let data else {
            guard let prompt = try givenPrompt() else {
                throw GimbalError.invalidSetting(
                    name: "--prompt", reason: "is needed, or --data: what the text is written from")
            }
            try namingPrompt { try writer.check(prompt) }
            return try write(writer, [prompt])
        }
        var lines = try TextFile.read(data == "-" ? "/dev/stdin" : data)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        // The end of the last line begins none.
        if lines.last == "" { lines.removeLast() }
        let name = data == "-" ? "standard input" : data
        // So many at a time that something is seen early, and that those of like length go together.
        for start in stride(from: 0, to: lines.count, by: 1024) {
            var sources: [String] = []
            do {
                for number in start..<min(start + 1024, lines.count) {
                    try naming(name, line: number + 1) { try writer.check(lines[number]) }
                    sources.append(lines[number])
                }
            } catch {
                // What stands before a line that cannot be read is written.
                try write(writer, sources)
                throw error
            }
            try write(writer, sources)
        }
    }

    /// Calls `body`, whose complaint about a text becomes one about the prompt.
    private func namingPrompt<Result>(_ body: () throws -> Result) throws -> Result {
        if let promptFile { return try naming(promptFile == "-" ? "standard input" : promptFile, body) }
        do { return try body() } catch GimbalError.invalidSetting(_, let reason) {
            throw GimbalError.invalidSetting(name: "--prompt", reason: reason)
        }
    }

    private func write(_ writer: PairWriter, _ sources: [String]) throws {
        for (source, text) in zip(
            sources, try writer.texts(for: sources, beams: sampling.beam, maximumCount: sampling.count))
        {
            // A line for a line.
            try json
                ? printJSON(WrittenPair(prompt: source, text: text))
                : printData((data == nil ? text : text.replacing("\n", with: " ")) + "\n")
        }
    }

    /// A text that was written from another, as JSON has it.
    private struct WrittenPair: Encodable {
        var prompt: String
        var text: String
    }

    // MARK: Language models

    private func write(_ model: some AutoregressiveModel, _ tokenizer: any Tokenizer, prompt: String) throws {
        guard !(try namingPrompt { try tokenizer.encode(prompt) }).isEmpty else {
            throw GimbalError.invalidSetting(name: "--prompt", reason: "is empty: there is nothing to go on from")
        }
        if let beams = sampling.beam { return try search(model, tokenizer, prompt, beams) }
        let interruption = Interruption(isQuiet: true)
        for number in 0..<sampling.samples {
            let clock = ContinuousClock.now
            let writer = try TextGenerator(
                model, tokenizer, prompt: prompt, sampling: sampling.sampling, maximumCount: sampling.count,
                seed: sampling.seed &+ UInt64(number))
            let count = writer.tokens.count
            if !json { try printData(prompt) }
            var written = ""
            while !interruption.isRequested, let piece = try writer.next() {
                written += piece
                if !json { try printData(piece) }
                if let stop = sampling.stop, written.contains(stop) { break }
            }
            try end(
                prompt, written, count: writer.tokens.count - count, since: clock,
                isLast: number == sampling.samples - 1)
            if interruption.isRequested { throw ExitCode(130) }
        }
    }

    private func search(
        _ model: some AutoregressiveModel, _ tokenizer: any Tokenizer, _ prompt: String, _ beams: Int
    ) throws {
        let clock = ContinuousClock.now
        let tokens = try tokenizer.encode(prompt)
        let found = try beamSearch(model, prompt: tokens, beams: beams, maximumCount: sampling.count)
        guard let best = found.first else { return }
        // Both together, as a character may begin in the one and end in the other.
        let whole = tokenizer.decode(tokens + best.tokens, skipsSpecialTokens: true)
        let written = String(
            whole.unicodeScalars.dropFirst(tokenizer.decode(tokens, skipsSpecialTokens: true).unicodeScalars.count))
        if !json { try printData(prompt + written) }
        try end(prompt, written, count: best.tokens.count, since: clock, isLast: true)
    }

    /// What stands behind a text: a line of JSON, or the end of its line and, between two, a line of dashes.
    private func end(
        _ prompt: String, _ written: String, count: Int, since start: ContinuousClock.Instant, isLast: Bool
    ) throws {
        if json {
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            return try printJSON(Written(prompt: prompt, text: written, tokens: count, seconds: seconds))
        }
        try printLine(isLast ? "" : "\n----")
    }

    /// A text that was written, as JSON has it.
    private struct Written: Encodable {
        var prompt: String
        var text: String
        var tokens: Int
        var seconds: Double
    }
}

/// How tokens are chosen.
struct SamplingFlags: ParsableArguments {
    @Option(help: "The most tokens that are written.")
    var count = 500
    @Option(
        help:
            "Divides the logits: below 1 what is probable becomes more so; 0 takes the most probable token always. (default: 1)"
    )
    var temperature: Double?
    @Option(help: "Choose among so many of the most probable tokens.")
    var topK: Int?
    @Option(help: "Choose among the fewest tokens whose probabilities sum to this share.")
    var topP: Double?
    @Option(help: "Make tokens that the text has already less probable: above 1, the more so the greater.")
    var repetitionPenalty = 1.0
    @Option(help: "Look for the most probable text with so many beginnings side by side, in place of drawing.")
    var beam: Int?
    @Option(help: ArgumentHelp("End where this was written.", valueName: "text"))
    var stop: String?
    @Option(help: "How many texts to write.")
    var samples = 1
    @Option(help: "Of what is drawn; each further text has the next one.")
    var seed: UInt64 = 0

    /// More find nothing better, and take the time and memory of as many texts.
    private static let beamLimit = 1024

    func check() throws {
        if count < 1 { throw ValidationError("--count must be positive") }
        if let temperature, temperature < 0 || !temperature.isFinite {
            throw ValidationError("--temperature must be a number that is not negative")
        }
        if let topK, topK < 1 { throw ValidationError("--top-k must be positive") }
        if let topP, !(topP > 0 && topP <= 1) { throw ValidationError("--top-p must lie in (0, 1]") }
        if repetitionPenalty <= 0 || !repetitionPenalty.isFinite {
            throw ValidationError("--repetition-penalty must be a positive number")
        }
        if let beam, !(1...Self.beamLimit).contains(beam) {
            throw ValidationError("--beam must be from 1 to \(Self.beamLimit)")
        }
        if samples < 1 { throw ValidationError("--samples must be positive") }
        for (name, number) in [("--count", count), ("--samples", samples)] where number > 1_000_000_000 {
            throw ValidationError("\(name) must be at most 1000000000")
        }
        if beam != nil, temperature != nil || topK != nil || topP != nil || repetitionPenalty != 1 || samples > 1 {
            throw ValidationError(
                "--beam draws nothing: leave out --temperature, --top-k, --top-p, --repetition-penalty and --samples")
        }
    }

    /// What is written from another text is looked for, not drawn.
    /// - Throws: `GimbalError.invalidSetting` for what draws.
    func requireSearch() throws {
        let drawing: [(name: String, isGiven: Bool)] = [
            ("--temperature", temperature.map { $0 != 0 } ?? false), ("--top-k", topK != nil),
            ("--top-p", topP != nil), ("--repetition-penalty", repetitionPenalty != 1), ("--samples", samples > 1),
            ("--stop", stop != nil),
        ]
        guard let first = drawing.first(where: \.isGiven) else { return }
        throw GimbalError.invalidSetting(
            name: first.name,
            reason: "is for language models; of pairs of texts the most probable text is written, see --beam"
        )
    }

    /// Draws from the model's own distribution unless told otherwise.
    var sampling: Sampling {
        Sampling(temperature: temperature ?? 1, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty)
    }
}
