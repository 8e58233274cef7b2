import Gimbal

extension BytePairTokenizer {
    /// A tokenizer as Hugging Face's `tokenizer.json` describes it.
    init(huggingFace root: TokenizerPart) throws {
        try root.allowOnly([
            "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
            "decoder",
            "model",
        ])
        let normalizers = try root.member("normalizer").map(TextNormalizer.list) ?? []
        let preTokenizers = try root.member("pre_tokenizer").map(PreTokenizer.list) ?? []
        let isByteLevel = preTokenizers.contains { if case .byteLevel = $0 { true } else { false } }
        let model = try BytePairModel(huggingFace: root.required("model"), isByteLevel: isByteLevel)
        let added = try root.member("added_tokens").map { try AddedToken.list($0, in: model) } ?? []
        let decoder = try TokenDecoder(huggingFace: root.member("decoder"), isByteLevel: isByteLevel)
        let frame = try root.member("post_processor").map { try SequenceFrame(huggingFace: $0) } ?? SequenceFrame()
        self.init(
            model: model, normalizers: normalizers, preTokenizers: preTokenizers, decoder: decoder, added: added,
            frame: frame)
        for token in frame.before + frame.behind where !(0..<count).contains(Int(token)) {
            throw TokenizerFault("post_processor: \(token) is the number of none of \(count) tokens")
        }
    }
}

extension BytePairModel {
    init(huggingFace part: TokenizerPart, isByteLevel: Bool) throws {
        let type = try part.member("type")?.text() ?? "BPE"
        guard type == "BPE" else { throw part.fault("of type \(shown(type)); BPE alone is supported") }
        try part.allowOnly([
            "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
            "byte_fallback", "ignore_merges", "vocab", "merges",
        ])
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let text = try part.member(name)?.text(), !text.isEmpty {
                throw part.fault("\(name) '\(shown(text))' is not supported")
            }
        }
        if let dropout = try part.member("dropout") {
            guard case .number(let text) = dropout.value, Double(text) == 0 else {
                throw dropout.fault("merges that are left out at random are not supported")
            }
        }
        let (names, numbers) = try Self.vocabulary(part.required("vocab"))
        let merges = try Self.merges(part.required("merges"), numbers)
        let unknown = try part.member("unk_token")?.text()
        let fallback = try part.member("byte_fallback")?.flag() ?? false
        self.init(
            names: names, alphabet: isByteLevel ? .bytes : .characters(fallback: fallback),
            merges: BytePairMerges(merges), unknown: unknown.flatMap { numbers[ExactText($0)] },
            fusesUnknown: try part.member("fuse_unk")?.flag() ?? false,
            ignoresMerges: try part.member("ignore_merges")?.flag() ?? false)
    }

    private static func vocabulary(_ part: TokenizerPart) throws -> (names: [String?], numbers: [ExactText: Int32]) {
        let members = try part.members()
        // A file cannot make a table much larger than itself.
        let limit = 2 * members.count + 1000
        var names: [String?] = []
        var numbers: [ExactText: Int32] = [:]
        numbers.reserveCapacity(members.count)
        for (name, value) in members {
            let entry = TokenizerPart(value, "\(part.place).\(shown(name))")
            let number = try entry.tokenNumber()
            guard number < limit else { throw entry.fault("the number \(number) among \(members.count) tokens") }
            if names.count <= number { names += [String?](repeating: nil, count: Int(number) + 1 - names.count) }
            if let other = names[Int(number)] {
                throw entry.fault("the number \(number), which '\(shown(other))' has too")
            }
            names[Int(number)] = name
            numbers[ExactText(name)] = number
        }
        return (names, numbers)
    }

    private static func merges(
        _ part: TokenizerPart, _ numbers: [ExactText: Int32]
    ) throws -> [BytePairMerges.Merge] {
        try part.list().map { entry in
            let pair: [String]
            if case .list = entry.value {
                pair = try entry.list().map { try $0.text() }
            } else {
                pair = try entry.text().split(separator: " " as Unicode.Scalar, omittingEmptySubsequences: false)
            }
            guard pair.count == 2 else { throw entry.fault("two tokens are wanted, not \(pair.count)") }
            func number(_ token: String) throws -> Int32 {
                guard let number = numbers[ExactText(token)] else {
                    throw entry.fault("'\(shown(token))' is not in the vocabulary")
                }
                return number
            }
            return .init(left: try number(pair[0]), right: try number(pair[1]), joined: try number(pair[0] + pair[1]))
        }
    }
}

extension String {
    /// By scalars: a mark behind a space belongs to what comes next here.
    fileprivate func split(separator: Unicode.Scalar, omittingEmptySubsequences: Bool) -> [String] {
        unicodeScalars.split(separator: separator, omittingEmptySubsequences: omittingEmptySubsequences).map {
            String($0)
        }
    }
}

extension AddedToken {
    /// Those of a file, which agree with the vocabulary of its model.
    static func list(_ part: TokenizerPart, in model: BytePairModel) throws -> [AddedToken] {
        let entries = try part.list()
        let vocabulary = Dictionary(
            zip(model.names, (0 as Int32)...).compactMap { name, number in name.map { (ExactText($0), number) } },
            uniquingKeysWith: { first, _ in first })
        var (texts, numbers): (Set<ExactText>, Set<Int32>) = ([], [])
        let limit = 2 * (model.names.count + entries.count) + 1000
        return try entries.map { entry in
            try entry.allowOnly([
                "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special",
            ])
            let text = try entry.required("content").text()
            let number = try entry.required("id").tokenNumber()
            let name = "'\(shown(text))'"
            if text.isEmpty { throw entry.fault("an empty content") }
            guard number < limit else { throw entry.fault("\(name) has the number \(number), beyond all others") }
            guard texts.insert(ExactText(text)).inserted else { throw entry.fault("\(name) comes twice") }
            guard numbers.insert(number).inserted else {
                throw entry.fault("\(name) has the number \(number), which another has too")
            }
            let known = vocabulary[ExactText(text)]
            let other = Int(number) < model.names.count ? model.names[Int(number)] : nil
            if let known, known != number {
                throw entry.fault("\(name) has the number \(number), and \(known) in the vocabulary")
            }
            if known == nil, let other {
                throw entry.fault("\(name) has the number \(number), which '\(shown(other))' has in the vocabulary")
            }
            func flag(_ name: String) throws -> Bool { try entry.member(name)?.flag() ?? false }
            return AddedToken(
                number: number, text: ExactText(text), isSpecial: try flag("special"),
                isNormalized: try flag("normalized"), isSingleWord: try flag("single_word"),
                takesSpaceBefore: try flag("lstrip"), takesSpaceBehind: try flag("rstrip"))
        }
    }
}
