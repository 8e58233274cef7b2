/// An optimizer whose moments are divided among the ranks of a run (ZeRO stage 1, Rajbhandari et al. 2020, section 5.1).
///
/// ```swift
/// let optimizer = ShardedOptimizer(Adam(model.parameters), exchange)
/// ```
/// Every rank has the gradients whole, as an exchange of gradients leaves them. It keeps the moments of a stretch of whole
/// parameters, about one part in `size` of all elements, steps these, and gives their weights to all: each rank ends with the
/// same bits as without sharding. A rank may have no parameter where there are few, or one is large. While the optimizer is
/// made, its moments are there whole for a moment.
///
/// `step`, `state` and `restore` are called by all ranks, in the same order. `state` is the whole state, as one rank has it
/// without sharding: it may be taken up by any number of ranks, sharded or not.
///
/// Any optimizer of Gimbal that steps parameters itself may be inside, an `OptimizerFormula` of your own included. One that goes
/// around another, such as `Lookahead`, goes around this one. `ExponentialMovingAverage` and what else follows the weights
/// sees them whole.
public final class ShardedOptimizer: Optimizer {
    /// The optimizer that takes the steps of this rank's parameters; to be stepped by way of this one only.
    public let inner: ElementwiseOptimizer
    private let exchange: any GradientExchange
    /// Which parameters each rank steps.
    private let stretches: [Range<Int>]
    /// Whether there was memory for this rank's moments, beside all of them.
    private let sharding: Result<Void, any Error>

    /// Where there is no memory for that, `step` and `restore` throw it.
    /// - Parameters:
    ///   - inner: of the same parameters in the same order on all ranks.
    ///   - exchange: with the other ranks.
    public init(_ inner: ElementwiseOptimizer, _ exchange: any GradientExchange) {
        let parameters = inner.parameters
        require(
            inner.store.own == parameters.indices, "ShardedOptimizer", "the optimizer is sharded already")
        self.inner = inner
        self.exchange = exchange
        stretches = Self.stretches(parameters.map(\.elementCount), ranks: exchange.size)
        let own = stretches[exchange.rank]
        sharding = Result { if exchange.size > 1 { try inner.store.keep(own) } }
    }

    /// Divides parameters of these sizes among ranks: each goes to the one in whose part of all elements its middle lies.
    private static func stretches(_ counts: [Int], ranks: Int) -> [Range<Int>] {
        let total = counts.reduce(0, +)
        var (start, owners) = (0, [Int]())
        for count in counts {
            owners.append(total == 0 ? 0 : min(ranks - 1, (2 * start + count) * ranks / (2 * total)))
            start += count
        }
        return (0..<ranks).map { rank in
            let first = owners.firstIndex { $0 >= rank } ?? owners.count
            return first..<(owners.firstIndex { $0 > rank } ?? owners.count)
        }
    }

    public var parameters: [Parameter] { inner.parameters }

    public var learningRate: Double {
        get { inner.learningRate }
        set { inner.learningRate = newValue }
    }

    /// Applies the gradients held now, which are the same on all ranks, as `condition` is.
    /// - Throws: the first failure of the device since it was last waited for, or `GimbalError.exchange`; some of the weights
    ///   are then not those of the step.
    public func step(if condition: Tensor?) throws {
        try sharding.get()
        try inner.step(if: condition)
        guard exchange.size > 1 else { return }
        for (rank, stretch) in stretches.enumerated() {
            for run in ParameterRun.withGradients([Parameter](parameters[stretch])) {
                try exchange.broadcast(run.weights, from: rank)
                if rank != exchange.rank { run.weights.noteChange(by: "an optimizer's step") }
            }
        }
    }

    public func discountSteps(_ count: Int) { inner.discountSteps(count) }

    /// The moments of all parameters, those of other ranks in the host's memory, and the steps. All ranks ask for it together.
    ///
    /// Where the exchange fails, the moments that are missing cannot be read, and throw that, so that no file is written without
    /// them.
    public var state: OptimizerState {
        guard exchange.size > 1 else { return inner.state }
        let store = inner.store
        do {
            try sharding.get()
            let gathered = try store.momentViews.map { moment in
                try stretches.indices.map { try gather(moment, of: $0) }
            }
            return store.state { moment, index in
                let rank = stretches.firstIndex { $0.contains(index) }!
                return part(of: gathered[moment][rank], index, of: rank)
            }
        } catch {
            let failure =
                error as? GimbalError ?? .exchange(rank: nil, reason: "moments could not be gathered: \(error)")
            return store.state { _, index in
                let weights = parameters[index].weights
                return Tensor(standingInFor: weights.shape, weights.dtype, parameters[index].device, failure)
            }
        }
    }

    public func restore(_ state: OptimizerState) throws {
        try sharding.get()
        try inner.restore(state)
    }

    /// The bytes of a moment for the parameters of `rank`; none for this rank's own.
    private func gather(_ moment: TensorView, of rank: Int) throws -> [UInt8] {
        let stretch = stretches[rank]
        if stretch.isEmpty { return [] }
        if rank == exchange.rank {
            try exchange.broadcast(moment, from: rank)
            return []
        }
        let count = inner.store.place(stretch.upperBound) - inner.store.place(stretch.lowerBound)
        var bytes = [UInt8](repeating: 0, count: count * moment.dtype.byteCount)
        try bytes.withUnsafeMutableBytes { try exchange.broadcast($0, from: rank) }
        return bytes
    }

    /// What `bytes`, the moments of the parameters of `rank`, hold for parameter `index`.
    private func part(of bytes: [UInt8], _ index: Int, of rank: Int) -> Tensor {
        let parameter = parameters[index]
        let dtype = parameter.weights.dtype
        let place = inner.store.place(index) - inner.store.place(stretches[rank].lowerBound)
        return bytes.withUnsafeBytes {
            let part = $0[place * dtype.byteCount..<(place + parameter.elementCount) * dtype.byteCount]
            return Tensor(copying: UnsafeRawBufferPointer(rebasing: part), parameter.shape, dtype, .cpu)
        }
    }
}
