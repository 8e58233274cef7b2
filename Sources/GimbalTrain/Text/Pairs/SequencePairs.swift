import Gimbal

/// Pairs of sequences of tokens, for a model that makes the second of the first, such as a translation.
///
/// ```swift
/// let english = try TokenizerFile.read("english.json"), russian = try TokenizerFile.read("russian.json")
/// let pairs = SequencePairs(
///     try PairFile.read("en-ru.tsv").map { (try english.encode($0.source), try russian.encode($0.target)) },
///     begin: russian.number(ofSpecialToken: "<s>")!, end: russian.number(ofSpecialToken: "</s>")!)
/// for batch in pairs.batches(of: 64, epoch: 0, seed: 1) {
///     print(batch.source.shape, batch.target.shape, batch.labels.shape)
/// }
/// ```
/// A loss over `batch.labels` leaves out `ignoredLabel`, and attention takes `batch.sourceMask` as its padding mask.
public struct SequencePairs: Sendable {
    /// The label of places behind the end of a target, which losses leave out.
    public static let ignoredLabel = HostBatch.ignoredToken

    /// The tokens of both sequences of each pair, without those that begin and end a target.
    public let pairs: [(source: [Int32], target: [Int32])]
    /// The token that the decoder sees first.
    public let begin: Int32
    /// The token that a target ends with.
    public let end: Int32
    /// What fills up shorter sequences.
    public let padding: Int32

    /// - Parameters:
    ///   - pairs: sequences may be empty.
    ///   - begin: the token that the decoder sees before the first of a target.
    ///   - end: the token that follows the last of a target, to be predicted.
    ///   - padding: what fills up shorter sequences; any token, as masks and lengths tell it from others.
    public init(_ pairs: [(source: [Int32], target: [Int32])], begin: Int32, end: Int32, padding: Int32 = 0) {
        require(
            begin >= 0 && end >= 0 && padding >= 0, "SequencePairs",
            "the tokens \(begin), \(end) and \(padding) are to be numbers of tokens")
        self.pairs = pairs
        self.begin = begin
        self.end = end
        self.padding = padding
    }

    /// The beginning and the rest of the pairs.
    /// - Parameter trainFraction: the share of the beginning, in 0...1.
    public func split(trainFraction: Double) -> (train: SequencePairs, test: SequencePairs) {
        require((0...1).contains(trainFraction), "SequencePairs", "a fraction of \(trainFraction)")
        let size = Int((Double(pairs.count) * trainFraction).rounded())
        func part(_ part: ArraySlice<(source: [Int32], target: [Int32])>) -> SequencePairs {
            SequencePairs(Array(part), begin: begin, end: end, padding: padding)
        }
        return (part(pairs[..<size]), part(pairs[size...]))
    }

    /// Which pairs make each batch of an epoch, in its order.
    ///
    /// Pairs are put in random order, and of every `bucket` batches of them those of like lengths come together, so that
    /// little is padding; then the batches are put in random order. All depends on the seed and the epoch only.
    /// - Parameters:
    ///   - size: pairs in a batch; one of them may have fewer.
    ///   - epoch: counted from 0.
    ///   - seed: of both orders.
    ///   - shuffles: whether there is a random order; else pairs come by their lengths alone, those of equal ones as given.
    ///   - bucket: how many batches are sorted together; at least 1.
    public func order(of size: Int, epoch: Int, seed: UInt64, shuffles: Bool = true, bucket: Int = 100) -> [[Int]] {
        require(size > 0 && bucket > 0, "SequencePairs", "batches of \(size), \(bucket) of them sorted together")
        var random = Philox(seed: seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
        let order = shuffles ? random.permutation(of: pairs.count) : Array(pairs.indices)
        let width = shuffles ? size.multipliedReportingOverflow(by: bucket).partialValue : max(order.count, 1)
        var batches: [[Int]] = []
        for start in stride(from: 0, to: order.count, by: max(width, size)) {
            let part = zip(0..., order[start..<min(start + max(width, size), order.count)]).sorted { left, right in
                let (first, second) = (pairs[left.1], pairs[right.1])
                return (first.source.count, first.target.count, left.0)
                    < (second.source.count, second.target.count, right.0)
            }.map(\.1)
            for begin in stride(from: 0, to: part.count, by: size) {
                batches.append(Array(part[begin..<min(begin + size, part.count)]))
            }
        }
        return shuffles ? random.permutation(of: batches.count).map { batches[$0] } : batches
    }

    /// The batches of an epoch, as `order` has them.
    /// - Parameters:
    ///   - size: pairs in a batch; one of them may have fewer.
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at.
    ///   - seed: of the order.
    ///   - shuffles: whether each epoch has an order of its own.
    ///   - device: where the batches are to be.
    public func batches(
        of size: Int, epoch: Int, from first: Int = 0, seed: UInt64 = 0, shuffles: Bool = true,
        on device: Device = .current
    ) -> some Sequence<PairBatch> {
        require(first >= 0, "SequencePairs", "batches from \(first)")
        return order(of: size, epoch: epoch, seed: seed, shuffles: shuffles).dropFirst(first).lazy.map {
            batch($0, on: device)
        }
    }

    /// Some of the pairs, by their places.
    public func batch(_ places: [Int], on device: Device = .current) -> PairBatch {
        let chosen = places.map { pairs[$0] }
        let width = max(chosen.map(\.source.count).max() ?? 0, 1)
        let targetWidth = (chosen.map(\.target.count).max() ?? 0) + 1
        func padded(_ rows: [[Int32]], _ width: Int, _ filling: Int32) -> [Int32] {
            rows.flatMap { $0 + [Int32](repeating: filling, count: width - $0.count) }
        }
        func there(_ counts: [Int], _ width: Int) -> Tensor {
            Tensor(
                counts.flatMap { count in (0..<width).map { $0 < count ? 1 : 0 as UInt8 } }, [counts.count, width],
                device: device)
        }
        return PairBatch(
            source: Tensor(padded(chosen.map(\.source), width, padding), [chosen.count, width], device: device),
            sourceLengths: Tensor(chosen.map { Int32($0.source.count) }, device: device),
            sourceMask: there(chosen.map(\.source.count), width),
            target: Tensor(
                padded(chosen.map { [begin] + $0.target }, targetWidth, padding), [chosen.count, targetWidth],
                device: device),
            targetLengths: Tensor(chosen.map { Int32($0.target.count + 1) }, device: device),
            targetMask: there(chosen.map { $0.target.count + 1 }, targetWidth),
            labels: Tensor(padded(chosen.map { $0.target + [end] }, targetWidth, Self.ignoredLabel), device: device))
    }
}

/// Pairs of sequences side by side, shorter ones filled up.
public struct PairBatch {
    /// int32 [batch, S], S at least 1.
    public var source: Tensor
    /// int32 [batch]: how many tokens of each source are its own.
    public var sourceLengths: Tensor
    /// uint8 [batch, S]: 1 where a token is there, as masks of attention have it.
    public var sourceMask: Tensor
    /// int32 [batch, T], what the decoder sees: the token that begins, and those of the target.
    public var target: Tensor
    /// int32 [batch]: how many tokens of each target are its own, with that which begins.
    public var targetLengths: Tensor
    /// uint8 [batch, T]: 1 where a token is there.
    public var targetMask: Tensor
    /// int32 [batch · T], what the decoder is to predict: the tokens of the target, that which ends, and
    /// `SequencePairs.ignoredLabel` behind.
    public var labels: Tensor
}
