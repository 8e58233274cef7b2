import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Against what Hugging Face's `tokenizers` does with the same files, which make_fixtures.py wrote.
@Suite struct HuggingFaceTests {
    struct Case: Decodable {
        var text: String
        var ids: [Int32]
        var whole: [Int32]
        var decoded: String
    }

    static let names = [
        "prefix-space", "llama3", "qwen2", "o200k", "digits", "literals", "added", "llama2", "gemma", "metaspace-first",
        "metaspace-never",
    ]

    static func path(_ name: String) -> String { packagePath("Tests/GimbalTrainTests/Text/Fixtures/\(name)") }

    @Test(arguments: names) func numbersAndTextsAreTheSame(_ name: String) throws {
        let tokenizer = try #require(try TokenizerFile.read(Self.path("\(name).json")) as? BytePairTokenizer)
        let data = try Data(contentsOf: URL(filePath: Self.path("\(name).cases.json")))
        let cases = try JSONDecoder().decode([Case].self, from: data)
        #expect(cases.count > 60)
        for item in cases {
            let ids = try tokenizer.encode(item.text)
            #expect(ids == item.ids, "\(item.text.debugDescription)")
            #expect(try tokenizer.encodeWhole(item.text) == item.whole)
            // A normalized token in the text: they give its normalized name back, and we its name.
            if name == "added" && item.text.contains("[X]") { continue }
            let decoded = tokenizer.decode(ids)
            #expect(Array(decoded.utf8) == Array(item.decoded.utf8), "\(decoded.debugDescription)")
        }
    }

    @Test(arguments: names) func whatIsWrittenReadsAsTheSame(_ name: String) throws {
        let tokenizer = try #require(try TokenizerFile.read(Self.path("\(name).json")) as? BytePairTokenizer)
        try withTemporaryFolder { folder in
            try tokenizer.write(to: folder + "/tokenizer.json")
            let again = try #require(try TokenizerFile.read(folder + "/tokenizer.json") as? BytePairTokenizer)
            #expect(again == tokenizer)
            #expect(try again.encode("Speak, speak. 12") == tokenizer.encode("Speak, speak. 12"))
        }
    }

    /// The expressions are those of the files in use, to the letter.
    @Test func knownExpressions() {
        #expect(SplitPattern.qwen2.expression == SplitPattern.llama3.expression.replacing("{1,3}", with: ""))
        #expect(
            SplitPattern.gpt2.expression
                == #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
    }
}
