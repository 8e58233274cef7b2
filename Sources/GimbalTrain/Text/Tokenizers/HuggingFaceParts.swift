import Gimbal

// The parts of Hugging Face's `tokenizer.json` that say what is done to a text on its way to tokens and back.

extension TextNormalizer {
    static func list(_ part: TokenizerPart) throws -> [TextNormalizer] {
        try part.parts(under: "normalizers").map { try TextNormalizer($0) }
    }

    private init(_ part: TokenizerPart) throws {
        let type = try part.type()
        switch type {
        case "NFC": self = .nfc
        case "NFD": self = .nfd
        case "NFKC": self = .nfkc
        case "NFKD": self = .nfkd
        case "Lowercase": self = .lowercase
        case "Prepend":
            try part.allowOnly(["type", "prepend"])
            self = .prepend(try part.required("prepend").text())
            return
        case "Replace":
            try part.allowOnly(["type", "pattern", "content"])
            self = .replace(try part.literalPattern(), with: try part.required("content").text())
            return
        default: throw part.fault("a normalizer of type \(shown(type)) is not supported")
        }
        try part.allowOnly(["type"])
    }
}

extension TokenizerPart {
    /// The text in `{"pattern": {"String": …}}`, not empty.
    fileprivate func literalPattern() throws -> String {
        let pattern = try required("pattern")
        guard let text = try pattern.member("String") else {
            throw pattern.fault("a pattern that is no String is not supported there")
        }
        guard try !text.text().isEmpty else { throw text.fault("an empty text") }
        return try text.text()
    }
}

extension PreTokenizer {
    static func list(_ part: TokenizerPart) throws -> [PreTokenizer] {
        let parts = try part.parts(under: "pretokenizers")
        let steps = try parts.map { try PreTokenizer($0) }
        for (place, (step, part)) in zip(steps, parts).enumerated() {
            switch step {
            case .byteLevel(let prependsSpace, _):
                if place < steps.count - 1 { throw part.fault("ByteLevel is supported as the last step only") }
                if prependsSpace && place > 0 {
                    throw part.fault("ByteLevel with add_prefix_space is supported as the only step")
                }
            case .metaspace where place > 0: throw part.fault("Metaspace is supported as the first step only")
            default: break
            }
        }
        return steps
    }

    private init(_ part: TokenizerPart) throws {
        let type = try part.type()
        switch type {
        case "ByteLevel":
            try part.allowOnly(["type", "add_prefix_space", "trim_offsets", "use_regex"])
            self = .byteLevel(
                prependsSpace: try part.member("add_prefix_space")?.flag() ?? true,
                splits: try part.member("use_regex")?.flag() ?? true)
        case "Digits":
            try part.allowOnly(["type", "individual_digits"])
            self = .digits(isEachAlone: try part.member("individual_digits")?.flag() ?? false)
        case "Metaspace":
            let (mark, prefix) = try part.metaspace()
            self = .metaspace(mark: mark, prepends: prefix, splits: try part.member("split")?.flag() ?? true)
        case "Split": self = try Self.split(part)
        default: throw part.fault("a pre-tokenizer of type \(shown(type)) is not supported")
        }
    }

    private static func split(_ part: TokenizerPart) throws -> PreTokenizer {
        try part.allowOnly(["type", "pattern", "behavior", "invert"])
        let behavior = try part.required("behavior").text()
        let inverts = try part.member("invert")?.flag() ?? false
        let pattern = try part.required("pattern")
        if let expression = try pattern.member("Regex")?.text() {
            guard let known = SplitPattern(expression: expression) else {
                throw pattern.fault("the expression \(shown(expression, limit: 200)) is not one of those supported")
            }
            // They match all of a text, so that what is between the matches is what inverted ones would leave.
            guard behavior == "Isolated" && !inverts || behavior == "Removed" && inverts else {
                throw part.fault("Split by an expression with behavior \(shown(behavior)) is not supported")
            }
            return .pattern(known)
        }
        guard let known = LiteralBehavior(rawValue: behavior), !inverts else {
            throw part.fault("Split with behavior \(shown(behavior))\(inverts ? ", inverted," : "") is not supported")
        }
        return .literal(try part.literalPattern(), known)
    }
}

extension TokenizerPart {
    /// What `Metaspace` replaces a space by, and where it puts one before a text.
    fileprivate func metaspace() throws -> (mark: String, prefix: PreTokenizer.MetaspacePrefix) {
        try allowOnly(["type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"])
        let mark = try required("replacement").text()
        guard mark.unicodeScalars.count == 1 else { throw fault("a replacement of one character is wanted") }
        // Files of before 2023 have a flag instead.
        let old = try member("add_prefix_space")?.flag() ?? true
        let scheme = try member("prepend_scheme")?.text() ?? (old ? "always" : "never")
        guard let prefix = PreTokenizer.MetaspacePrefix(rawValue: scheme) else {
            throw fault("the prepend_scheme \(shown(scheme)) is not supported")
        }
        return (mark, prefix)
    }
}

extension TokenDecoder {
    /// - Parameter part: nil where a file has none, which byte-level tokenizers can do without.
    init(huggingFace part: TokenizerPart?, isByteLevel: Bool) throws {
        guard let part else {
            guard isByteLevel else {
                throw TokenizerFault("decoder: a file without one is supported for ByteLevel only")
            }
            self = .byteLevel
            return
        }
        let parts = try part.parts(under: "decoders")
        var types = try parts.map { try $0.type() }
        if types == ["ByteLevel"] {
            guard isByteLevel else { throw part.fault("ByteLevel, where the pre-tokenizer is not") }
            self = .byteLevel
            return
        }
        guard !isByteLevel else {
            throw part.fault("\(listed(types)), where the pre-tokenizer is ByteLevel, is not supported")
        }
        if types == ["Metaspace"] {
            let (mark, prefix) = try parts[0].metaspace()
            self = .marked(
                .init(
                    mark: mark, strippedSpaces: prefix == .never ? 0 : 1, hasBytes: false, metaspace: prefix))
            return
        }
        // Replace, ByteFallback, Fuse and perhaps Strip, as files converted from SentencePiece have them.
        let strip = types.last == "Strip" ? parts.last : nil
        if strip != nil { types.removeLast() }
        guard types == ["Replace", "ByteFallback", "Fuse"] else {
            throw part.fault("decoders of types \(listed(try parts.map { try $0.type() })) are not supported")
        }
        guard try parts[0].required("content").text() == " " else {
            throw parts[0].fault("Replace by something else than a space is not supported")
        }
        if let strip, try strip.required("content").text() != " " || strip.required("stop").integer() != 0 {
            throw strip.fault("Strip of something else than spaces at the beginning is not supported")
        }
        let spaces = try strip?.required("start").integer() ?? 0
        guard spaces >= 0 else { throw part.fault("Strip of \(spaces) spaces") }
        self = .marked(
            .init(mark: try parts[0].literalPattern(), strippedSpaces: spaces, hasBytes: true, metaspace: nil))
    }
}

extension SequenceFrame {
    init(huggingFace part: TokenizerPart) throws {
        for part in try part.parts(under: "processors") {
            let type = try part.type()
            switch type {
            // It tells where in the text a token was, and changes none.
            case "ByteLevel": continue
            case "TemplateProcessing": try read(part)
            default: throw part.fault("a post-processor of type \(shown(type)) is not supported")
            }
        }
    }

    private mutating func read(_ part: TokenizerPart) throws {
        try part.allowOnly(["type", "single", "pair", "special_tokens"])
        var isBehind = false
        for piece in try part.required("single").list() {
            guard let special = try piece.member("SpecialToken") else {
                guard let sequence = try piece.member("Sequence"), try sequence.required("id").text() == "A", !isBehind
                else { throw piece.fault("a template of one text, A, is wanted") }
                isBehind = true
                continue
            }
            let name = try special.required("id").text()
            let definitions = try part.required("special_tokens")
            let definition = try definitions.members().first { ExactText($0.name) == ExactText(name) }
            guard let definition else { throw special.fault("'\(shown(name))' is none of special_tokens") }
            let numbers = try TokenizerPart(definition.value, definitions.place).required("ids").list().map {
                try $0.tokenNumber()
            }
            if isBehind { behind += numbers } else { before += numbers }
        }
        if !isBehind { throw part.fault("a template without a text") }
    }
}
