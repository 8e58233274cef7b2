import GimbalBackend
import GimbalTestSupport

/// The reference with rounding errors: after each primitive, every element that it computed is moved by chance, as far
/// as that primitive may err in float32. Runs with other errors show how far a whole graph's values may lie apart,
/// whatever its depth, and which comparisons, maxima and overflows may go either way.
///
/// The bounds are those that the conformance tests hold each primitive to. As in float32, there are no numbers beyond
/// the largest one, and those below the smallest normal one may be taken for 0.
final class RoundingBackend: Backend {
    private let base = ReferenceBackend()
    private let random: Lock<SampleGenerator>

    private let overflows = Lock(false)

    /// Which part of their bounds errors are at most.
    private let part: Double

    init(seed: UInt64, part: Double = 1) {
        random = Lock(SampleGenerator(seed: seed))
        self.part = part
    }

    /// Whether any element was beyond the largest number of float32.
    var hasOverflowed: Bool { overflows.withLock { $0 } }

    var device: DeviceDescription { base.device }
    var realType: DType { base.realType }
    var errors: ErrorLatch { base.errors }
    var memoryUsage: MemoryUsage { base.memoryUsage }
    var isOnHost: Bool { true }

    func allocate(byteCount: Int) throws -> Storage {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount)
        return Storage(backend: self, handle: memory, byteCount: byteCount)
    }
    func deallocate(_ handle: UnsafeMutableRawPointer, byteCount: Int) { handle.deallocate() }
    func upload(_ bytes: UnsafeRawBufferPointer, to storage: Storage, byteOffset: Int) {
        base.upload(bytes, to: storage, byteOffset: byteOffset)
    }
    func download(_ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        try base.download(storage, byteOffset: byteOffset, into: bytes)
    }
    func synchronize() throws { try base.synchronize() }
    func trimMemory() {}

    // MARK: Errors

    private static let unit = 0x1p-23

    /// Moves every element of `out` by at most its bound.
    private func err(_ out: TensorView, _ bounds: [Double]) {
        guard out.dtype.isFloatingPoint else { return }
        // Here every primitive rounds to the type that it stores, where a device may round the last alone.
        let rounding = out.dtype == .bfloat16 ? 0x1p-7 : out.dtype == .float16 ? 0x1p-10 : 0
        var values = elements(out)
        random.withLock { random in
            for index in values.indices {
                let bits = random.next()
                let sign = Double(bits >> 11) * 0x1p-52 - 1  // From -1 to 1.
                var bound = bounds[bounds.count == 1 ? 0 : index]
                if bound > 0 { bound = max(bound, rounding * abs(values[index])) }
                if bound > 0 && bound.isFinite {
                    // What may be as large as its error may also be nothing, by which something is then divided.
                    let vanishes = part == 1 && bound >= abs(values[index]) && bits & 12 == 0
                    values[index] = vanishes ? 0 : values[index] + sign * part * bound
                }
                if out.dtype == .float64 { values[index] = rounded(values[index]) }
                let magnitude = abs(values[index])
                if bits & 1 == 1 && magnitude > 0 && magnitude < Double(Float.leastNormalMagnitude) {
                    values[index] = 0
                }
                if magnitude.isFinite
                    && magnitude > Double(Float.greatestFiniteMagnitude) * (bits & 2 == 0 ? 1 : 1 - Self.unit)
                {
                    values[index] = values[index] < 0 ? -.infinity : .infinity
                    overflows.withLock { $0 = true }
                }
            }
        }
        store(values, to: out)
    }

    /// The nearest number that float32 has, which may be where another one is exactly; beyond the largest, `value`
    /// itself.
    private func rounded(_ value: Double) -> Double {
        abs(value) <= Double(Float.greatestFiniteMagnitude) ? roundedToFloat(value) : value
    }

    /// Moves every element of `out` by so many units of its own last place.
    private func err(_ out: TensorView, units: Double) {
        err(out, elements(out).map { abs($0) * units * Self.unit })
    }

    /// Takes note of sums that may go beyond the largest number on the way, though what is stored does not.
    private func noteSums(_ magnitudes: [Double]) {
        if magnitudes.contains(where: { $0 > Double(Float.greatestFiniteMagnitude) }) {
            overflows.withLock { $0 = true }
        }
    }

    private func elements(_ view: TensorView) -> [Double] {
        read(
            view.dtype, at: view.positions,
            from: UnsafeRawBufferPointer(start: view.storage.handle, count: view.storage.byteCount))
    }

    private func store(_ values: [Double], to view: TensorView) {
        write(
            values, view.dtype, at: view.positions,
            to: UnsafeMutableRawBufferPointer(start: view.storage.handle, count: view.storage.byteCount))
    }

    /// The values of `tolerance` that are bounds of the errors of results.
    private func bounds(_ tolerance: Tolerance, _ results: [Double]) -> [Double] {
        switch tolerance.scale {
        case .each(let scales): scales.map { tolerance.relative * $0 }
        default: results.map { tolerance.relative * abs($0) }
        }
    }

    /// A temporary view with the elements of `view`, each replaced by its absolute value.
    private func absolute(_ view: TensorView) -> TensorView? {
        guard let copy = try? base.allocate(view.shape, .float64) else { return nil }
        store(elements(view).map { $0.isFinite ? abs($0) : 0 }, to: copy)
        return copy
    }

    // MARK: Elements

    func fill(_ out: TensorView, with value: Double) {
        base.fill(out, with: value)
        if Double(Float(value)) != value { err(out, units: 0.5) }
    }
    func copy(_ source: TensorView, to out: TensorView) { base.copy(source, to: out) }

    func unary(_ operation: UnaryOperation, _ x: TensorView, out: TensorView) {
        let tolerance = Conformance.Elementwise.tolerance(operation, elements(x))
        base.unary(operation, x, out: out)
        err(out, bounds(tolerance, elements(out)))
    }

    func binary(_ operation: BinaryOperation, _ x: TensorView, _ y: TensorView, out: TensorView) {
        var tolerance = Conformance.Elementwise.tolerance(operation, elements(x), elements(y))
        switch operation.kind {
        case .add, .subtract, .multiply, .divide, .maskedProduct, .maskedQuotient: tolerance.relative = Self.unit / 2
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: tolerance = .exact
        default: break
        }
        base.binary(operation, x, y, out: out)
        err(out, bounds(tolerance, elements(out)))
    }

    func select(_ condition: TensorView, _ x: TensorView, _ y: TensorView, out: TensorView) {
        base.select(condition, x, y, out: out)
    }

    // MARK: Reductions

    func reduce(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool) {
        switch reduction {
        case .sum:
            let magnitudes = reduced(x, to: out, accumulates)
            noteSums(magnitudes)
            base.reduce(reduction, x, out: out, accumulates: accumulates)
            err(out, magnitudes.map { $0 * Tolerance.sum.relative })
        case .product:
            // In whatever order they are multiplied, no part is larger than all that exceeds 1.
            noteSums([elements(x).reduce(1) { abs($1) > 1 && $1.isFinite ? $0 * abs($1) : $0 }])
            base.reduce(reduction, x, out: out, accumulates: accumulates)
            err(out, units: Double(x.elementCount / max(out.elementCount, 1)))
        case .maximum, .minimum: base.reduce(reduction, x, out: out, accumulates: accumulates)
        }
    }

    /// Σ|x| as `reduce` sums it, with what `out` holds.
    private func reduced(_ x: TensorView, to out: TensorView, _ accumulates: Bool) -> [Double] {
        guard let x = absolute(x), let sum = absolute(out) else { return [0] }
        base.reduce(.sum, x, out: sum, accumulates: accumulates)
        return elements(sum)
    }

    func argMaximum(_ x: TensorView, out: TensorView) { base.argMaximum(x, out: out) }

    // MARK: Matrix product

    func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        let tolerance = Tolerance.dotProduct(terms: x.shape[x.shape.rank - 1])
        var magnitudes = [0.0]
        if let x = absolute(x), let y = absolute(y), let sums = absolute(out) {
            let bias = epilogue.bias.flatMap { absolute($0) }
            base.matrixMultiply(
                x, y, out: sums,
                Epilogue(scale: abs(epilogue.scale), accumulates: epilogue.accumulates, bias: bias))
            magnitudes = elements(sums)
            noteSums(magnitudes.map { $0 / min(abs(epilogue.scale), 1) })
        }
        base.matrixMultiply(x, y, out: out, epilogue)
        err(out, magnitudes.map { $0 * tolerance.relative })
    }

    // MARK: Indexing

    func gather(_ table: TensorView, indices: TensorView, out: TensorView) {
        base.gather(table, indices: indices, out: out)
    }
    func scatterAdd(_ source: TensorView, indices: TensorView, into table: TensorView) {
        var magnitudes = [0.0]
        if let source = absolute(source), let sums = absolute(table) {
            base.scatterAdd(source, indices: indices, into: sums)
            magnitudes = elements(sums)
        }
        base.scatterAdd(source, indices: indices, into: table)
        err(table, magnitudes.map { $0 * Tolerance.sum.relative })
    }

    // MARK: Along the last axis

    func scan(factors: TensorView?, terms: TensorView, out: TensorView) {
        guard out.dtype.isFloatingPoint else { return base.scan(factors: factors, terms: terms, out: out) }
        var magnitudes = [0.0]
        if let terms = absolute(terms), let sums = absolute(out) {
            base.scan(factors: factors.flatMap { absolute($0) }, terms: terms, out: sums)
            magnitudes = elements(sums)
        }
        let steps = Double(out.shape.last ?? 1)
        base.scan(factors: factors, terms: terms, out: out)
        err(out, magnitudes.map { $0 * (8 + steps.squareRoot()) * Self.unit })
    }
    func argSort(_ x: TensorView, isDescending: Bool, out: TensorView) {
        base.argSort(x, isDescending: isDescending, out: out)
    }
    func gatherAlong(_ x: TensorView, indices: TensorView, out: TensorView) {
        base.gatherAlong(x, indices: indices, out: out)
    }
    func scatterAlong(_ source: TensorView, indices: TensorView, into table: TensorView, accumulates: Bool) {
        var magnitudes = [0.0]
        if accumulates, let source = absolute(source), let sums = absolute(table) {
            base.scatterAlong(source, indices: indices, into: sums, accumulates: true)
            magnitudes = elements(sums)
        }
        base.scatterAlong(source, indices: indices, into: table, accumulates: accumulates)
        err(table, magnitudes.map { $0 * Tolerance.sum.relative })
    }

    // MARK: Random numbers

    func randomUniform(_ out: TensorView, _ state: RandomState) { base.randomUniform(out, state) }
    func randomNormal(_ out: TensorView, _ state: RandomState) {
        base.randomNormal(out, state)
        err(out, units: 8)
    }
}
