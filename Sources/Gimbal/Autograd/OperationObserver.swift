/// An operation that has just been computed, as an observer sees it.
package struct ComputedOperation {
    /// What messages call it, such as `linear`.
    package let name: StaticString
    /// Its operands, in order.
    package let inputs: [Tensor]
    /// Its results: one, but for operations of several.
    package let outputs: [Tensor]
    /// The layer that it was called in, or is being differentiated for; nil outside every layer.
    package var layer: LayerPlace? { LayerPath.place }
    /// Whether it belongs to a backward pass.
    package var isBackward: Bool { LayerPath.backward != nil }
}

/// Lets `observe` see every operation on tensors that `body` computes on this task, in order: those of backward passes
/// too, as far as their rules are made of operations. What `observe` computes itself is not seen.
package func withOperationObserver<Result>(
    _ observe: @escaping (ComputedOperation) -> Void, _ body: () throws -> Result
) rethrows -> Result {
    try OperationObserver.$current.withValue(OperationObserver(observe), operation: body)
}

/// Who watches the operations of the current task.
///
/// It is used by one task, which is why it may be called sendable.
final class OperationObserver: @unchecked Sendable {
    @TaskLocal static var current: OperationObserver?

    private let observe: (ComputedOperation) -> Void

    init(_ observe: @escaping (ComputedOperation) -> Void) { self.observe = observe }

    func see(_ operation: ComputedOperation) {
        OperationObserver.$current.withValue(nil) { withoutGradients { observe(operation) } }
    }
}
