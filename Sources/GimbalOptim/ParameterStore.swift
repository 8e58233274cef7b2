/// The parameters of an optimizer, with moments for each, laid out as in an arena, and a count of steps.
///
/// The parameters are put into one arena. Another optimizer over some of them may move these to an arena of its own later,
/// so where they lie is looked up at each step.
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
    /// Held here, since parameters refer to it weakly.
    private let arena: ParameterArena?
    /// Where in the moments each parameter's lie.
    private let offsets: [ObjectIdentifier: Int]
    private let moments: [(name: String, view: TensorView)]
    private var steps: [Int]

    /// - Parameters:
    ///   - momentNames: one block as large as the weights is set aside for each.
    ///   - initially: what they hold.
    init(_ groups: [ParameterGroup], momentNames: [String], initially: Double = 0) {
        self.groups = groups
        let parameters = groups.flatMap(\.parameters)
        self.parameters = parameters
        require(
            !parameters.isEmpty, "Optimizer",
            "no parameters to train: the model has none, or none of them can be found (print its `parameters`)")
        membership = groups.indices.flatMap { [Int](repeating: $0, count: groups[$0].parameters.count) }
        require(
            Set(parameters.map { ObjectIdentifier($0) }).count == parameters.count, "Optimizer",
            "a parameter belongs to one group only")
        steps = [Int](repeating: 0, count: parameters.count)
        do {
            arena = try ParameterArena.pack(parameters)
            var (offsets, end) = ([ObjectIdentifier: Int](), 0)
            for parameter in parameters {
                offsets[ObjectIdentifier(parameter)] = end
                end += ParameterArena.stride(parameter.elementCount, parameter.weights.dtype)
            }
            self.offsets = offsets
            moments = try momentNames.compactMap { name in
                guard let first = parameters.first?.weights else { return nil }
                let view = try first.storage.backend.allocate([end], first.dtype)
                first.storage.backend.fill(view, with: initially)
                return (name, view)
            }
        } catch {
            stop("Optimizer", "\(error)")
        }
    }

    /// Calls `body` for each stretch of parameters of one group that hold gradients and have taken the same number of
    /// steps; then throws what the device has reported.
    func update(_ body: (any Backend, Stretch) throws -> Void) throws {
        guard let backend = parameters.first?.weights.storage.backend else { return }
        var start = 0
        while start < parameters.count {
            guard hasGradient(start) else {
                start += 1
                continue
            }
            let (count, group) = (steps[start], membership[start])
            let end =
                (start..<parameters.count).first {
                    steps[$0] != count || membership[$0] != group || !hasGradient($0)
                } ?? parameters.count
            for run in ParameterRun.withGradients([Parameter](parameters[start..<end])) {
                check(run)
                run.weights.noteChange(by: "an optimizer's step")
                let offset = offset(of: run.parameters[0])
                let range = offset..<offset + run.weights.elementCount
                try body(
                    backend,
                    Stretch(
                        run: run, group: groups[group], step: count + 1,
                        moments: moments.map { $0.view.sliced(axis: 0, range) }))
            }
            start = end
        }
        for index in parameters.indices where hasGradient(index) { steps[index] += 1 }
        try backend.errors.throwIfSet()
    }

    private func hasGradient(_ index: Int) -> Bool {
        parameters[index].isTrainable && parameters[index].hasGradient
    }

    func discountSteps(_ count: Int) { steps = steps.map { max(0, $0 - count) } }

    private func offset(of parameter: Parameter) -> Int { offsets[ObjectIdentifier(parameter)]! }

    /// Stops the program where parameters have left the device or the type that their moments have.
    private func check(_ run: ParameterRun) {
        for moment in moments
        where moment.view.storage.backend !== run.weights.storage.backend || moment.view.dtype != run.weights.dtype {
            stop(
                "Optimizer",
                "\(run.parameters[0].name) is \(run.weights.dtype) on \(run.parameters[0].device.id), its moments are "
                    + "\(moment.view.dtype) on \(Device(backend: moment.view.storage.backend).id); make the optimizer after "
                    + "the model was moved or converted")
        }
    }

    // MARK: State

    var state: OptimizerState {
        let names = parameters.uniqueNames
        let tensors = moments.flatMap { moment in
            zip(parameters, names).map { ("\(moment.name).\($1)", Tensor(part(of: moment.view, $0))) }
        }
        return OptimizerState(tensors: tensors, steps: Dictionary(uniqueKeysWithValues: zip(names, steps)))
    }

    func restore(_ state: OptimizerState) throws {
        let names = parameters.uniqueNames
        let wanted = moments.flatMap { moment in
            zip(parameters, names).map { ("\(moment.name).\($1)", $0.shape) }
        }
        let saved = try state.values(wanted, counts: names, of: "the optimizer's state")
        let places = moments.flatMap { moment in parameters.map { part(of: moment.view, $0) } }
        for (value, place) in zip(saved, places) { value.backend.copy(value.view, to: place) }
        steps = names.map { state.steps[$0] ?? 0 }
    }

    private func part(of moment: TensorView, _ parameter: Parameter) -> TensorView {
        let offset = offset(of: parameter)
        return moment.sliced(axis: 0, offset..<offset + parameter.elementCount).reshaped(parameter.shape)
    }
}

extension [Parameter] {
    /// Their names, by which state is saved. Of several with the same one, such as `weight` of two models, the second is
    /// called `weight#2`, and so on, in their order.
    var uniqueNames: [String] {
        var taken: [String: Int] = [:]
        return map { parameter in
            let count = taken[parameter.name, default: 0] + 1
            taken[parameter.name] = count
            return count == 1 ? parameter.name : "\(parameter.name)#\(count)"
        }
    }
}
