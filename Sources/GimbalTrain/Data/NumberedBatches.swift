/// Batches of an epoch that are made by number, in their order, ahead of the one in use on threads of their own. Letting go
/// of it ends the threads.
final class NumberedBatches<HostBatch: Sendable, Failure: Error> {
    typealias Maker = @Sendable (_ number: Int) throws(Failure) -> HostBatch

    private let make: Maker
    /// Those that are still to come.
    private var numbers: Range<Int>
    private var prefetcher: Prefetcher<HostBatch, Failure>?

    /// - Parameters:
    ///   - numbers: of the batches.
    ///   - workers: threads that make them.
    ///   - prefetchCount: batches made ahead; 0 for none, and no thread.
    ///   - make: makes a batch; called on those threads.
    init(_ numbers: Range<Int>, workers: Int, prefetchCount: Int, make: @escaping Maker) {
        self.make = make
        self.numbers = numbers
        // One batch alone gains nothing from a thread.
        guard prefetchCount > 0, numbers.count > 1 else { return }
        prefetcher = Prefetcher(capacity: prefetchCount, workers: min(workers, numbers.count)) {
            place throws(Failure) in
            place < numbers.count ? try make(numbers.lowerBound + place) : nil
        }
    }

    /// The next batch; nil after the last.
    func next() throws(Failure) -> HostBatch? {
        guard let number = numbers.first else {
            prefetcher = nil
            return nil
        }
        numbers = numbers.dropFirst()
        return if let prefetcher { try prefetcher.next() } else { try make(number) }
    }
}

extension NumberedBatches {
    /// Gives the batches on a device, or a rank's rows of them.
    /// - Parameters:
    ///   - ranks: whose rows are made.
    ///   - samples: of the whole batch of a number.
    ///   - upload: copies what was made to the device.
    func iterator<Batch>(
        _ ranks: Ranks, samples: @escaping (_ number: Int) -> Int, upload: @escaping (_ batch: HostBatch) -> Batch
    ) -> BatchIterator<Batch> {
        BatchIterator {
            // After the last there is no such batch to ask about.
            let number = self.numbers.lowerBound
            guard let batch = try self.next() else { return nil }
            let count = samples(number)
            return SizedBatch(upload(batch), samples: count, share: ranks.share(of: count))
        }
    }
}
