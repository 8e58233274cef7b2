import Foundation

/// An exchange among the threads of one process, one for each device, through their common memory.
///
/// ```swift
/// let exchanges = ThreadExchange.ranks(2)
/// for exchange in exchanges {
///     Thread.detachNewThread { try? exchange.barrier() }  // Train on a device of the thread's own.
/// }
/// ```
public final class ThreadExchange: GradientExchange, @unchecked Sendable {
    public let rank: Int
    public var size: Int { meeting.size }
    private let meeting: Meeting

    private init(rank: Int, _ meeting: Meeting) { (self.rank, self.meeting) = (rank, meeting) }

    /// An exchange for each of `count` ranks, in their order.
    /// - Parameters:
    ///   - count: at least 1.
    ///   - patience: how long a rank waits for the others.
    public static func ranks(_ count: Int, patience: ExchangePatience = ExchangePatience()) -> [ThreadExchange] {
        require(count > 0, "ThreadExchange", "\(count) ranks")
        let meeting = Meeting(size: count, patience)
        return (0..<count).map { ThreadExchange(rank: $0, meeting) }
    }

    /// Runs `body` on so many ranks at once: the first on the thread that calls this, each other on one of its own. A rank that
    /// fails leaves the others, which are told its error, unless `body` has left with other words.
    /// - Parameters:
    ///   - count: at least 1.
    ///   - patience: how long a rank waits for the others.
    ///   - body: what each does.
    /// - Returns: what each gave or failed with, in the order of ranks.
    package static func run<Result>(
        _ count: Int, patience: ExchangePatience = ExchangePatience(),
        _ body: @escaping (_ exchange: ThreadExchange) throws -> Result
    ) -> [Swift.Result<Result, any Error>] {
        // Sound, as no rank runs it any more when this returns.
        nonisolated(unsafe) let body = body
        let results = Lock<[Int: Swift.Result<Result, any Error>]>([:])
        @Sendable func end(_ exchange: ThreadExchange, _ result: Swift.Result<Result, any Error>) {
            if case .failure(let error) = result { exchange.leave(because: "\(error)") }
            results.withLock { $0[exchange.rank] = result }
        }
        @Sendable func join(_ exchange: ThreadExchange) { end(exchange, Swift.Result { try body(exchange) }) }
        let exchanges = ranks(count, patience: patience)
        var others: [SystemThread] = []
        for exchange in exchanges.dropFirst() {
            do {
                others.append(try SystemThread(stackByteCount: 64 << 20) { join(exchange) })
            } catch {
                end(exchange, .failure(error))
            }
        }
        join(exchanges[0])
        for thread in others { thread.join() }
        return results.withLock { results in (0..<count).map { results[$0]! } }
    }

    public func leave(because reason: String) { meeting.leave(rank, because: reason) }

    public func allReduce(_ elements: UnsafeMutableBufferPointer<Float>, _ reduction: ExchangeReduction) throws {
        try reduce(elements, reduction)
    }

    public func allReduce(_ elements: UnsafeMutableBufferPointer<Double>, _ reduction: ExchangeReduction) throws {
        try reduce(elements, reduction)
    }

    /// Each rank reduces a part for all, in the order of ranks.
    private func reduce<Element: BinaryFloatingPoint>(
        _ elements: UnsafeMutableBufferPointer<Element>, _ reduction: ExchangeReduction
    ) throws {
        let places = try meeting.meet(rank, UnsafeMutableRawBufferPointer(elements))
        let buffers = places.map { $0.bindMemory(to: Element.self) }
        let count = elements.count
        for place in count * rank / size..<count * (rank + 1) / size {
            var sum = buffers[0][place]
            for other in buffers.dropFirst() { sum = reduction(sum, other[place]) }
            for buffer in buffers { buffer[place] = sum }
        }
        meeting.part(rank)
    }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        let places = try meeting.meet(rank, bytes)
        if rank != root { bytes.copyMemory(from: UnsafeRawBufferPointer(places[root])) }
        meeting.part(rank)
    }

    public func allGather(_ bytes: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        let places = try meeting.meet(rank, UnsafeMutableRawBufferPointer(mutating: bytes))
        for (other, place) in places.enumerated() {
            UnsafeMutableRawBufferPointer(rebasing: all[other * bytes.count..<(other + 1) * bytes.count])
                .copyMemory(from: UnsafeRawBufferPointer(place))
        }
        meeting.part(rank)
    }

    public func allToAll(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer) throws {
        require(bytes.count % size == 0, "ThreadExchange.allToAll", "\(bytes.count) bytes for \(size) ranks")
        let places = try meeting.meet(rank, UnsafeMutableRawBufferPointer(mutating: bytes))
        let part = bytes.count / size
        for (other, place) in places.enumerated() {
            UnsafeMutableRawBufferPointer(rebasing: result[other * part..<(other + 1) * part])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: place[rank * part..<(rank + 1) * part]))
        }
        meeting.part(rank)
    }

    public func barrier() throws { _ = try meeting.meet(rank, UnsafeMutableRawBufferPointer(start: nil, count: 0)) }
}

/// Where the ranks of a process wait for each other, and see each other's buffers.
private final class Meeting: @unchecked Sendable {
    let size: Int
    private let patience: ExchangePatience
    private let condition = NSCondition()
    private var round = 0
    private var places: [UnsafeMutableRawBufferPointer?]
    /// Of the round before, until all have seen them.
    private var met: [UnsafeMutableRawBufferPointer] = []
    private var departure: (rank: Int?, reason: String)?
    /// Whether ranks came to different exchanges; none goes on from there.
    private var isOutOfStep = false

    init(size: Int, _ patience: ExchangePatience) {
        (self.size, self.patience) = (size, patience)
        places = Array(repeating: nil, count: size)
    }

    /// Waits until all ranks are here, and gives the buffers that they brought, in the order of ranks.
    func meet(_ rank: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> [UnsafeMutableRawBufferPointer] {
        condition.lock()
        defer { condition.unlock() }
        try requireAll()
        let own = come(rank, buffer)
        let began = ContinuousClock.now
        var noticed = Duration.zero
        // A round that all have come to counts, whoever has left since.
        while round == own {
            try requireAll()
            let waited = ContinuousClock.now - began
            if waited >= patience.limit { giveUp(waited) }
            if waited - noticed >= patience.notice {
                noticed = waited
                notice(rank, waited)
                continue
            }
            let pause = min(patience.limit, noticed + patience.notice) - waited
            _ = condition.wait(until: Date(timeIntervalSinceNow: max(pause.seconds, 0.001)))
        }
        return met
    }

    /// Waits until all ranks have done what they met for: their buffers are their own again. All come here soon, even
    /// where one has left since they met.
    func part(_ rank: Int) {
        condition.lock()
        defer { condition.unlock() }
        let own = come(rank, UnsafeMutableRawBufferPointer(start: nil, count: 0))
        while round == own && !isOutOfStep { condition.wait() }
    }

    /// The round that the rank came to.
    private func come(_ rank: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        places[rank] = buffer
        let own = round
        if !places.contains(where: { $0 == nil }) {
            met = places.map { $0! }
            // Some have come to another exchange than the others, and would read beyond the ends of buffers.
            guard met.allSatisfy({ $0.count == met[0].count }) else {
                isOutOfStep = true
                depart(nil, because: "ranks came to exchanges of different sizes: they do not train alike")
                return own
            }
            places = Array(repeating: nil, count: size)
            round += 1
            condition.broadcast()
        }
        return own
    }

    /// Nobody exchanges anything any more: a rank that came now would find buffers of ranks that have gone on.
    private func giveUp(_ waited: Duration) {
        let late = places.indices.filter { places[$0] == nil }
        depart(late.first, because: .late(late, waited))
    }

    /// The first of those that wait tells of those that do not.
    private func notice(_ rank: Int, _ waited: Duration) {
        guard let onLate = patience.onLate, places.firstIndex(where: { $0 != nil }) == rank else { return }
        let late = places.indices.filter { places[$0] == nil }
        condition.unlock()
        defer { condition.lock() }
        for rank in late { onLate(rank, waited.seconds) }
    }

    func leave(_ rank: Int, because reason: String) {
        condition.lock()
        defer { condition.unlock() }
        depart(rank, because: reason)
    }

    private func depart(_ rank: Int?, because reason: String) {
        if departure == nil { departure = (rank, reason) }
        condition.broadcast()
    }

    private func requireAll() throws {
        if let departure { throw GimbalError.exchange(rank: departure.rank, reason: departure.reason) }
    }
}

extension String {
    /// Why an exchange failed to which the ranks `late`, of which the first is named already, have not come.
    package static func late(_ late: [Int], _ waited: Duration) -> String {
        let others = late.dropFirst().map(\.description).joined(separator: ", ")
        return String(format: "has not come to the exchange for %.1f s, where others wait", waited.seconds)
            + (others.isEmpty ? "" : "; nor have \(others)")
    }
}
