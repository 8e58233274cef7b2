/// Which inputs a test is looking at, so that a failure names the combination it happened in.
public enum Trace {
    @TaskLocal static var entries: [String] = []

    /// Such as `operation: relu, size: 33`; empty outside every `withEvery`.
    public static var current: String { entries.joined(separator: ", ") }

    /// Runs `body` with `entry` added to the trace.
    public static func adding<Result>(_ entry: String, _ body: () throws -> Result) rethrows -> Result {
        try $entries.withValue(entries + [entry], operation: body)
    }
}

/// Runs `body` for each of `values`. What fails within prints `label` and the value.
public func withEvery<Values: Sequence>(
    _ label: String, in values: Values, _ body: (Values.Element) throws -> Void
) rethrows {
    for value in values {
        try Trace.adding("\(label): \(value)") { try body(value) }
    }
}
