import Foundation

/// Where the operations of a device say what failed in them, until somebody waits for what they compute.
///
/// Expressions such as `a * b + c` do not throw. What fails in one is kept with the memory that it was to fill (see
/// `Storage.noteFailure`), taken over by all that is computed of it, and thrown by whoever reads any of that, differentiates it or
/// steps by it: on whatever thread, and by nobody else. What fails outside the making of a tensor is thrown by the next call with
/// which the same thread waits.
public final class ErrorLatch: Sendable {
    private static let numbers = Lock(0)
    /// Not its address, which another may have later.
    fileprivate let number = ErrorLatch.numbers.withLock { number in
        number += 1
        return number
    }

    /// A latch that holds nothing yet.
    public init() {}

    /// Keeps `error`, unless the thread has met an earlier one that nobody was told of: the first failure is the cause, later ones
    /// its echoes.
    public func report(_ error: GimbalError) { ThreadFailures.current.report(error, to: self) }

    /// Throws what this thread's operations have met outside the making of a tensor, if anything, and forgets it. Backends call
    /// this in `download`.
    public func throwIfSet() throws {
        if let error = ThreadFailures.existing?.take(from: self, withTensors: false) { throw error }
    }

    /// The same with what was met in making tensors, which nobody has been told of yet. Backends call this in `synchronize`.
    public func throwIfAnySet() throws {
        if let error = ThreadFailures.existing?.take(from: self, withTensors: true) { throw error }
    }

    // MARK: Tensors

    /// Runs `body`, and gives the first failure that this thread's operations meet in it: whoever calls this keeps it with what
    /// was to be computed.
    /// - Parameter operation: what failures are said to be in.
    package static func collecting(
        _ operation: StaticString? = nil, _ body: () throws -> Void
    ) rethrows -> GimbalError? {
        try ThreadFailures.current.collect(operation, body)
    }

    /// Tells whoever collects failures on this thread of one that was met before, in what is computed with now.
    package static func note(_ failure: GimbalError) { ThreadFailures.existing?.note(failure) }

    /// Throws a failure, which the thread's next `synchronize` does not throw again.
    package static func tell(_ failure: GimbalError) throws -> Never {
        ThreadFailures.existing?.forget(failure)
        throw failure
    }

    // MARK: Checks

    /// What a check looks at: an operand, which the check holds, and what it is to be.
    public struct CheckSubject: Hashable, Sendable {
        private let storage: ObjectIdentifier
        private let numbers: [Int]

        /// - Parameters:
        ///   - view: the operand.
        ///   - range: what its elements are to lie in.
        public init(_ view: TensorView, within range: ClosedRange<Int>) {
            storage = ObjectIdentifier(view.storage)
            numbers = [view.offset, range.lowerBound, range.upperBound] + view.shape.sizes + view.strides
        }
    }

    /// Of threads that ended before they waited.
    fileprivate let orphans = Lock<[Check]>([])

    /// Has `check` called once, when this thread has next waited for the device and reading costs nothing; where it ends before,
    /// when another has. What it throws is thrown by the call that waited. Of checks of one `subject` that are due together only
    /// the first is called.
    public func whenWaited(subject: CheckSubject? = nil, _ check: @escaping @Sendable () throws -> Void) {
        ThreadFailures.current.add(check, subject, to: self)
    }

    /// Runs the checks that are due. Backends call this when they have waited, at the end of `download` and
    /// `synchronize`.
    public func runChecks() throws {
        // Taken out first: a check reads from the device, and so comes here again.
        let due =
            (ThreadFailures.existing?.takeChecks(of: self) ?? [])
            + orphans.withLock { orphans in
                defer { orphans = [] }
                return orphans
            }
        var first: (any Error)?
        for check in due {
            do { try check() } catch { first = first ?? error }
        }
        if let first { throw first }
    }
}

private typealias Check = @Sendable () throws -> Void

/// What the operations of one thread have met, and what is to be looked at when it waits. Only that thread uses it.
private final class ThreadFailures {
    private struct Held {
        weak var latch: ErrorLatch?
        var outsideTensors: GimbalError?
        var inTensors: GimbalError?
        var checks: [Check] = []
        var subjects: Set<ErrorLatch.CheckSubject> = []
    }

    /// By the latch's number.
    private var held: [Int: Held] = [:]
    /// How many collect one within the other, and what the innermost has met.
    private var depth = 0
    private var first: GimbalError?
    private var operation: StaticString?

    private static let key = {
        var key = pthread_key_t()
        let code = pthread_key_create(&key) { pointer in
            if let pointer { Unmanaged<ThreadFailures>.fromOpaque(pointer).takeRetainedValue().leaveChecks() }
        }
        precondition(code == 0, "no key for what threads keep: \(code)")
        return key
    }()

    /// Nil where the thread has none yet.
    static var existing: ThreadFailures? {
        pthread_getspecific(key).map { Unmanaged<ThreadFailures>.fromOpaque($0).takeUnretainedValue() }
    }

    static var current: ThreadFailures {
        if let existing { return existing }
        let new = ThreadFailures()
        pthread_setspecific(key, Unmanaged.passRetained(new).toOpaque())
        return new
    }

    func report(_ error: GimbalError, to latch: ErrorLatch) {
        let error = error.placed(operation)
        if depth > 0 {
            note(error)
            change(latch) { $0.inTensors = $0.inTensors ?? error }
        } else {
            change(latch) { $0.outsideTensors = $0.outsideTensors ?? error }
        }
    }

    func note(_ failure: GimbalError) {
        if depth > 0 { first = first ?? failure }
    }

    func forget(_ failure: GimbalError) {
        for number in held.keys where held[number]?.inTensors == failure { held[number]?.inTensors = nil }
    }

    func collect(_ operation: StaticString?, _ body: () throws -> Void) rethrows -> GimbalError? {
        let outer = (first: first, operation: self.operation)
        first = nil
        if let operation { self.operation = operation }
        depth += 1
        defer {
            depth -= 1
            self.operation = outer.operation
            first = depth > 0 ? outer.first ?? first : nil
        }
        try body()
        return first
    }

    func take(from latch: ErrorLatch, withTensors: Bool) -> GimbalError? {
        guard let error = held[latch.number].flatMap({ $0.outsideTensors ?? (withTensors ? $0.inTensors : nil) }) else {
            return nil
        }
        change(latch) {
            $0.outsideTensors = nil
            if withTensors { $0.inTensors = nil }
        }
        return error
    }

    func add(_ check: @escaping Check, _ subject: ErrorLatch.CheckSubject?, to latch: ErrorLatch) {
        change(latch) { held in
            if let subject, !held.subjects.insert(subject).inserted { return }
            held.checks.append(check)
        }
    }

    func takeChecks(of latch: ErrorLatch) -> [Check] {
        guard let checks = held[latch.number]?.checks, !checks.isEmpty else { return [] }
        change(latch) { ($0.checks, $0.subjects) = ([], []) }
        return checks
    }

    /// When the thread ends.
    func leaveChecks() {
        for held in held.values where !held.checks.isEmpty {
            held.latch?.orphans.withLock { $0 += held.checks }
        }
    }

    private func change(_ latch: ErrorLatch, _ body: (inout Held) -> Void) {
        if held[latch.number] == nil {
            // Devices come and go, threads may stay.
            held = held.filter { $0.value.latch != nil }
            held[latch.number] = Held(latch: latch)
        }
        body(&held[latch.number]!)
    }
}
