/// What is called when the gradient of a tensor or a parameter is complete.
///
/// A leaf may hold a gradient of earlier passes. It is set aside while a pass collects, so that hooks see, and may
/// replace, what this pass gives; then it is added again.
final class GradientHooks {
    typealias Hook = (Tensor) throws -> Tensor?

    private var hooks: [(number: Int, hook: Hook)] = []
    private var added = 0
    private var earlier: Tensor?
    private var isCollecting = false

    fileprivate func add(_ hook: @escaping Hook) -> Int {
        added += 1
        hooks.append((added, hook))
        return added
    }

    /// - Returns: whether none is left.
    fileprivate func remove(_ number: Int) -> Bool {
        hooks.removeAll { $0.number == number }
        return hooks.isEmpty && !isCollecting
    }

    /// Before anything is added to the gradient of `node`.
    func beginCollecting(on node: Node) {
        guard !isCollecting else { return }
        isCollecting = true
        guard let held = node.gradient else { return }
        node.gradient = nil
        guard let slot = node.slot else {
            earlier = held
            return
        }
        guard let copy = node.backend.allocateOrReport(node.shape, node.dtype) else { return }
        copy.take(slot)
        earlier = Tensor(copy, node: held.node)
    }

    /// Once the gradient of `node` is complete. Where a hook throws, what this pass gave is forgotten.
    func run(on node: Node) throws {
        isCollecting = false
        let before = earlier
        earlier = nil
        guard var gradient = node.gradient else {
            if let before { node.setGradient(before) }
            return
        }
        var isReplaced = false
        do {
            for (_, hook) in hooks {
                guard let replacement = try hook(gradient) else { continue }
                require(
                    replacement.shape == node.shape && replacement.backend === node.backend, "onGradient",
                    "a gradient of \(replacement.shape) on \(replacement.device.id) in place of one of \(node.shape) on "
                        + node.backend.device.id)
                gradient = replacement.cast(to: node.dtype)
                isReplaced = true
            }
        } catch {
            restore(before, on: node)
            throw error
        }
        if let before {
            node.setGradient(gradient + before)
        } else if isReplaced {
            node.setGradient(gradient)
        }
    }

    /// After a pass that failed: what was collected is forgotten.
    func abandon(on node: Node) {
        guard isCollecting else { return }
        isCollecting = false
        restore(earlier, on: node)
        earlier = nil
    }

    /// Gives the node back what it held before a pass.
    private func restore(_ gradient: Tensor?, on node: Node) {
        node.gradient = nil
        if let gradient { node.setGradient(gradient) }
    }
}

extension Node {
    fileprivate func addHook(_ hook: @escaping GradientHooks.Hook) -> HookHandle {
        let hooks = hooks ?? GradientHooks()
        self.hooks = hooks
        let number = hooks.add(hook)
        return HookHandle { [weak self] in
            if hooks.remove(number) { self?.hooks = nil }
        }
    }
}

extension Tensor {
    /// Calls `hook` in every backward pass that reaches this tensor, once its gradient is complete.
    ///
    /// ```swift
    /// let weight = Parameter(Tensor([1, 2]))
    /// let h = x * weight.value
    /// h.onGradient { gradient in gradient.clamped(to: -1...1) }
    /// try h.exp().sum().backward()
    /// ```
    /// Hooks run in the order in which they were added, and each sees what the one before it made. A leaf's hook sees the
    /// gradient of this pass alone, before it is added to what the leaf holds. The gradient may lie in memory that later
    /// passes write over: compute with it at once, or keep a copy.
    /// - Parameter hook: given the gradient, of this tensor's shape. What it returns takes the gradient's place; nil leaves
    ///   it. What it throws, `backward()` throws.
    /// - Returns: a handle to take the hook off.
    @discardableResult
    public func onGradient(_ hook: @escaping (_ gradient: Tensor) throws -> Tensor?) -> HookHandle {
        guard let node else { stop("onGradient", "no gradient flows through this tensor of \(shape)") }
        return node.addHook(hook)
    }

    /// The same for a hook that only watches.
    @discardableResult
    @_disfavoredOverload  // So that a closure that only throws is clear.
    public func onGradient(_ hook: @escaping (_ gradient: Tensor) throws -> Void) -> HookHandle {
        onGradient { gradient -> Tensor? in
            try hook(gradient)
            return nil
        }
    }
}

extension Parameter {
    /// Calls `hook` in every backward pass that reaches this parameter, once its gradient of this pass is complete.
    ///
    /// ```swift
    /// let weight = Parameter(Tensor([1, 2]))
    /// var norms: [Float] = []
    /// weight.onGradient { gradient in norms.append(try gradient.square().sum().squareRoot().item()) }
    /// try (x * weight.value).sum().backward()
    /// ```
    /// See `Tensor.onGradient(_:)`. The hook stays while the parameter is frozen, and is not called then.
    @discardableResult
    public func onGradient(_ hook: @escaping (_ gradient: Tensor) throws -> Tensor?) -> HookHandle {
        gradientNode.addHook(hook)
    }

    /// The same for a hook that only watches.
    @discardableResult
    @_disfavoredOverload  // So that a closure that only throws is clear.
    public func onGradient(_ hook: @escaping (_ gradient: Tensor) throws -> Void) -> HookHandle {
        onGradient { gradient -> Tensor? in
            try hook(gradient)
            return nil
        }
    }
}
