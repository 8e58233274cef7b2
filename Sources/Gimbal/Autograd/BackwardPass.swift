/// One backward pass: the nodes still to be visited, and how.
final class BackwardPass {
    let createsGraph: Bool
    private let retainsGraph: Bool
    private let errors: ErrorLatch
    private var queue = NodeQueue()
    /// What gradients are asked for, where it is not every leaf's.
    private var targets: Targets?
    /// Who is told of leaves as soon as their gradients are whole, and what is needed to know that.
    private let arrivals: GradientArrivals?
    private var uses = LeafUses()
    /// For messages.
    private let position = LayerPath.BackwardPlace()

    init(createsGraph: Bool, retainsGraph: Bool, errors: ErrorLatch, targets: [Node]? = nil) {
        self.createsGraph = createsGraph
        self.retainsGraph = retainsGraph || createsGraph
        self.errors = errors
        self.targets = targets.map { Targets($0) }
        arrivals = targets == nil && !createsGraph ? GradientArrivals.current : nil
    }

    /// Differentiates `output`, at which `gradient` arrives.
    func run(from output: Tensor, _ gradient: Tensor) throws {
        defer { queue.removeAll() }
        enter(output, gradient)
        try LayerPath.$backward.withValue(position) {
            // A recomputed block enters its own layers.
            try LayerPath.$innermost.withValue(nil) {
                try GradientMode.$isRecording.withValue(createsGraph) {
                    // Every gradient has the type of its value.
                    try withPrecision(.float32) {
                        while let node = queue.pop() { try visit(node) }
                    }
                }
            }
        }
    }

    /// Lets `gradient` arrive at `output`, and makes its node part of this pass.
    func enter(_ output: Tensor, _ gradient: Tensor) {
        guard let node = output.node, targets?.explore(node) ?? true else { return }
        if arrivals != nil { uses.explore(node) }
        node.accumulate(gradient, createsGraph: createsGraph)
        queue.push(node)
    }

    /// The gradient of a target, once the pass has run; nil where none arrived.
    func gradient(of target: Node) -> Tensor? { targets?.gradients[target.sequence] }

    private func visit(_ node: Node) throws {
        if let hooks = node.hooks { try hooks.run(on: node) }
        targets?.collect(node)
        if node.isLeaf {
            if createsGraph { node.settleInSlot() }
            try arrivals?.tell(node)
            return
        }
        guard let arrived = node.gradient else { return }
        guard let rule = node.rule else {
            stop("backward", "the graph behind '\(node.operation)' was released by an earlier backward pass")
        }
        position.place = node.layer
        node.gradient = nil
        let all = node.inputs
        let nodes = targets.map { targets in all.map { $0.flatMap { targets.isNeeded($0) ? $0 : nil } } } ?? all
        if !retainsGraph {
            node.rule = nil
            node.inputs = []
        }
        let failure = ErrorLatch.collecting(node.operation) {
            rule(
                createsGraph ? arrived : arrived.detached(),
                InputGradients(nodes: nodes, all: all, node: node, pass: self))
        }
        OperationObserver.current?.see(
            DifferentiatedOperation(
                name: node.operation, layer: node.layer, outputGradient: arrived.detached(),
                inputGradients: nodes.map { $0?.gradient?.detached() }))
        // What it failed by, the gradients that it gives keep too: at once is only sooner.
        if let failure { try ErrorLatch.tell(failure) }
        try errors.throwIfSet()
        if let arrivals {
            // Hooks look at a gradient before anybody else does; the pass calls them when it comes to the leaf.
            for case let input? in all where input.isLeaf && uses.takeOne(of: input) && input.hooks == nil {
                try arrivals.tell(input)
            }
        }
        for case let input? in nodes { queue.push(input) }
    }

    /// Stops where memory that `node` needs was written to after `node` was made.
    func requireUnchanged(_ view: TensorView, since node: Node) {
        guard view.storage.latestChange > node.sequence else { return }
        guard let writer = view.storage.change(of: view.byteRange, after: node.sequence) else { return }
        stop(
            "backward",
            "'\(node.operation)' needs a tensor of \(view.shape) as it was, and '\(writer)' has since changed it in place; "
                + "call backward() before, or change a copy")
    }
}

/// What a pass is to give the gradients of. Only what lies between them and the output is visited.
///
/// Nodes are known by their numbers: a pass may release some and make others, in the same place in memory.
private struct Targets {
    private let wanted: Set<UInt64>
    private let oldest: UInt64
    private var visited: Set<UInt64> = []
    private var needed: Set<UInt64> = []
    private(set) var gradients: [UInt64: Tensor] = [:]

    init(_ nodes: [Node]) {
        wanted = Set(nodes.map(\.sequence))
        oldest = nodes.map(\.sequence).min() ?? .max
    }

    /// Whether a wanted gradient depends on that of `node`.
    func isNeeded(_ node: Node) -> Bool { needed.contains(node.sequence) }

    /// The same for a node that is new to the pass: what it was made of is looked through as well.
    mutating func explore(_ node: Node) -> Bool {
        var found: [Node] = []
        var pending = [node]
        while let next = pending.popLast() {
            guard next.sequence >= oldest, visited.insert(next.sequence).inserted else { continue }
            found.append(next)
            pending.append(contentsOf: next.inputs.lazy.compactMap { $0 })
        }
        // Inputs are older than what is made of them.
        for each in found.sorted(by: { $0.sequence < $1.sequence }) {
            let isOnTheWay = each.inputs.contains { $0.map { isNeeded($0) } ?? false }
            if isOnTheWay || each.mayReachOthers || wanted.contains(each.sequence) {
                needed.insert(each.sequence)
            }
        }
        return isNeeded(node)
    }

    mutating func collect(_ node: Node) {
        guard wanted.contains(node.sequence), let gradient = node.gradient else { return }
        gradients[node.sequence] = gradient
        if node.isLeaf { node.gradient = nil }
    }
}

/// Nodes still to be visited, latest first: a binary heap.
private struct NodeQueue {
    private var heap: [Node] = []

    mutating func push(_ node: Node) {
        guard !node.isQueued else { return }
        node.isQueued = true
        heap.append(node)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[parent].sequence < heap[child].sequence else { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    mutating func pop() -> Node? {
        guard let top = heap.first else { return nil }
        let last = heap.removeLast()
        top.isQueued = false
        guard !heap.isEmpty else { return top }
        heap[0] = last
        var parent = 0
        while true {
            var largest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].sequence > heap[largest].sequence {
                largest = child
            }
            guard largest != parent else { return top }
            heap.swapAt(parent, largest)
            parent = largest
        }
    }

    mutating func removeAll() {
        for node in heap {
            node.isQueued = false
            node.hooks?.abandon(on: node)
            if !node.isLeaf { node.gradient = nil }
        }
        heap.removeAll()
    }
}
