extension Examination {
    /// Looks at one pass of `loss` over `batch`, forward and backward. Nothing of the model changes: neither weights, nor
    /// gradients that it holds, nor running statistics, nor random numbers.
    /// - Parameters:
    ///   - model: what is looked at, in the mode that it is in.
    ///   - batch: what `loss` is called with. Its tensors that are no inputs of the model are taken for targets.
    ///   - optimizer: what the model is to be trained by.
    ///   - loss: the mean loss of a batch, as in training.
    /// - Throws: the first failure of the device; what `loss` throws.
    public init<Batch>(
        of model: Module, on batch: Batch, optimizer: (any Optimizer)? = nil, loss: (Batch) throws -> Tensor
    ) throws {
        try self.init(of: model, on: batch, optimizer: optimizer, loss: loss) { _, loss in
            try loss.backward()
            try optimizer?.step()
        }
    }

    /// - Parameter train: a step of training, numbered from 0, that makes a backward pass from the loss and changes the
    ///   weights, without gradients held before.
    package init<Batch>(
        of model: Module, on batch: Batch, optimizer: (any Optimizer)?, loss: (Batch) throws -> Tensor,
        train: (_ step: Int, _ loss: Tensor) throws -> Void
    ) throws {
        let trace = try Trace(model) { try loss(batch) }
        let parameters = model.parameters
        let held = Set((optimizer?.parameters ?? parameters).map { ObjectIdentifier($0) })
        self.loss = trace.loss
        sampleCount = trace.inputs.first?.shape.first ?? tensors(in: batch).first?.shape.first ?? 0
        hasOptimizer = optimizer != nil
        learningRate = optimizer?.learningRate
        self.parameters = try zip(parameters, trace.parameterGradients).map { parameter, gradient in
            ParameterExamination(
                name: parameter.name, values: try SignalStatistics(of: parameter.value), gradient: gradient,
                isTrainable: parameter.isTrainable, isHeld: held.contains(ObjectIdentifier(parameter)))
        }
        inputs = try trace.inputs.filter(\.dtype.isFloatingPoint).map { try InputExamination($0) }
        let isInput = { (tensor: Tensor) in
            trace.inputs.contains { $0.view.storage === tensor.view.storage && $0.shape == tensor.shape }
        }
        targets = try tensors(in: batch).filter { !isInput($0) }.map { try TargetExamination($0) }
        isResidual = trace.isResidual
        activations = []
        layers = []
        var layerOfOperation: [Int: Int] = [:]
        for (index, operation) in trace.operations.enumerated() {
            if let weight = trace.weight(of: index) {
                layerOfOperation[index] = layers.count
                layers.append(
                    try LayerExamination(
                        trace, index, weight: self.parameters[weight], at: weight,
                        names: layers.map(\.name)))
            } else if let units = operation.units {
                if let origin = trace.origin(of: index), let layer = layerOfOperation[origin],
                    layers[layer].activation == nil
                {
                    layers[layer].activation = activations.count
                }
                activations.append(
                    ActivationExamination(
                        name: operation.layer, units: units, output: operation.output, slope: trace.slope(of: index)))
            }
        }
        output = OutputExamination(trace)
        (probe, sharpness) = (nil, nil)
        guard let optimizer, self.loss.isFinite else { return }
        probe = try Probe.run(model, optimizer, steps: 20) {
            try Trace(model, differentiates: false) { try loss(batch) }.deadShare
        } loss: {
            try loss(batch)
        } train: {
            try train($0, $1)
        }
        // It takes many passes, and says how high a rate may be: of a parabola at once, of others once it was too high.
        if layers.count <= 1 || probe?.isDiverging ?? false {
            sharpness = try Sharpness.measure(model, optimizer) { try loss(batch) }
        }
    }
}

extension LayerExamination {
    fileprivate init(
        _ trace: Trace, _ index: Int, weight: ParameterExamination, at place: Int, names: [String]
    ) throws {
        let operation = trace.operations[index]
        let path = operation.layer.isEmpty ? weight.name : operation.layer
        // One that computes several times, such as an attention's projection, is told apart by its weight.
        name = names.contains(path) && !names.contains(weight.name) ? weight.name : path
        self.operation = operation.name
        self.weight = weight.name
        weightShape = weight.values.shape
        weightScale = weight.values.rootMeanSquare
        isNormalized = trace.isNormalized(index)
        input = trace.signalSources(of: index).first.map { trace.operations[$0].output } ?? operation.data
        output = operation.output
        outputGradient = operation.gradient
        weightGradient = weight.gradient
        gradientOverTime = operation.gradientOverTime
        hasIdenticalUnits =
            try trace.hasIdenticalGradients[place] && trace.parameters[place].value.hasIdenticalRows()
        (bias, forgetGateBias) = (nil, nil)
        let biases = trace.biases(of: index)
        for bias in biases {
            let values = bias.value.detached().cast(to: .float32)
            self.bias = try SignalStatistics(of: values)
            // The second of the four blocks of a LSTM.
            if operation.name == "recurrent", bias.shape[0] == 4 * operation.output.shape.last! {
                let size = bias.shape[0] / 4
                forgetGateBias = try (forgetGateBias ?? 0) + Double(values.sliced(size..<2 * size).mean().item())
            }
        }
    }
}

extension Tensor {
    /// Whether there are several first indices, and what lies behind them is the same for all.
    func hasIdenticalRows() throws -> Bool {
        guard rank >= 2, shape[0] > 1, elementCount > shape[0] else { return false }
        let rows = detached().reshaped([shape[0], elementCount / shape[0]]).cast(to: .float32)
        return try (rows - rows.sliced(0..<1)).absolute().max().item() == 0
    }
}

extension InputExamination {
    fileprivate init(_ input: Tensor) throws {
        signal = try SignalStatistics(of: input)
        (featureDeviations, featureMeans, nonFiniteSamples) = ([], [], [])
        guard input.rank > 0, input.elementCount > 0 else { return }
        let x = input.cast(to: .float32)
        if signal.isNonFinite {
            let others = [Int](1..<x.rank)
            let isBad = (x - x).isNaN().cast(to: .float32)
            let bad = try (others.isEmpty ? isBad : isBad.max(others)).floats()
            nonFiniteSamples = Array(bad.indices.filter { bad[$0] > 0 }.prefix(10))
        } else if x.rank == 2, x.shape[0] > 1, x.shape[1] <= 100_000 {
            featureDeviations = try x.variance([0]).squareRoot().doubles()
            featureMeans = try x.mean([0]).doubles()
        }
    }
}

extension TargetExamination {
    fileprivate init(_ targets: Tensor) throws {
        isWhole = !targets.dtype.isFloatingPoint
        signal = try SignalStatistics(of: targets.cast(to: .float32))
        counts = isWhole ? try targets.integers().reduce(into: [:]) { $0[Int($1), default: 0] += 1 } : [:]
        let x = targets.cast(to: .float32)
        isBinary = try x.elementCount > 0 && (x * x - x).absolute().max().item() == 0
        isOneHot =
            try isBinary && x.rank > 1 && x.shape[x.rank - 1] > 1 && (x.sum([-1]) - 1).absolute().max().item() == 0
    }
}

extension Trace {
    /// The share of the units of rectifiers that are off for every sample.
    fileprivate var deadShare: Double {
        let units = operations.compactMap(\.units).filter {
            ActivationKind(rawValue: $0.function)?.isRectifier ?? false
        }
        let count = units.reduce(0) { $0 + $1.unitCount }
        return count > 0 ? units.reduce(0) { $0 + $1.deadShare * Double($1.unitCount) } / Double(count) : 0
    }

    /// What the gradient is multiplied by in operation `index`.
    fileprivate func slope(of index: Int) -> Double? {
        guard let source = signalSources(of: index).first, let before = operations[source].gradient,
            let behind = operations[index].gradient, behind.rootMeanSquare > 0
        else { return nil }
        return before.rootMeanSquare / behind.rootMeanSquare
    }

    /// Whether two signals are added up that both come from weights.
    fileprivate var isResidual: Bool {
        operations.indices.contains { index in
            guard operations[index].name == "+" else { return false }
            let sources = signalSources(of: index)
            return sources.count == 2 && sources.allSatisfy { origin(of: $0) != nil }
        }
    }
}
