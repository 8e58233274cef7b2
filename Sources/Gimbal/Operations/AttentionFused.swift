/// Attention as one operation of the backend, which keeps two numbers of each query for the gradient.
func fusedAttention(_ problem: AttentionProblem, isCausal: Bool, scale: Double) -> Tensor {
    let (query, key, value, shape) = (problem.query, problem.key, problem.value, problem.shape)
    let (dtype, device, memory) = (problem.dtype, problem.device, problem.memory)
    let (mask, keyLengths) = (problem.mask?.view.broadcast(to: shape), problem.keyLengths)
    let lengths = keyLengths?.view
    let inputs = problem.tensors + [problem.mask, problem.keyLengths].compactMap { $0 }
    let normalizers = Tensor.make([shape[0], shape[1], shape[2], 2], device.backend.realType, device, inputs: inputs) {
        _, _ in
    }
    let output = Tensor(
        memory.heads(
            Tensor.make(
                memory.shape(shape[0], shape[1], shape[2], value.shape[3]), dtype, device,
                inputs: inputs, filling: [normalizers], named: "attention"
            ) {
                $0.attention(
                    query, keys: key, values: value, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                    out: memory.heads($1), normalizers: normalizers.view)
            }.view))
    let (places, heads, arePlain) = (problem.places, problem.heads, problem.arePlain)
    let (kept, keptMask, composedHeads) = (
        problem.tensors.map { $0.detached() }, problem.mask?.detached(), problem.composedHeads
    )
    let count = kept.count
    return output.recorded("attention", problem.tensors) { outputGradient, inputs in
        if inputs.createsGraph {
            let roles = zip(places, composedHeads).map { place, heads in heads(inputs.input(place, kept[place])) }
            return inputs.differentiate(
                .composedAttention(
                    roles[0], roles[1], roles[2],
                    mask: AttentionProblem.wholeMask(keptMask, keyLengths, shape, kept[0]), isCausal: isCausal,
                    scale: scale, dropout: 0, nil),
                outputGradient)
        }
        inputs.requireUnchanged(query, key, value)
        guard output.view.isComputed, outputGradient.view.isComputed else { return }
        let backend = outputGradient.backend
        /// Collects where the gradient of each tensor goes, and computes all of them when the last is known.
        func differentiate(_ destinations: [(view: TensorView, accumulates: Bool)?]) {
            let index = destinations.count
            if index == count {
                let roles = places.indices.map { role in
                    destinations[places[role]].map { (view: heads[role]($0.view), accumulates: $0.accumulates) }
                }
                return backend.attentionGradient(
                    query, keys: key, values: value, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                    out: output.view, normalizers: normalizers.view, outputGradient: outputGradient.view,
                    queryGradient: roles[0], keyGradient: roles[1], valueGradient: roles[2])
            }
            guard inputs.isNeeded(index) else { return differentiate(destinations + [nil]) }
            guard arePlain[places.firstIndex(of: index)!] else {
                return inputs.write(index) { differentiate(destinations + [($0, $1)]) }
            }
            backend.reportingErrors {
                // In the memory order in which heads are usually cut out of features, so that no copy follows.
                let shape = inputs.nodes[index]!.shape
                let gradient = memory.heads(
                    try backend.allocate(memory.shape(shape[0], shape[1], shape[2], shape[3]), dtype))
                differentiate(destinations + [(gradient, false)])
                inputs.add(index, Tensor(gradient))
            }
        }
        differentiate([])
    }
}
