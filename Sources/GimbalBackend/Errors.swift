/// What the world can do to a run. Programming mistakes stop the program instead; see `stop(_:_:)`.
public enum GimbalError: Error, Sendable, Equatable {
    /// No device goes by this name. `available` lists those that do; `reason` says why others are absent.
    case noDevice(requested: String, available: [String], reason: String?)
    /// A device has no room for another `requestedBytes`, with `usedBytes` held by tensors.
    case outOfMemory(device: String, requestedBytes: Int, usedBytes: Int)
    /// A kernel did not compile. The message carries what is needed to reproduce it.
    case kernelBuildFailed(kernel: String, options: String, device: String, log: String)
    /// The device or its driver refused or lost a command.
    case deviceFailed(device: String, operation: String, reason: String)
    /// A file is not what it should be.
    case invalidFile(path: String, reason: String)
    /// The file system refused an operation.
    case fileSystem(operation: String, path: String, reason: String)
    /// A loss, gradient norm or other watched value became NaN or infinite.
    case nonFinite(quantity: String, value: Double, place: String)
    /// Stored weights that do not fit the model they are loaded into.
    case weightMismatch(path: String, missing: [String], unexpected: [String], misshaped: [String])
    /// A setting from outside the program (a flag, a configuration file) that cannot be used.
    case invalidSetting(name: String, reason: String)
    /// Ranks of a run cannot give each other their gradients; `rank` is at fault, where that is known.
    case exchange(rank: Int?, reason: String)
}

extension GimbalError: CustomStringConvertible {
    /// One line for every case but `kernelBuildFailed`, whose log follows on lines of its own. Names and texts from files
    /// may hold anything; what a terminal would obey or not show is escaped.
    public var description: String {
        if case .kernelBuildFailed = self { return message }
        return visible(message.unicodeScalars)
    }

    private var message: String {
        switch self {
        case .noDevice(let requested, let available, let reason):
            "no device '\(requested)'; available: \(available.joined(separator: ", "))"
                + (reason.map { " (\($0))" } ?? "")
        case .outOfMemory(let device, let requested, let used):
            "out of memory on \(device): \(requested) bytes asked for, \(used) bytes in use; "
                + "a smaller batch or model needs less"
        case .kernelBuildFailed(let kernel, let options, let device, let log):
            "kernel '\(kernel)' does not build on \(device) with options '\(options)':\n\(log)"
        case .deviceFailed(let device, let operation, let reason):
            "\(device) failed in \(operation): \(reason)"
        case .invalidFile(let path, let reason):
            "\(path): \(reason)"
        case .fileSystem(let operation, let path, let reason):
            "cannot \(operation) \(path): \(reason)"
        case .nonFinite(let quantity, let value, let place):
            "\(quantity) became \(value.isNaN ? "nan" : "\(value)") at \(place)"
        case .weightMismatch(let path, let missing, let unexpected, let misshaped):
            "\(path) does not fit the model: "
                + [("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped)]
                .filter { !$0.1.isEmpty }
                .map { "\($0.0): \(listed($0.1, limit: 5, length: 120))" }
                .joined(separator: "; ")
        case .invalidSetting(let name, let reason):
            "\(name): \(reason)"
        case .exchange(let rank, let reason):
            (rank.map { "rank \($0): " } ?? "ranks cannot exchange gradients: ") + reason
        }
    }
}

/// Holds the first failure of a device whose operations run asynchronously, until the host next waits for it.
///
/// Expressions such as `a * b + c` do not throw. What goes wrong in them is reported here and thrown by the next call
/// that waits: reading a value, `backward()`, an optimizer's `step()`, `synchronize()`.
public final class ErrorLatch: Sendable {
    private let first = Lock<GimbalError?>(nil)

    /// A latch that holds nothing yet.
    public init() {}

    /// Keeps `error` unless an earlier one is already held: the first failure is the cause, later ones its echoes.
    public func report(_ error: GimbalError) {
        first.withLock { if $0 == nil { $0 = error } }
    }

    /// Throws the failure held, if any, and forgets it.
    public func throwIfSet() throws {
        let error = first.withLock { held in
            defer { held = nil }
            return held
        }
        if let error { throw error }
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

    private typealias Check = @Sendable () throws -> Void
    private let checks = Lock<(due: [Check], subjects: Set<CheckSubject>)>(([], []))

    /// Has `check` called once, when the host has next waited for the device and reading costs nothing. What it throws
    /// is thrown by the call that waited. Of checks of one `subject` that are due together only the first is called.
    public func whenWaited(subject: CheckSubject? = nil, _ check: @escaping @Sendable () throws -> Void) {
        checks.withLock { checks in
            if let subject, !checks.subjects.insert(subject).inserted { return }
            checks.due.append(check)
        }
    }

    /// Runs the checks that are due. Backends call this when they have waited, at the end of `download` and
    /// `synchronize`.
    public func runChecks() throws {
        // Taken out first: a check reads from the device, and so comes here again.
        let due = checks.withLock { checks in
            defer { checks = ([], []) }
            return checks.due
        }
        var first: (any Error)?
        for check in due {
            do { try check() } catch { first = first ?? error }
        }
        if let first { throw first }
    }
}
