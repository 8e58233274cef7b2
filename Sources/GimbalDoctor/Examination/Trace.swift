import GimbalNN

/// One pass, forward and backward, as a list of its operations, with what each did to the signal and to the gradient.
final class Trace {
    /// Where an operand comes from.
    enum Source {
        /// An earlier operation, by its place in the trace.
        case operation(Int)
        /// A parameter of the model, by its place among all of them.
        case parameter(Int)
        /// Data, or what was computed before the pass.
        case data
    }

    /// An operation and its first result.
    struct Operation {
        let name: String
        /// The path of the layer it was called in; empty for the model itself and outside of it.
        let layer: String
        let sources: [Source]
        let output: SignalStatistics
        /// What arrives at the output in the backward pass; nil where nothing does.
        var gradient: GradientStatistics?
        /// Whether it is computed from parameters alone, such as a normalised weight.
        let isWeight: Bool
        /// Whether it is computed from data alone, such as a target that is reshaped.
        let isData: Bool
        /// Of an activation function.
        let units: UnitActivity?
        /// What its first operand is like, where that is data.
        let data: SignalStatistics?
        /// Of a softmax, or of its logarithm: the mean of the probabilities.
        let meanProbability: Double?
        /// Whether it is given infinity as data, such as a mask.
        let takesInfinity: Bool
        /// Of a recurrent net: the largest element of the gradient that arrives at the input of each time step.
        var gradientOverTime: [Double] = []
    }

    private(set) var operations: [Operation] = []
    /// What the model was called with first.
    private(set) var inputs: [Tensor] = []
    /// The loss, in full precision.
    private(set) var loss = Double.nan
    /// The gradient of each parameter; nil where none arrives.
    private(set) var parameterGradients: [GradientStatistics?] = []
    /// Of each weight: the cosine between its gradient and itself, times its own root mean square; nil where none arrives.
    private(set) var alignments: [Double?] = []
    /// The place of the loss among the operations; nil where it was computed by none.
    private(set) var lossOperation: Int?
    /// The operation whose result the model gave out first; nil where the model itself was not called.
    private(set) var modelOutput: Int?
    /// Of each parameter: whether all its units get the same gradient, so that they cannot part. The gates of a recurrent
    /// net may differ.
    private(set) var hasIdenticalGradients: [Bool] = []
    /// The norm of the gradient that arrives at each row of the predictions.
    private(set) var predictionGradients: [Double] = []
    /// The operation whose result the loss takes for the model's predictions; nil where there is none.
    private(set) var predictions: Int?
    /// The memory of all data that operations took, and the place of the last that did.
    private(set) var dataTaken: [ObjectIdentifier: Int] = [:]

    let parameters: [Parameter]
    private var inputLeaf: Tensor?
    private var parameterPlaces: [TensorKey: Int] = [:]
    private var places: [TensorKey: Int] = [:]
    private var failure: (any Error)?
    /// Keys of results without a node stay theirs while their memory is held.
    private var held: [Tensor] = []

    /// Runs `loss` and differentiates it. Parameters, their gradients, running statistics and random numbers stay as they
    /// are. Waits for the device, once or twice for each operation.
    /// - Throws: the first failure of the device; what `loss` throws.
    init(_ model: Module, differentiates: Bool = true, loss: () throws -> Tensor) throws {
        parameters = model.parameters
        for (index, parameter) in parameters.enumerated() {
            parameterPlaces[.memory(parameter.value)] = index
        }
        let generator = RandomGenerator.current
        let state = generator.state
        defer { generator.state = state }
        let value = try GradientMode.$isRecomputing.withValue(true) {
            try withObserver(
                before: { [unowned self] in takeInputs(of: $0, model) },
                after: { [unowned self] in takeOutput(of: $0, model) }
            ) {
                try withOperationWatcher(OperationWatcher(computed: { [unowned self] in add($0) }), loss)
            }
        }
        if let failure { throw failure }
        self.loss = try Double(value.item())
        lossOperation = places[TensorKey(value)]
        predictions = findPredictions()
        if differentiates { try differentiate(value) }
        held = []
    }

    /// The gradients of all parameters, without touching those that they hold.
    private func differentiate(_ loss: Tensor) throws {
        parameterGradients = parameters.map { _ in nil }
        hasIdenticalGradients = parameters.map { _ in false }
        alignments = parameters.map { _ in nil }
        guard loss.requiresGradient else { return }
        let trained = parameters.indices.filter { parameters[$0].isTrainable }
        guard !trained.isEmpty else { return }
        var handles: [HookHandle] = []
        defer { handles.forEach { $0.remove() } }
        for index in trained {
            handles.append(
                parameters[index].onGradient { [unowned self] (gradient: Tensor) -> Void in
                    let size = try GradientStatistics(of: gradient)
                    parameterGradients[index] = size
                    alignments[index] = try gradient.projection(of: parameters[index].value, size: size.rootMeanSquare)
                    // Sums in another order are rounded otherwise.
                    hasIdenticalGradients[index] = try gradient.hasIdenticalRows(
                        within: 1e-3, blocks: gateCounts[index] ?? 1)
                })
        }
        _ = try gradient(
            of: loss, withRespectTo: trained.map { parameters[$0].value } + (inputLeaf.map { [$0] } ?? []),
            unused: .zeros)
    }

    /// Of the weights of recurrent nets: how many gates their rows belong to, one block of units each. Known once all
    /// operations are.
    private(set) lazy var gateCounts: [Int: Int] = {
        var counts: [Int: Int] = [:]
        for operation in operations where operation.name == "recurrent" {
            guard let units = operation.output.shape.last, units > 0 else { continue }
            for case .parameter(let index) in operation.sources where parameters[index].shape.rank == 2 {
                counts[index] = max(1, parameters[index].shape[0] / units)
            }
        }
        return counts
    }()

    /// The largest root mean square of a parameter's gradient, of those that are finite; 0 of none. Known after the pass.
    private(set) lazy var largestGradient =
        parameterGradients.compactMap { $0?.rootMeanSquare }.filter(\.isFinite).max() ?? 0

    private func takeInputs(of call: LayerCall, _ model: Module) {
        guard call.module === model, inputs.isEmpty else { return }
        inputs = call.inputs.map { $0.detached() }
        // For the gradient over time of what is read.
        if let input = call.input as? Tensor, input.dtype.isFloatingPoint, !input.requiresGradient {
            let leaf = input.requiringGradient()
            (call.input, inputLeaf) = (leaf, leaf)
        }
    }

    private func takeOutput(of call: LayerCall, _ model: Module) {
        guard call.module === model, modelOutput == nil, let output = call.outputs.first else { return }
        modelOutput = places[TensorKey(output)]
    }

    private func add(_ computed: ComputedOperation) {
        guard failure == nil, !computed.isBackward, let first = computed.outputs.first, first.view.isComputed
        else { return }
        let sources = computed.inputs.map(source)
        for case (.data, let input) in zip(sources, computed.inputs) {
            dataTaken[ObjectIdentifier(input.view.storage)] = operations.count
        }
        // What is looked up by numbers that are data is signal, though the table alone goes in.
        let isWeight =
            computed.name.description != "gathered" && !sources.isEmpty
            && sources.allSatisfy { source in
                switch source {
                case .parameter: true
                case .operation(let index): operations[index].isWeight
                case .data: false
                }
            }
        let isData = sources.allSatisfy { source in
            switch source {
            case .parameter: false
            case .operation(let index): operations[index].isData
            case .data: true
            }
        }
        let place = operations.count
        for output in computed.outputs {
            places[TensorKey(output)] = place
            if output.node == nil { held.append(output) }
        }
        keeping {
            let activity = try UnitActivity(
                of: "\(computed.name)", input: computed.inputs.first, output: first,
                unitAxis: unitAxis(sources, first))
            let output = try SignalStatistics(of: first)
            // Asked only where it makes a difference.
            let takesInfinity =
                try output.infinityCount > 0
                && zip(sources, computed.inputs).contains { source, input in
                    guard case .data = source, input.dtype.isFloatingPoint else { return false }
                    return try SignalStatistics(of: input).infinityCount > 0
                }
            operations.append(
                Operation(
                    name: "\(computed.name)", layer: computed.layer?.path ?? "", sources: sources,
                    output: output, isWeight: isWeight, isData: isData,
                    units: activity, data: try data(in: computed, sources),
                    meanProbability: try meanProbability(of: "\(computed.name)", first, mean: output.mean),
                    takesInfinity: takesInfinity))
        }
        guard failure == nil else { return }
        if computed.name.description == "recurrent", let input = computed.inputs.first, input.requiresGradient {
            input.onGradient { [unowned self] gradient in
                operations[place].gradientOverTime = try gradient.absolute().max([1, 2]).doubles()
            }
        }
        for output in computed.outputs where output.requiresGradient {
            output.onGradient { [unowned self] (gradient: Tensor) -> Void in
                operations[place].gradient = try GradientStatistics(of: gradient)
                if place == predictions { predictionGradients = try gradient.rowNorms() }
            }
        }
    }

    private func data(in computed: ComputedOperation, _ sources: [Source]) throws -> SignalStatistics? {
        guard case .data? = sources.first, computed.inputs[0].dtype.isFloatingPoint else { return nil }
        return try SignalStatistics(of: computed.inputs[0])
    }

    private func meanProbability(of name: String, _ output: Tensor, mean: Double) throws -> Double? {
        switch name {
        case "softmax": mean
        case "logSoftmax": try Double(output.detached().cast(to: .float32).exp().mean().item())
        default: nil
        }
    }

    private func source(of tensor: Tensor) -> Source {
        if let place = places[TensorKey(tensor)] ?? places[.memory(tensor)], place < operations.count {
            return .operation(place)
        }
        return parameterPlaces[.memory(tensor)].map { .parameter($0) } ?? .data
    }

    /// The axis of `output` that counts units: the second behind a convolution, as of images, else the last.
    private func unitAxis(_ sources: [Source], _ output: Tensor) -> Int {
        if output.rank == 4 || output.rank == 5 { return 1 }
        guard output.rank == 3, case .operation(let index)? = sources.first else { return max(0, output.rank - 1) }
        return origin(of: index).map { operations[$0].name == "convolved" } ?? false ? 1 : 2
    }

    /// Runs `body`; the first failure is thrown by `init`.
    private func keeping(_ body: () throws -> Void) {
        guard failure == nil else { return }
        do { try body() } catch { failure = error }
    }
}

// MARK: - Walking the trace

extension Trace {
    /// Operations that multiply the signal by weights.
    static let products: Set<String> = ["linear", "matrixMultiplied", "convolved", "recurrent", "gathered"]

    /// Whether operation `index` is one by which a layer's weights act on the signal.
    func isWeighted(_ index: Int) -> Bool { weight(of: index) != nil }

    /// The parameter by which operation `index` multiplies its signal, of two axes or more.
    func weight(of index: Int) -> Int? {
        let operation = operations[index]
        guard !operation.isWeight, Self.products.contains(operation.name) else { return nil }
        for source in operation.sources {
            if let parameter = parameter(behind: source), parameters[parameter].shape.rank >= 2 { return parameter }
        }
        return nil
    }

    /// The first parameter that `source` is made of, where it is made of parameters alone.
    private func parameter(behind source: Source) -> Int? {
        switch source {
        case .parameter(let index): return index
        case .operation(let index) where operations[index].isWeight:
            return operations[index].sources.lazy.compactMap { self.parameter(behind: $0) }.first
        default: return nil
        }
    }

    /// The operations whose results go into operation `index` as signal.
    func signalSources(of index: Int) -> [Int] {
        operations[index].sources.compactMap { source in
            if case .operation(let place) = source, !operations[place].isWeight { return place }
            return nil
        }
    }

    /// The weighted operation whose signal reaches the result of operation `index` first, itself included.
    func origin(of index: Int) -> Int? {
        var place: Int? = index
        while let here = place {
            if isWeighted(here) { return here }
            place = signalSources(of: here).filter { !operations[$0].isData }.max()
        }
        return nil
    }

    /// The parameters that are added to what operation `index` makes of its signal.
    func biases(of index: Int) -> [Parameter] {
        let adding = consumers(of: index).filter { operations[$0].name == "+" }
        return ([index] + adding).flatMap { operations[$0].sources }.compactMap { parameter(behind: $0) }
            .map { parameters[$0] }.filter { $0.shape.rank == 1 }
    }

    /// The operations that take the result of operation `index`.
    func consumers(of index: Int) -> [Int] {
        operations.indices.filter { $0 > index && signalSources(of: $0).contains(index) }
    }

    /// Whether what operation `index` gives out is normalised before anything else is made of it.
    func isNormalized(_ index: Int) -> Bool {
        var place = index
        while let next = consumers(of: place).first {
            let name = operations[next].name
            if name.hasSuffix("Normalized") { return true }
            guard name == "+" || Self.rearrangements.contains(name), consumers(of: place).count == 1 else {
                return false
            }
            place = next
        }
        return false
    }

    /// Operations that leave the elements as they are.
    static let rearrangements: Set<String> = [
        "reshaped", "permuted", "transposed", "contiguous", "cast", "broadcast", "expandingAxis", "to", "sliced",
    ]
}
