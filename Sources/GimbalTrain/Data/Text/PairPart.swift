import Gimbal

/// Pairs of texts as examples for a model that writes the second from the first.
///
/// An example is int32 [2, tokens]: the source, and what the decoder sees, which is the token that begins and those of the
/// target. Both are filled up to the length of the longest in the batch. What is to be predicted at each place is the target
/// and the token that ends it.
public struct PairPart: SupervisedData {
    public let name: String
    /// The tokens of each pair.
    public let pairs: SequencePairs
    /// The most tokens of a text, the one that begins or ends it included.
    public let length: Int
    /// Tokens of the vocabulary.
    public let outputCount: Int

    /// - Parameters:
    ///   - pairs: may be none.
    ///   - length: the most tokens of a source, and of a target with the one that begins it.
    ///   - vocabulary: how many tokens there are.
    ///   - name: what messages and reports call them.
    public init(_ pairs: SequencePairs, length: Int, vocabulary: Int, name: String) {
        require(
            pairs.pairs.allSatisfy { $0.source.count <= length && $0.target.count < length }, "PairPart",
            "a pair is longer than \(length) tokens")
        (self.pairs, self.length, self.name) = (pairs, length, name)
        outputCount = vocabulary
    }

    public var count: Int { pairs.pairs.count }
    public var isCountExact: Bool { true }
    public var inputShape: Shape { [2, length] }
    public var classNames: [String] { [] }
    public var tokens: TokenFacts? { TokenFacts(padding: pairs.padding) }
    public func classCounts() -> [Int] { [] }

    public func examples(limit: Int) -> Dataset {
        let batch = batch(evenPlaces(limit, of: count), number: 0, length: length)
        guard case .tokens(let targets, _) = batch.targets else { stop("PairPart", "examples without tokens") }
        return Dataset(
            name: name, inputShape: inputShape, inputs: .tokens(batch.tokens),
            targets: .tokens(targets, width: length, vocabulary: outputCount))
    }

    /// Batches of pairs of like lengths, as `SequencePairs.order` has them.
    public func trainingBatches(
        of size: Int, leastSize: Int, seed: UInt64, augmentation: Augmentation?
    ) -> any TrainingData<Batch> {
        TokenBatches(
            batchesPerEpoch: count.batches(of: size), samplesPerEpoch: count, examples: self,
            places: { pairs.order(of: size, epoch: $0, seed: seed) }, make: { batch($0, number: $1) })
    }

    public func forEachBatch(of size: Int, _ body: (HostBatch) throws -> Void) throws {
        for (number, places) in pairs.order(of: size, epoch: 0, seed: 0, shuffles: false).enumerated() {
            try body(batch(places, number: number))
        }
    }

    /// - Parameter length: tokens of each text; nil for as many as the longest has.
    private func batch(_ places: [Int], number: Int, length: Int? = nil) -> HostBatch {
        let chosen = places.map { pairs.pairs[$0] }
        let width = length ?? chosen.map { max($0.source.count, $0.target.count + 1) }.max() ?? 1
        func filled(_ row: [Int32], _ filling: Int32) -> [Int32] {
            row + [Int32](repeating: filling, count: width - row.count)
        }
        return HostBatch(
            number: number, indices: places,
            tokens: chosen.flatMap {
                filled($0.source, pairs.padding) + filled([pairs.begin] + $0.target, pairs.padding)
            },
            inputShape: [places.count, 2, width],
            targets: .tokens(
                chosen.flatMap { filled($0.target + [pairs.end], HostBatch.ignoredToken) },
                shape: [places.count, width]))
    }
}
