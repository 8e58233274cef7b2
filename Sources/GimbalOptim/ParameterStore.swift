/// The parameters of an optimizer in one arena, with moments laid out alike and a count of steps for each.
final class ParameterStore {
    /// Parameters side by side that are updated as one.
    struct Stretch {
        var run: ParameterRun
        var group: ParameterGroup
        /// Counted from 1.
        var step: Int
        var moments: [TensorView]
    }

    let parameters: [Parameter]
    private let groups: [ParameterGroup]
    /// For each parameter, which group it belongs to.
    private let membership: [Int]
    private let arena: ParameterArena?
    private let moments: [(name: String, view: TensorView)]
    private var steps: [Int]

    /// - Parameters:
    ///   - momentNames: one block as large as the weights is set aside for each.
    ///   - initially: what they hold.
    init(_ groups: [ParameterGroup], momentNames: [String], initially: Double = 0) {
        self.groups = groups
        parameters = groups.flatMap(\.parameters)
        membership = groups.indices.flatMap { [Int](repeating: $0, count: groups[$0].parameters.count) }
        require(
            Set(parameters.map { ObjectIdentifier($0) }).count == parameters.count, "Optimizer",
            "a parameter belongs to one group only")
        steps = [Int](repeating: 0, count: parameters.count)
        do {
            let arena = try ParameterArena.pack(parameters)
            self.arena = arena
            moments = try momentNames.compactMap { name in
                guard let arena else { return nil }
                let backend = arena.weights.storage.backend
                let view = try backend.allocate(arena.weights.shape, arena.weights.dtype)
                backend.fill(view, with: initially)
                return (name, view)
            }
        } catch {
            stop("Optimizer", "\(error)")
        }
    }

    /// Calls `body` for each stretch of parameters of one group that hold gradients and have taken the same number of
    /// steps; then throws what the device has reported.
    func update(_ body: (any Backend, Stretch) throws -> Void) throws {
        guard let arena else { return }
        let backend = arena.weights.storage.backend
        var start = 0
        while start < parameters.count {
            let (count, group) = (steps[start], membership[start])
            let end =
                (start..<parameters.count).first { steps[$0] != count || membership[$0] != group } ?? parameters.count
            for run in ParameterRun.withGradients([Parameter](parameters[start..<end])) {
                run.weights.noteChange(by: "an optimizer's step")
                let offset = run.parameters[0].arenaOffset
                let range = offset..<offset + run.weights.elementCount
                try body(
                    backend,
                    Stretch(
                        run: run, group: groups[group], step: count + 1,
                        moments: moments.map { $0.view.sliced(axis: 0, range) }))
            }
            start = end
        }
        for (index, parameter) in parameters.enumerated() where parameter.isTrainable && parameter.gradient != nil {
            steps[index] += 1
        }
        try backend.errors.throwIfSet()
    }

    func discountSteps(_ count: Int) { steps = steps.map { max(0, $0 - count) } }

    // MARK: State

    var state: OptimizerState {
        let tensors = moments.flatMap { moment in
            parameters.map { ("\(moment.name).\($0.name)", Tensor(part(of: moment.view, $0))) }
        }
        let counts = zip(parameters, steps).map { ($0.name, $1) }
        return OptimizerState(tensors: tensors, steps: Dictionary(counts) { first, _ in first })
    }

    func restore(_ state: OptimizerState) throws {
        let names = parameters.map(\.name)
        let wanted = moments.flatMap { moment in
            zip(parameters, names).map { ("\(moment.name).\($1)", $0.shape) }
        }
        let saved = try state.values(wanted, counts: names, of: "the optimizer's state")
        let places = moments.flatMap { moment in parameters.map { part(of: moment.view, $0) } }
        for (value, place) in zip(saved, places) { value.backend.copy(value.view, to: place) }
        steps = parameters.map { state.steps[$0.name] ?? 0 }
    }

    private func part(of moment: TensorView, _ parameter: Parameter) -> TensorView {
        moment.sliced(axis: 0, parameter.arenaOffset..<parameter.arenaOffset + parameter.elementCount)
            .reshaped(parameter.shape)
    }
}
