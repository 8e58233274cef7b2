import Foundation
import Gimbal

/// A text in its parts, which follow each other.
struct TextParts {
    var train: TextPart
    var validation: TextPart?
    var test: TextPart
    var record: TextRecord
    /// Of what is trained on, validation included, and of the test part.
    var fingerprints: [TableSplit.Part: String]

    /// - Parameters:
    ///   - path: of the text.
    ///   - options: how it becomes tokens.
    ///   - plan: which shares of it are held back, the end for the test, what stands before it for validation.
    ///   - known: how the run that goes on has made tokens; nil for a new one.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, `GimbalError.invalidSetting`.
    init(path: String, options: TextOptions, plan: SplitPlan, continuing known: TextRecord?) throws {
        try options.validate()
        try plan.requireNoFolds(path, "a text")
        var rest = try TextFile.read(path)[...]
        let tested = try Self.part(&rest, plan.testFraction, plan.testPath)
        let trainedAndValidated = rest
        let validated =
            plan.hasValidation ? try Self.part(&rest, plan.validationFraction ?? 0, plan.validationPath) : nil
        let tokenizer =
            try known?.makeTokenizer()
            ?? options.makeTokenizer(
                trainedOn: [String(rest)],
                all: { [String(trainedAndValidated), validated ?? "", tested].joined() }, usual: .characters, size: 8192
            )
        let record = known ?? TextRecord(tokenizer: tokenizer.json, length: options.length ?? 128)
        let name = URL(fileURLWithPath: path).lastPathComponent
        func part(_ text: String) throws -> TextPart {
            try TextPart(text, tokenizer, length: record.length, name: name)
        }
        (train, validation, test) = (try part(String(rest)), try validated.map(part), try part(tested))
        self.record = record
        fingerprints = [
            .training: textFingerprint(String(trainedAndValidated)), .test: textFingerprint(tested),
        ]
        if let validated { fingerprints[.validation] = textFingerprint(validated) }
        guard train.windows.count > 0 else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "\(train.windows.tokens.count) tokens are left to train on, too few for one window of \(record.length) and "
                    + "the token behind it; a shorter `length` takes less")
        }
    }

    /// A part of the text: that of a file of its own, or a share at the end of `rest`, which it is taken from.
    private static func part(_ rest: inout Substring, _ fraction: Double, _ path: String?) throws -> String {
        if let path { return try TextFile.read(path) }
        let count = rest.utf8.count
        var place = rest.utf8.index(
            rest.startIndex, offsetBy: count - Int((Double(count) * fraction).rounded()))
        // At the beginning of a character.
        while place < rest.endIndex, rest.utf8[place] & 0xC0 == 0x80 { place = rest.utf8.index(after: place) }
        defer { rest = rest[..<place] }
        return String(rest[place...])
    }
}

/// Pairs of texts in their parts, which are drawn at random; pairs with the same source are in the same part, so that what is
/// tested was not seen.
struct PairParts {
    var train: PairPart
    var validation: PairPart?
    var test: PairPart
    var record: TextRecord
    var fingerprints: [TableSplit.Part: String]
    var notes: [String]

    /// - Parameters:
    ///   - path: of the file of pairs: see `PairFile`.
    ///   - options: how they become tokens.
    ///   - plan: which shares of the sources are held back.
    ///   - known: how the run that goes on has made tokens; nil for a new one.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, `GimbalError.invalidSetting`.
    init(path: String, options: TextOptions, plan: SplitPlan, continuing known: TextRecord?) throws {
        try options.validate()
        try plan.requireNoFolds(path, "pairs of texts")
        var rest = try PairFile.read(path)
        let tested = try Self.part(&rest, plan.testFraction, plan.testPath, seed: plan.seed)
        let trainedAndValidated = rest
        let validated =
            plan.hasValidation
            ? try Self.part(&rest, plan.validationFraction ?? 0, plan.validationPath, seed: plan.seed &+ 1) : nil
        let tokenizer =
            try known?.makeTokenizer()
            ?? options.makeTokenizer(
                trainedOn: rest.flatMap { [$0.source, $0.target] },
                all: {
                    (trainedAndValidated + (validated ?? []) + tested).map { $0.source + $0.target }.joined()
                }, specialTokens: PairTokens.names, usual: .bytePairs, size: 4000)
        let special = try PairTokens(tokenizer)
        let sets = try [rest, validated ?? [], tested].map { try special.encoded($0, tokenizer) }
        let longest = sets.joined().map { max($0.source.count, $0.target.count + 1) }.max() ?? 1
        let record = known ?? TextRecord(tokenizer: tokenizer.json, length: options.length ?? longest)
        let name = URL(fileURLWithPath: path).lastPathComponent
        let parts = sets.map { pairs in
            let fitting = pairs.filter { $0.source.count <= record.length && $0.target.count < record.length }
            return PairPart(
                SequencePairs(fitting, begin: special.begin, end: special.end, padding: special.padding),
                length: record.length, vocabulary: tokenizer.count, name: name)
        }
        (train, validation, test) = (parts[0], validated == nil ? nil : parts[1], parts[2])
        self.record = record
        func fingerprint(_ pairs: [(source: String, target: String)]) -> String {
            textFingerprint(pairs.map { "\($0.source)\t\($0.target)\n" }.joined())
        }
        fingerprints = [.training: fingerprint(trainedAndValidated), .test: fingerprint(tested)]
        if let validated { fingerprints[.validation] = fingerprint(validated) }
        let leftOut = sets.map(\.count).reduce(0, +) - parts.map(\.count).reduce(0, +)
        notes = leftOut == 0 ? [] : ["\(leftOut) pairs are left out that are longer than \(record.length) tokens"]
        guard train.count > 0 else {
            throw GimbalError.invalidFile(path: path, reason: "no pair is left to train on")
        }
    }

    /// A part of the pairs: those of a file of its own, or of a share of the sources, which are taken from `rest`.
    private static func part(
        _ rest: inout [(source: String, target: String)], _ fraction: Double, _ path: String?, seed: UInt64
    ) throws -> [(source: String, target: String)] {
        if let path { return try PairFile.read(path) }
        var numbers: [ExactText: Int] = [:]
        let sources = rest.map { pair in
            let number = numbers[ExactText(pair.source)] ?? numbers.count
            numbers[ExactText(pair.source)] = number
            return number
        }
        var random = Philox(seed: seed, stream: .split)
        let order = random.permutation(of: numbers.count)
        var isTaken = [Bool](repeating: false, count: numbers.count)
        for number in order.prefix(Int((Double(numbers.count) * fraction).rounded())) { isTaken[number] = true }
        defer { rest = zip(rest, sources).filter { !isTaken[$0.1] }.map(\.0) }
        return zip(rest, sources).filter { isTaken[$0.1] }.map(\.0)
    }
}

/// The special tokens of pairs of texts.
struct PairTokens {
    /// What fills up, begins and ends, as tokenizers that are trained here call them.
    static let names = ["<pad>", "<s>", "</s>"]
    private static let otherNames = [
        ["[PAD]", "<|padding|>"], ["[CLS]", "<bos>", "<|startoftext|>"], ["[SEP]", "<eos>", "<|endoftext|>"],
    ]

    let padding: Int32
    let begin: Int32
    let end: Int32

    /// - Throws: `GimbalError.invalidSetting` for a tokenizer that has no such tokens.
    init(_ tokenizer: any Tokenizer) throws {
        let found = try zip(Self.names, Self.otherNames).map { name, others in
            guard let number = ([name] + others).lazy.compactMap(tokenizer.number(ofSpecialToken:)).first else {
                throw GimbalError.invalidSetting(
                    name: "tokenizer",
                    reason: "has no special token called \(([name] + others).joined(separator: " or "))")
            }
            return number
        }
        (padding, begin, end) = (found[0], found[1], found[2])
    }

    func encoded(
        _ pairs: [(source: String, target: String)], _ tokenizer: any Tokenizer
    ) throws -> [(source: [Int32], target: [Int32])] {
        try pairs.map { (try tokenizer.encode($0.source), try tokenizer.encode($0.target)) }
    }
}

/// A hash of a text, in hexadecimal.
private func textFingerprint(_ text: String) -> String {
    var text = text
    let hash = text.withUTF8 { bytes in bytes.baseAddress.map { contentHash($0, bytes.count) } ?? 0 }
    return hexadecimal(hash, digits: 16)
}

extension SplitPlan {
    /// - Throws: `GimbalError.invalidSetting` for folds of `path`, which is `what`.
    fileprivate func requireNoFolds(_ path: String, _ what: String) throws {
        guard fold != nil else { return }
        throw GimbalError.invalidSetting(name: "folds", reason: "is for tables; \(path) holds \(what)")
    }
}
