/// How the ranks of a run give each other their gradients: processes or threads, each of which trains the same model on its part of
/// every batch.
///
/// Each function is called by all ranks, in the same order and with buffers of the same size, from one thread at a time; it
/// returns when its result is there. For the same number of ranks, results are the same bits every time, and the same on all
/// ranks.
public protocol GradientExchange: AnyObject, Sendable {
    /// Which rank this is, from 0.
    var rank: Int { get }
    /// How many ranks there are.
    var size: Int { get }

    /// Puts the sum, maximum or minimum over all ranks in the place of each element.
    /// - Throws: `GimbalError.exchange`, as all functions here, which names the rank that is at fault where that is known.
    func allReduce(_ elements: UnsafeMutableBufferPointer<Float>, _ reduction: ExchangeReduction) throws
    /// The same in float64.
    func allReduce(_ elements: UnsafeMutableBufferPointer<Double>, _ reduction: ExchangeReduction) throws
    /// Gives the bytes of rank `root` to all.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws
    /// Gives the bytes of each rank to all, in the order of ranks: `all` has `size` times as many.
    func allGather(_ bytes: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws
    /// Gives part k of the bytes, of `size` equal parts, to rank k. What came from rank k stands as part k of `result`, which is
    /// of the same size, and other memory.
    func allToAll(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer) throws
    /// Waits for all ranks.
    func barrier() throws
    /// Whether this rank does nothing but wait for what is exchanged; otherwise it computes meanwhile, and wants the processor. May
    /// be set from any thread while an exchange is made.
    var isAwaited: Bool { get set }
    /// Tells the others, in all that they wait for or call, that this rank does not go on. Where ranks are processes it does
    /// nothing: the launcher ends all when one of them ends.
    func leave(because reason: String)
}

/// What becomes of the elements of all ranks.
public enum ExchangeReduction: Sendable {
    /// Their sum.
    case sum
    /// The largest.
    case maximum
    /// The least.
    case minimum

    /// Of two elements. NaN in either gives NaN.
    @inlinable public func callAsFunction<Element: BinaryFloatingPoint>(_ one: Element, _ other: Element) -> Element {
        switch self {
        case .sum: one + other
        case .maximum: one.isNaN || one > other ? one : other
        case .minimum: one.isNaN || one < other ? one : other
        }
    }
}

extension GradientExchange {
    public var isAwaited: Bool {
        get { true }
        set {}
    }

    public func leave(because reason: String) {}

    /// The largest of the numbers of all ranks, and so on.
    public func reduced(_ number: Double, _ reduction: ExchangeReduction) throws -> Double {
        var number = number
        try withUnsafeMutablePointer(to: &number) {
            try allReduce(UnsafeMutableBufferPointer(start: $0, count: 1), reduction)
        }
        return number
    }

    /// Whether it is so on any rank: all come to the same answer.
    public func anyRank(_ condition: Bool) throws -> Bool { try reduced(condition ? 1 : 0, .maximum) > 0 }

    /// What each rank has to say, in the order of ranks; of any length.
    public func gathered(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var counts = [Int](repeating: 0, count: size)
        var own = bytes.count
        try withUnsafeBytes(of: &own) { own in try counts.withUnsafeMutableBytes { try allGather(own, into: $0) } }
        let width = counts.max() ?? 0
        guard width > 0 else { return counts.map { _ in [] } }
        let filled = bytes + [UInt8](repeating: 0, count: width - bytes.count)
        var all = [UInt8](repeating: 0, count: width * size)
        try filled.withUnsafeBytes { own in try all.withUnsafeMutableBytes { try allGather(own, into: $0) } }
        return counts.enumerated().map { Array(all[$0 * width..<$0 * width + $1]) }
    }

    /// What rank `root` has to say; of any length.
    public func broadcast(_ bytes: [UInt8], from root: Int = 0) throws -> [UInt8] {
        var count = bytes.count
        try withUnsafeMutableBytes(of: &count) { try broadcast($0, from: root) }
        var result = rank == root ? bytes : [UInt8](repeating: 0, count: count)
        try result.withUnsafeMutableBytes { try broadcast($0, from: root) }
        return result
    }
}
