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
    /// The arena, held here, since parameters refer to it weakly; or why there is none.
    private let packing: Result<ParameterArena?, any Error>
    /// Where in the moments each parameter's lie.
    private let offsets: [ObjectIdentifier: Int]
    private var moments: [(name: String, view: TensorView)]
    private var steps: [Int]
    /// Which of the parameters are changed here and have moments: all of them, unless others are left to other ranks.
    private(set) var own: Range<Int>

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
        own = parameters.indices
        var (offsets, end) = ([ObjectIdentifier: Int](), 0)
        for parameter in parameters {
            offsets[ObjectIdentifier(parameter)] = end
            end += ParameterArena.stride(parameter.elementCount, parameter.weights.dtype)
        }
        self.offsets = offsets
        // An optimizer is made without `try`: that there is no memory for an arena, or for moments, is thrown by its first step.
        packing = Result { try ParameterArena.pack(parameters) }
        let (count, weights) = (end, parameters[0].weights)
        moments = momentNames.map { ($0, .filled([count], like: weights, with: initially)) }
    }

    /// Leaves all parameters but some side by side to other ranks, and gives the memory of their moments back.
    /// - Parameter kept: which to keep, of those that are changed here.
    /// - Throws: `GimbalError.outOfMemory`, leaving everything as it was.
    func keep(_ kept: Range<Int>) throws {
        let start = place(kept.lowerBound) - place(own.lowerBound)
        let range = start..<start + place(kept.upperBound) - place(kept.lowerBound)
        moments = try moments.map { moment in
            let backend = moment.view.storage.backend
            let part = try backend.allocate([range.count], moment.view.dtype)
            if !range.isEmpty { part.take(moment.view.sliced(axis: 0, range)) }
            return (moment.name, part)
        }
        own = kept
        parameters.first?.weights.storage.backend.trimMemory()
    }

    /// Calls `body` for each stretch of own parameters of one group that hold gradients and have taken the same number of
    /// steps. The steps of all parameters are counted.
    /// - Throws: what weights, gradients or moments have failed by, before any of them is changed; and what fails in the step, after
    ///   which they cannot be used until they are loaded anew.
    func update(_ body: (any Backend, Stretch) throws -> Void) throws {
        guard let backend = parameters.first?.weights.storage.backend else { return }
        _ = try packing.get()
        for index in own where hasGradient(index) {
            try parameters[index].weights.throwIfFailed()
            try parameters[index].gradientView?.throwIfFailed()
        }
        for moment in moments { try moment.view.throwIfFailed() }
        var start = own.lowerBound
        while start < own.upperBound {
            guard hasGradient(start) else {
                start += 1
                continue
            }
            let (count, group) = (steps[start], membership[start])
            let end =
                (start..<own.upperBound).first {
                    steps[$0] != count || membership[$0] != group || !hasGradient($0)
                } ?? own.upperBound
            for run in ParameterRun.withGradients([Parameter](parameters[start..<end])) {
                check(run)
                run.weights.noteChange(by: "an optimizer's step")
                let offset = offset(of: run.parameters[0])
                let range = offset..<offset + run.weights.elementCount
                let moments = moments.map { $0.view.sliced(axis: 0, range) }
                try ([run.weights] + moments).change(reading: [run.gradients]) {
                    try body(backend, Stretch(run: run, group: groups[group], step: count + 1, moments: moments))
                }
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

    /// Where the moments of parameter `index` would begin if all were here; of one after the last, where they would end.
    func place(_ index: Int) -> Int {
        if index < parameters.count { return offsets[ObjectIdentifier(parameters[index])]! }
        guard let last = parameters.last else { return 0 }
        return offsets[ObjectIdentifier(last)]! + ParameterArena.stride(last.elementCount, last.weights.dtype)
    }

    /// Where in the moments that are here those of an own parameter begin.
    private func offset(of parameter: Parameter) -> Int {
        offsets[ObjectIdentifier(parameter)]! - place(own.lowerBound)
    }

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

    /// The whole state, where all parameters are own ones.
    var state: OptimizerState {
        state { _, _ in stop("Optimizer", "other ranks have a part of the state; ask the ShardedOptimizer for it") }
    }

    /// The whole state.
    /// - Parameter others: gives the values of a moment for a parameter that is not an own one, both by number.
    func state(_ others: (_ moment: Int, _ parameter: Int) -> Tensor) -> OptimizerState {
        let names = parameters.uniqueNames
        let tensors = moments.indices.flatMap { moment in
            parameters.indices.map { index in
                (
                    "\(moments[moment].name).\(names[index])",
                    own.contains(index)
                        ? Tensor(part(of: moments[moment].view, parameters[index])) : others(moment, index)
                )
            }
        }
        return OptimizerState(tensors: tensors, steps: Dictionary(uniqueKeysWithValues: zip(names, steps)))
    }

    /// Takes up what a whole state has for own parameters, and all counts.
    func restore(_ state: OptimizerState) throws {
        let names = parameters.uniqueNames
        let wanted = moments.flatMap { moment in
            zip(parameters, names).map { ("\(moment.name).\($1)", $0.shape) }
        }
        let saved = try state.values(wanted, counts: names, of: "the optimizer's state")
        for (moment, first) in zip(moments, stride(from: 0, to: saved.count, by: parameters.count)) {
            for index in own {
                let place = part(of: moment.view, parameters[index])
                // What other ranks gave lies in the host's memory.
                let value = try saved[first + index].to(Device(backend: place.storage.backend))
                place.take(value.view)
            }
        }
        steps = names.map { state.steps[$0] ?? 0 }
    }

    /// The moments that are here, one after the other.
    var momentViews: [TensorView] { moments.map(\.view) }

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
