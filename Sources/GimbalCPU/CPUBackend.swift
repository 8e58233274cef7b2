import CGimbalLoops
import COpenBLAS
import Foundation
import GimbalBackend

/// The processor as a device, by vectorised loops in C on a pool of threads; matrix products for which those are not the
/// faster are OpenBLAS's.
///
/// Every operation is complete when its call returns. Results do not depend on the number of threads, except that
/// OpenBLAS may round a product differently where another number of threads cuts it differently; with AVX-512 it computes those of
/// a single row alone.
///
/// Two environment variables set the defaults: `GIMBAL_THREADS` the number of threads, `GIMBAL_CPU_LEVEL` the
/// instructions used by the loops (`baseline`, `avx2`, `avx512`). Values that make no sense are passed over, and said so
/// in the device's notes.
public final class CPUBackend: Backend, @unchecked Sendable {
    public let device: DeviceDescription
    public let realType = DType.float32
    public let errors = ErrorLatch()

    let loops: gimbal_loops
    let memory: MemoryPool
    let plans = ConvolutionPlans()
    /// Products of larger sizes, and convolutions of more elements, go by methods that do not count in 32 bits.
    let mostCount: Int
    private let pool: OpaquePointer
    /// In place of the pool's threads, where there are to be more than the machine has.
    private let modelled: ModelledThreads?
    // Positions in the tables of `loops`, by the operation's kind.
    private let unaryLoops: [gimbal_inner]
    private let binaryLoops: [gimbal_inner]
    private let integerLoops: [gimbal_inner?]
    private let conversionLoops: [gimbal_inner]
    let selectLoops: [gimbal_inner]
    let chooseLoop: gimbal_inner
    private let stepLoops: [gimbal_step]

    /// - Parameters:
    ///   - threads: how many threads share the work, the caller's among them. By default `GIMBAL_THREADS`, or as many as
    ///     there are cores for this process.
    ///   - level: instructions for the loops: `baseline`, `avx2` or `avx512`. By default `GIMBAL_CPU_LEVEL`, or the
    ///     highest that the processor has; one that it has not is passed over.
    public convenience init(threads: Int? = nil, level: String? = nil) {
        self.init(threads: threads, level: level, memoryLimitBytes: nil)
    }

    /// - Parameters:
    ///   - mostCount: what 32 bits can count to; tests have them count to less.
    ///   - memoryLimitBytes: what tensors may take together; nil for the machine's memory.
    ///   - modelled: in place of threads; calls come from one thread only then.
    package init(
        threads: Int? = nil, level: String? = nil, mostCount: Int = Int(Int32.max), memoryLimitBytes: Int? = nil,
        modelled: ModelledThreads? = nil
    ) {
        self.mostCount = mostCount
        self.modelled = modelled
        let settings = CPUSettings(
            threads: modelled == nil ? threads : 1, level: level, environment: ProcessInfo.processInfo.environment)
        loops = settings.loops.pointee
        pool = gimbal_pool_create(Int32(clamping: settings.threads))
        // One thread per call: products are divided among our own threads, so that two pools never compete for cores.
        openblas_set_num_threads(1)
        device = describeProcessor(threads: modelled?.count ?? Int(gimbal_pool_threads(pool)), settings)
        memory = MemoryPool(device: device.id, limit: memoryLimitBytes ?? device.memoryBytes)

        func table<Table>(_ table: Table) -> [gimbal_inner] {
            withUnsafeBytes(of: table) { Array($0.bindMemory(to: gimbal_inner?.self)).map { $0! } }
        }
        let steps = withUnsafeBytes(of: loops.step) { Array($0.bindMemory(to: gimbal_step?.self)).map { $0! } }
        stepLoops = byKind(OptimizerStep.Rule.self, gimbal_optimizer_name).map { steps[$0] }
        let unary = table(loops.unary)
        unaryLoops = byKind(UnaryOperation.Kind.self, gimbal_unary_name).map { unary[$0] }
        let binary = table(loops.binary)
        let integer = table(loops.integer_binary)
        let positions = byKind(BinaryOperation.Kind.self, gimbal_binary_name)
        binaryLoops = positions.map { binary[$0] }
        integerLoops = positions.map { $0 < integer.count ? integer[$0] : nil }
        for kind in BinaryOperation.Kind.allCases where (integerLoops[ordinal(kind)] != nil) != kind.takesWholeNumbers {
            fatalError("elementwise.h and takesWholeNumbers differ about '\(kind)'")
        }
        conversionLoops = table(loops.convert)
        selectLoops = table(loops.select)
        chooseLoop = loops.choose
    }

    deinit { gimbal_pool_destroy(pool) }

    // MARK: Memory

    public func allocate(byteCount: Int) throws -> Storage {
        Storage(backend: self, handle: try memory.allocate(byteCount), byteCount: byteCount)
    }

    public func deallocate(_ handle: UnsafeMutableRawPointer, byteCount: Int) {
        memory.deallocate(handle, byteCount)
    }

    public func upload(_ bytes: UnsafeRawBufferPointer, to storage: Storage, byteOffset: Int) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        (storage.handle + byteOffset).copyMemory(from: base, byteCount: bytes.count)
        storage.forgetFailures(in: byteOffset..<byteOffset + bytes.count)
    }

    public func download(_ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        try storage.throwIfFailed(in: byteOffset..<byteOffset + bytes.count)
        try errors.throwIfSet()
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        base.copyMemory(from: storage.handle + byteOffset, byteCount: bytes.count)
        try errors.runChecks()
    }

    public func synchronize() throws {
        try errors.throwIfAnySet()
        try errors.runChecks()
    }

    public var isOnHost: Bool { true }

    public var memoryUsage: MemoryUsage { memory.usage }

    public func trimMemory() { memory.trim() }

    // MARK: Loops

    func loop(_ kind: UnaryOperation.Kind) -> gimbal_inner { unaryLoops[ordinal(kind)] }
    func loop(_ kind: BinaryOperation.Kind) -> gimbal_inner { binaryLoops[ordinal(kind)] }
    func loop(_ rule: OptimizerStep.Rule) -> gimbal_step { stepLoops[ordinal(rule)] }
    /// The loop over int32, for arithmetic and comparisons.
    func integerLoop(_ kind: BinaryOperation.Kind) -> gimbal_inner? { integerLoops[ordinal(kind)] }
    func conversionLoop(_ source: DType, _ target: DType) -> gimbal_inner {
        conversionLoops[Int(source.rawValue) * DType.allCases.count + Int(target.rawValue)]
    }

    // MARK: Threads

    /// Number of threads that operations are divided among.
    public var threads: Int { device.computeUnits }

    /// Calls `body` for each index in 0..<parts, on several threads at once.
    func run(parts: Int, _ body: (Int) -> Void) {
        if parts <= 1 || threads == 1 {
            for part in 0..<parts { body(part) }
            return
        }
        if let modelled { return modelled.run(parts: parts, body) }
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { pointer in
                gimbal_pool_run(
                    pool, Int32(parts),
                    { context, part in context!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(part)) },
                    UnsafeMutableRawPointer(mutating: pointer))
            }
        }
    }

    /// Divides 0..<count among the threads in parts as equal as can be, each with scratch memory of its own.
    /// - Parameters:
    ///   - work: multiplications in all; few of them are not shared.
    ///   - scratch: floats for a thread.
    func share(
        _ count: Int, work: Int, scratch: Int, _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) throws {
        let sharers = max(min(threads, count, work / smallestProduct), 1)
        let memory = try allocate([sharers, scratch])
        run(parts: sharers) { sharer in
            body(count * sharer / sharers..<count * (sharer + 1) / sharers, memory.floats + sharer * scratch)
        }
    }

    /// Divides 0..<count among the threads, as long as each gets at least `grain`; inner bounds are multiples of
    /// `alignment`.
    func divide(_ count: Int, grain: Int, alignment: Int = 1, _ body: (Range<Int>) -> Void) {
        let parts = min(threads, count / max(grain, 1))
        if parts <= 1 {
            if count > 0 { body(0..<count) }
            return
        }
        let length = (count + parts * alignment - 1) / (parts * alignment) * alignment
        run(parts: parts) { part in
            let start = min(part * length, count)
            let end = min(start + length, count)
            if start < end { body(start..<end) }
        }
    }
}

/// Elements of cheap work (one operation each, in cache) below which a second thread costs more than it saves.
let grain = 16384

extension TensorView {
    var pointer: UnsafeMutableRawPointer { storage.handle + byteOffset }
    /// The first element of a float32 view.
    var floats: UnsafeMutablePointer<Float> { pointer.assumingMemoryBound(to: Float.self) }
    var integers: UnsafeMutablePointer<Int32> { pointer.assumingMemoryBound(to: Int32.self) }
}

/// The byte that stands for a case of an enumeration without payloads: a number below 256 of its own for each.
private func ordinal<Kind>(_ kind: Kind) -> Int { Int(unsafeBitCast(kind, to: UInt8.self)) }

/// For each case, by its ordinal, where the C tables have its name.
private func byKind<Kind: CaseIterable & RawRepresentable>(
    _ kind: Kind.Type, _ name: (Int32) -> UnsafePointer<CChar>?
) -> [Int] where Kind.RawValue == String {
    var positions: [String: Int] = [:]
    while let name = name(Int32(positions.count)) { positions[String(cString: name)] = positions.count }
    if let unknown = positions.keys.first(where: { Kind(rawValue: $0) == nil }) {
        fatalError("\(Kind.self) has no case for the loop '\(unknown)'")
    }
    var result = [Int](repeating: 0, count: Kind.allCases.count)
    for kind in Kind.allCases {
        guard let position = positions[kind.rawValue] else { fatalError("no loop is called '\(kind.rawValue)'") }
        result[ordinal(kind)] = position
    }
    return result
}
