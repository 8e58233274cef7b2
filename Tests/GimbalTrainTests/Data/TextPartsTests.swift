import Foundation
import Gimbal
import GimbalNN
import GimbalTestSupport
import GimbalTrain
import Testing

/// Texts and pairs of texts as the data of a recipe.
@Suite struct TextPartsTests {
    private static let text = String(
        repeating: "The quick brown fox jumps over the lazy dog. Шум и ветер, naïve café.\r\n", count: 40)

    private func write(_ text: String, to name: String = "text.txt", in folder: String) throws -> String {
        let path = folder + "/" + name
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func parts(_ text: String, _ options: TextOptions, _ plan: SplitPlan = SplitPlan()) throws -> DataParts {
        try withTemporaryFolder { folder in
            try DataSource.text(path: write(text, in: folder), options: options).parts(plan)
        }
    }

    /// The parts follow each other, and none begins within a character, wherever the shares fall.
    @Test func partsOfATextAreAllOfIt() throws {
        var options = TextOptions()
        options.length = 8
        for fraction in stride(from: 0.05, to: 0.6, by: 0.037) {
            var plan = SplitPlan(validationFraction: 0.21)
            plan.testFraction = fraction
            let parts = try parts(Self.text, options, plan)
            let tokenizer = try #require(parts.record.text).makeTokenizer()
            let texts = try [parts.train, #require(parts.validation), parts.test].map { part in
                tokenizer.decode(try #require(part as? TextPart).windows.tokens)
            }
            #expect(texts.joined().utf8.elementsEqual(Self.text.replacing("\r\n", with: "\n").utf8))
            #expect(abs(Double(texts[2].utf8.count) / Double(Self.text.utf8.count) - fraction) < 0.01)
        }
    }

    /// Every token but the first is predicted once, whatever the size of a batch, and what is not is ignored.
    @Test(arguments: [(1, 1), (7, 3), (8, 64), (100, 2), (5000, 4)])
    func evaluationsPredictEveryTokenOnce(length: Int, size: Int) throws {
        let vocabulary = CharacterVocabulary(Self.text)
        for text in [Self.text, String(Self.text.prefix(length)), String(Self.text.prefix(2)), "T", ""] {
            let part = try TextPart(text, vocabulary, length: length, name: "text")
            var (found, before): ([Int32], [Int32]) = ([], [])
            try part.forEachBatch(of: size) { batch in
                #expect(
                    batch.count <= size && batch.inputs.isEmpty && batch.tokens.count == batch.inputShape.elementCount)
                guard case .tokens(let targets, let shape) = batch.targets else { return }
                #expect(shape == batch.inputShape)
                for (input, target) in zip(batch.tokens, targets) where target != HostBatch.ignoredToken {
                    before.append(input)
                    found.append(target)
                }
            }
            #expect(found == Array(part.windows.tokens.dropFirst()))
            #expect(before == Array(part.windows.tokens.dropLast()))
            #expect(part.tokens?.characterCount == found.count)
        }
    }

    /// Characters of several bytes, and tokens that hold parts of one, are counted where they begin.
    @Test func charactersOfTokensAreCounted() throws {
        let tokenizer = BytePairTokenizer(training: [Self.text], count: 290)
        let part = try TextPart(Self.text, tokenizer, length: 16, name: "text")
        let first = tokenizer.decode(part.windows.tokens.prefix(1))
        #expect(part.tokens?.characterCount == Self.text.unicodeScalars.count - first.unicodeScalars.count)
    }

    @Test func trainingGoesThroughWindowsOnceAnEpoch() throws {
        let part = try TextPart(Self.text, CharacterVocabulary(Self.text), length: 16, name: "text")
        let data = part.trainingBatches(of: 5, leastSize: 1, seed: 3, augmentation: nil)
        #expect(data.samplesPerEpoch == part.windows.count && data.batchesPerEpoch == (part.windows.count + 4) / 5)
        func inputs(_ epoch: Int, from first: Int = 0) throws -> [[Int32]] {
            let batches = try data.iterator(epoch: epoch, from: first, on: .cpu)
            var result: [[Int32]] = []
            while let batch = try batches.next() {
                #expect(batch.samples == batch.batch.count)
                result.append(try batch.batch.inputs.integers())
            }
            return result
        }
        let first = try inputs(0)
        #expect(first.joined().count == 16 * part.windows.count)
        #expect(try inputs(0) == first && inputs(1) != first)
        #expect(try inputs(1, from: 4) == Array(inputs(1).dropFirst(4)))
    }

    /// The same text with another tokenizer: what a run keeps gives the same tokens.
    @Test(arguments: [TextOptions.Tokens.characters, .words, .bytePairs])
    func whatARunKeepsReadsTheSameTokens(tokens: TextOptions.Tokens) throws {
        try withTemporaryFolder { folder in
            var options = TextOptions()
            (options.tokenizer, options.length) = (tokens, 8)
            if tokens != .characters { options.vocabulary = 300 }
            let source = DataSource.text(path: try write(Self.text, in: folder), options: options)
            let parts = try source.parts()
            let record = try JSONDecoder().decode(DataRecord.self, from: JSONEncoder().encode(parts.record))
            #expect(record == parts.record)
            let again = try #require(DataSource(record)).parts(continuing: record)
            #expect(
                (again.train as? TextPart)?.windows.tokens == (parts.train as? TextPart)?.windows.tokens
                    && again.record == parts.record)
            let other = try write("The lazy dog.", to: "other.txt", in: folder)
            let (samples, notes) = try DataSource.text(path: other).evaluationData(of: record)
            #expect(samples.count > 0 && notes.count == 1 && notes[0].contains("is not the data"))
        }
    }

    @Test func changedTextsAreNotGoneOnWith() throws {
        try withTemporaryFolder { folder in
            let path = try write(Self.text, in: folder)
            let record = try DataSource.text(path: path).parts().record
            _ = try write(Self.text.replacing("lazy", with: "busy"), in: folder)
            let error = #expect(throws: GimbalError.self) { try DataSource.text(path: path).parts(continuing: record) }
            #expect("\(String(describing: error))".contains("is other data"))
        }
    }

    @Test func textsThatAreTooShortAreRefused() throws {
        let error = #expect(throws: GimbalError.self) { try parts("only this", TextOptions()) }
        #expect("\(String(describing: error))".contains("too few for one window of 128"))
        var options = TextOptions()
        for (change, words) in [
            ({ $0.length = 0 }, "length"), ({ $0.vocabulary = 300 }, "vocabulary"),
            ({ ($0.tokenizer, $0.vocabulary) = (.bytePairs, 100) }, "vocabulary"),
        ] as [((inout TextOptions) -> Void, String)] {
            options = TextOptions()
            options.tokenizer = .characters
            change(&options)
            let error = #expect(throws: GimbalError.self) { try parts(Self.text, options) }
            #expect("\(String(describing: error))".contains(words))
        }
    }

    // MARK: Pairs

    private static let pairs = (0..<60).map { "I have \($0 / 2) cats.\tУ меня \($0) кошек.\n" }.joined()

    @Test func foldsAreForTables() throws {
        try withTemporaryFolder { folder in
            var plan = SplitPlan()
            plan.fold = SplitPlan.Fold(0, of: 3)
            let path = try write(Self.pairs, to: "pairs.tsv", in: folder)
            for (source, words) in [(DataSource.pairs(path: path), "pairs of texts"), (.text(path: path), "a text")] {
                let error = #expect(throws: GimbalError.self) { try source.parts(plan) }
                #expect(
                    error?.description.hasSuffix("is for tables; \(path) holds \(words)") == true, "\(error as Any)")
            }
        }
    }

    @Test func pairsWithOneSourceStayTogether() throws {
        try withTemporaryFolder { folder in
            let path = try write(Self.pairs, to: "pairs.tsv", in: folder)
            let parts = try DataSource.pairs(path: path).parts()
            let all = try [parts.train, #require(parts.validation), parts.test].map { try #require($0 as? PairPart) }
            #expect(all.map(\.count).reduce(0, +) == 60 && all.allSatisfy { $0.count > 0 })
            let sources = all.map { Set($0.pairs.pairs.map(\.source)) }
            #expect(
                sources[0].isDisjoint(with: sources[1].union(sources[2])) && sources[1].isDisjoint(with: sources[2]))
            let record = parts.record
            let again = try #require(DataSource(record)).parts(continuing: record)
            #expect(again.record == record)
            #expect((again.test as? PairPart)?.pairs.pairs.map(\.target) == all[2].pairs.pairs.map(\.target))
        }
    }

    /// What the decoder sees begins with the token that begins, what it is to predict ends with that which ends.
    @Test func batchesOfPairsAreFilledUp() throws {
        let pairs = SequencePairs([([4, 5, 6], [7]), ([8], [9, 10]), ([], [])], begin: 1, end: 2, padding: 0)
        let part = PairPart(pairs, length: 5, vocabulary: 12, name: "pairs")
        var batches: [HostBatch] = []
        try part.forEachBatch(of: 3) { batches.append($0) }
        let batch = try #require(batches.first)
        #expect(batches.count == 1 && batch.indices == [2, 1, 0] && batch.inputShape == [3, 2, 3])
        #expect(batch.tokens == [0, 0, 0, 1, 0, 0, 8, 0, 0, 1, 9, 10, 4, 5, 6, 1, 7, 0])
        #expect(batch.targets == .tokens([2, -1, -1, 9, 10, 2, 7, 2, -1], shape: [3, 3]))
        #expect(part.examples(limit: 2).inputShape == [2, 5] && part.examples(limit: 2).count == 2)
    }

    @Test func longPairsAreLeftOutAndCounted() throws {
        try withTemporaryFolder { folder in
            let long = "short\tкратко\n" + String(repeating: "long ", count: 200) + "\tдлинно\nanother\tдругой\n"
            let path = try write(Self.pairs + long, to: "pairs.tsv", in: folder)
            var options = TextOptions()
            options.length = 64
            let parts = try DataSource.pairs(path: path, options: options).parts()
            #expect(parts.notes.count == 1 && parts.notes[0].hasPrefix("1 pair is left out, longer than 64 tokens"))
            #expect(parts.record.text?.length == 64)
        }
    }

    /// One long pair would make every batch that it is in as long as it.
    @Test func oneLongPairDoesNotSetTheLengthOfAll() throws {
        try withTemporaryFolder { folder in
            let long = String(repeating: "long ", count: 3000) + "\tдлинно\n"
            let parts = try DataSource.pairs(path: write(Self.pairs + long, to: "pairs.tsv", in: folder)).parts()
            #expect(try #require(parts.record.text?.length) < 64)
            #expect(parts.notes.contains { $0.contains("1 pair is left out") && $0.contains("--length") })
            let usual = try DataSource.pairs(path: write(Self.pairs, to: "usual.tsv", in: folder)).parts()
            #expect(try #require(usual.record.text?.length) < 64 && usual.notes.isEmpty)
        }
    }

    /// What stands for unknown words spells none of their characters.
    @Test func unknownWordsEarnNoBits() throws {
        let text = "one two three four " + String(repeating: "one two ", count: 40)
        let words = WordTokenizer(text, limit: 2)
        let known = try TextPart("one two one two", words, length: 4, name: "known")
        #expect(known.tokens?.characterCount == 12)
        let unknown = try TextPart("one three two four", words, length: 4, name: "unknown")
        #expect(unknown.tokens?.characterCount == nil)
        try withTemporaryFolder { folder in
            var options = TextOptions()
            (options.tokenizer, options.vocabulary, options.length) = (.words, 16, 4)
            let many = (0..<400).map { "word\($0 % 40) " }.joined()
            let parts = try DataSource.text(path: write(many, in: folder), options: options).parts()
            #expect(parts.notes.count == 3 && parts.notes.allSatisfy { $0.contains("unknown to the vocabulary") })
            #expect(parts.test.tokens?.characterCount == nil)
            let evaluated = try #require(DataSource(parts.record)).evaluationData(of: parts.record)
            #expect(evaluated.notes.count == 1 && evaluated.notes[0].contains("unknown to the vocabulary"))
        }
    }

    @Test func aTextOfOneCharacterIsRefused() throws {
        var options = TextOptions()
        options.length = 4
        let error = #expect(throws: GimbalError.self) { try parts(String(repeating: "a", count: 200), options) }
        #expect("\(String(describing: error))".contains("there is nothing to learn"))
    }

    /// A run's own file is read again in the encoding that it began with, another in its own.
    @Test func textsAreReadInTheirEncoding() throws {
        try withTemporaryFolder { folder in
            let text = String(repeating: "naïve café. ", count: 60)
            let path = folder + "/latin.txt"
            try #require(text.data(using: .isoLatin1)).write(to: URL(fileURLWithPath: path))
            var options = TextOptions()
            options.length = 8
            let error = #expect(throws: GimbalError.self) { try DataSource.text(path: path, options: options).parts() }
            #expect("\(String(describing: error))".contains("--encoding"))
            options.encoding = "iso-8859-1"
            let parts = try DataSource.text(path: path, options: options).parts()
            let part = try #require(parts.train as? TextPart)
            let tokenizer = try #require(parts.record.text).makeTokenizer()
            #expect(text.hasPrefix(tokenizer.decode(part.windows.tokens)))
            #expect(try #require(DataSource(parts.record)).parts(continuing: parts.record).record == parts.record)
            let other = try write("café ".appending(text), to: "other.txt", in: folder)
            let found = try DataSource.text(path: other).evaluationData(of: parts.record).samples
            #expect(tokenizer.decode(try #require(found as? TextPart).windows.tokens).hasPrefix("café naïve"))
        }
    }

    @Test func whatHasNoNumberIsToldOfItsFile() throws {
        try withTemporaryFolder { folder in
            var options = TextOptions()
            options.length = 8
            let record = try DataSource.text(path: write(Self.text, in: folder), options: options).parts().record
            let other = try write("The € dog.", to: "other.txt", in: folder)
            let error = #expect(throws: GimbalError.self) {
                try DataSource.text(path: other).evaluationData(of: record)
            }
            #expect("\(String(describing: error))".contains("other.txt"))
        }
    }

    /// A regression's loss counts samples, a text's its tokens: batches of different lengths weigh what they hold.
    @Test func lossesAreMeansOverTokens() throws {
        let pairs = SequencePairs([([4], [7]), ([4, 5, 6, 7], [7, 8, 9, 10, 11])], begin: 1, end: 2, padding: 0)
        let part = PairPart(pairs, length: 6, vocabulary: 12, name: "pairs")
        let model = RecurrentSequenceToSequence(
            sourceVocabulary: 12, targetVocabulary: 12, size: 8, layers: 1, generator: RandomGenerator(seed: 1))
        let one = try Evaluation(of: model, on: part, batchSize: 1)
        let both = try Evaluation(of: model, on: part, batchSize: 2)
        #expect(abs(try #require(one.loss) - #require(both.loss)) < 1e-5)
        #expect(one.text?.tokenCount == 8 && both.text?.tokenCount == 8)
        #expect(abs(try #require(one.text).meanLoss - #require(one.loss)) < 1e-6)
    }
}
