import Synchronization

/// A block of device memory. It goes back to its backend when the last reference to it is released.
public final class Storage: @unchecked Sendable {
    /// The backend that the memory belongs to.
    public let backend: any Backend
    /// What the backend knows the block by: a host address on the CPU, a `cl_mem` under OpenCL.
    public let handle: UnsafeMutableRawPointer
    /// The length of the block in bytes; may be 0.
    public let byteCount: Int

    /// Wraps memory that `backend` has just allocated. Only backends call this.
    public init(backend: any Backend, handle: UnsafeMutableRawPointer, byteCount: Int) {
        self.backend = backend
        self.handle = handle
        self.byteCount = byteCount
    }

    /// Stands in for memory that was to be filled and could not: it has no elements, and reading it throws `failure`.
    package init(standingInOn backend: any Backend, _ failure: GimbalError) {
        self.backend = backend
        handle = Storage.noMemory
        byteCount = 0
        failures = [(0..<Int.max, failure)]
        hasFailed.store(true, ordering: .relaxed)
    }

    /// The address of nothing, which no backend gives.
    private static var noMemory: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: 1)! }

    deinit {
        if !standsIn { backend.deallocate(handle, byteCount: byteCount) }
    }

    // MARK: Failures

    private let hasFailed = Atomic<Bool>(false)
    /// Guarded by `failuresLock`.
    private var failures: [(bytes: Range<Int>, failure: GimbalError)] = []
    private static let failuresLock = Lock<Void>(())

    /// False where `failure(in:)` is nil for all bytes: a look that costs nothing.
    package var mayHaveFailed: Bool { hasFailed.load(ordering: .relaxed) }

    /// What the computing of any of `bytes` has failed by, if it has: what lies there is not what was to.
    package func failure(in bytes: Range<Int>) -> GimbalError? {
        guard mayHaveFailed else { return nil }
        return Storage.failuresLock.withLock { _ in failures.first { $0.bytes.overlaps(bytes) }?.failure }
    }

    /// Keeps with `bytes` what the computing of them has failed by. Whoever reads them throws it.
    package func noteFailure(_ failure: GimbalError, of bytes: Range<Int>) {
        guard !standsIn else { return }
        Storage.failuresLock.withLock { _ in
            failures.append(failures.count < 64 ? (bytes, failure) : (0..<byteCount, failure))
            if failures.count > 64 { failures = [failures[64]] }
            hasFailed.store(true, ordering: .relaxed)
        }
    }

    /// Whether it stands in for memory that was refused, and has no place to read from or write to.
    package var standsIn: Bool { handle == Storage.noMemory }

    /// Takes note that all of `bytes` is written anew, so that what they failed by before is over.
    package func forgetFailures(in bytes: Range<Int>) {
        noteWrite()
        guard mayHaveFailed, !standsIn else { return }
        Storage.failuresLock.withLock { _ in
            failures = failures.flatMap { held, failure in
                let (before, after) = (
                    held.clamped(to: 0..<bytes.lowerBound), held.clamped(to: bytes.upperBound..<Int.max)
                )
                return [before, after].filter { !$0.isEmpty }.map { ($0, failure) }
            }
            hasFailed.store(!failures.isEmpty, ordering: .relaxed)
        }
    }

    /// Throws what the computing of any of `bytes` has failed by. Backends call this in `download`.
    public func throwIfFailed(in bytes: Range<Int>) throws {
        if let failure = failure(in: bytes) { try ErrorLatch.tell(failure) }
    }

    /// Has `body` write to `bytes`: what fails in it is kept with them.
    /// - Parameter anew: whether it sets all of them, whatever was there; else it changes them.
    package func written(_ bytes: Range<Int>, anew: Bool, _ body: () -> Void) {
        // What stands in for memory has no place to write to, and stays what it is.
        if standsIn { return failures.forEach { ErrorLatch.note($0.failure) } }
        noteWrite()
        let failure = ErrorLatch.collecting(nil, body)
        if anew { forgetFailures(in: bytes) }
        if let failure { noteFailure(failure, of: bytes) }
    }

    // MARK: What is made of the contents: see the extension

    /// How often something was written.
    fileprivate let writes = Atomic<UInt64>(0)
    /// Guarded by `derivedLock`.
    fileprivate var derived: Derived?

    // MARK: Changes

    private let latest = Atomic<UInt64>(0)
    /// Guarded by `changesLock`.
    private var changes: [(bytes: Range<Int>, time: UInt64, operation: StaticString)] = []
    private static let changesLock = Lock<Void>(())

    /// When the memory was last written to after it had been handed out; 0 if it never was.
    package var latestChange: UInt64 { latest.load(ordering: .relaxed) }

    /// Takes note that `operation` writes to bytes that were handed out before.
    /// - Parameter time: greater than that of any change before.
    package func noteChange(of bytes: Range<Int>, at time: UInt64, by operation: StaticString) {
        noteWrite()
        Storage.changesLock.withLock { _ in
            latest.store(time, ordering: .relaxed)
            if let index = changes.firstIndex(where: { $0.bytes == bytes }) {
                changes[index] = (bytes, time, operation)
            } else if changes.count < 64 {
                changes.append((bytes, time, operation))
            } else {
                changes = [(0..<byteCount, time, operation)]
            }
        }
    }

    /// What has changed any of `bytes` after `time`, if anything has.
    package func change(of bytes: Range<Int>, after time: UInt64) -> StaticString? {
        Storage.changesLock.withLock { _ in
            changes.first { $0.time > time && $0.bytes.overlaps(bytes) }?.operation
        }
    }
}

// MARK: - What is made of the contents

extension Storage {
    /// Takes note that something is written, so that nothing that was made of the contents before is used any more.
    package func noteWrite() { writes.add(1, ordering: .relaxed) }

    /// What `make` makes of the contents, such as weights laid out for a product, which is kept while nothing is written. Nil the first
    /// time that it is asked for: what is used once between two changes, as in training, is not worth the memory.
    /// - Parameters:
    ///   - key: tells it from what else is made of the contents.
    ///   - atOnce: also the first time.
    package func kept<Value: AnyObject & Sendable>(
        _ key: [Int], atOnce: Bool = false, _ make: () throws -> Value?
    ) rethrows -> Value? {
        let now = writes.load(ordering: .relaxed)
        let (held, isWanted) = Storage.derivedLock.withLock { _ -> (Value?, Bool) in
            if derived?.writes != now { derived = Derived(writes: now) }
            if let value = derived!.values[key] { return (value as? Value, true) }
            return (nil, atOnce || !derived!.asked.insert(key).inserted)
        }
        if held != nil || !isWanted { return held }
        guard let value = try make() else { return nil }
        Storage.derivedLock.withLock { _ in
            // Unless it was of contents that have changed meanwhile.
            if derived?.writes == now { derived!.values[key] = value }
        }
        return value
    }

    fileprivate struct Derived {
        /// What had been written by then.
        var writes: UInt64
        var asked: Set<[Int]> = []
        var values: [[Int]: any AnyObject & Sendable] = [:]
    }

    private static let derivedLock = Lock<Void>(())
}

/// A strided window onto a `Storage`: what backend operations read and write.
///
/// Element `[i0, i1, …]` lies at `offset + i0 * strides[0] + i1 * strides[1] + …`, counted in elements. A stride of 0
/// repeats one element along an axis (broadcasting); only inputs may have one.
public struct TensorView: Sendable {
    /// The block that the elements lie in.
    public var storage: Storage
    /// Elements of the block before the first of the view.
    public var offset: Int
    /// Sizes of the axes.
    public var shape: Shape
    /// Elements between neighbours on each axis.
    public var strides: [Int]
    /// The type of the elements.
    public var dtype: DType

    /// A view of `storage`; without strides, row-major without gaps.
    public init(storage: Storage, offset: Int = 0, shape: Shape, strides: [Int]? = nil, dtype: DType) {
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.strides = strides ?? shape.contiguousStrides
        self.dtype = dtype
    }

    /// Number of elements: the product of all sizes.
    public var elementCount: Int { shape.elementCount }
    /// Bytes of the block before the first element.
    public var byteOffset: Int { offset * dtype.byteCount }

    /// Whether the elements lie in row-major order without gaps. Axes of size 1 may have any stride.
    public var isContiguous: Bool { shape.isContiguous(strides) }

    /// The bytes of the storage from the first element to the last.
    package var byteRange: Range<Int> {
        if elementCount == 0 { return byteOffset..<byteOffset }
        var (first, last) = (offset, offset)
        for axis in shape.indices {
            let reach = (shape[axis] - 1) * strides[axis]
            if reach < 0 { first += reach } else { last += reach }
        }
        return first * dtype.byteCount..<(last + 1) * dtype.byteCount
    }

    /// What the computing of any of the elements has failed by, if it has.
    package var failure: GimbalError? { storage.mayHaveFailed ? storage.failure(in: byteRange) : nil }

    /// Whether the elements are what was to be computed, as far as is known: nothing has failed on the way to them.
    package var isComputed: Bool { failure == nil }

    /// Keeps with the elements what the computing of them has failed by.
    package func noteFailure(_ failure: GimbalError) { storage.noteFailure(failure, of: byteRange) }

    /// Throws what the computing of any of the elements has failed by.
    package func throwIfFailed() throws {
        if storage.mayHaveFailed { try storage.throwIfFailed(in: byteRange) }
    }

    /// Has `body` write to these elements: what fails in it is kept with them. Where something failed in `inputs`, which it reads,
    /// it is not run, and that is.
    /// - Parameter anew: whether it sets all of them, whatever was there; else it changes them.
    package func written(anew: Bool, of inputs: [TensorView] = [], _ body: () -> Void) {
        guard let failure = inputs.failure else { return storage.written(byteRange, anew: anew, body) }
        ErrorLatch.note(failure)
        if anew { storage.forgetFailures(in: byteRange) }
        noteFailure(failure)
    }

    /// Takes the elements of `source`, of the same backend, in place of all of these; or what those have failed by.
    package func take(_ source: TensorView) {
        written(anew: true, of: [source]) { storage.backend.copy(source, to: self) }
    }

    /// `[TensorView].change` of these elements alone.
    package func change(reading inputs: [TensorView] = [], _ body: () throws -> Void) throws {
        try [self].change(reading: inputs, body)
    }

    /// The same elements seen with another shape. The view must be contiguous.
    public func reshaped(_ shape: Shape) -> TensorView {
        precondition(isContiguous && shape.elementCount == elementCount, "cannot view \(self.shape) as \(shape)")
        return TensorView(storage: storage, offset: offset, shape: shape, dtype: dtype)
    }

    /// All elements as one axis. The view must be contiguous.
    public var flattened: TensorView { reshaped([elementCount]) }

    /// The last two axes exchanged.
    public var transposed: TensorView {
        let rank = shape.rank
        precondition(rank >= 2, "transposing needs two axes, not \(shape)")
        var view = self
        view.shape.swapAt(rank - 1, rank - 2)
        view.strides.swapAt(rank - 1, rank - 2)
        return view
    }

    /// The view repeated to `shape` by strides of 0; its own shape must fit by the rule of `Shape.broadcast(with:)`.
    public func broadcast(to target: Shape) -> TensorView {
        if shape == target { return self }
        let missing = target.rank - shape.rank
        precondition(missing >= 0 && shape.broadcast(with: target) == target, "cannot repeat \(shape) to \(target)")
        var strides = [Int](repeating: 0, count: target.rank)
        for axis in 0..<shape.rank where shape[axis] == target[missing + axis] {
            strides[missing + axis] = self.strides[axis]
        }
        return TensorView(storage: storage, offset: offset, shape: target, strides: strides, dtype: dtype)
    }

    /// Elements `range` of `axis`.
    public func sliced(axis: Int, _ range: Range<Int>) -> TensorView {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= shape[axis], "\(range) exceeds axis \(axis) of \(shape)")
        var view = self
        // A range of none at the end of an axis that is turned would begin before the memory.
        if !range.isEmpty { view.offset += range.lowerBound * strides[axis] }
        view.shape[axis] = range.count
        return view
    }
}

extension [TensorView] {
    /// What the computing of any of them has failed by, if it has.
    package var failure: GimbalError? {
        for view in self {
            if let failure = view.failure { return failure }
        }
        return nil
    }

    /// Has `body` change these elements where they lie, and read `inputs`.
    /// - Throws: what any of them has failed by, and then `body` is not run; and what fails in it, which is kept with the elements.
    ///   What `body` throws itself, it throws before it changes anything.
    package func change(reading inputs: [TensorView] = [], _ body: () throws -> Void) throws {
        for view in self + inputs { try view.throwIfFailed() }
        for view in self { view.storage.noteWrite() }
        guard let failure = try ErrorLatch.collecting(nil, body) else { return }
        for view in self { view.noteFailure(failure) }
        try ErrorLatch.tell(failure)
    }
}

/// Folds the axes of views that share one shape into as few as possible, so that a kernel loops over few, long axes.
///
/// Axes of size 1 vanish, and two neighbours become one wherever every view steps through them without a gap.
/// - Returns: the common shape and, for each view, its strides; rank 0 becomes rank 1 of size 1.
public func collapseAxes(_ views: [TensorView]) -> (shape: [Int], strides: [[Int]]) {
    let shape = views[0].shape
    var sizes: [Int] = []
    var strides = [[Int]](repeating: [], count: views.count)
    for axis in 0..<shape.rank where shape[axis] != 1 {
        let size = shape[axis]
        if let last = sizes.indices.last,
            views.indices.allSatisfy({ strides[$0][last] == views[$0].strides[axis] * size })
        {
            sizes[last] *= size
            for view in views.indices { strides[view][last] = views[view].strides[axis] }
        } else {
            sizes.append(size)
            for view in views.indices { strides[view].append(views[view].strides[axis]) }
        }
    }
    if sizes.isEmpty { return ([shape.elementCount], strides.map { _ in [1] }) }
    return (sizes, strides)
}
