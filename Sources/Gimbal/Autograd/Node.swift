import Synchronization

/// Adds an operation's share of the gradient to its inputs, given the gradient that arrives at its output.
package typealias GradientRule = (_ outputGradient: Tensor, _ inputs: InputGradients) -> Void

/// One recorded operation, or a leaf that gradients are collected for.
///
/// Nodes are numbered in the order they are made, and an operation is made after its inputs. Descending numbers are
/// therefore a valid order for reverse mode, and no other bookkeeping is needed.
package final class Node {
    private static let counter = Atomic<UInt64>(0)

    let sequence: UInt64
    let operation: StaticString
    let shape: Shape
    let dtype: DType
    let backend: any Backend
    /// Where the operation was called from; nil outside every layer, and for leaves.
    let layer: LayerPlace?
    /// Nodes of the inputs, nil for inputs that need no gradient. Emptied once the rule has run.
    var inputs: [Node?]
    /// Nil for leaves, and for operations whose rule has run.
    var rule: GradientRule?
    package let isLeaf: Bool

    /// The gradient collected so far.
    var gradient: TensorView?
    /// Whether `gradient` is this node's alone. A gradient that was handed on unchanged is shared: adding to it in place
    /// would change another node's.
    var ownsGradient = false
    /// Where a parameter's gradient is to be written: its place in an arena.
    var slot: TensorView?
    /// Whether this is the leaf of a parameter, whose value is used by many operations until a step changes it.
    var isParameter = false
    /// Waiting in the queue of a backward pass.
    var isQueued = false

    init(operation: StaticString, output: TensorView, inputs: [Node?], rule: @escaping GradientRule) {
        self.sequence = Node.counter.wrappingAdd(1, ordering: .relaxed).newValue
        self.operation = operation
        self.shape = output.shape
        self.dtype = output.dtype
        self.backend = output.storage.backend
        self.layer = LayerPath.place
        self.inputs = inputs
        self.rule = rule
        self.isLeaf = false
    }

    /// A leaf for `value`.
    init(leaf value: TensorView) {
        self.sequence = Node.counter.wrappingAdd(1, ordering: .relaxed).newValue
        self.operation = "leaf"
        self.shape = value.shape
        self.dtype = value.dtype
        self.backend = value.storage.backend
        self.layer = nil
        self.inputs = []
        self.rule = nil
        self.isLeaf = true
    }

    /// Releases a chain of nodes one by one: left to Swift, a chain of 100,000 would recurse as deep.
    deinit {
        var pending = inputs.compactMap { $0 }
        inputs = []
        while var node = pending.popLast() {
            // Only here is it referenced: it is about to go, and its inputs must not go with it in one recursion.
            if isKnownUniquelyReferenced(&node) {
                pending.append(contentsOf: node.inputs.lazy.compactMap { $0 })
                node.inputs = []
            }
        }
    }

    // MARK: Collecting the gradient

    /// Adds `gradient`, summing over axes along which this node's value was repeated, in the type of this node's value.
    func accumulate(_ gradient: Tensor) {
        if slot == nil && self.gradient == nil && gradient.shape == shape && gradient.dtype == dtype {
            self.gradient = gradient.view
            ownsGradient = false
            return
        }
        if let held = self.gradient, !ownsGradient, gradient.shape == shape {
            // One pass for the copy and the addition.
            guard let sum = backend.allocateOrReport(shape, dtype) else { return }
            backend.binary(.init(.add), held, gradient.view, out: sum)
            self.gradient = sum
            ownsGradient = true
            return
        }
        accumulate { destination, accumulates in
            let axes = gradient.shape.axesRepeating(shape)
            if axes.isEmpty {
                let source = gradient.view.broadcast(to: destination.shape)
                if accumulates {
                    backend.binary(.init(.add), destination, source, out: destination)
                } else {
                    backend.copy(source, to: destination)
                }
            } else {
                let missing = gradient.rank - shape.rank
                var out = destination
                out.shape = Shape([Int](repeating: 1, count: missing) + shape.sizes)
                out.strides = [Int](repeating: 0, count: missing) + destination.strides
                backend.reduce(.sum, gradient.view, out: out, accumulates: accumulates)
            }
        }
    }

    /// Lets `body` write the gradient where it belongs: add to the view if told so, else set all of it.
    func accumulate(_ body: (_ destination: TensorView, _ accumulates: Bool) -> Void) {
        if let gradient, !ownsGradient {
            guard let copy = backend.allocateOrReport(shape, dtype) else { return }
            backend.copy(gradient, to: copy)
            self.gradient = copy
            ownsGradient = true
        }
        if let gradient {
            body(gradient, true)
        } else {
            guard let destination = slot ?? backend.allocateOrReport(shape, dtype) else { return }
            body(destination, false)
            gradient = destination
            ownsGradient = true
        }
    }
}

/// The inputs of an operation, as its gradient rule sees them.
package struct InputGradients {
    let nodes: [Node?]

    /// Whether anything depends on the gradient of input `index`. Where nothing does, computing it is wasted.
    package func isNeeded(_ index: Int) -> Bool { nodes[index] != nil }

    /// Adds `gradient` to that of input `index`; it may have the shape of a broadcast result.
    package func add(_ index: Int, _ gradient: @autoclosure () -> Tensor) {
        if let node = nodes[index] { node.accumulate(gradient()) }
    }

    /// Lets `body` write the gradient of input `index` straight to where it is kept, saving a copy: for a parameter that
    /// is its place in the arena. `body` adds to the view if told so, and otherwise sets all of it.
    package func write(_ index: Int, _ body: (_ destination: TensorView, _ accumulates: Bool) -> Void) {
        nodes[index]?.accumulate(body)
    }
}

extension Shape {
    /// Axes of this shape along which `smaller` is repeated to give it.
    func axesRepeating(_ smaller: Shape) -> [Int] {
        let missing = rank - smaller.rank
        return indices.filter { $0 < missing || (smaller[$0 - missing] == 1 && self[$0] != 1) }
    }
}

extension Backend {
    /// Memory for an intermediate result; nil, with the failure reported for the next wait to throw, if refused.
    func allocateOrReport(_ shape: Shape, _ dtype: DType) -> TensorView? {
        var result: TensorView?
        reportingErrors { result = try allocate(shape, dtype) }
        return result
    }
}
