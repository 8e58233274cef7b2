import Foundation
import GimbalBackend

/// The oracle: a backend that computes in Double, on the host, one obvious loop per primitive.
///
/// Every fused operation is the default of `FusedDefaults.swift`. So it is also the proof that the primitives are enough:
/// whatever runs above the protocol runs on this. It is slow; nothing in it is there for speed.
///
/// Real numbers are `float64`. Views of the other types are read and written too, each value rounded as it is stored.
public final class ReferenceBackend: Backend {
    public let device: DeviceDescription
    public let realType = DType.float64
    public let errors = ErrorLatch()
    /// Allocating more than this at once or in total throws `GimbalError.outOfMemory`.
    public let memoryLimitBytes: Int
    /// How many bytes the host has asked for.
    public var downloadedBytes: Int { downloaded.withLock { $0 } }
    private let downloaded = Lock(0)
    private let usage = Lock(MemoryUsage(inUse: 0, peak: 0, pooled: 0))

    /// Whether attention is done by `attention`, as on GPUs, or by its parts.
    public let fusesAttention: Bool

    /// What is asked before each allocation and each primitive, which fails by what is given.
    public typealias Faults = @Sendable (Fault) -> GimbalError?
    /// What can be made to fail.
    public enum Fault: Sendable { case allocation(bytes: Int), launch }
    private let faults: Faults

    /// - Parameters:
    ///   - memoryLimitBytes: what `allocate` may hand out together; small limits test how code above copes.
    ///   - faults: what fails; by default nothing.
    public init(
        memoryLimitBytes: Int = 1 << 33, fusesAttention: Bool = false, faults: @escaping Faults = { _ in nil }
    ) {
        self.memoryLimitBytes = memoryLimitBytes
        self.faults = faults
        self.fusesAttention = fusesAttention
        device = DeviceDescription(
            id: "reference", backend: "reference", name: "Double reference", vendor: "Gimbal", driver: "Swift",
            memoryBytes: memoryLimitBytes, computeUnits: 1)
    }

    public func fusesAttention(queries: Int, size: Int, valueSize: Int) -> Bool { fusesAttention }

    // MARK: Memory

    /// The bytes start as ones: NaN in every floating-point type, so that reading what was never written shows.
    public func allocate(byteCount: Int) throws -> Storage {
        if let failure = faults(.allocation(bytes: byteCount)) { throw failure }
        try usage.withLock { usage in
            guard byteCount <= memoryLimitBytes - usage.inUse else {
                throw GimbalError.outOfMemory(
                    device: device.id, requestedBytes: byteCount, usedBytes: usage.inUse)
            }
            usage.inUse += byteCount
            usage.peak = max(usage.peak, usage.inUse)
        }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount)
        return Storage(backend: self, handle: memory, byteCount: byteCount)
    }

    public func deallocate(_ handle: UnsafeMutableRawPointer, byteCount: Int) {
        handle.deallocate()
        usage.withLock { $0.inUse -= byteCount }
    }

    public func upload(_ bytes: UnsafeRawBufferPointer, to storage: Storage, byteOffset: Int) {
        precondition(byteOffset >= 0 && byteOffset + bytes.count <= storage.byteCount, "upload outside the storage")
        guard let base = bytes.baseAddress else { return }
        (storage.handle + byteOffset).copyMemory(from: base, byteCount: bytes.count)
        storage.forgetFailures(in: byteOffset..<byteOffset + bytes.count)
    }

    public func download(_ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        try storage.throwIfFailed(in: byteOffset..<byteOffset + bytes.count)
        try errors.throwIfSet()
        // An empty view may begin anywhere, such as before the storage where its axis is flipped.
        precondition(
            bytes.isEmpty || byteOffset >= 0 && byteOffset + bytes.count <= storage.byteCount,
            "download outside the storage")
        bytes.baseAddress?.copyMemory(from: storage.handle + byteOffset, byteCount: bytes.count)
        downloaded.withLock { $0 += bytes.count }
        try errors.runChecks()
    }

    public func synchronize() throws {
        try errors.throwIfAnySet()
        try errors.runChecks()
    }

    public var isOnHost: Bool { true }

    public var memoryUsage: MemoryUsage { usage.withLock { $0 } }

    public func trimMemory() {}

    // MARK: Elements

    /// The end of every primitive, and where it may be made to fail, as launches do.
    private func write(_ values: [Double], to out: TensorView) {
        if let failure = faults(.launch) { return errors.report(failure) }
        GimbalTestSupport.write(values, to: out)
    }

    public func fill(_ out: TensorView, with value: Double) {
        write([Double](repeating: value, count: out.elementCount), to: out)
    }

    public func copy(_ source: TensorView, to out: TensorView) {
        write(read(source), to: out)
    }

    public func unary(_ operation: UnaryOperation, _ x: TensorView, out: TensorView) {
        write(read(x).map { operation.reference($0) }, to: out)
    }

    public func binary(_ operation: BinaryOperation, _ x: TensorView, _ y: TensorView, out: TensorView) {
        write(zip(read(x), read(y)).map { operation.reference($0, $1) }, to: out)
    }

    public func select(_ condition: TensorView, _ x: TensorView, _ y: TensorView, out: TensorView) {
        write(zip(read(condition), zip(read(x), read(y))).map { $0 != 0 ? $1.0 : $1.1 }, to: out)
    }

    // MARK: Reductions

    public func reduce(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool) {
        precondition(!accumulates || reduction == .sum, "only a sum accumulates")
        // Walking the axes of x, a destination moves along those that are kept and stays put along those folded.
        var steps = out.shape.contiguousStrides
        for axis in steps.indices where out.shape[axis] == 1 { steps[axis] = 0 }
        let destinations = positions(shape: x.shape, strides: steps, offset: 0)
        var folded = [Double](repeating: reduction.identity, count: out.elementCount)
        for (value, destination) in zip(read(x), destinations) {
            folded[destination] = reduction.reference(folded[destination], value)
        }
        write(accumulates ? zip(read(out), folded).map(+) : folded, to: out)
    }

    public func argMaximum(_ x: TensorView, out: TensorView) {
        let values = read(x)
        let size = x.shape[x.shape.rank - 1]
        let places = (0..<out.elementCount).map { row in
            var best = 0
            for place in 1..<max(size, 1) {
                let (value, largest) = (values[row * size + place], values[row * size + best])
                if value > largest || (value.isNaN && !largest.isNaN) { best = place }
            }
            return Double(best)
        }
        write(places, to: out)
    }

    // MARK: Matrix product

    public func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        let rank = x.shape.rank
        let (m, k, n) = (x.shape[rank - 2], x.shape[rank - 1], y.shape[rank - 1])
        let batches = x.shape.sizes.dropLast(2).reduce(1, *)
        let (left, right) = (read(x), read(y))
        let previous = epilogue.accumulates ? read(out) : []
        let bias = epilogue.bias.map { read($0) }
        var result = [Double](repeating: 0, count: out.elementCount)
        for batch in 0..<batches {
            for row in 0..<m {
                for inner in 0..<k {
                    let factor = left[(batch * m + row) * k + inner]
                    for column in 0..<n {
                        result[(batch * m + row) * n + column] += factor * right[(batch * k + inner) * n + column]
                    }
                }
            }
        }
        for place in result.indices {
            result[place] *= epilogue.scale
            if epilogue.accumulates { result[place] += previous[place] }
            if let bias { result[place] += bias[place % n] }
        }
        write(result, to: out)
    }

    // MARK: Indexing

    public func gather(_ table: TensorView, indices: TensorView, out: TensorView) {
        let rows = table.shape[0]
        let width = table.shape.sizes.dropFirst().reduce(1, *)
        let values = read(table)
        let missing = [Double](repeating: table.dtype.isFloatingPoint ? .nan : 0, count: width)
        let gathered = read(indices).flatMap { index in
            let row = Int(index)
            return 0..<rows ~= row ? Array(values[row * width..<(row + 1) * width]) : missing
        }
        write(gathered, to: out)
    }

    public func scatterAdd(_ source: TensorView, indices: TensorView, into table: TensorView) {
        let rows = table.shape[0]
        let width = table.shape.sizes.dropFirst().reduce(1, *)
        let added = read(source)
        var values = read(table)
        for (place, index) in read(indices).enumerated() {
            let row = Int(index)
            guard 0..<rows ~= row else { continue }
            for column in 0..<width { values[row * width + column] += added[place * width + column] }
        }
        write(values, to: table)
    }

    // MARK: Along the last axis

    public func scan(factors: TensorView?, terms: TensorView, out: TensorView) {
        let size = out.shape.last!
        let isInteger = !out.dtype.isFloatingPoint
        let multipliers = factors.map { read($0) }
        var values = read(terms)
        for place in values.indices where place % size > 0 {
            let step = (multipliers?[place] ?? 1) * values[place - 1] + values[place]
            values[place] = isInteger ? Double(Int32(truncatingIfNeeded: Int(step))) : step
        }
        write(values, to: out)
    }

    public func argSort(_ x: TensorView, isDescending: Bool, out: TensorView) {
        let size = x.shape.last!
        let values = read(x)
        let rows = size == 0 ? 0 : values.count / size
        let order = (0..<rows).flatMap { row in
            (0..<size).sorted { first, second in
                let (a, b) = (values[row * size + first], values[row * size + second])
                let (isBefore, isAfter) = (a < b || !a.isNaN && b.isNaN, b < a || !b.isNaN && a.isNaN)
                if !isBefore && !isAfter { return first < second }
                return isDescending ? isAfter : isBefore
            }.map(Double.init)
        }
        write(order, to: out)
    }

    public func gatherAlong(_ x: TensorView, indices: TensorView, out: TensorView) {
        let (size, count) = (x.shape.last!, out.shape.last!)
        let values = read(x)
        let missing: Double = x.dtype.isFloatingPoint ? .nan : 0
        let gathered = read(indices).enumerated().map { place, index in
            0..<size ~= Int(index) ? values[place / count * size + Int(index)] : missing
        }
        write(gathered, to: out)
    }

    public func scatterAlong(_ source: TensorView, indices: TensorView, into table: TensorView, accumulates: Bool) {
        let (size, count) = (table.shape.last!, source.shape.last!)
        let added = read(source)
        var values = read(table)
        for (place, index) in read(indices).enumerated() where 0..<size ~= Int(index) {
            let target = place / count * size + Int(index)
            values[target] = accumulates ? values[target] + added[place] : added[place]
        }
        write(values, to: table)
    }

    // MARK: Random numbers

    public func randomUniform(_ out: TensorView, _ state: RandomState) {
        write(ReferenceRandom.uniform(count: out.elementCount, state), to: out)
    }

    public func randomNormal(_ out: TensorView, _ state: RandomState) {
        write(ReferenceRandom.normal(count: out.elementCount, state), to: out)
    }
}
