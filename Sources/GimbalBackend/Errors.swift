/// What the world can do to a run. Programming mistakes stop the program instead; see `stop(_:_:)`.
public enum GimbalError: Error, Sendable, Equatable {
    /// No device goes by this name. `available` lists those that do; `reason` says why others are absent.
    case noDevice(requested: String, available: [String], reason: String?)
    /// A device has no room for another `requestedBytes`, with `usedBytes` held by tensors; `place` is the operation and the layer
    /// that asked, where they are known. `fittingBatch` is the size of a batch with which a `Trainer` found the step to fit, 0
    /// where two samples are too many; nil where nobody tried.
    case outOfMemory(
        device: String, requestedBytes: Int, usedBytes: Int, place: String? = nil, fittingBatch: Int? = nil)
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
    /// One line for every case but `kernelBuildFailed`, whose log follows on lines of its own where it has several. Names and
    /// texts from files may hold anything; what a terminal would obey or not show is escaped.
    public var description: String {
        if case .kernelBuildFailed = self { return message }
        return visible(message.unicodeScalars)
    }

    /// Characters of a path that a message shows; a longer one is cut in the middle.
    private static let pathLimit = 200

    private var message: String {
        switch self {
        case .noDevice(let requested, let available, let reason):
            "no device '\(shown(requested, limit: Self.pathLimit))'; available: \(available.joined(separator: ", "))"
                + (reason.map { " (\($0))" } ?? "")
        case .outOfMemory(let device, let requested, let used, let place, let batch):
            "out of memory on \(device): \(requested) bytes asked for" + (place.map { " by \($0)" } ?? "")
                + ", \(used) bytes in use\(Self.limit(on: device)); \(Self.advice(fittingBatch: batch))"
        case .kernelBuildFailed(let kernel, let options, let device, let log):
            "kernel '\(kernel)' does not build on \(device) with options '\(options)':"
                + (log.contains("\n") ? "\n" : " ") + log
        case .deviceFailed(let device, let operation, let reason):
            "\(device) failed in \(operation): \(reason)"
        case .invalidFile(let path, let reason):
            "\(shown(path, limit: Self.pathLimit)): \(reason)"
        case .fileSystem(let operation, let path, let reason):
            "cannot \(operation) \(shown(path, limit: Self.pathLimit)): \(reason)"
        case .nonFinite(let quantity, let value, let place):
            "\(quantity) became \(value.isNaN ? "nan" : "\(value)") at \(place)"
        case .weightMismatch(let path, let missing, let unexpected, let misshaped):
            "\(shown(path, limit: Self.pathLimit)) does not fit the model: "
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

extension GimbalError {
    /// What the process may have at all, where a limit is set to it.
    private static func limit(on device: String) -> String {
        guard ["cpu", "host"].contains(device), let limit = MappingLimit.all.min(by: { $0.byteCount < $1.byteCount })
        else { return "" }
        return ", where ulimit \(limit.flag) allows the process \(limit.byteCount)"
    }

    /// What would need less memory.
    private static func advice(fittingBatch: Int?) -> String {
        switch fittingBatch {
        case nil: "a smaller batch or model needs less"
        case 0: "no batch of two or more fits, a smaller model needs less"
        case let batch?: "a batch of \(batch) fits, and several of them accumulated make up a larger one"
        }
    }

    /// This failure with the operation and the layer that met it, where it has room for them.
    func placed(_ operation: StaticString?) -> GimbalError {
        let layer = LayerPath.words
        switch self {
        case .outOfMemory(let device, let requested, let used, nil, _):
            guard operation != nil || layer != nil else { return self }
            let place = operation.map { name in "'\(name)'" + (layer.map { " (in \($0))" } ?? "") } ?? layer!
            return .outOfMemory(device: device, requestedBytes: requested, usedBytes: used, place: place)
        case .deviceFailed(let device, let kernel, let reason):
            guard let layer, !kernel.contains(" (in ") else { return self }
            return .deviceFailed(device: device, operation: "\(kernel) (in \(layer))", reason: reason)
        default: return self
        }
    }
}
