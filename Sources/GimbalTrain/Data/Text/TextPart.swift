import Foundation
import Gimbal

/// A text, or a part of one, as examples for a model that predicts each token from those before it.
///
/// Training goes through `TextWindows`. An evaluation predicts every token but the first once, each from at least half a
/// window before it where there is as much.
public struct TextPart: SupervisedData {
    public let name: String
    /// The tokens, and how many of them a model sees.
    public let windows: TextWindows
    /// Tokens of the vocabulary.
    public let outputCount: Int
    public let tokens: TokenFacts?
    /// What the tokens to be predicted spell.
    let spelling: TextSpelling

    /// - Parameters:
    ///   - text: may be empty.
    ///   - tokenizer: numbers its tokens.
    ///   - length: tokens in a window, at least 1.
    ///   - name: what messages and reports call it.
    /// - Throws: `GimbalError.invalidSetting` where the text has something that has no number.
    public init(_ text: String, _ tokenizer: any Tokenizer, length: Int, name: String) throws {
        self.init(try tokenizer.encode(text), tokenizer, length: length, name: name)
    }

    /// - Parameters:
    ///   - path: of the file that the text is from.
    ///   - text: all of it, or a part.
    /// - Throws: `GimbalError.invalidFile` where the text has something that has no number.
    init(_ path: String, _ text: String, _ tokenizer: any Tokenizer, length: Int) throws {
        self.init(
            try tokenizer.encode(text, from: path), tokenizer, length: length,
            name: URL(fileURLWithPath: path).lastPathComponent)
    }

    private init(_ numbers: [Int32], _ tokenizer: any Tokenizer, length: Int, name: String) {
        self.name = name
        windows = TextWindows(numbers, length: length)
        outputCount = tokenizer.count
        spelling = TextSpelling(numbers, tokenizer)
        tokens = TokenFacts(characterCount: spelling.unknownCount == 0 ? spelling.characterCount : nil)
    }

    /// What is to be said where tokens stand for what has no number; nil where none does.
    var noteOnUnknown: String? {
        guard spelling.unknownCount > 0 else { return nil }
        let share = 100 * Double(spelling.unknownCount) / Double(windows.tokens.count - 1)
        return "\(shown(name)): \(decimal(share)) percent of \(windows.tokens.count - 1) tokens are unknown to the "
            + "vocabulary, all of them one token: bits for each character are not told; a larger `vocabulary`, characters "
            + "or bpe have fewer"
    }

    /// Windows, the last of which may be shorter.
    public var count: Int { max(0, (windows.tokens.count - 1 + windows.length - 1) / windows.length) }
    public var isCountExact: Bool { true }
    public var inputShape: Shape { [windows.length] }
    public var classNames: [String] { [] }
    public func classCounts() -> [Int] { [] }

    public func examples(limit: Int) -> Dataset {
        let starts = windows.starts(epoch: 0, seed: 0, shuffles: false)
        let (inputs, targets) = windows.windows(at: evenPlaces(limit, of: starts.count).map { starts[$0] })
        return Dataset(
            name: name, inputShape: inputShape, inputs: .tokens(inputs),
            targets: .tokens(targets, width: windows.length, vocabulary: outputCount))
    }

    public func trainingBatches(
        of size: Int, leastSize: Int, seed: UInt64, augmentation: Augmentation?
    ) -> any TrainingData<Batch> {
        TokenBatches(
            batchesPerEpoch: windows.count.batches(of: size), samplesPerEpoch: windows.count, examples: self,
            places: { windows.order(of: size, epoch: $0, seed: seed) },
            make: { starts, number in
                let (inputs, targets) = windows.windows(at: starts)
                let shape: Shape = [starts.count, windows.length]
                return HostBatch(
                    number: number, indices: starts, tokens: inputs, inputShape: shape,
                    targets: .tokens(targets, shape: shape))
            })
    }

    public func forEachBatch(of size: Int, _ body: (HostBatch) throws -> Void) throws {
        try forEachBatch(of: size, stride: max(1, windows.length / 2), body)
    }

    /// Calls `body` with windows that overlap: each begins `stride` tokens behind the one before, and predicts those that no
    /// earlier one has.
    func forEachBatch(of size: Int, stride: Int, _ body: (HostBatch) throws -> Void) throws {
        let tokens = windows.tokens
        let all = Self.overlapping(tokens.count, length: windows.length, stride: stride)
        var (place, number) = (0, 0)
        while place < all.count {
            // The last window may be shorter.
            let length = all[place].inputs.count
            let batch = all[place...].prefix { $0.inputs.count == length }.prefix(size)
            let targets = batch.flatMap { window in
                window.inputs.map { $0 + 1 >= window.firstPredicted ? tokens[$0 + 1] : HostBatch.ignoredToken }
            }
            try body(
                HostBatch(
                    number: number, indices: Array(batch.indices), tokens: batch.flatMap { tokens[$0.inputs] },
                    inputShape: [batch.count, length], targets: .tokens(targets, shape: [batch.count, length])))
            place += batch.count
            number += 1
        }
    }

    /// Which of `count` tokens are inputs of each window, and from which on those that follow them are predicted.
    static func overlapping(
        _ count: Int, length: Int, stride step: Int
    ) -> [(inputs: Range<Int>, firstPredicted: Int)] {
        var result: [(inputs: Range<Int>, firstPredicted: Int)] = []
        var (begin, predicted) = (0, 1)
        while predicted < count {
            let end = min(begin + length, count - 1)
            result.append((begin..<end, predicted))
            predicted = end + 1
            begin += step
        }
        return result
    }
}
