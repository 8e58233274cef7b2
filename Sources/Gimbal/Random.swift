/// A stream of random numbers: a seed and how far it has been used. The same seed gives the same numbers on every device.
///
/// It also gives the same on any number of ranks. While ``BatchShare/current`` is set, a draw for the rows that a rank computes
/// gives it the numbers that one rank would have drawn for them with the whole batch, and takes as many from the stream. Which draws
/// are for rows is told by their shape: those whose batch axis, the first unless the caller names another or nil for none, has as
/// many entries as the share has rows. All others are the same on all ranks. Where a draw that is not for rows could have a first
/// axis of that size, such as a mask for a layer's units, name no batch axis: ranks with other shares would get out of step.
public final class RandomGenerator: Sendable {
    /// The generator of the program. Its seed is 0 until `seed(_:)` is called.
    public static let shared = RandomGenerator(seed: 0)

    /// What layers and initializers draw from unless given another: that of the innermost `withGenerator`, else `shared`.
    public static var current: RandomGenerator { chosen ?? shared }

    @TaskLocal static var chosen: RandomGenerator?

    private let current: Lock<RandomState>

    /// The beginning of the stream that `seed` stands for.
    public init(seed: UInt64) { current = Lock(RandomState(seed: seed)) }

    /// The place of the next number. Setting it repeats or resumes a stream.
    public var state: RandomState {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// Starts the stream of `seed` from its beginning.
    public func seed(_ seed: UInt64) { state = RandomState(seed: seed) }

    /// Sets aside the next `count` numbers, and returns where they begin; the same on all ranks.
    public func reserve(_ count: Int) -> RandomState {
        RandomTape.current?.reserve(count, from: self) ?? draw(count)
    }

    /// Sets aside the numbers for a tensor, or for the whole batch where the tensor holds the rows of the share under way.
    /// - Parameters:
    ///   - shape: of the tensor.
    ///   - batchAxis: along which it has a row for each sample; nil if along none.
    func reserve(_ shape: Shape, batchAxis: Int?) -> RandomPart {
        guard let share = BatchShare.current, let axis = batchAxis.map({ $0 < 0 ? $0 + shape.rank : $0 }),
            shape.indices.contains(axis), shape[axis] == share.count
        else { return RandomPart(reserve(shape.elementCount)) }
        var whole = shape
        whole[axis] = share.total
        return RandomPart(of: share, along: axis, of: shape, from: reserve(whole.elementCount))
    }

    fileprivate func draw(_ count: Int) -> RandomState {
        current.withLock { state in
            defer { state.counter &+= UInt64((count + 3) / 4) }
            return state
        }
    }
}

/// Runs `body` with layers and initializers drawing from `generator`.
public func withGenerator<Result>(_ generator: RandomGenerator, _ body: () throws -> Result) rethrows -> Result {
    try RandomGenerator.$chosen.withValue(generator, operation: body)
}

/// The places that a checkpointed block drew from in its first run, given out again in its second.
///
/// It is used by one task at a time, which is why it may be called sendable.
final class RandomTape: @unchecked Sendable {
    @TaskLocal static var current: RandomTape?

    private let parent: RandomTape?
    private var places: [RandomState] = []
    private var next = 0
    private var isReplaying = false

    init() { parent = RandomTape.current }

    func reserve(_ count: Int, from generator: RandomGenerator) -> RandomState {
        if isReplaying {
            defer { next += 1 }
            return places[next]
        }
        let place = parent?.reserve(count, from: generator) ?? generator.draw(count)
        places.append(place)
        return place
    }

    /// Starts giving out the recorded places, from the first.
    func rewind() {
        isReplaying = true
        next = 0
    }
}

extension Tensor {
    /// Numbers drawn uniformly from [low, high), in the device's real type unless `dtype` says otherwise. Along `batchAxis`
    /// they are for the rows of a batch: see ``RandomGenerator``.
    public static func uniform(
        _ shape: Shape, low: Double = 0, high: Double = 1, dtype: DType? = nil, batchAxis: Int? = 0,
        generator: RandomGenerator = .current, device: Device = .current
    ) -> Tensor {
        let part = generator.reserve(shape, batchAxis: batchAxis)
        let numbers = Tensor.make(shape, device.backend.realType, device) { $0.randomUniform($1, part) }
        return (low == 0 && high == 1 ? numbers : numbers.affine(scale: high - low, shift: low))
            .cast(to: dtype ?? numbers.dtype)
    }

    /// Numbers drawn from the normal distribution, in the device's real type unless `dtype` says otherwise. Along `batchAxis`
    /// they are for the rows of a batch: see ``RandomGenerator``.
    public static func normal(
        _ shape: Shape, mean: Double = 0, standardDeviation: Double = 1, dtype: DType? = nil, batchAxis: Int? = 0,
        generator: RandomGenerator = .current, device: Device = .current
    ) -> Tensor {
        let part = generator.reserve(shape, batchAxis: batchAxis)
        let numbers = Tensor.make(shape, device.backend.realType, device) { $0.randomNormal($1, part) }
        return (mean == 0 && standardDeviation == 1 ? numbers : numbers.affine(scale: standardDeviation, shift: mean))
            .cast(to: dtype ?? numbers.dtype)
    }
}
