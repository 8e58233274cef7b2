import Glibc

/// Batches made on a thread of their own, at most `capacity` ahead of the one taken.
///
/// Releasing it stops the thread and waits until it has ended, which takes at most the making of one batch.
package final class Prefetcher {
    /// Makes batches one after another and passes them on; `deliver` answers false when no more are wanted.
    package typealias Producer = @Sendable (_ deliver: (HostBatch) -> Bool) -> Void

    private let queue: BoundedQueue
    private let thread: pthread_t

    /// `nil` where the system has no thread to give.
    package init?(capacity: Int, producer: @escaping Producer) {
        let queue = BoundedQueue(capacity: capacity)
        let work = Unmanaged.passRetained(
            Work {
                producer { queue.put($0) }
                queue.finish()
            })
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        guard status == 0 else {
            work.release()
            return nil
        }
        self.queue = queue
        self.thread = thread
    }

    deinit {
        queue.cancel()
        pthread_join(thread, nil)
    }

    /// Waits for the next batch; `nil` after the last.
    package func next() -> HostBatch? { queue.take() }

    private final class Work: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}

/// A queue between one thread that puts and one that takes; both wait where they must.
///
/// Unchecked: every access to the mutable state is made under the lock.
private final class BoundedQueue: @unchecked Sendable {
    private let capacity: Int
    private var batches: [HostBatch] = []
    private var isFinished = false
    private var isCancelled = false
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(capacity: Int) {
        self.capacity = capacity
        lock.initialize(to: pthread_mutex_t())
        changed.initialize(to: pthread_cond_t())
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    /// Waits for room. Answers false, without keeping the batch, once the queue is cancelled.
    func put(_ batch: HostBatch) -> Bool {
        locked {
            while batches.count >= capacity, !isCancelled { pthread_cond_wait(changed, lock) }
            if isCancelled { return false }
            batches.append(batch)
            return true
        }
    }

    /// Waits for a batch; `nil` once none will come.
    func take() -> HostBatch? {
        locked {
            while batches.isEmpty, !isFinished { pthread_cond_wait(changed, lock) }
            return batches.isEmpty ? nil : batches.removeFirst()
        }
    }

    func finish() { locked { isFinished = true } }

    func cancel() { locked { isCancelled = true } }

    /// Runs `body` under the lock, then wakes the other thread.
    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_signal(changed)
            pthread_mutex_unlock(lock)
        }
        return body()
    }
}
