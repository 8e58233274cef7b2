/// Whether operations on the current task are recorded.
package enum GradientMode {
    @TaskLocal package static var isRecording = true
    /// Inside the second run of a `checkpointed` block. Whatever a first run has counted must not be counted again.
    @TaskLocal package static var isRecomputing = false
}

/// Runs `body` without recording: for evaluation, and for changing parameters by hand.
public func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
    try GradientMode.$isRecording.withValue(false, operation: body)
}
