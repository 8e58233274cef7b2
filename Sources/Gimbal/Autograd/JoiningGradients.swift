extension InputGradients {
    /// Adds a gradient to that of input `index` where `body` can do so as it computes, saving a pass for the addition.
    /// - Parameter body: gives the new gradient plus the one it is handed, if any: contiguous, of the input's shape and
    ///   type, and not to be changed.
    func join(_ index: Int, _ body: (_ passing: TensorView?) -> Tensor) {
        guard let node = nodes[index] else { return }
        guard !createsGraph, let held = node.gradient?.view, node.slot == nil, node.hooks == nil, held.isContiguous
        else {
            return add(index, body(nil))
        }
        let sum = body(held)
        guard sum.shape == node.shape, sum.dtype == held.dtype, sum.view.isComputed else { return }
        node.gradient = Tensor(sum.view)
        node.ownsGradient = true
    }
}
