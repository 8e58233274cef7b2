import Foundation
import Gimbal

extension TokenParts {
    /// The parts of a file of pairs, which are drawn at random; pairs with the same source are in the same part, so that what
    /// is tested was not seen.
    /// - Parameters:
    ///   - path: of the file of pairs: see `PairFile`.
    ///   - options: how they become tokens.
    ///   - plan: which shares of the sources are held back.
    ///   - known: how the run that goes on has made tokens; nil for a new one.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, `GimbalError.invalidSetting`.
    init(pairs path: String, options: TextOptions, plan: SplitPlan, continuing known: TextRecord?) throws {
        try options.validate()
        try plan.requireNoFolds(path, "pairs of texts")
        let encoding = options.encoding ?? known?.encoding
        var rest = try PairFile.read(path, encoding: encoding)
        let tested = try Self.share(of: &rest, plan.testFraction, plan.testPath, encoding, seed: plan.seed)
        let trainedAndValidated = rest
        let validated =
            plan.hasValidation
            ? try Self.share(
                of: &rest, plan.validationFraction ?? 0, plan.validationPath, encoding, seed: plan.seed &+ 1) : nil
        let tokenizer =
            try known?.makeTokenizer()
            ?? options.makeTokenizer(
                trainedOn: rest.flatMap { [$0.source, $0.target] },
                all: {
                    (trainedAndValidated + (validated ?? []) + tested).map { $0.source + $0.target }.joined()
                }, specialTokens: PairTokens.names, usual: .bytePairs, size: 4000)
        let special = try PairTokens(tokenizer)
        let sets = try [(rest, nil), (validated ?? [], plan.validationPath), (tested, plan.testPath)].map {
            try special.encoded($0, tokenizer, from: $1 ?? path)
        }
        // One pair of a whole chapter would make all batches that it is in, and attention, as long as it.
        let lengths = sets.joined().map { max($0.source.count, $0.target.count + 1) }
        let length =
            options.length ?? lengths.filter { $0 <= Self.usualLengthLimit }.max() ?? Self.usualLengthLimit
        let record = known ?? TextRecord(tokenizer: tokenizer.json, length: length, encoding: options.encoding)
        let name = URL(fileURLWithPath: path).lastPathComponent
        let parts = sets.map { pairs in
            let fitting = pairs.filter { $0.source.count <= record.length && $0.target.count < record.length }
            return PairPart(
                SequencePairs(fitting, begin: special.begin, end: special.end, padding: special.padding),
                length: record.length, vocabulary: tokenizer.count, name: name)
        }
        func fingerprint(_ pairs: [(source: String, target: String)]) -> String {
            textFingerprint(pairs.map { "\($0.source)\t\($0.target)\n" }.joined())
        }
        self.init(
            train: parts[0], validation: validated == nil ? nil : parts[1], test: parts[2], record: record,
            fingerprints: [.training: fingerprint(trainedAndValidated), .test: fingerprint(tested)])
        if let validated { fingerprints[.validation] = fingerprint(validated) }
        let leftOut = sets.map(\.count).reduce(0, +) - parts.map(\.count).reduce(0, +)
        let kept = "longer than \(record.length) tokens; `length` (--length) sets how long they may be"
        if leftOut > 0 { notes = ["\(leftOut == 1 ? "1 pair is" : "\(leftOut) pairs are") left out, \(kept)"] }
        notes += Self.notesOnUnknown(sets.joined(), tokenizer).map { [$0] } ?? []
        guard train.count > 0 else {
            throw GimbalError.invalidFile(
                path: path, reason: "no pair is left to train on" + (sets[0].isEmpty ? "" : ": all are \(kept)"))
        }
    }

    /// The most tokens of a text of a pair where nothing is said: sentences, and most paragraphs, are shorter.
    private static let usualLengthLimit = 256

    /// What is to be said where tokens stand for what has no number.
    private static func notesOnUnknown(
        _ pairs: some Sequence<(source: [Int32], target: [Int32])>, _ tokenizer: any Tokenizer
    ) -> String? {
        guard let unknown = tokenizer.unknownNumber else { return nil }
        var (count, all) = (0, 0)
        for pair in pairs {
            all += pair.source.count + pair.target.count
            count += pair.source.count { $0 == unknown } + pair.target.count { $0 == unknown }
        }
        guard count > 0 else { return nil }
        let share = decimal(100 * Double(count) / Double(all))
        return "\(share) percent of \(all) tokens are unknown to the vocabulary, all of them one token; "
            + "a larger `vocabulary` or bpe has fewer"
    }

    /// A part of the pairs: those of a file of its own, or of a share of the sources, which are taken from `rest`.
    private static func share(
        of rest: inout [(source: String, target: String)], _ fraction: Double, _ path: String?,
        _ encoding: String?, seed: UInt64
    ) throws -> [(source: String, target: String)] {
        if let path { return try PairFile.read(path, encoding: encoding) }
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
        _ pairs: [(source: String, target: String)], _ tokenizer: any Tokenizer, from path: String
    ) throws -> [(source: [Int32], target: [Int32])] {
        try pairs.map { (try tokenizer.encode($0.source, from: path), try tokenizer.encode($0.target, from: path)) }
    }
}
