import Foundation

/// Sums the gradients of parameters over all ranks, bucket by bucket, while the backward pass that computes them goes on
/// (Li et al. 2020, PyTorch Distributed: Experiences on Accelerating Data Parallel Training, section 3.2.3).
///
/// A bucket is a stretch of the arena that the gradients lie in. It leaves when all of it is computed, from the arena itself
/// where that is in the host's memory, and is back in its place when `finish` returns. Buckets are made by the order in which
/// gradients arrive, which the first pass shows: in it, all leave at its end.
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
    /// The most bytes of a bucket unless told otherwise: large enough that the time of an exchange is that of its bytes, and
    /// small enough that the first leaves early.
    public static let usualBytes = 4 << 20

    /// Makes the exchanges.
    public let queue: ExchangeQueue
    private let parameters: [Parameter]
    private let bytes: Int
    private let wire: WireType
    /// Of the parameters, which hold them weakly.
    private var arenas: [ParameterArena]
    /// In the order in which they are full, and leave, on all ranks.
    private var buckets: [Bucket] = []
    /// The parameter of each leaf, by its number.
    private var indices: [UInt64: Int] = [:]
    /// The bucket of each parameter.
    private var places: [Int: Int] = [:]
    /// Which parameters the buckets are made for.
    private var plan: [UInt64] = []
    /// Parameters whose gradients have arrived in the first pass with this plan, in their order; nil in those after it.
    private var arrived: [Int]?
    /// The first bucket that has not left.
    private var next = 0
    private var isBegun = false

    private struct Bucket {
        /// Numbers of parameters.
        var members: [Int]
        /// One stretch of the arena; more of them are put together in other memory.
        var gradients: [TensorView]
        /// How many of the members have not arrived.
        var missing = 0
        /// Host memory for what is exchanged, where it cannot leave from the arena.
        var staging: Staging?
    }

    /// - Parameters:
    ///   - parameters: whose gradients are summed; the same on all ranks. They are put into one arena by the first pass,
    ///     where they are in none.
    ///   - queue: makes the exchanges.
    ///   - bytes: the most of a bucket; a larger parameter is one of its own. The last are smaller, as nothing hides them.
    ///   - wire: the type in which gradients go from rank to rank.
    public init(
        _ parameters: [Parameter], _ queue: ExchangeQueue, bytes: Int = usualBytes, wire: WireType = .float32
    ) {
        require(bytes > 0, "GradientBuckets", "buckets of \(bytes) bytes")
        (self.parameters, self.queue, self.bytes, self.wire) = (parameters, queue, bytes, wire)
        arenas = parameters.compactMap(\.arena)
    }

    /// Makes an arena, where a parameter has none, or has left it.
    private func pack() throws {
        guard parameters.contains(where: { $0.arena == nil }), let arena = try ParameterArena.pack(parameters) else {
            return
        }
        (arenas, plan) = ([arena], [])
    }

    /// Runs `body`, in which the last backward pass before the gradients are used is made: buckets leave meanwhile.
    /// - Throws: what it throws, and what an exchange failed with.
    public func exchanging(_ body: () throws -> Void) throws {
        try begin()
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
        try begin()
        isBegun = false
        if let arrived {
            try makeBuckets(arrived)
            self.arrived = nil
        }
        while next < buckets.count { try leave() }
        let own = try numbers()
        var sums = own + parameters.map { $0.isTrainable && $0.hasGradient ? 1 : 0 }
        try sums.withUnsafeMutableBufferPointer { try queue.allReduce($0, .sum) }
        for (parameter, count) in zip(parameters, sums.dropFirst(own.count)) where count > 0 && !parameter.hasGradient {
            parameter.takeGradientFromArena()
        }
        for bucket in buckets { bucket.staging?.land() }
        return Array(sums.prefix(own.count))
    }

    // MARK: Leaving

    private func begin() throws {
        guard !isBegun else { return }
        (isBegun, next) = (true, 0)
        try pack()
        let leaves = parameters.map { $0.isTrainable ? $0.gradientNode.sequence : 0 }
        if leaves != plan {
            plan = leaves
            (buckets, places, arrived) = ([], [:], [])
            indices = Dictionary(
                uniqueKeysWithValues: parameters.indices.filter { leaves[$0] != 0 }.map { (leaves[$0], $0) })
        }
        for index in buckets.indices { buckets[index].missing = buckets[index].members.count }
    }

    private func arrive(_ leaf: Node) throws {
        guard let parameter = indices[leaf.sequence] else { return }
        if arrived != nil { return arrived!.append(parameter) }
        buckets[places[parameter]!].missing -= 1
        while next < buckets.count, buckets[next].missing == 0 { try leave() }
    }

    private func leave() throws {
        let bucket = buckets[next]
        next += 1
        for member in bucket.members where !parameters[member].hasGradient {
            if let place = parameters[member].gradientPlace {
                place.written(anew: true) { place.storage.backend.fill(place, with: 0) }
            }
        }
        let wire = wire
        if let staging = bucket.staging {
            let arrival = try staging.begin()
            nonisolated(unsafe) let elements = staging.elements
            try queue.start { exchange in
                try arrival()
                try exchange.allReduce(elements, wire: wire)
                staging.upload()
            }
        } else {
            let gradients = bucket.gradients[0]
            let start = gradients.storage.handle + gradients.byteOffset
            let count = gradients.elementCount
            if gradients.dtype == .float64 {
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

    /// What is smaller is not worth an exchange of its own, nor a wait for others.
    private var fewBytes: Int { bytes / 16 }

    /// Divides the arena, from whose end backward fills it, about.
    /// - Parameter arrived: parameters in the order of their gradients; the first rank's counts.
    private func makeBuckets(_ arrived: [Int]) throws {
        let due = try bytesArrived(arrived)
        func latest(_ members: [Int]) -> Int { members.reduce(0) { max($0, due[$1]) } }
        let trainable = parameters.indices.reversed().filter { parameters[$0].isTrainable }
        let strays = strays(among: trainable, due)
        var left = trainable.reduce(0) { $0 + byteCount($1) }
        var members: [Int] = []
        var groups: [[Int]] = []
        func close() {
            if !members.isEmpty { groups.append(members) }
            left -= members.reduce(0) { $0 + byteCount($1) }
            members = []
        }
        for index in trainable where !strays.contains(index) {
            if let later = members.last {
                let length = endByte(of: members[0]) - startByte(of: index)
                let held = endByte(of: members[0]) - startByte(of: later)
                // The smaller the last, the less is left to wait for when backward ends.
                let isFull = length > min(bytes, max(left / 2, fewBytes)) && left - held > fewBytes
                // A bias may come after its weights, and stand before them.
                let isLate =
                    held >= fewBytes && !isSmall(index)
                    && due[index] - byteCount(index) - latest(members) > fewBytes
                if !areNeighbours(index, later) || isFull || isLate { close() }
            }
            members.append(index)
        }
        close()
        if !strays.isEmpty { groups.append(trainable.filter(strays.contains)) }
        groups.sort { latest($0) < latest($1) }
        buckets = groups.map(bucket)
        for (bucket, members) in groups.enumerated() { for member in members { places[member] = bucket } }
    }

    /// Bytes of gradients that have arrived with each parameter's, which stand for the time that it takes: measured times would
    /// divide otherwise in every run, and with the division the order in which ranks are summed changes.
    private func bytesArrived(_ arrived: [Int]) throws -> [Int] {
        var order = [Int32](repeating: -1, count: parameters.count)
        for (place, index) in arrived.prefix(order.count).enumerated() { order[place] = Int32(index) }
        try order.withUnsafeMutableBytes { try queue.broadcast($0, from: 0) }
        let known = order.filter { $0 >= 0 }.map(Int.init)
        // Those without a gradient come last.
        var due = [Int](repeating: known.reduce(0) { $0 + byteCount($1) }, count: parameters.count)
        var sum = 0
        for index in known {
            sum += byteCount(index)
            due[index] = sum
        }
        return due
    }

    /// Small parameters that would hold up their neighbours, such as normalisations that stand after the layer which they come
    /// before: they leave together.
    private func strays(among trainable: [Int], _ due: [Int]) -> Set<Int> {
        var strays: Set<Int> = []
        let large = trainable.filter { !isSmall($0) || parameters[$0].weights.dtype == .float64 }
        guard large.count > 1 else { return [] }
        var place = 0
        for index in trainable {
            if place < large.count, large[place] == index {
                place += 1
            } else {
                let neighbours = large[max(place - 1, 0)..<min(place + 1, large.count)]
                if due[index] - neighbours.map({ due[$0] }).max()! > fewBytes { strays.insert(index) }
            }
        }
        return strays
    }

    private func bucket(of members: [Int]) -> Bucket {
        var stretches: [(first: Int, last: Int)] = []
        for index in members {
            if let later = stretches.last?.first, areNeighbours(index, later) {
                stretches[stretches.count - 1].first = index
            } else {
                stretches.append((index, index))
            }
        }
        let gradients = stretches.map { first, last in
            let range = parameters[first].arenaOffset..<parameters[last].arenaOffset + parameters[last].elementCount
            return parameters[first].arena!.gradients.sliced(axis: 0, range)
        }
        let dtype = gradients[0].dtype
        let isDirect =
            gradients.count == 1 && gradients[0].storage.backend.isOnHost && (dtype == .float32 || dtype == .float64)
        return Bucket(members: members, gradients: gradients, staging: isDirect ? nil : Staging(gradients))
    }

    private func isSmall(_ index: Int) -> Bool { byteCount(index) <= fewBytes / 16 }

    private func byteCount(_ index: Int) -> Int {
        parameters[index].elementCount * parameters[index].weights.dtype.byteCount
    }

    private func startByte(of index: Int) -> Int {
        parameters[index].arenaOffset * parameters[index].weights.dtype.byteCount
    }

    private func endByte(of index: Int) -> Int { startByte(of: index) + byteCount(index) }

    /// Whether one follows the other in an arena.
    private func areNeighbours(_ index: Int, _ later: Int) -> Bool {
        let (one, other) = (parameters[index], parameters[later])
        return one.arena === other.arena
            && one.arenaOffset + ParameterArena.stride(one.elementCount, one.weights.dtype) == other.arenaOffset
    }
}

/// Gradients on their way through the host's memory: those of a GPU, those of a type that no exchange adds up, and those that do
/// not lie side by side.
private final class Staging: @unchecked Sendable {
    let elements: UnsafeMutableBufferPointer<Float>
    /// Of each stretch, the gradients and what is exchanged: the same, or those in float32.
    private var parts: [(gradients: TensorView, exchanged: TensorView?)]

    init(_ gradients: [TensorView]) {
        parts = gradients.map { ($0, $0.dtype == .float32 ? $0 : nil) }
        elements = .allocate(capacity: gradients.reduce(0) { $0 + $1.elementCount })
    }

    deinit { elements.deallocate() }

    /// Begins to bring gradients here; what is returned waits until they are.
    func begin() throws -> @Sendable () throws -> Void {
        var arrivals: [@Sendable () throws -> Void] = []
        try forEachPart { part, bytes in
            let backend = part.gradients.storage.backend
            let source = try part.exchanged ?? backend.allocate(part.gradients.shape, .float32)
            part.exchanged = source
            if source.dtype != part.gradients.dtype {
                try source.change(reading: [part.gradients]) { backend.copy(part.gradients, to: source) }
            }
            arrivals.append(try backend.beginDownload(source.storage, byteOffset: source.byteOffset, into: bytes))
        }
        return { [arrivals] in for arrival in arrivals { try arrival() } }
    }

    /// Takes the sums back to where the gradients came from.
    func upload() {
        forEachPart { part, bytes in
            guard let source = part.exchanged else { return }
            source.storage.backend.upload(
                UnsafeRawBufferPointer(bytes), to: source.storage, byteOffset: source.byteOffset)
        }
    }

    /// Puts the sums into the gradients' place in their own type, when all is done.
    func land() {
        for (gradients, exchanged) in parts {
            if let exchanged, exchanged.dtype != gradients.dtype {
                gradients.take(exchanged)
            }
        }
    }

    /// With the part's own memory here.
    private func forEachPart(
        _ body: (inout (gradients: TensorView, exchanged: TensorView?), UnsafeMutableRawBufferPointer) throws -> Void
    ) rethrows {
        var start = 0
        for index in parts.indices {
            let end = start + parts[index].gradients.elementCount
            try body(
                &parts[index],
                UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: elements[start..<end])))
            start = end
        }
    }
}
