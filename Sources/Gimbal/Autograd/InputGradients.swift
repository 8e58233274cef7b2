/// The operands of an operation and their gradients, as its gradient rule sees them.
///
/// A rule reads what it kept of the forward pass through `input`, `output` and `saved`. They see that it was not changed
/// meanwhile, and in a pass that creates a graph they give it the node it had, so that a rule written in operations of
/// tensors can be differentiated itself. What was captured has no node: with it, it would keep its own graph alive.
package struct InputGradients {
    /// The nodes of the inputs whose gradient is wanted.
    let nodes: [Node?]
    /// The nodes of all inputs.
    private let all: [Node?]
    private let node: Node
    private let pass: BackwardPass

    init(nodes: [Node?], all: [Node?], node: Node, pass: BackwardPass) {
        self.nodes = nodes
        self.all = all
        self.node = node
        self.pass = pass
    }

    /// Whether the gradients are to be differentiated again. A rule must then be computed by operations of tensors, and
    /// hand on what it gives by `add` or `differentiate`.
    package var createsGraph: Bool { pass.createsGraph }

    /// Whether anything depends on the gradient of input `index`. Where nothing does, computing it is wasted.
    package func isNeeded(_ index: Int) -> Bool { nodes[index] != nil }

    // MARK: What was kept

    /// Input `index`, as `value` kept it.
    package func input(_ index: Int, _ value: Tensor) -> Tensor {
        pass.requireUnchanged(value.view, since: node)
        return pass.createsGraph ? Tensor(value.view, node: all[index]) : value
    }

    /// The same, with its node in every pass: for rules that compute the operation anew.
    package func recorded(_ index: Int, _ value: Tensor) -> Tensor {
        pass.requireUnchanged(value.view, since: node)
        return Tensor(value.view, node: all[index])
    }

    /// The operation's result, as `value` kept it.
    package func output(_ value: Tensor) -> Tensor {
        pass.requireUnchanged(value.view, since: node)
        return pass.createsGraph ? Tensor(value.view, node: node) : value
    }

    /// A constant that was kept: no gradient flows through it.
    package func saved(_ value: Tensor) -> Tensor {
        pass.requireUnchanged(value.view, since: node)
        return value
    }

    /// Stops where any of `views` was changed since the forward pass.
    package func requireUnchanged(_ views: TensorView?...) {
        for case let view? in views { pass.requireUnchanged(view, since: node) }
    }

    // MARK: What is given

    /// Adds `gradient` to that of input `index`; it may have the shape of a broadcast result.
    package func add(_ index: Int, _ gradient: @autoclosure () -> Tensor) {
        guard let node = nodes[index] else { return }
        let gradient = gradient()
        if pass.createsGraph, gradient.node == nil { refuseGraph() }
        node.accumulate(gradient, createsGraph: pass.createsGraph)
    }

    /// Lets `body` write the gradient of input `index` straight to where it is kept, saving a copy: for a parameter that
    /// is its place in the arena. `body` adds to the view if told so, and otherwise sets all of it.
    package func write(_ index: Int, _ body: (_ destination: TensorView, _ accumulates: Bool) -> Void) {
        guard let node = nodes[index] else { return }
        if pass.createsGraph { refuseGraph() }
        node.accumulate(body)
    }

    /// Lets `gradient`, which arrived at the operation, flow on through `result`: the operation computed anew, from `input`.
    package func differentiate(_ result: Tensor, _ gradient: Tensor) { pass.enter(result, gradient) }

    private func refuseGraph() -> Never {
        stop("backward", "the gradient of '\(node.operation)' cannot be differentiated again")
    }
}
