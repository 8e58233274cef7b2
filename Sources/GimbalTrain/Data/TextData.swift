import Gimbal

/// A long text of numbered tokens in windows, for a model that predicts each token from those before it.
///
/// Every epoch cuts the text at other places and goes through the windows in another order. Both depend on the seed and
/// the epoch only.
public struct TextWindows: Sendable {
    /// The numbers of the text's tokens, in its order.
    public let tokens: [Int32]
    /// Tokens in a window.
    public let length: Int

    /// - Parameters:
    ///   - tokens: at least `length` + 1 of them, or there are no windows.
    ///   - length: at least 1.
    public init(_ tokens: [Int32], length: Int) {
        require(length > 0, "TextWindows", "windows of \(length) tokens")
        self.tokens = tokens
        self.length = length
    }

    /// Windows in an epoch. Each has a target for every token, so the text's last token begins none.
    public var count: Int { max(0, (tokens.count - 1) / length) }

    /// The beginning and the rest of the text.
    /// - Parameter trainFraction: the share of the beginning, in 0...1.
    public func split(trainFraction: Double) -> (train: TextWindows, test: TextWindows) {
        require((0...1).contains(trainFraction), "TextWindows", "a fraction of \(trainFraction)")
        let size = Int((Double(tokens.count) * trainFraction).rounded())
        return (
            TextWindows(Array(tokens[..<size]), length: length), TextWindows(Array(tokens[size...]), length: length)
        )
    }

    /// Where the windows of an epoch begin, in its order.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - seed: of order and places.
    ///   - shuffles: whether the epoch has an order and places of its own, rather than those of the text.
    public func starts(epoch: Int, seed: UInt64, shuffles: Bool = true) -> [Int] {
        guard shuffles, count > 0 else { return (0..<count).map { $0 * length } }
        var random = Philox(seed: seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
        // What the windows leave over lies before the first, behind the last, or on both sides.
        let offset = random.next(below: tokens.count - 1 - count * length + 1)
        return random.permutation(of: count).map { offset + $0 * length }
    }

    /// Where the windows of each batch of an epoch begin, in its order.
    /// - Parameters:
    ///   - size: windows in a batch; the last one may have fewer.
    ///   - epoch: counted from 0.
    ///   - seed: of order and places.
    ///   - shuffles: as `starts` has it.
    func order(of size: Int, epoch: Int, seed: UInt64, shuffles: Bool = true) -> [[Int]] {
        let starts = starts(epoch: epoch, seed: seed, shuffles: shuffles)
        return stride(from: 0, to: starts.count, by: size).map { Array(starts[$0..<min($0 + size, starts.count)]) }
    }

    /// The tokens of the windows that begin at these places, and the token that follows each.
    func windows(at starts: [Int]) -> (inputs: [Int32], targets: [Int32]) {
        (starts.flatMap { tokens[$0..<$0 + length] }, starts.flatMap { tokens[$0 + 1..<$0 + 1 + length] })
    }

    /// The batches of an epoch: inputs int32 [size, length], and as targets the tokens that follow each, int32
    /// [size · length], in the order of the rows of logits of [size · length, vocabulary].
    /// - Parameters:
    ///   - size: windows in a batch; the last one may have fewer.
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at.
    ///   - seed: of order and places.
    ///   - shuffles: whether each epoch has an order and places of its own.
    ///   - device: where the batches are to be.
    public func batches(
        of size: Int, epoch: Int, from first: Int = 0, seed: UInt64 = 0, shuffles: Bool = true,
        on device: Device = .current
    ) -> some Sequence<Batch> {
        require(size > 0 && first >= 0, "TextWindows", "batches of \(size), from \(first)")
        return order(of: size, epoch: epoch, seed: seed, shuffles: shuffles).dropFirst(first).lazy.map { starts in
            let (inputs, targets) = windows(at: starts)
            return Batch(
                inputs: Tensor(inputs, [starts.count, length], device: device),
                targets: Tensor(targets, device: device))
        }
    }
}

extension Dataset {
    /// A series of numbers as examples for a forecast: inputs [window, 1], and the `horizon` values that follow as
    /// targets.
    /// - Parameters:
    ///   - series: in order of time.
    ///   - window: values that a model sees.
    ///   - horizon: values to be predicted.
    ///   - step: distance between the beginnings of neighbouring windows.
    ///   - name: what messages and reports call the data.
    public static func windows(
        of series: [Float], window: Int, horizon: Int = 1, step: Int = 1, name: String = "series"
    ) -> Dataset {
        require(
            window > 0 && horizon > 0 && step > 0, "windows",
            "windows of \(window), a horizon of \(horizon), a step of \(step)")
        let starts = Array(stride(from: 0, through: series.count - window - horizon, by: step))
        return Dataset(
            name: name, inputShape: [window, 1],
            inputs: .floats(starts.flatMap { series[$0..<$0 + window] }),
            targets: .values(
                starts.flatMap { series[$0 + window..<$0 + window + horizon] }, width: horizon))
    }
}
