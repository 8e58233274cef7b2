extension Examination {
    /// Looks at one pass of `loss` over `batch`, forward and backward. Nothing of the model changes: neither weights, nor
    /// gradients that it holds, nor running statistics, nor random numbers.
    /// - Parameters:
    ///   - model: what is looked at, in the mode that it is in.
    ///   - batch: what `loss` is called with. Its tensors that are no inputs of the model are taken for targets.
    ///   - optimizer: what the model is to be trained by.
    ///   - steps: how many steps the training is to have; nil where that is not known.
    ///   - loss: the mean loss of a batch, as in training.
    /// - Throws: the first failure of the device; what `loss` throws.
    public init<Batch>(
        of model: Module, on batch: Batch, optimizer: (any Optimizer)? = nil, steps: Int? = nil,
        loss: (Batch) throws -> Tensor
    ) throws {
        try self.init(
            of: model, on: batch, optimizer: optimizer, plannedSteps: steps.map(Double.init), loss: loss
        ) { _, loss in
            try loss.backward()
            try optimizer?.step()
        }
    }

    /// - Parameters:
    ///   - penalty: what `train` adds to the gradients; nil for nothing.
    ///   - clipNorm: the limit that `train` sets to the norm of all gradients; nil for none.
    ///   - plannedSteps: as in `OptimizerExamination`.
    ///   - train: a step of training, numbered from 0, that makes a backward pass from the loss and changes the weights,
    ///     without gradients held before.
    package init<Batch>(
        of model: Module, on batch: Batch, optimizer: (any Optimizer)?, penalty: WeightPenalty? = nil,
        clipNorm: Double? = nil, plannedSteps: Double? = nil,
        loss: (Batch) throws -> Tensor,
        train: (_ step: Int, _ loss: Tensor) throws -> Void
    ) throws {
        let trace = try Trace(model) { try loss(batch) }
        let parameters = model.parameters
        let held = Set((optimizer?.parameters ?? parameters).map { ObjectIdentifier($0) })
        self.loss = trace.loss
        sampleCount = trace.inputs.first?.shape.first ?? tensors(in: batch).first?.shape.first ?? 0
        structure = Structure(trace, model)
        let measured = try parameters.enumerated().map { index, parameter in
            let values = try SignalStatistics(of: parameter.value)
            return ParameterExamination(
                name: parameter.name, values: values, gradient: trace.parameterGradients[index],
                alignment: trace.alignments[index].flatMap { ($0 / values.rootMeanSquare).ifFinite },
                isTrainable: parameter.isTrainable, isHeld: held.contains(ObjectIdentifier(parameter)))
        }
        self.parameters = measured
        self.optimizer = optimizer.map {
            OptimizerExamination(
                $0, measured, penalty: penalty, clipNorm: clipNorm, plannedSteps: plannedSteps)
        }
        // Pictures may be laid flat on their way in; of a text, what goes in is a part, and what comes next another.
        let isInput = { (tensor: Tensor) in
            trace.inputs.contains {
                $0.view.storage === tensor.view.storage && $0.elementCount == tensor.elementCount
            }
        }
        var output = OutputExamination(trace)
        let (kind, rows) = (output.loss, trace.predictions.map { trace.operations[$0].output.shape.first } ?? nil)
        // Data that operations took which are no part of the model, or that only the loss took last. What a cross-entropy is told
        // of classes is no operand of its operations.
        var aims: [Tensor] = []
        for tensor in tensors(in: batch)
        where !aims.contains(where: { $0.view.storage === tensor.view.storage && $0.shape == tensor.shape }) {
            let taken = trace.dataTaken[ObjectIdentifier(tensor.view.storage)]
            let isClasses = kind == .crossEntropy && !tensor.dtype.isFloatingPoint && tensor.elementCount == rows
            if isInput(tensor) ? taken ?? 0 > trace.predictions ?? .max : taken != nil || isClasses {
                aims.append(tensor)
            }
        }
        targets = try aims.map { try TargetExamination($0) }
        inputs = try trace.inputs.filter(\.dtype.isFloatingPoint).map { try InputExamination($0, aims: aims) }
        distinctIndices = try trace.inputs.first.flatMap { $0.dtype.isFloatingPoint ? nil : try $0.distinctSamples }
        if let place = targets.firstIndex(where: { !$0.counts.isEmpty }), case let classes = aims[place],
            classes.elementCount == trace.predictionGradients.count
        {
            let total = trace.predictionGradients.reduce(0, +)
            for (number, size) in zip(try classes.cast(to: .int32).integers(), trace.predictionGradients)
            where total > 0 {
                output.gradientShares[Int(number), default: 0] += size / total
            }
        }
        self.output = output
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
                // What is applied behind the predictions is part of the loss, as the hinge of a critic.
                if !trace.isLoss(index), let origin = trace.origin(of: index), let layer = layerOfOperation[origin],
                    layers[layer].activation == nil
                {
                    layers[layer].activation = activations.count
                }
                activations.append(
                    ActivationExamination(
                        name: operation.layer, units: units, output: operation.output, slope: trace.slope(of: index)))
            }
        }
        (probe, sharpness) = (nil, nil)
        guard let optimizer, self.loss.isFinite else { return }
        // What a velocity adds up is there after 1 / (1 - momentum) steps.
        let kept = min(0.99, self.optimizer?.momentum ?? 0)
        probe = try Probe.run(model, optimizer, steps: max(20, Int((1 / (1 - kept)).rounded()))) {
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
        // Where all units of the next layer are the same as well, what arrives is 0 but for rounding.
        let isRounding = weight.gradient.map { $0.rootMeanSquare < 1e-5 * trace.largestGradient } ?? false
        hasIdenticalUnits =
            try (trace.hasIdenticalGradients[place] || isRounding)
            && trace.parameters[place].value.hasIdenticalRows(blocks: trace.gateCounts[place] ?? 1)
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
    /// Whether there are several first indices, and what lies behind them is the same for all, within a share of the
    /// largest element.
    /// - Parameter blocks: parts of the first axis, equally long, which may differ.
    func hasIdenticalRows(within tolerance: Double = 0, blocks: Int = 1) throws -> Bool {
        guard rank >= 2, shape[0] > blocks, shape[0].isMultiple(of: blocks), elementCount > shape[0] else {
            return false
        }
        let rows = detached().reshaped([blocks, shape[0] / blocks, elementCount / shape[0]]).cast(to: .float32)
        let difference = try Double((rows - rows.sliced(0..<1, axis: 1)).absolute().max().item())
        return try difference <= tolerance * Double(rows.absolute().max().item())
    }
}

extension Examination {
    /// The median cosine between the weights that are trained and their gradients, of those that have enough elements for
    /// chance to make none; nil without such weights.
    var alignment: Double? {
        parameters.filter { $0.isTrainable && $0.isHeld && $0.values.elementCount >= 64 }.compactMap(\.alignment).median
    }
}

extension Tensor {
    /// How many samples, which lie behind the first index, differ from all others before them; nil of too many elements.
    fileprivate var distinctSamples: Int? {
        get throws {
            guard rank > 0, elementCount > 0, elementCount <= 4_000_000 else { return nil }
            let (values, width) = (try contiguous().cast(to: .int32).integers(), elementCount / shape[0])
            return Set((0..<shape[0]).map { values[$0 * width..<($0 + 1) * width] }).count
        }
    }
}

extension InputExamination {
    /// - Parameter aims: what the loss aims at.
    fileprivate init(_ input: Tensor, aims: [Tensor]) throws {
        signal = try SignalStatistics(of: input)
        (featureDeviations, featureMeans, nonFiniteSamples, distinctSamples) = ([], [], [], 0)
        isWhole = false
        guard input.rank > 0, input.elementCount > 0 else { return }
        let x = input.cast(to: .float32)
        let width = x.elementCount / x.shape[0]
        // More is not worth the time.
        if x.elementCount <= 4_000_000 {
            let values = try x.floats()
            isWhole = values.allSatisfy { $0 == $0.rounded() }
            distinctSamples = Set((0..<x.shape[0]).map { values[$0 * width..<($0 + 1) * width] }).count
        } else {
            distinctSamples = x.shape[0]
        }
        if signal.isNonFinite {
            let others = [Int](1..<x.rank)
            let isBad = (x - x).isNaN().cast(to: .float32)
            let bad = try (others.isEmpty ? isBad : isBad.max(others)).floats()
            nonFiniteSamples = Array(bad.indices.filter { bad[$0] > 0 }.prefix(10))
        } else if x.rank == 2, x.shape[0] > 1, x.shape[1] <= 100_000 {
            featureDeviations = try x.variance([0]).squareRoot().doubles()
            featureMeans = try x.mean([0]).doubles()
            if x.shape[1] > 2, x.shape[0] > 8 {
                leakingFeature = try aims.lazy.compactMap { try Self.feature(of: x, thatGivesAway: $0) }.first
            }
        }
    }
}

extension InputExamination {
    /// The feature whose correlation with `target`, one number for each sample, is 1 or -1 within rounding.
    private static func feature(of x: Tensor, thatGivesAway target: Tensor) throws -> Int? {
        guard target.elementCount == x.shape[0], target.shape.first == x.shape[0] else { return nil }
        let y = target.cast(to: .float32).reshaped([x.shape[0], 1])
        let (dx, dy) = (x - x.mean([0]), y - y.mean([0]))
        let products = try (dx * dy).mean([0]).doubles()
        let (spreads, spread) = (try dx.square().mean([0]).doubles(), try Double(dy.square().mean().item()))
        guard spread > 0 else { return nil }
        return products.indices.first { index in
            spreads[index] > 0 && abs(products[index]) > 0.99999 * (spreads[index] * spread).squareRoot()
        }
    }
}

extension TargetExamination {
    fileprivate init(_ targets: Tensor) throws {
        isWhole = !targets.dtype.isFloatingPoint
        signal = try SignalStatistics(of: targets.cast(to: .float32))
        let x = targets.cast(to: .float32)
        isBinary = try x.elementCount > 0 && (x * x - x).absolute().max().item() == 0
        let numbers =
            isWhole || isBinary && targets.elementCount == targets.shape.first
            ? try targets.cast(to: .int32).integers() : []
        counts = numbers.reduce(into: [:]) { $0[Int($1), default: 0] += 1 }
        isSorted = isWhole && zip(numbers, numbers.dropFirst()).allSatisfy(<=)
        isOneHot =
            try isBinary && x.rank > 1 && x.shape[x.rank - 1] > 1 && (x.sum([-1]) - 1).absolute().max().item() == 0
    }
}

extension Trace {
    /// The share of the units of rectifiers that are off for every sample.
    fileprivate var deadShare: Double {
        let units = operations.indices.filter { !isLoss($0) }.compactMap { operations[$0].units }.filter {
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
}
