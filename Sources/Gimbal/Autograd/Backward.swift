extension Tensor {
    /// Differentiates this tensor with respect to every parameter and leaf it was computed from.
    ///
    /// Gradients are added to those already held, as for accumulation over several batches; call `zeroGradients()` to
    /// start anew. Saved intermediate values are released as the pass proceeds.
    ///
    /// ```swift
    /// let loss = crossEntropy(model(x), targets)
    /// try loss.backward()
    /// ```
    /// - Parameters:
    ///   - gradient: the gradient arriving at this tensor, of its shape. May be left out for a single element: then 1.
    ///   - retainsGraph: keeps what was recorded, so that `backward` can be called again.
    /// - Throws: the first failure of the device since it was last waited for, such as `GimbalError.outOfMemory`.
    public func backward(gradient: Tensor? = nil, retainsGraph: Bool = false) throws {
        guard let root = node else {
            stop("backward", "this tensor was not computed from anything that needs a gradient")
        }
        let backend = view.storage.backend
        try backend.errors.throwIfSet()
        if let gradient {
            require(gradient.shape == shape, "backward", "a gradient of \(gradient.shape) for a tensor of \(shape)")
            root.accumulate(gradient.detached())
        } else {
            require(elementCount == 1, "backward", "a tensor of \(shape) needs the gradient arriving at it")
            root.accumulate(Tensor(repeating: 1, shape, dtype: dtype, device: device))
        }
        require(root.isLeaf || root.rule != nil, "backward", "the graph was released by an earlier backward pass")
        try withoutGradients {
            // Every gradient has the type of its value.
            try withPrecision(.float32) {
                try propagate(from: root, retainsGraph: retainsGraph, errors: backend.errors)
            }
        }
    }

    private func propagate(from root: Node, retainsGraph: Bool, errors: ErrorLatch) throws {
        var queue = NodeQueue()
        queue.push(root)
        defer { queue.removeAll() }
        let position = LayerPath.BackwardPlace()
        try LayerPath.$backward.withValue(position) {
            // A recomputed block enters its own layers.
            try LayerPath.$innermost.withValue(nil) {
                try propagate(&queue, position, retainsGraph: retainsGraph, errors: errors)
            }
        }
    }

    private func propagate(
        _ queue: inout NodeQueue, _ position: LayerPath.BackwardPlace, retainsGraph: Bool, errors: ErrorLatch
    ) throws {
        while let node = queue.pop() {
            guard !node.isLeaf else { continue }
            guard let arrived = node.gradient else { continue }
            guard let rule = node.rule else {
                stop("backward", "the graph behind '\(node.operation)' was released by an earlier backward pass")
            }
            position.place = node.layer
            node.gradient = nil
            let inputs = node.inputs
            if !retainsGraph {
                node.rule = nil
                node.inputs = []
            }
            rule(Tensor(arrived), InputGradients(nodes: inputs))
            try errors.throwIfSet()
            for case let input? in inputs { queue.push(input) }
        }
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
        for node in heap { node.isQueued = false }
        heap.removeAll()
    }
}
