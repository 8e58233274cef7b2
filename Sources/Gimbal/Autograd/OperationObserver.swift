/// An operation that has just been computed, as an observer sees it.
package struct ComputedOperation {
    /// What messages call it, such as `linear`.
    package let name: StaticString
    /// Its operands, in order.
    package let inputs: [Tensor]
    /// Its results: one, but for operations of several.
    package let outputs: [Tensor]
    /// What else it was told.
    package let details: OperationDetails
    /// The layer that it was called in, or is being differentiated for; nil outside every layer.
    package var layer: LayerPlace? { LayerPath.place }
    /// Whether it belongs to a backward pass.
    package var isBackward: Bool { LayerPath.backward != nil }
}

/// An operation whose gradient rule has just run, as an observer sees it.
package struct DifferentiatedOperation {
    /// What messages call it, such as `linear`.
    package let name: StaticString
    /// The layer that it was called in; nil outside every layer.
    package let layer: LayerPlace?
    /// What arrived at its result.
    package let outputGradient: Tensor
    /// What has arrived at each operand so far, this operation's share included; nil where none is needed.
    package let inputGradients: [Tensor?]
}

/// Who is told of operations.
package struct OperationWatcher {
    /// Is told of every operation, in order: those of backward passes too, as far as their rules are made of operations.
    package var computed: ((ComputedOperation) -> Void)?
    /// Is told of every gradient rule that has run, in order.
    package var differentiated: ((DifferentiatedOperation) -> Void)?
    /// Whether everything is computed one by one, so that it is seen: operations inside of `checkpointed`, which then take
    /// the memory that it saves, and sums that are computed with what comes behind them, whose bits may then be others.
    package var isThorough = true
    /// Whether it is told of all that is computed: of masks and whole numbers too, through which no gradient flows, of the
    /// operations that attention is made of, of a recurrence's results one by one, and of what the host reads.
    package var isComplete = false

    package init(
        computed: ((ComputedOperation) -> Void)? = nil, differentiated: ((DifferentiatedOperation) -> Void)? = nil,
        isThorough: Bool = true, isComplete: Bool = false
    ) {
        self.computed = computed
        self.differentiated = differentiated
        self.isThorough = isThorough
        self.isComplete = isComplete
    }
}

/// Lets `watcher` see the operations on tensors that `body` computes on this task. What it computes itself is not seen.
/// Watchers nest: the outermost sees an operation first.
package func withOperationWatcher<Result>(_ watcher: OperationWatcher, _ body: () throws -> Result) rethrows -> Result {
    let observer = OperationObserver(watcher, outer: .current)
    return try OperationObserver.$current.withValue(observer, operation: body)
}

/// Who watches the operations of the current task.
///
/// It is used by one task, which is why it may be called sendable.
final class OperationObserver: @unchecked Sendable {
    @TaskLocal static var current: OperationObserver?

    private let watchers: [OperationWatcher]
    /// Whether any watcher wants to see everything.
    let isThorough: Bool
    /// Whether any watcher wants to be told of all.
    let isComplete: Bool

    init(_ watcher: OperationWatcher, outer: OperationObserver?) {
        watchers = (outer?.watchers ?? []) + [watcher]
        isThorough = watchers.contains(where: \.isThorough)
        isComplete = watchers.contains(where: \.isComplete)
    }

    func see(_ operation: @autoclosure () -> ComputedOperation) {
        tell { watcher in watcher.computed?(operation()) }
    }

    func see(_ operation: @autoclosure () -> DifferentiatedOperation) {
        tell { watcher in watcher.differentiated?(operation()) }
    }

    /// Tells those who want to be told of all.
    func note(_ operation: @autoclosure () -> ComputedOperation) {
        guard isComplete else { return }
        tell { watcher in if watcher.isComplete { watcher.computed?(operation()) } }
    }

    private func tell(_ body: (OperationWatcher) -> Void) {
        OperationObserver.$current.withValue(nil) { withoutGradients { watchers.forEach(body) } }
    }
}

extension Tensor {
    /// This result of an operation without a gradient, which only those see who want to be told of all.
    func noted(_ name: StaticString, _ inputs: [Tensor], _ details: @autoclosure () -> OperationDetails) -> Tensor {
        OperationObserver.current?.note(
            ComputedOperation(name: name, inputs: inputs, outputs: [self], details: details()))
        return self
    }
}
