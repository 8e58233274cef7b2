import Foundation

/// What a user should know although nothing is wrong enough to stop: such as a tensor that looks like a weight and is not
/// trained.
public enum Warnings {
    /// Takes warnings in place of the standard error stream.
    private final class Receiver: Sendable {
        let body: @Sendable (String) -> Void
        init(_ body: @escaping @Sendable (String) -> Void) { self.body = body }
    }

    @TaskLocal private static var receiver: Receiver?

    /// Runs `body` with every warning of this task given to `receiver`, not printed.
    ///
    /// ```swift
    /// try Warnings.received(by: { message in print(message) }) { try model.load(from: "model.safetensors") }
    /// ```
    public static func received<Result>(
        by receiver: @escaping @Sendable (_ message: String) -> Void, _ body: () throws -> Result
    ) rethrows -> Result {
        try $receiver.withValue(Receiver(receiver), operation: body)
    }

    /// Gives `message` to the receiver, or prints it as a line of its own on the standard error stream.
    package static func say(_ message: String) {
        if let receiver {
            receiver.body(message)
        } else {
            try? FileHandle.standardError.write(contentsOf: Data("warning: \(message)\n".utf8))
        }
    }
}
