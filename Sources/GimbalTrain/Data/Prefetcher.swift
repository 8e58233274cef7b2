import GimbalBackend

/// Values made on threads of their own, at most `capacity` ahead of the one taken, and taken in order.
///
/// Releasing it stops the threads and waits until they have ended, which takes at most the making of one value.
package final class Prefetcher<Value: Sendable, Failure: Error> {
    /// Makes the value of a number, counted from 0; nil where there is none, nor any after it.
    package typealias Maker = @Sendable (_ number: Int) throws(Failure) -> Value?

    private let queue: OrderedQueue<Value, Failure>
    private var threads: [SystemThread] = []

    /// `nil` where the system has no thread to give. With one worker, `make` is called in the order of the numbers.
    package init?(capacity: Int, workers: Int = 1, make: @escaping Maker) {
        let queue = OrderedQueue<Value, Failure>(limit: capacity + workers)
        self.queue = queue
        for _ in 0..<workers {
            let thread = try? SystemThread {
                while let number = queue.claim() {
                    queue.put(Result { () throws(Failure) in try make(number) }, at: number)
                }
            }
            guard let thread else { break }
            threads.append(thread)
        }
        guard !threads.isEmpty else { return nil }
    }

    deinit {
        queue.cancel()
        for thread in threads { thread.join() }
    }

    /// Waits for the next value; `nil` after the last.
    package func next() throws(Failure) -> Value? { try queue.take().get() }
}

/// Numbers given out to threads that make values, and the values, taken in the order of their numbers.
///
/// Unchecked: every access to the mutable state is made under the lock.
private final class OrderedQueue<Value: Sendable, Failure: Error>: @unchecked Sendable {
    /// Numbers given out beyond the one taken last.
    private let limit: Int
    private var claimed = 0
    private var taken = 0
    private var ready: [Int: Result<Value?, Failure>] = [:]
    /// The first number that has no value.
    private var end = Int.max
    private var isCancelled = false
    private let monitor = Monitor()

    init(limit: Int) { self.limit = limit }

    /// The next number to make the value of. Waits for room; nil where none is wanted any more.
    func claim() -> Int? {
        monitor.locked {
            monitor.wait { claimed - taken < limit || claimed >= end || isCancelled }
            if isCancelled || claimed >= end { return nil }
            defer { claimed += 1 }
            return claimed
        }
    }

    func put(_ value: Result<Value?, Failure>, at number: Int) {
        monitor.locked {
            ready[number] = value
            switch value {
            case .success(nil): end = min(end, number)
            case .failure: end = min(end, number + 1)
            case .success: break
            }
        }
    }

    /// Waits for the value of the next number.
    func take() -> Result<Value?, Failure> {
        monitor.locked {
            monitor.wait { taken >= end || ready[taken] != nil }
            guard taken < end, let value = ready.removeValue(forKey: taken) else { return .success(nil) }
            taken += 1
            return value
        }
    }

    func cancel() { monitor.locked { isCancelled = true } }
}
