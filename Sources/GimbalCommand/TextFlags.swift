import ArgumentParser
import GimbalTrain

/// How texts become tokens. What was said when a run began, it keeps.
struct TextFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What the tokens of a text are: its characters, its words, parts of words that are learned from it (bpe), or those of a tokenizer.json. (default: characters; bpe for pairs of texts)",
            valueName: "characters|words|bpe|FILE.json"),
        completion: .file(or: ["characters", "words", "bpe"]))
    var tokenizer: TextOptions.Tokens?
    @Option(
        help: "The most words or parts of words, special tokens included. (default: 8192; 4000 for pairs of texts)")
    var vocabulary: Int?
    @Option(
        help:
            "Tokens that a model sees of a text, or the most of each text of a pair: longer pairs are left out. (default: 128; what the longest of the pairs has, at most 256)"
    )
    var length: Int?

    /// What is to be made of a text.
    var options: TextOptions {
        var options = TextOptions()
        (options.tokenizer, options.vocabulary, options.length) = (tokenizer, vocabulary, length)
        return options
    }

    /// Makes sure that what was given has a meaning, and is what the run began with.
    func check(_ source: DataSource, _ known: TextRecord?) throws {
        let given = [
            ("--tokenizer", tokenizer != nil), ("--vocabulary", vocabulary != nil), ("--length", length != nil),
        ]
        guard let (name, _) = given.first(where: \.1) else { return }
        guard source.isOfTexts else {
            let kinds = ModelSettings.Kind.allCases.filter(\.isOfTokens).map(\.rawValue).joined(separator: ", ")
            throw GimbalError.invalidSetting(name: name, reason: "is for texts, which --model \(kinds) read")
        }
        guard let known else { return }
        if let length, length != known.length { throw begunOtherwise("--length", "\(known.length)") }
        guard try known.agrees(with: tokenizer, vocabulary: vocabulary) else {
            throw begunOtherwise(name, "a tokenizer that it keeps")
        }
    }
}

extension TextOptions.Tokens: ExpressibleByArgument {
    /// A kind of tokens, or the path of a tokenizer's file.
    public init?(argument: String) {
        switch argument {
        case "characters": self = .characters
        case "words": self = .words
        case "bpe": self = .bytePairs
        default:
            guard argument.contains(".") || argument.contains("/") else { return nil }
            self = .file(argument)
        }
    }
}
