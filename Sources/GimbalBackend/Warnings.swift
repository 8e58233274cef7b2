import Foundation

/// What a user should know although nothing is wrong enough to stop: such as a tensor that looks like a weight and is not
/// trained.
public enum Warnings {
    /// Takes every warning, in place of the standard error stream, on the task that binds it.
    ///
    /// ```swift
    /// Warnings.$receiver.withValue({ log.append($0) }) { try train(model) }
    /// ```
    @TaskLocal public static var receiver: (@Sendable (_ message: String) -> Void)?

    /// Gives `message` to the receiver, or prints it as a line of its own on the standard error stream.
    package static func say(_ message: String) {
        if let receiver {
            receiver(message)
        } else {
            FileHandle.standardError.write(Data("warning: \(message)\n".utf8))
        }
    }
}
