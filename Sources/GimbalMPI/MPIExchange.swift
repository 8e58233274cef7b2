import CGimbalMPI
import Foundation
import Gimbal

/// An exchange among the processes that `mpirun`, `srun` or another launcher of MPI has started, on one machine or many.
///
/// ```swift
/// if MPIExchange.isLaunched {
///     let exchange = try MPIExchange.begin()
///     defer { exchange.end() }
///     print("rank \(exchange.rank) of \(exchange.size), \(exchange.version)")
/// }
/// ```
/// The system's MPI is loaded when it is wanted: Open MPI, or one with MPICH's binary interface, whichever the launcher belongs to;
/// GIMBAL_MPI_LIBRARY in the environment names the file of another. A process begins MPI once.
///
/// A rank that others wait for is told of by `patience.onLate`, and ends the run after `patience.limit`: all learn which it is.
public final class MPIExchange: GradientExchange, @unchecked Sendable {
    public let rank: Int
    public let size: Int
    /// What MPI says that it is.
    public let version: String
    /// How long the others are waited for.
    public let patience: ExchangePatience

    private let library: OpaquePointer
    /// MPI is called by one thread at a time.
    private let lock = NSLock()
    /// How many exchanges have begun.
    private var count: Int64 = 0
    /// The last exchange that each rank is known to have come to.
    private var reached: [Int64]
    private let awaited = Lock(true)
    /// Whether another thread had the processor when it was last offered.
    private var isProcessorWanted = false
    private let reason = UnsafeMutablePointer<CChar>.allocate(capacity: Int(gimbal_mpi_reason_size))

    /// Begins MPI.
    /// - Parameter patience: how long the others are waited for. Where one has not begun MPI by then, all end with a word.
    /// - Throws: `GimbalError.exchange` where there is no MPI, it cannot begin, or it is not that of the launcher.
    public static func begin(patience: ExchangePatience = ExchangePatience()) throws -> MPIExchange {
        let path = ProcessInfo.processInfo.environment["GIMBAL_MPI_LIBRARY"].flatMap { $0.isEmpty ? nil : $0 }
        var reason = [CChar](repeating: 0, count: Int(gimbal_mpi_reason_size))
        for (name, value) in openMPISettings { setenv("OMPI_MCA_" + name, value, 0) }
        // MPI itself would wait without end for a process that does not begin it.
        let isDone = Lock(false)
        DispatchQueue.global().asyncAfter(deadline: .now() + patience.limit.seconds) {
            endUnlessBegun(isDone, after: patience.limit)
        }
        defer { isDone.withLock { $0 = true } }
        guard let library = gimbal_mpi_begin(path, &reason) else {
            throw GimbalError.exchange(rank: Launch.own?.rank, reason: text(reason))
        }
        let exchange = MPIExchange(library, patience)
        try exchange.requireLauncher(.own)
        return exchange
    }

    /// Ends this process, and by that all, where MPI has not begun.
    private static func endUnlessBegun(_ isDone: Lock<Bool>, after limit: Duration) {
        // One speaks, and the launcher ends the others.
        if !isDone.withLock({ $0 }), Launch.own?.rank ?? 0 > 0 { sleep(2) }
        guard !isDone.withLock({ $0 }) else { return }
        let line = "Error: MPI has not begun within \(Int(limit.seconds)) s: a rank stands still at its start\n"
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
        letLauncherRead()
        _exit(1)
    }

    /// What Open MPI is set to unless the environment says otherwise: sums in a ring, and over TCP messages both ways at once.
    /// As it comes, it takes twice as long for a sum over two ranks, for either reason (`Benchmarks/network/README.md`).
    private static let openMPISettings = [
        "coll_libnbc_iallreduce_algorithm": "1", "btl_tcp_flags": "send,inplace",
    ]

    private init(_ library: OpaquePointer, _ patience: ExchangePatience) {
        (self.library, self.patience) = (library, patience)
        (rank, size) = (Int(gimbal_mpi_rank(library)), Int(gimbal_mpi_size(library)))
        version = String(cString: gimbal_mpi_version(library))
        reached = Array(repeating: 0, count: size)
    }

    deinit { reason.deallocate() }

    /// One MPI started by the launcher of another believes to be alone.
    private func requireLauncher(_ launch: Launch?) throws {
        guard let expected = launch?.size, expected != size else { return }
        throw GimbalError.exchange(
            rank: launch?.rank,
            reason: "the launcher started \(expected) processes, of which \(version) sees \(size): it is not the "
                + "launcher's library; use the mpirun of that MPI, or name the launcher's library in GIMBAL_MPI_LIBRARY"
        )
    }

    /// Ends MPI when all ranks do, or without those that do not come; nothing may be exchanged any more.
    public func end() {
        // MPI itself would wait without end, and without a word.
        guard (try? barrier()) != nil else { return }
        takeMessages()
        gimbal_mpi_end(library)
    }

    /// Whether this rank is to say what all end with: unless another has told it that it does, which it is told of until
    /// `patience` is over. This rank then tells the others.
    package func speaks(after patience: Duration) -> Bool {
        // Where a thread still waits in an exchange, MPI is its own.
        guard lock.lock(before: Date(timeIntervalSinceNow: patience.seconds + 0.1)) else { return true }
        defer { lock.unlock() }
        let end = ContinuousClock.now + patience
        repeat {
            var (other, exchange) = (Int32(-1), Int64(0))
            if gimbal_mpi_receive(library, Self.speaking, &other, &exchange, reason), other >= 0 { return false }
            usleep(10_000)
        } while .now < end
        for other in 0..<size where other != rank {
            _ = gimbal_mpi_send(library, Int32(other), Self.speaking, count, reason)
        }
        return true
    }

    /// Launchers read what processes write in their own time, and MPICH's throws away what it has not read when it ends them.
    private static func letLauncherRead() { usleep(500_000) }

    /// Ends all ranks, half a second from now, when the launcher has read what they said.
    public func abort(status: Int32) -> Never {
        Self.letLauncherRead()
        gimbal_mpi_abort(library, status)
    }

    // MARK: Exchanges

    public func allReduce(_ elements: UnsafeMutableBufferPointer<Float>, _ reduction: ExchangeReduction) throws {
        try reduce(elements, gimbal_mpi_float32, reduction)
    }

    public func allReduce(_ elements: UnsafeMutableBufferPointer<Double>, _ reduction: ExchangeReduction) throws {
        try reduce(elements, gimbal_mpi_float64, reduction)
    }

    /// Elements, or bytes, of one call of MPI, which counts to 2³¹.
    package var mostAtOnce = 1 << 28

    private func reduce<Element: BinaryFloatingPoint>(
        _ elements: UnsafeMutableBufferPointer<Element>, _ type: gimbal_mpi_type, _ reduction: ExchangeReduction
    ) throws {
        for piece in pieces(of: elements.count) {
            let piece = UnsafeMutableBufferPointer(rebasing: elements[piece])
            guard reduction == .sum else {
                try takeExtreme(piece, reduction)
                continue
            }
            // Several at a time, so that while one waits for an answer of another rank the others use the network.
            let width = MemoryLayout<Element>.size
            let parts = pieces(of: piece.count, atOnce: max((piece.count + 7) / 8, (512 << 10) / width))
            try exchange(bytes: piece.count * width, requests: parts.count) {
                gimbal_mpi_start_sum(
                    library, piece.baseAddress! + parts[$0].lowerBound, parts[$0].count, type, $1, reason)
            }
        }
    }

    /// MPI leaves open what becomes of NaN in its maxima and minima.
    private func takeExtreme<Element: BinaryFloatingPoint>(
        _ elements: UnsafeMutableBufferPointer<Element>, _ reduction: ExchangeReduction
    ) throws {
        var all = [Element](repeating: 0, count: elements.count * size)
        try all.withUnsafeMutableBytes { try allGather(UnsafeRawBufferPointer(elements), into: $0) }
        for place in elements.indices {
            elements[place] = all[place]
            for rank in 1..<max(size, 1) {
                elements[place] = reduction(elements[place], all[rank * elements.count + place])
            }
        }
    }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        for piece in pieces(of: bytes.count) {
            try exchange(bytes: piece.count) {
                gimbal_mpi_start_broadcast(
                    library, bytes.baseAddress! + piece.lowerBound, piece.count, Int32(root), $0, reason)
            }
        }
    }

    public func allGather(_ bytes: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        require(
            all.count == bytes.count * size, "MPIExchange.allGather",
            "\(all.count) bytes for \(size) × \(bytes.count)")
        try inPieces(of: bytes.count, bytes, 1, all) { own, all, count, request in
            gimbal_mpi_start_all_gather(library, own, all, count, request, reason)
        }
    }

    public func allToAll(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer) throws {
        require(bytes.count % size == 0, "MPIExchange.allToAll", "\(bytes.count) bytes for \(size) ranks")
        try inPieces(of: bytes.count / size, bytes, size, result) { own, all, count, request in
            gimbal_mpi_start_all_to_all(library, own, all, count, request, reason)
        }
    }

    public func barrier() throws { try exchange(bytes: 0) { gimbal_mpi_start_barrier(library, $0, reason) } }

    private typealias Request = UnsafeMutablePointer<gimbal_mpi_request>

    private func pieces(of count: Int, atOnce: Int? = nil) -> [Range<Int>] {
        let atOnce = atOnce ?? mostAtOnce
        return stride(from: 0, to: count, by: atOnce).map { $0..<min($0 + atOnce, count) }
    }

    /// Exchanges parts of `count` bytes, of which `bytes` has `parts` and `result` one from each rank, in pieces that MPI can
    /// count: more than one at a time are put together in other memory.
    private func inPieces(
        of count: Int, _ bytes: UnsafeRawBufferPointer, _ parts: Int, _ result: UnsafeMutableRawBufferPointer,
        _ start: (UnsafeRawPointer, UnsafeMutableRawPointer, Int, Request) -> Bool
    ) throws {
        let atOnce = max(1, mostAtOnce / size)
        if count <= atOnce {
            guard count > 0 else { return }
            return try exchange(bytes: count * size) { start(bytes.baseAddress!, result.baseAddress!, count, $0) }
        }
        let own = UnsafeMutableRawPointer.allocate(byteCount: atOnce * parts, alignment: 64)
        let all = UnsafeMutableRawPointer.allocate(byteCount: atOnce * size, alignment: 64)
        defer {
            own.deallocate()
            all.deallocate()
        }
        for piece in pieces(of: count, atOnce: atOnce) {
            for part in 0..<parts {
                let source = bytes.baseAddress! + part * count + piece.lowerBound
                (own + part * piece.count).copyMemory(from: source, byteCount: piece.count)
            }
            try exchange(bytes: piece.count * size) { start(own, all, piece.count, $0) }
            for part in 0..<size {
                let place = result.baseAddress! + part * count + piece.lowerBound
                place.copyMemory(from: all + part * piece.count, byteCount: piece.count)
            }
        }
    }

    // MARK: Waiting

    private func exchange(bytes: Int, _ start: (Request) -> Bool) throws {
        try exchange(bytes: bytes, requests: 1) { start($1) }
    }

    private func exchange(bytes: Int, requests: Int, _ start: (_ number: Int, Request) -> Bool) throws {
        lock.lock()
        defer { lock.unlock() }
        count += 1
        let soon = Duration.microseconds(50)
        guard bytes > 1 << 18, size > 1 else { return try wait(withoutNaps: soon, requests, start) }
        // Much memory moves only while MPI is called. So ranks meet first, and nap while they wait for each other; then they
        // take no nap until it is done, or takes longer than it does at half a gigabyte a second.
        try wait(withoutNaps: soon, 1) { gimbal_mpi_start_barrier(library, $1, reason) }
        try wait(withoutNaps: .milliseconds(20) + .nanoseconds(2 * bytes), requests, start)
    }

    /// Starts requests and waits for their end: at first without naps, then with longer and longer ones.
    private func wait(withoutNaps busy: Duration, _ count: Int, _ start: (_ number: Int, Request) -> Bool) throws {
        var requests = [gimbal_mpi_request](repeating: gimbal_mpi_request(), count: count)
        for number in requests.indices { try check(start(number, &requests[number])) }
        var done = 0
        func areDone() throws -> Bool {
            while done < count, try isDone(&requests[done]) { done += 1 }
            return done == count
        }
        if try areDone() { return }
        var began = ContinuousClock.now
        var latest = began
        let grace = min(.seconds(1), patience.notice / 4, patience.limit / 4)
        var (noticed, isAnnounced) = (Duration.zero, false)
        while try !areDone() {
            let now = ContinuousClock.now
            // Who stood still has not waited.
            if now - latest > .seconds(1) { began += now - latest }
            latest = now
            let waited = now - began
            if waited < busy {
                giveWay()
                continue
            }
            if waited >= grace, !isAnnounced {
                try announce()
                isAnnounced = true
            }
            if waited - noticed >= patience.notice {
                notice(waited)
                noticed = waited
            }
            // Others may have begun to wait a little later.
            if waited >= patience.limit + grace { try giveUp(waited) }
            gimbal_mpi_nap(Int32(min(max(waited.seconds * 1e6 / 16, 5), 1000)))
        }
    }

    public var isAwaited: Bool {
        get { awaited.withLock { $0 } }
        set { awaited.withLock { $0 = newValue } }
    }

    /// Offers the processor. A rank that computes on it keeps it for long, milliseconds, in which the exchange would stand still;
    /// one that sleeps for a moment gets it back in time.
    private func giveWay() {
        guard isAwaited || !isProcessorWanted else { return gimbal_mpi_nap(300) }
        let began = ContinuousClock.now
        sched_yield()
        isProcessorWanted = ContinuousClock.now - began > .microseconds(100)
    }

    private func isDone(_ request: Request) throws -> Bool {
        var isDone = false
        try check(gimbal_mpi_test(library, request, &isDone, reason))
        return isDone
    }

    private func check(_ isRight: Bool) throws {
        if !isRight { throw GimbalError.exchange(rank: nil, reason: String(cString: reason)) }
    }

    /// The tag of the messages by which ranks that wait find out who does not.
    private static let waiting: Int32 = 27_182

    /// The tag of the message that a rank says what all end with.
    private static let speaking: Int32 = 27_183

    /// Tells all others which exchange this rank has come to.
    private func announce() throws {
        for other in 0..<size where other != rank {
            try check(gimbal_mpi_send(library, Int32(other), Self.waiting, count, reason))
        }
    }

    /// Takes what others have announced.
    private func takeMessages() {
        var (other, exchange) = (Int32(-1), Int64(0))
        while gimbal_mpi_receive(library, Self.waiting, &other, &exchange, reason), other >= 0 {
            reached[Int(other)] = max(reached[Int(other)], exchange)
        }
    }

    /// The ranks that have not said that they have come to this exchange. Of those, some may be held up in the one before it, which
    /// others have left already: they are named where all that are late are such.
    private func late() -> [Int] {
        takeMessages()
        reached[rank] = count
        let late = reached.indices.filter { reached[$0] < count }
        let silent = late.filter { reached[$0] < count - 1 }
        return silent.isEmpty ? late : silent
    }

    /// The first of those that wait tells of those that do not.
    private func notice(_ waited: Duration) {
        let late = late()
        guard let onLate = patience.onLate, reached.firstIndex(where: { $0 >= count }) == rank else { return }
        for rank in late { onLate(rank, waited.seconds) }
    }

    private func giveUp(_ waited: Duration) throws -> Never {
        let late = late()
        throw GimbalError.exchange(
            rank: late.first,
            reason: late.isEmpty
                ? "all ranks wait in an exchange that does not end; the network between them may be down"
                : .late(late, waited))
    }

    private static func text(_ reason: [CChar]) -> String {
        String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
