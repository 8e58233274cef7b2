import Gimbal
import GimbalNN
import GimbalTestSupport

/// A graph being computed on the current device.
struct GraphRun {
    /// What was computed, under the name that the source gives it.
    struct Value {
        var name: String
        /// nil where there is none, as of a gradient that did not arrive.
        var elements: [Double]?
        var dtype: DType
    }

    private(set) var tensors: [Tensor] = []
    /// Leaves, the steps' own tensors and the parameters of modules: what may have gradients.
    private var collectors: [(name: String, gradient: () -> Tensor?, dtype: DType)] = []
    /// What calls change beside their results.
    private var buffers: [(name: String, value: () -> Tensor)] = []
    private(set) var lines: [String] = []
    /// The tensors of real numbers that were drawn, with their numbers of elements.
    private(set) var drawn: [(name: String, count: Int)] = []
    private let graph: Graph
    /// Whether numbers below the smallest normal one are taken for 0, as devices may.
    private let flushes: Bool

    /// The leaves of `graph`. Steps are added by `compute`.
    init(_ graph: Graph, flushes: Bool = false) {
        (self.graph, self.flushes) = (graph, flushes)
        for (number, leaf) in graph.leaves.enumerated() {
            tensors.append(
                make(
                    graph.name(number), leaf.shape, leaf.values, leaf.storage, leaf.requiresGradient,
                    seed: graph.seed &+ UInt64(number)))
        }
    }

    private mutating func make(
        _ name: String, _ shape: [Int], _ values: Graph.Values, _ storage: DType? = nil, _ requiresGradient: Bool,
        seed: UInt64
    ) -> Tensor {
        let count = shape.reduce(1, *)
        var values = values
        if let new = graph.replacement, new.tensor == name, new.element < count, values.dtype == nil {
            var numbers = values.drawn(count, seed: seed)
            numbers[new.element] = new.value
            values = .numbers(numbers)
        }
        if values.dtype == nil { drawn.append((name, count)) }
        if flushes && values.dtype == nil {
            let least = Double(Float.leastNormalMagnitude)
            values = .numbers(values.drawn(count, seed: seed).map { abs($0) < least ? 0 : $0 })
        }
        var tensor = Tensor(values.drawn(count, seed: seed), Shape(shape))
        var line = "let \(name) = Tensor(\(values.source(count, seed: seed)), \(shape))"
        if let dtype = values.dtype ?? storage {
            tensor = tensor.cast(to: dtype)
            line += ".cast(to: .\(dtype))"
        }
        if requiresGradient {
            tensor = tensor.requiringGradient()
            line += ".requiringGradient()"
            collectors.append((name, { [tensor] in tensor.gradient }, tensor.dtype))
        }
        lines.append(line)
        return tensor
    }

    /// Computes one more step.
    /// - Returns: whether its rule found that it fits.
    mutating func compute(_ step: Graph.Step) -> Bool {
        guard let rule = GraphRules.named[step.rule], step.operands.allSatisfy(tensors.indices.contains) else {
            return false
        }
        let number = tensors.count
        let name = graph.name(number)
        var planner = GraphPlanner(step.operands.map { tensors[$0] }, choices: step.choices)
        guard let plan = rule.plan(&planner), planner.own.allSatisfy({ $0.shape.reduce(1, *) <= 20_000 }) else {
            return false
        }
        var source = plan.source
        var operands = step.operands.map { tensors[$0] }
        var names = step.operands.map(graph.name)
        let seed = graph.seed &+ UInt64(number) &* 1000
        for (index, own) in planner.own.enumerated() {
            let name = "\(name)_\(index)"
            names.append(name)
            operands.append(
                make(name, own.shape, own.values, nil, own.requiresGradient, seed: seed &+ UInt64(index)))
        }
        let module = plan.module?.make()
        if let module, let made = plan.module {
            lines.append("let \(name)Module = \(made.source)")
            adopt(module, "\(name)Module", seed: seed &+ 100)
            source = source.replacing("$m", with: "\(name)Module")
        }
        for (index, name) in names.enumerated().reversed() { source = source.replacing("$\(index)", with: name) }
        lines.append("let \(name) = \(source)")
        tensors.append(plan.compute(operands, module))
        return true
    }

    /// Gives the parameters of a module values of the graph.
    private mutating func adopt(_ module: Module, _ name: String, seed: UInt64) {
        for (index, parameter) in module.namedParameters.enumerated() {
            let (path, parameter) = parameter
            let inputs = parameter.shape.sizes.dropFirst().reduce(1, *)
            let values = parameter.shape.rank < 2 ? Graph.Values.positive : .weight(inputs: inputs)
            let (count, seed) = (parameter.elementCount, seed &+ UInt64(index))
            parameter.assign(Tensor(values.drawn(count, seed: seed), parameter.shape))
            lines.append(
                "\(name).parameters[\(index)].assign(Tensor(\(values.source(count, seed: seed)), \(parameter.shape)))")
            collectors.append(("\(name).\(path)", { parameter.gradient }, parameter.value.dtype))
        }
        module.forEachPart { path, part in
            if case .buffer(_, let buffer) = part { buffers.append(("\(name).\(path)", { buffer.value })) }
        }
    }

    /// Differentiates what no step takes, each element times a number of its own.
    /// - Returns: all tensors and all gradients.
    mutating func finish() throws -> [Value] {
        var values = try tensors.enumerated().map { number, tensor in
            Value(name: graph.name(number), elements: try tensor.doubles(), dtype: tensor.dtype)
        }
        var losses: [Tensor] = []
        for number in graph.results where tensors[number].requiresGradient {
            let tensor = tensors[number]
            let seed = graph.seed &+ 77 &+ UInt64(number)
            let weights = Graph.Values.real.drawn(tensor.elementCount, seed: seed)
            losses.append((tensor * Tensor(weights, tensor.shape)).sum())
            lines.append(
                "let loss\(losses.count) = (\(graph.name(number)) * "
                    + "Tensor(\(Graph.Values.real.source(weights.count, seed: seed)), \(tensor.shape))).sum()")
        }
        if let first = losses.first {
            let loss = losses.dropFirst().reduce(first) { $0 + $1 }
            let source = losses.indices.map { "loss\($0 + 1)" }.joined(separator: " + ")
            switch graph.use {
            case .plain, .observed:
                try loss.backward()
                lines.append("try (\(source)).backward()")
            case .twice:
                try loss.backward(retainsGraph: true)
                try loss.backward()
                lines.append("let loss = \(source)\ntry loss.backward(retainsGraph: true)\ntry loss.backward()")
            case .graphOfGradients:
                try loss.backward(createsGraph: true)
                lines.append("try (\(source)).backward(createsGraph: true)")
            }
        }
        for (name, gradient, dtype) in collectors {
            values.append(
                Value(name: "\(name).gradient", elements: try gradient()?.doubles(), dtype: gradient()?.dtype ?? dtype))
        }
        if graph.use == .graphOfGradients {
            // Otherwise a leaf holds its own graph.
            for tensor in tensors { tensor.zeroGradient() }
        }
        for (name, value) in buffers {
            values.append(Value(name: name, elements: try value().doubles(), dtype: value().dtype))
        }
        return values
    }
}

extension Graph {
    /// All tensors, and all gradients, as `device` computes them.
    /// - Returns: nil where a step does not fit.
    /// - Throws: what the device fails with.
    func values(on device: Device, flushes: Bool = false) throws -> [GraphRun.Value]? {
        try run(on: device, flushes: flushes) { run in
            for step in steps where !run.compute(step) { return nil }
            return try run.finish()
        }
    }

    /// Lines of Swift that compute the graph on `Device.current`; nil where a step does not fit.
    func source() throws -> String? {
        try run(on: Device(backend: ReferenceBackend())) { run in
            for step in steps where !run.compute(step) { return nil }
            _ = try run.finish()
            return run.lines.joined(separator: "\n")
        }
    }

    /// Gives `body` a run on `device`, with random numbers of this graph, and watched where it is to be.
    func run<Result>(on device: Device, flushes: Bool = false, _ body: (inout GraphRun) throws -> Result) throws
        -> Result
    {
        try withDevice(device) {
            try withGenerator(RandomGenerator(seed: seed)) {
                guard use == .observed else {
                    var run = GraphRun(self, flushes: flushes)
                    return try body(&run)
                }
                let watcher = OperationWatcher(computed: { _ in }, differentiated: { _ in }, isThorough: false)
                return try withOperationWatcher(watcher) {
                    try withObserver(before: { _ in }, after: { call in _ = call.outputs.map { $0.shape } }) {
                        var run = GraphRun(self, flushes: flushes)
                        return try body(&run)
                    }
                }
            }
        }
    }
}
