import Gimbal

/// The file that a tokenizer is kept in, so that a model and its text are numbered alike wherever they are used.
///
/// Byte pairs are kept in Hugging Face's `tokenizer.json`, which their `tokenizers` reads and writes too. Characters and
/// words are kept in a JSON file of Gimbal's own:
/// ```json
/// {"format": "gimbal-tokenizer", "version": 1, "kind": "words", "tokens": [" the", ","],
///  "special_tokens": ["<unk>"], "unknown_token": "<unk>"}
/// ```
/// `kind` is `characters` or `words`; a token's number is its place, and special tokens go on after the others.
public enum TokenizerFile {
    /// No vocabulary that is in use needs a tenth of it.
    private static let greatestSize = 256 << 20
    static let format = "gimbal-tokenizer"
    static let version = 1

    /// Reads a tokenizer of any kind.
    ///
    /// Of Hugging Face's format: models of type BPE, with the normalizers NFC, NFD, NFKC, NFKD, Lowercase, Prepend and
    /// Replace, the splitting by ByteLevel, Metaspace, Digits and Split at a text or by the expressions of `SplitPattern`,
    /// the decoders that belong to them, added tokens with all their properties, and templates for tokens around a text.
    /// Truncation and padding are the business of batches, and not looked at.
    /// - Throws: `GimbalError.fileSystem`; `GimbalError.invalidFile` for a file that is damaged, or asks for something that
    ///   is not there, which the message names.
    public static func read(_ path: String) throws -> any Tokenizer {
        let file = try FileReader(path: path, format: "a tokenizer's file")
        let size = try file.size() ?? 0
        guard size <= greatestSize else {
            throw GimbalError.invalidFile(
                path: path, reason: "\(size) bytes, more than any tokenizer's file (\(greatestSize))")
        }
        guard size > 0 else { throw GimbalError.invalidFile(path: path, reason: "an empty file") }
        return try tokenizer(in: file.start(size), path: path)
    }

    /// The tokenizer that the text of a file is of.
    /// - Parameters:
    ///   - json: in UTF-8.
    ///   - path: what messages call the file.
    /// - Throws: `GimbalError.invalidFile`.
    static func tokenizer(in json: [UInt8], path: String) throws -> any Tokenizer {
        do {
            return try parse(JSONValue(reading: json, of: "a tokenizer's file"))
        } catch let failure as JSONScanner.Failure {
            throw GimbalError.invalidFile(path: path, reason: "\(failure.reason) at byte \(failure.position)")
        } catch let fault as TokenizerFault {
            throw GimbalError.invalidFile(path: path, reason: fault.reason)
        }
    }

    private static func parse(_ value: JSONValue) throws -> any Tokenizer {
        let root = TokenizerPart(value, "the file")
        let members = try root.members()
        if members.contains(where: { $0.name == "model" }) { return try BytePairTokenizer(huggingFace: root) }
        guard let format = try root.member("format")?.text() else {
            throw TokenizerFault(
                "neither a tokenizer of Gimbal's, with a \"format\", nor one of Hugging Face's, with a \"model\"")
        }
        guard format == Self.format else {
            throw TokenizerFault("the format \(shown(format)) instead of \(Self.format)")
        }
        try root.allowOnly(["format", "version", "kind", "tokens", "special_tokens", "unknown_token"])
        let version = try root.required("version").integer()
        guard version == Self.version else {
            throw TokenizerFault("version \(version), where this program knows \(Self.version)")
        }
        let tokens = try root.required("tokens").list().map { try $0.text() }
        let special = try root.required("special_tokens").list().map { try $0.text() }
        let unknown = try root.member("unknown_token")?.text()
        try requireDistinct(tokens, "tokens")
        try requireDistinct(special, "special_tokens")
        if special.contains("") { throw TokenizerFault("special_tokens: an empty name") }
        if let unknown, !special.contains(where: { ExactText($0) == ExactText(unknown) }) {
            throw TokenizerFault("unknown_token: \(shown(unknown)) is none of the special tokens")
        }
        let kind = try root.required("kind").text()
        switch kind {
        case "words":
            if tokens.contains("") { throw TokenizerFault("tokens: an empty one") }
            return WordTokenizer(words: tokens, specialTokens: special, unknownToken: unknown)
        case "characters":
            let characters = try tokens.map { token in
                guard let first = token.unicodeScalars.first, token.unicodeScalars.count == 1 else {
                    throw TokenizerFault("tokens: '\(shown(token))' is not one character")
                }
                return first
            }
            return CharacterVocabulary(characters: characters, specialTokens: special, unknownToken: unknown)
        default: throw TokenizerFault("kind: \(shown(kind)), which is neither characters nor words")
        }
    }

    private static func requireDistinct(_ texts: [String], _ place: String) throws {
        var seen: Set<ExactText> = []
        for text in texts where !seen.insert(ExactText(text)).inserted {
            throw TokenizerFault("\(place): '\(shown(text))' comes twice")
        }
    }

    /// The text of a file of Gimbal's own format.
    fileprivate static func json(
        kind: String, tokens: [String], specialTokens: [SpecialToken], unknownToken: String?
    ) -> String {
        func list(_ texts: [String]) -> String { "[" + texts.map(JSONValue.quoted).joined(separator: ", ") + "]" }
        return """
            {"format": "\(format)", "version": \(version), "kind": "\(kind)",
             "special_tokens": \(list(specialTokens.map(\.name))), "unknown_token": \
            \(unknownToken.map(JSONValue.quoted) ?? "null"),
             "tokens": \(list(tokens))}

            """
    }
}

extension CharacterVocabulary {
    public var json: String {
        TokenizerFile.json(
            kind: "characters", tokens: characters.map { String(Character($0)) }, specialTokens: specialTokens,
            unknownToken: unknownToken)
    }
}

extension WordTokenizer {
    public var json: String {
        TokenizerFile.json(
            kind: "words", tokens: words, specialTokens: specialTokens, unknownToken: unknownToken)
    }
}
