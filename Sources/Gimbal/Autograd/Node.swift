import Synchronization

/// Adds an operation's share of the gradient to its inputs, given the gradient that arrives at its output.
package typealias GradientRule = (_ outputGradient: Tensor, _ inputs: InputGradients) -> Void

/// One recorded operation, or a leaf that gradients are collected for.
///
/// Nodes are numbered in the order they are made, and an operation is made after its inputs. Descending numbers are
/// therefore a valid order for reverse mode, and no other bookkeeping is needed.
package final class Node {
    private static let counter = Atomic<UInt64>(0)

    package let sequence: UInt64
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

    /// The gradient collected so far. It has a node where the pass that collects it creates a graph.
    var gradient: Tensor?
    /// Whether `gradient` is this node's alone. A gradient that was handed on unchanged is shared: adding to it in place
    /// would change another node's.
    var ownsGradient = false
    /// Where a parameter's gradient is to be written: its place in an arena.
    var slot: TensorView?
    /// Whether this is the leaf of a parameter, whose value is used by many operations until a step changes it.
    var isParameter = false
    /// Whether the rule may reach leaves that are not behind `inputs`, as a recomputed block reaches its parameters.
    var mayReachOthers = false
    /// Waiting in the queue of a backward pass.
    var isQueued = false
    /// What is called once the gradient is complete; nil if nothing is.
    var hooks: GradientHooks?

    /// A number greater than all that were given before.
    static func nextSequence() -> UInt64 { counter.wrappingAdd(1, ordering: .relaxed).newValue }

    init(operation: StaticString, output: TensorView, inputs: [Node?], rule: @escaping GradientRule) {
        self.sequence = Node.nextSequence()
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
        self.sequence = Node.nextSequence()
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
    func accumulate(_ gradient: Tensor, createsGraph: Bool) {
        hooks?.beginCollecting(on: self)
        if createsGraph {
            let fitting = gradient.summed(to: shape).cast(to: dtype)
            self.gradient = self.gradient.map { $0 + fitting } ?? fitting
            ownsGradient = false
            return
        }
        if slot == nil && self.gradient == nil && gradient.shape == shape && gradient.dtype == dtype {
            self.gradient = Tensor(gradient.view)
            ownsGradient = false
            return
        }
        if let held = self.gradient, !ownsGradient, gradient.shape == shape {
            // One pass for the copy and the addition.
            guard let sum = slot ?? backend.allocateOrReport(shape, dtype) else { return }
            sum.written(anew: true, of: [held.view, gradient.view]) {
                backend.binary(.init(.add), held.view, gradient.view, out: sum)
            }
            self.gradient = Tensor(sum)
            ownsGradient = true
            return
        }
        accumulate(of: [gradient.view]) { destination, accumulates in
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

    /// Lets `body` write the gradient where it belongs: add to the view if told so, else set all of it. It reads `views`.
    func accumulate(
        of views: [TensorView] = [], _ body: (_ destination: TensorView, _ accumulates: Bool) -> Void
    ) {
        hooks?.beginCollecting(on: self)
        if let gradient {
            var destination = gradient.view
            if !ownsGradient {
                guard let copy = slot ?? backend.allocateOrReport(shape, dtype) else { return }
                copy.take(gradient.view)
                destination = copy
            }
            if ownsGradient && gradient.node != nil { destination.noteChange(by: "accumulation of gradients") }
            destination.written(anew: false, of: views + [destination]) { body(destination, true) }
            self.gradient = Tensor(destination)
        } else {
            guard let destination = slot ?? backend.allocateOrReport(shape, dtype) else { return }
            destination.written(anew: true, of: views) { body(destination, false) }
            gradient = Tensor(destination)
        }
        ownsGradient = true
    }

    /// Puts `value` in place of the gradient.
    func setGradient(_ value: Tensor) {
        gradient = value
        ownsGradient = false
        settleInSlot()
    }

    /// Moves a gradient that lies elsewhere to its place in the arena.
    func settleInSlot() {
        guard let slot, let held = gradient, !ownsGradient else { return }
        var source = held.view
        if source.storage === slot.storage {
            guard let copy = backend.allocateOrReport(shape, dtype) else { return }
            copy.take(source)
            source = copy
        }
        slot.take(source)
        gradient = Tensor(slot, node: held.node)
        ownsGradient = true
    }

    /// Puts a copy of `value` in place of the gradient.
    func setGradient(copying value: TensorView) {
        guard let destination = slot ?? backend.allocateOrReport(shape, dtype) else { return }
        destination.take(value)
        gradient = Tensor(destination)
        ownsGradient = true
    }

    /// The gradient of a leaf and where it is kept, while it collects another.
    struct Collected {
        fileprivate var gradient: Tensor?
        fileprivate var ownsGradient: Bool
        fileprivate var slot: TensorView?
    }

    func setAside() -> Collected {
        defer { (gradient, ownsGradient, slot) = (nil, false, nil) }
        return Collected(gradient: gradient, ownsGradient: ownsGradient, slot: slot)
    }

    func takeBack(_ collected: Collected) {
        (gradient, ownsGradient, slot) = (collected.gradient, collected.ownsGradient, collected.slot)
    }
}

extension Tensor {
    /// The sum over axes along which a tensor of `shape` was repeated to give this one's.
    func summed(to shape: Shape) -> Tensor {
        if self.shape == shape { return self }
        return sum(self.shape.axesRepeating(shape), keepsAxes: true).reshaped(shape)
    }
}

extension TensorView {
    /// To be called by whoever writes to the memory of a tensor that others may see, before anything uses it again: a
    /// backward pass that needs what was there stops, and names `operation`.
    package func noteChange(by operation: StaticString) {
        storage.noteChange(of: byteRange, at: Node.nextSequence(), by: operation)
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
    /// Memory for an intermediate result; nil, with the failure reported, if refused.
    func allocateOrReport(_ shape: Shape, _ dtype: DType) -> TensorView? {
        var result: TensorView?
        reportingErrors { result = try allocate(shape, dtype) }
        return result
    }
}
