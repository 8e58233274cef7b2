import Foundation

/// Makes the exchanges of a rank one after another on a thread of its own, so that the rank computes meanwhile.
///
/// They are made in the order in which they are asked for, which must be the same on all ranks. Where one fails, those after it
/// are not made, and every wait throws what it failed with.
///
/// ```swift
/// let queue = ExchangeQueue(exchange)
/// try queue.start { exchange in try exchange.barrier() }
/// // Compute what does not depend on it.
/// try queue.wait()
/// ```
public final class ExchangeQueue: GradientExchange, @unchecked Sendable {
    /// An exchange that is to be made.
    public typealias Work = @Sendable (_ exchange: any GradientExchange) throws -> Void

    /// What makes the exchanges.
    public let exchange: any GradientExchange
    public var rank: Int { exchange.rank }
    public var size: Int { exchange.size }

    private let state = State()

    /// A queue of its own thread, which ends when the queue is let go. Where the system has no thread to give, each exchange throws
    /// that.
    public init(_ exchange: any GradientExchange) {
        self.exchange = exchange
        exchange.isAwaited = false
        let state = state
        do { try SystemThread(stackByteCount: 1 << 20) { state.serve(exchange) }.detach() } catch { state.fail(error) }
    }

    deinit {
        state.end()
        exchange.isAwaited = true
    }

    /// Has `work` done after what was asked for before, and does not wait for it.
    /// - Throws: what an earlier exchange failed with.
    public func start(_ work: @escaping Work) throws { _ = try state.add(work) }

    /// Waits for all that was asked for.
    /// - Throws: what one of the exchanges failed with.
    public func wait() throws { try wait(until: nil) }

    private func perform(_ work: @escaping Work) throws { try wait(until: state.add(work)) }

    private func wait(until number: Int?) throws {
        exchange.isAwaited = true
        defer { exchange.isAwaited = false }
        try state.wait(until: number)
    }

    /// Seconds in which exchanges were made, and those in which their ranks waited for them: what computing did not hide.
    public var seconds: (exchanging: Double, waiting: Double) { state.seconds }

    public func allReduce(_ elements: UnsafeMutableBufferPointer<Float>, _ reduction: ExchangeReduction) throws {
        nonisolated(unsafe) let elements = elements
        try perform { try $0.allReduce(elements, reduction) }
    }

    public func allReduce(_ elements: UnsafeMutableBufferPointer<Double>, _ reduction: ExchangeReduction) throws {
        nonisolated(unsafe) let elements = elements
        try perform { try $0.allReduce(elements, reduction) }
    }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        nonisolated(unsafe) let bytes = bytes
        try perform { try $0.broadcast(bytes, from: root) }
    }

    public func allGather(_ bytes: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        nonisolated(unsafe) let (bytes, all) = (bytes, all)
        try perform { try $0.allGather(bytes, into: all) }
    }

    public func allToAll(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer) throws {
        nonisolated(unsafe) let (bytes, result) = (bytes, result)
        try perform { try $0.allToAll(bytes, into: result) }
    }

    public func barrier() throws { try perform { try $0.barrier() } }

    public func leave(because reason: String) { exchange.leave(because: reason) }

    /// What both threads see; the thread holds it, and not the queue, so that letting go of the queue ends the thread.
    private final class State: @unchecked Sendable {
        private let condition = NSCondition()
        private var works: [Work] = []
        private var (asked, done) = (0, 0)
        private var failure: (any Error)?
        private var isEnded = false
        private var (exchanging, waiting) = (Duration.zero, Duration.zero)

        var seconds: (Double, Double) {
            condition.lock()
            defer { condition.unlock() }
            return (exchanging.seconds, waiting.seconds)
        }

        /// Gives the number of the work, counted from 1.
        func add(_ work: @escaping Work) throws -> Int {
            condition.lock()
            defer { condition.unlock() }
            if let failure { throw failure }
            works.append(work)
            asked += 1
            condition.broadcast()
            return asked
        }

        /// - Parameter number: of the last work that is waited for; nil for all.
        func wait(until number: Int?) throws {
            condition.lock()
            defer { condition.unlock() }
            let number = number ?? asked
            let began = ContinuousClock.now
            while done < number, failure == nil { condition.wait() }
            waiting += ContinuousClock.now - began
            if let failure { throw failure }
        }

        func fail(_ error: any Error) {
            condition.lock()
            failure = error
            condition.unlock()
        }

        func end() {
            condition.lock()
            isEnded = true
            condition.broadcast()
            condition.unlock()
        }

        func serve(_ exchange: any GradientExchange) {
            while let work = next() {
                let began = ContinuousClock.now
                let result = Result { try work(exchange) }
                finish(result, took: ContinuousClock.now - began)
            }
        }

        private func next() -> Work? {
            condition.lock()
            defer { condition.unlock() }
            while works.isEmpty, !isEnded { condition.wait() }
            return works.isEmpty || failure != nil ? nil : works.removeFirst()
        }

        private func finish(_ result: Result<Void, any Error>, took: Duration) {
            condition.lock()
            exchanging += took
            done += 1
            if case .failure(let error) = result {
                failure = error
                works = []
            }
            condition.broadcast()
            condition.unlock()
        }
    }
}
