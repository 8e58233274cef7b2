import Foundation

/// Sums the gradients of parameters over all ranks, bucket by bucket, while the backward pass that computes them goes on
/// (Li et al. 2020, PyTorch Distributed: Experiences on Accelerating Data Parallel Training, section 3.2.3).
///
/// A bucket is a stretch of the arena that the gradients lie in. It leaves when all of it is computed, from the arena itself
/// where that is in the host's memory, and is back in its place when `finish` returns.
///
/// ```swift
/// let buckets = GradientBuckets(optimizer.parameters, ExchangeQueue(exchange))
/// optimizer.zeroGradients()
/// try buckets.exchanging { try loss.backward() }
/// try buckets.finish()
/// try scaleGradients(optimizer.parameters, by: 1 / Double(exchange.size))
/// try optimizer.step()
/// ```
public final class GradientBuckets {
    /// Bytes of a bucket unless told otherwise: large enough that the time of an exchange is that of its bytes, and small
    /// enough that the first leaves early.
    public static let usualBytes = 4 << 20

    /// Makes the exchanges.
    public let queue: ExchangeQueue
    private let parameters: [Parameter]
    private let bytes: Int
    private let wire: WireType
    private var buckets: [Bucket] = []
    /// The bucket of each leaf, by its number.
    private var places: [UInt64: Int] = [:]
    /// Which parameters the buckets were made for.
    private var plan: [UInt64] = []
    /// The first bucket that has not left. They leave in their order, which is the same on all ranks.
    private var next = 0
    private var isBegun = false

    private struct Bucket {
        /// Numbers of parameters.
        var members: [Int]
        var gradients: TensorView
        /// How many of them have not arrived.
        var missing = 0
        /// Host memory for what is exchanged, where the gradients are elsewhere.
        var staging: Staging?
    }

    /// - Parameters:
    ///   - parameters: whose gradients are summed; the same on all ranks. They are put into one arena, where they are in none.
    ///   - queue: makes the exchanges.
    ///   - bytes: of a bucket, about; a larger parameter is a bucket of its own.
    ///   - wire: the type in which gradients go from rank to rank.
    public init(
        _ parameters: [Parameter], _ queue: ExchangeQueue, bytes: Int = usualBytes, wire: WireType = .float32
    ) {
        require(bytes > 0, "GradientBuckets", "buckets of \(bytes) bytes")
        (self.parameters, self.queue, self.bytes, self.wire) = (parameters, queue, bytes, wire)
        do { if parameters.contains(where: { $0.arena == nil }) { try ParameterArena.pack(parameters) } } catch {
            stop("GradientBuckets", "\(error)")
        }
    }

    /// Runs `body`, in which the last backward pass before the gradients are used is made: buckets leave meanwhile.
    /// - Throws: what it throws, and what an exchange failed with.
    public func exchanging(_ body: () throws -> Void) throws {
        begin()
        let arrivals = GradientArrivals { [self] leaf in try arrive(leaf) }
        try GradientArrivals.$current.withValue(arrivals, operation: body)
    }

    /// Sends away what has not left, and waits until all gradients are sums over all ranks. Those of a parameter that has a
    /// gradient on no rank stay nil.
    /// - Parameter numbers: is asked for numbers to be summed over the ranks as well, when all gradients have left.
    /// - Returns: their sums.
    /// - Throws: what an exchange failed with, and what the device reports.
    @discardableResult
    public func finish(summing numbers: () throws -> [Double] = { [] }) throws -> [Double] {
        begin()
        isBegun = false
        while next < buckets.count { try leave() }
        let own = try numbers()
        var sums = own + parameters.map { $0.isTrainable && $0.hasGradient ? 1 : 0 }
        try sums.withUnsafeMutableBufferPointer { try queue.allReduce($0, .sum) }
        for (parameter, count) in zip(parameters, sums.dropFirst(own.count)) where count > 0 && !parameter.hasGradient {
            parameter.takeGradientFromArena()
        }
        for bucket in buckets { bucket.staging?.land(in: bucket.gradients) }
        return Array(sums.prefix(own.count))
    }

    // MARK: Leaving

    private func begin() {
        guard !isBegun else { return }
        (isBegun, next) = (true, 0)
        let leaves = parameters.map { $0.isTrainable ? $0.gradientNode.sequence : 0 }
        if leaves != plan { makeBuckets(leaves) }
        for index in buckets.indices { buckets[index].missing = buckets[index].members.count }
    }

    private func arrive(_ leaf: Node) throws {
        guard let bucket = places[leaf.sequence] else { return }
        buckets[bucket].missing -= 1
        while next < buckets.count, buckets[next].missing == 0 { try leave() }
    }

    private func leave() throws {
        let bucket = buckets[next]
        next += 1
        let backend = bucket.gradients.storage.backend
        for member in bucket.members where !parameters[member].hasGradient {
            if let place = parameters[member].gradientPlace { backend.fill(place, with: 0) }
        }
        let wire = wire
        if let staging = bucket.staging {
            let arrival = try staging.begin(bucket.gradients)
            nonisolated(unsafe) let elements = staging.elements
            try queue.start { exchange in
                try arrival()
                try exchange.allReduce(elements, wire: wire)
                staging.upload()
            }
        } else {
            let start = bucket.gradients.storage.handle + bucket.gradients.byteOffset
            let count = bucket.gradients.elementCount
            if bucket.gradients.dtype == .float64 {
                nonisolated(unsafe) let elements = UnsafeMutableBufferPointer(
                    start: start.assumingMemoryBound(to: Double.self), count: count)
                try queue.start { try $0.allReduce(elements, .sum) }
            } else {
                nonisolated(unsafe) let elements = UnsafeMutableBufferPointer(
                    start: start.assumingMemoryBound(to: Float.self), count: count)
                try queue.start { try $0.allReduce(elements, wire: wire) }
            }
        }
    }

    // MARK: Buckets

    /// Backward fills an arena from its end, about.
    private func makeBuckets(_ leaves: [UInt64]) {
        plan = leaves
        (buckets, places) = ([], [:])
        var members: [Int] = []
        func close() {
            guard let first = members.last, let last = members.first, let arena = parameters[first].arena else {
                return
            }
            let range = parameters[first].arenaOffset..<parameters[last].arenaOffset + parameters[last].elementCount
            let gradients = arena.gradients.sliced(axis: 0, range)
            for member in members { places[leaves[member]] = buckets.count }
            let isDirect =
                gradients.storage.backend.isOnHost && (gradients.dtype == .float32 || gradients.dtype == .float64)
            buckets.append(
                Bucket(
                    members: members, gradients: gradients, staging: isDirect ? nil : Staging(gradients.elementCount)))
            members = []
        }
        for index in parameters.indices.reversed() where parameters[index].isTrainable {
            let parameter = parameters[index]
            if let later = members.last {
                let neighbour = parameters[later]
                let end = parameter.arenaOffset + ParameterArena.stride(parameter.elementCount, parameter.weights.dtype)
                let length =
                    parameters[members[0]].arenaOffset + parameters[members[0]].elementCount - parameter.arenaOffset
                if neighbour.arena !== parameter.arena || end != neighbour.arenaOffset
                    || length * parameter.weights.dtype.byteCount > bytes
                {
                    close()
                }
            }
            members.append(index)
        }
        close()
    }
}

/// Gradients on their way through the host's memory: those of a GPU, and those of a type that no exchange adds up.
private final class Staging: @unchecked Sendable {
    let elements: UnsafeMutableBufferPointer<Float>
    /// The gradients in float32, where they are of another type.
    private var converted: TensorView?
    private var source: TensorView?

    init(_ count: Int) { elements = .allocate(capacity: count) }

    deinit { elements.deallocate() }

    /// Begins to bring gradients here; what is returned waits until they are.
    func begin(_ gradients: TensorView) throws -> @Sendable () throws -> Void {
        var source = gradients
        let backend = source.storage.backend
        if gradients.dtype != .float32 {
            source = try converted ?? backend.allocate(gradients.shape, .float32)
            converted = source
            backend.copy(gradients, to: source)
        }
        self.source = source
        return try backend.beginDownload(
            source.storage, byteOffset: source.byteOffset, into: UnsafeMutableRawBufferPointer(elements))
    }

    /// Takes the sums back to where the gradients came from.
    func upload() {
        guard let source else { return }
        source.storage.backend.upload(
            UnsafeRawBufferPointer(elements), to: source.storage, byteOffset: source.byteOffset)
    }

    /// Puts the sums into the gradients' place in their own type, when all is done.
    func land(in gradients: TensorView) {
        if let converted { gradients.storage.backend.copy(converted, to: gradients) }
    }
}
