import Gimbal

/// What a batch comes to, in plain numbers that ranks give each other.
struct MeasuredBatch: Equatable {
    /// The mean loss.
    var loss = 0.0
    /// Over how much it is the mean.
    var weight: Double
    /// What else was measured.
    var numbers: [Double] = []

    init(weight: Double) { self.weight = weight }

    /// The two halves of `numbers`, where they are two lists of one length.
    var halves: ([Double], [Double]) {
        (Array(numbers[..<(numbers.count / 2)]), Array(numbers[(numbers.count / 2)...]))
    }

    fileprivate init(bytes: [UInt8]) {
        let all = bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
        }
        (loss, weight, numbers) = (all[0], all[1], Array(all[2...]))
    }

    fileprivate var bytes: [UInt8] { ([loss, weight] + numbers).withUnsafeBytes { Array($0) } }
}

/// The batches of an evaluation, which ranks measure in turn and then all take in, in the order of batches: so the results
/// are the same bits as those of one rank.
///
/// All ranks go through all batches. After as many as there are ranks, they give each other what they measured, so that no
/// more is held than that.
struct MeasuringTurns {
    private let exchange: (any GradientExchange)?
    /// Batches of this round so far.
    private var count = 0
    private var own: MeasuredBatch?

    /// - Parameter exchange: nil where one rank measures all.
    init(_ exchange: (any GradientExchange)?) { self.exchange = (exchange?.size ?? 1) > 1 ? exchange : nil }

    /// The next batch.
    /// - Parameters:
    ///   - measure: is called where it is this rank's.
    ///   - add: is given each batch of a round that is over.
    mutating func take(_ measure: () throws -> MeasuredBatch, into add: (MeasuredBatch) -> Void) throws {
        guard let exchange else { return add(try measure()) }
        if count == exchange.rank { own = try measure() }
        count += 1
        if count == exchange.size { try finish(add) }
    }

    /// Ends a last round in which not every rank has a batch.
    mutating func finish(_ add: (MeasuredBatch) -> Void) throws {
        guard let exchange, count > 0 else { return }
        for bytes in try exchange.gathered(own?.bytes ?? []) where !bytes.isEmpty { add(MeasuredBatch(bytes: bytes)) }
        (count, own) = (0, nil)
    }
}
