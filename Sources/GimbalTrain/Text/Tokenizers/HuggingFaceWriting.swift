import Gimbal

extension BytePairTokenizer {
    /// Hugging Face's `tokenizer.json`, which their `tokenizers` read too, with a line for each token and merge, so that
    /// files can be compared.
    public var json: String {
        let quoted = JSONValue.quoted
        func sequence(_ parts: [String], _ name: String) -> String {
            switch parts.count {
            case 0: "null"
            case 1: parts[0]
            default: "{\"type\": \"Sequence\", \"\(name)\": [\(parts.joined(separator: ", "))]}"
            }
        }
        let tokens = added.tokens.map { token in
            """
            {"id": \(token.number), "content": \(quoted(token.text.text)), "single_word": \(token.isSingleWord), \
            "lstrip": \(token.takesSpaceBefore), "rstrip": \(token.takesSpaceBehind), \
            "normalized": \(token.isNormalized), "special": \(token.isSpecial)}
            """
        }
        let vocabulary = zip(model.names, 0...).compactMap { name, number in name.map { "\(quoted($0)): \(number)" } }
        func name(_ token: Int32) -> String { model.names[Int(token)]! }
        let merges = model.merges.list.map { merge -> String in
            let pair = [name(merge.left), name(merge.right)]
            // As one text where a space can only be the border, which all versions read.
            return pair.contains { $0.unicodeScalars.contains(" ") }
                ? "[\(quoted(pair[0])), \(quoted(pair[1]))]" : quoted(pair[0] + " " + pair[1])
        }
        let fallback = model.alphabet == .characters(fallback: true)
        return """
            {
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [\(tokens.joined(separator: ",\n"))],
            "normalizer": \(sequence(normalizers.map(\.huggingFaceText), "normalizers")),
            "pre_tokenizer": \(sequence(preTokenizers.map(\.huggingFaceText), "pretokenizers")),
            "post_processor": \(frameText),
            "decoder": \(decoder.huggingFaceText),
            "model": {"type": "BPE", "dropout": null, "unk_token": \
            \(model.unknown.map { quoted(name($0)) } ?? "null"), "continuing_subword_prefix": null, \
            "end_of_word_suffix": null, "fuse_unk": \(model.fusesUnknown), "byte_fallback": \(fallback), \
            "ignore_merges": \(model.ignoresMerges),
            "vocab": {
            \(vocabulary.joined(separator: ",\n"))
            },
            "merges": [
            \(merges.joined(separator: ",\n"))
            ]}
            }

            """
    }

    private var frameText: String {
        if frame == SequenceFrame() { return "null" }
        func name(_ token: Int32) -> String {
            let bytes = added.bytes(of: token) ?? Array((model.names[Int(token)] ?? "\(token)").utf8)
            return JSONValue.quoted(String(decoding: bytes, as: UTF8.self))
        }
        func template(_ texts: [String]) -> String {
            let parts = texts.enumerated().flatMap { type, text in
                frame.before.map { "{\"SpecialToken\": {\"id\": \(name($0)), \"type_id\": \(type)}}" }
                    + ["{\"Sequence\": {\"id\": \"\(text)\", \"type_id\": \(type)}}"]
                    + frame.behind.map { "{\"SpecialToken\": {\"id\": \(name($0)), \"type_id\": \(type)}}" }
            }
            return "[\(parts.joined(separator: ", "))]"
        }
        let tokens = Set(frame.before + frame.behind).sorted().map {
            "\(name($0)): {\"id\": \(name($0)), \"ids\": [\($0)], \"tokens\": [\(name($0))]}"
        }
        return """
            {"type": "TemplateProcessing", "single": \(template(["A"])), "pair": \(template(["A", "B"])), \
            "special_tokens": {\(tokens.joined(separator: ", "))}}
            """
    }
}

extension TextNormalizer {
    fileprivate var huggingFaceText: String {
        switch self {
        case .nfc: "{\"type\": \"NFC\"}"
        case .nfd: "{\"type\": \"NFD\"}"
        case .nfkc: "{\"type\": \"NFKC\"}"
        case .nfkd: "{\"type\": \"NFKD\"}"
        case .lowercase: "{\"type\": \"Lowercase\"}"
        case .prepend(let text): "{\"type\": \"Prepend\", \"prepend\": \(JSONValue.quoted(text))}"
        case .replace(let old, let new):
            """
            {"type": "Replace", "pattern": {"String": \(JSONValue.quoted(old))}, "content": \(JSONValue.quoted(new))}
            """
        }
    }
}

extension PreTokenizer {
    fileprivate var huggingFaceText: String {
        switch self {
        case .pattern(let pattern):
            """
            {"type": "Split", "pattern": {"Regex": \(JSONValue.quoted(pattern.expression))}, \
            "behavior": "Isolated", "invert": false}
            """
        case .literal(let text, let behavior):
            """
            {"type": "Split", "pattern": {"String": \(JSONValue.quoted(text))}, \
            "behavior": "\(behavior.rawValue)", "invert": false}
            """
        case .digits(let isEachAlone): "{\"type\": \"Digits\", \"individual_digits\": \(isEachAlone)}"
        case .byteLevel(let prependsSpace, let splits):
            """
            {"type": "ByteLevel", "add_prefix_space": \(prependsSpace), "trim_offsets": true, "use_regex": \(splits)}
            """
        case .metaspace(let mark, let prefix, let splits):
            """
            {"type": "Metaspace", "replacement": \(JSONValue.quoted(mark)), \
            "prepend_scheme": "\(prefix.rawValue)", "split": \(splits)}
            """
        }
    }
}

extension TokenDecoder {
    fileprivate var huggingFaceText: String {
        guard case .marked(let marked) = self else {
            return "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}"
        }
        let mark = JSONValue.quoted(marked.mark)
        if let prefix = marked.metaspace {
            return """
                {"type": "Metaspace", "replacement": \(mark), "prepend_scheme": "\(prefix.rawValue)", "split": true}
                """
        }
        let strip =
            marked.strippedSpaces == 0
            ? "" : ", {\"type\": \"Strip\", \"content\": \" \", \"start\": \(marked.strippedSpaces), \"stop\": 0}"
        return """
            {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": \(mark)}, "content": " "}, \
            {"type": "ByteFallback"}, {"type": "Fuse"}\(strip)]}
            """
    }
}
