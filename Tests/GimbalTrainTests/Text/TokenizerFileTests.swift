import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Files that are damaged, or ask for what is not there, are refused by naming it.
@Suite struct TokenizerFileTests {
    private static func message(_ contents: [UInt8]) throws -> String {
        try withTemporaryFolder { folder in
            let path = folder + "/tokenizer.json"
            try AtomicFile.write(contents, to: path)
            let error = #expect(throws: GimbalError.self) { _ = try TokenizerFile.read(path) }
            guard case .invalidFile(path, let reason) = error else {
                return "another error: \(String(describing: error))"
            }
            return reason
        }
    }

    private static func expect(_ contents: String, _ words: String, _ location: SourceLocation = #_sourceLocation)
        throws
    {
        let message = try message(Array(contents.utf8))
        #expect(message.contains(words), "\(message)", sourceLocation: location)
    }

    /// A small file of byte pairs with one part replaced.
    private static func file(
        vocabulary: String = #"{"a": 0, "b": 1, "ab": 2}"#, merges: String = #"["a b"]"#, added: String = "[]",
        normalizer: String = "null", pre: String = #"{"type": "ByteLevel", "add_prefix_space": false}"#,
        post: String = "null", decoder: String = #"{"type": "ByteLevel"}"#, model: String = "", more: String = ""
    ) -> String {
        """
        {"added_tokens": \(added), "normalizer": \(normalizer), "pre_tokenizer": \(pre), "post_processor": \(post),
         "decoder": \(decoder), \(more) "model": {"type": "BPE", \(model) "vocab": \(vocabulary), "merges": \(merges)}}
        """
    }

    @Test func theSmallFileIsRead() throws {
        try withTemporaryFolder { folder in
            try AtomicFile.write(Self.file(), to: folder + "/t.json")
            let tokenizer = try TokenizerFile.read(folder + "/t.json")
            #expect(try tokenizer.encode("abba") == [2, 1, 0] && tokenizer.count == 3)
            let error = #expect(throws: GimbalError.self) { _ = try tokenizer.encode("abc") }
            #expect("\(String(describing: error))".contains("the byte 0x63 is not in the vocabulary of 3"))
            try AtomicFile.write([0xEF, 0xBB, 0xBF] + Array(Self.file().utf8), to: folder + "/t.json")
            #expect(try TokenizerFile.read(folder + "/t.json").encode("ab") == [2])
        }
    }

    @Test func whatIsNoJSON() throws {
        try Self.expect("", "an empty file")
        try Self.expect("tokenizer", "not JSON: a value expected at byte 0")
        try Self.expect("{\"model\": {\"type\": \"BPE\", \"voc", "a text without an end")
        try Self.expect(Self.file() + "x", "something after the end")
        try Self.expect(String(repeating: "[", count: 100_000), "values more than 64 deep")
        try Self.expect(String(repeating: "{\"a\":", count: 100_000), "values more than 64 deep")
        try Self.expect("{\"format\": 01}", "'}' expected")
        try Self.expect("{\"format\": -}", "a value expected")
        try Self.expect("{\"format\": nul}", "a value expected")
        try Self.expect("{\"format\": \"\\ud800x\"}", "half of a surrogate pair")
        #expect(try Self.message(Array("{\"format\": \"".utf8) + [0xFF] + Array("\"}".utf8)).contains("not UTF-8"))
        #expect(try Self.message([0xFF, 0xFE, 0x7B, 0]).contains("a value expected"))
        try Self.expect("[]", "an object is wanted, not a list")
        try Self.expect("{}", "neither a tokenizer of Gimbal's")
        try Self.expect("{\"a\": 1, \"a\": 2}", "a comes twice in one object")
    }

    @Test func vocabulariesAndMerges() throws {
        try Self.expect(Self.file(vocabulary: #"{"a": 0, "b": 0}"#), "the number 0, which 'a' has too")
        try Self.expect(Self.file(vocabulary: #"{"a": 0, "b": 2000000000}"#), "the number 2000000000 among 2 tokens")
        try Self.expect(Self.file(vocabulary: #"{"a": -1}"#), "model.vocab.a: a token's number is wanted, not -1")
        try Self.expect(Self.file(vocabulary: #"{"a": 1.5}"#), "a whole number is wanted")
        try Self.expect(Self.file(vocabulary: #"{"a": 99999999999999999999}"#), "a whole number is wanted")
        try Self.expect(Self.file(vocabulary: "[]"), "model.vocab: an object is wanted, not a list")
        try Self.expect(Self.file(merges: #"["a c"]"#), "model.merges[0]: 'c' is not in the vocabulary")
        try Self.expect(Self.file(merges: #"["b a"]"#), "model.merges[0]: 'ba' is not in the vocabulary")
        try Self.expect(Self.file(merges: #"["a b", "ab"]"#), "model.merges[1]: two tokens are wanted, not 1")
        try Self.expect(Self.file(merges: #"[["a", "b", "a"]]"#), "two tokens are wanted, not 3")
        try Self.expect(Self.file(merges: "[1]"), "a text is wanted, not 1")
        // Names that look alike are not the same.
        try withTemporaryFolder { folder in
            try AtomicFile.write(
                Self.file(
                    vocabulary: #"{"\u00e9": 0, "e\u0301": 1}"#, merges: "[]", pre: "null",
                    decoder:
                        #"{"type": "Metaspace", "replacement": "▁"}"#), to: folder + "/t.json")
            #expect(try TokenizerFile.read(folder + "/t.json").encode("\u{E9}") == [0])
        }
    }

    @Test func addedTokens() throws {
        func added(_ text: String) -> String { Self.file(added: "[\(text)]") }
        try Self.expect(added(#"{"id": 7, "content": ""}"#), "added_tokens[0]: an empty content")
        try Self.expect(added(#"{"id": 1, "content": "a"}"#), "'a' has the number 1, and 0 in the vocabulary")
        try Self.expect(added(#"{"id": 1, "content": "x"}"#), "'x' has the number 1, which 'b' has in the vocabulary")
        try Self.expect(added(#"{"id": 2000000000, "content": "x"}"#), "beyond all others")
        try Self.expect(added(#"{"id": 3, "content": "x"}, {"id": 4, "content": "x"}"#), "'x' comes twice")
        try Self.expect(added(#"{"id": 3, "content": "x"}, {"id": 3, "content": "y"}"#), "which another has too")
        try Self.expect(added(#"{"id": 3, "content": "x", "magic": true}"#), "'magic', which is not known there")
    }

    @Test func partsThatAreNotThere() throws {
        try Self.expect(Self.file(normalizer: #"{"type": "BertNormalizer"}"#), "type BertNormalizer is not supported")
        try Self.expect(
            Self.file(normalizer: #"{"type": "Replace", "pattern": {"Regex": "a+"}, "content": ""}"#), "no String")
        try Self.expect(
            Self.file(normalizer: #"{"type": "Replace", "pattern": {"String": ""}, "content": ""}"#), "an empty text")
        try Self.expect(Self.file(pre: #"{"type": "Whitespace"}"#), "type Whitespace is not supported")
        try Self.expect(
            Self.file(
                pre: #"{"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated", "invert": false}"#),
            #"the expression \w+ is not one of those supported"#)
        try Self.expect(
            Self.file(
                pre: #"{"type": "Split", "pattern": {"String": "x"}, "behavior": "Contiguous", "invert": false}"#),
            "behavior Contiguous is not supported")
        try Self.expect(
            Self.file(pre: #"{"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]}"#),
            "as the last step only")
        try Self.expect(
            Self.file(pre: #"{"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel"}]}"#),
            "add_prefix_space is supported as the only step")
        try Self.expect(Self.file(pre: #"{"type": "Metaspace", "replacement": ""}"#), "one character")
        try Self.expect(Self.file(pre: "null", decoder: "null"), "decoder: a file without one")
        try Self.expect(Self.file(decoder: #"{"type": "WordPiece"}"#), "WordPiece")
        try Self.expect(Self.file(decoder: #"{"type": "Sequence", "decoders": []}"#), "decoder")
        try Self.expect(Self.file(post: #"{"type": "BertProcessing"}"#), "type BertProcessing is not supported")
        let template =
            #"{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, "#
            + #"{"SpecialToken": {"id": "x", "type_id": 0}}], "pair": [], "special_tokens": "#
        try Self.expect(Self.file(post: template + "{}}"), "'x' is none of special_tokens")
        try Self.expect(
            Self.file(post: template + #"{"x": {"id": "x", "ids": [9], "tokens": ["x"]}}}"#),
            "9 is the number of none of 3")
        try Self.expect(
            Self.file(model: #""end_of_word_suffix": "</w>","#), "end_of_word_suffix '</w>' is not supported")
        try Self.expect(Self.file(model: #""dropout": 0.1,"#), "left out at random")
        try Self.expect(Self.file(model: #""magic": 1,"#), "'magic', which is not known there")
        try Self.expect(Self.file(more: #""magic": 1,"#), "'magic', which is not known there")
        try Self.expect(#"{"model": {"type": "WordPiece", "vocab": {}}}"#, "of type WordPiece; BPE alone")
        try Self.expect(
            #"{"model": {"type": "BPE", "vocab": {}}, "pre_tokenizer": {"type": "ByteLevel"}}"#, "merges is missing")
    }

    @Test func charactersAndWords() throws {
        func own(
            _ kind: String = "words", _ tokens: String = #"["a"]"#, _ special: String = "[]",
            _ unknown: String = "null",
            version: String = "1"
        ) -> String {
            """
            {"format": "gimbal-tokenizer", "version": \(version), "kind": "\(kind)", "tokens": \(tokens),
             "special_tokens": \(special), "unknown_token": \(unknown)}
            """
        }
        try Self.expect(own("syllables"), "kind: syllables")
        try Self.expect(own(version: "2"), "version 2, where this program knows 1")
        try Self.expect(own("words", #"["a", "a"]"#), "tokens: 'a' comes twice")
        try Self.expect(own("words", #"["a", ""]"#), "tokens: an empty one")
        try Self.expect(own("characters", #"["ab"]"#), "'ab' is not one character")
        try Self.expect(own("characters", #"["a"]"#, #"["x", "x"]"#), "special_tokens: 'x' comes twice")
        try Self.expect(own("characters", #"["a"]"#, #"[""]"#), "special_tokens: an empty name")
        try Self.expect(own("characters", #"["a"]"#, #"["x"]"#, #""y""#), "y is none of the special tokens")
        try Self.expect(own("words", "{}"), "tokens: a list is wanted")
        try Self.expect(#"{"format": "tar"}"#, "the format tar instead of gimbal-tokenizer")
    }

    @Test func whatIsNoFile() throws {
        let folder = #expect(throws: GimbalError.self) { _ = try TokenizerFile.read("/") }
        #expect("\(String(describing: folder))".contains("not a regular file"))
        let missing = #expect(throws: GimbalError.self) { _ = try TokenizerFile.read("/nowhere/t.json") }
        #expect("\(String(describing: missing))".contains("No such file"))
    }

    /// Every beginning of a file, and every file with one byte changed, is read or refused.
    @Test func damagedFilesAreRefused() throws {
        let contents = Array(Self.file(added: #"[{"id": 3, "content": "x", "special": true}]"#).utf8)
        try withTemporaryFolder { folder in
            let path = folder + "/t.json"
            for length in 0..<contents.count {
                try Array(contents[..<length]).withUnsafeBytes { bytes in
                    try AtomicFile.write(to: path) { try $0.write(bytes) }
                }
                #expect(throws: GimbalError.self) { _ = try TokenizerFile.read(path) }
            }
            for place in contents.indices {
                var changed = contents
                changed[place] ^= [1, 0x20, 0x80][place % 3]
                try AtomicFile.write(changed, to: path)
                do { _ = try TokenizerFile.read(path).encode("abba") } catch is GimbalError {}
            }
        }
    }

    @Test("Damage of every kind is told, and crashes nothing", arguments: ["added", "llama2", "o200k", "words"])
    func mutations(name: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/t.json"
            if name == "words" { try WordTokenizer("to be, or not to be").write(to: path) }
            let source = name == "words" ? path : HuggingFaceTests.path("\(name).json")
            let original = try [UInt8](Data(contentsOf: URL(filePath: source)))
            try forEachMutation(of: original, count: 500) { bytes in
                try Data(bytes).write(to: URL(filePath: path))
                do {
                    let tokenizer = try TokenizerFile.read(path)
                    _ = tokenizer.decode(try tokenizer.encode("To be,\n or not to be? 12 \u{E9}"))
                } catch is GimbalError {}
            }
        }
    }
}
