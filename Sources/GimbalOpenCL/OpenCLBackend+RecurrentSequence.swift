import GimbalBackend

// All steps of a recurrent layer in one launch: see Kernels/recurrent_groups.cl. A CPU's groups run one after the other,
// which leaves nothing to gain, and so its layers are computed step by step.

extension OpenCLBackend {
    public func recurrentSequence(_ sequence: RecurrentSequence) {
        let isDone =
            !openCLDevice.isCPU
            && runInGroups(
                sequence, computeUnits: device.computeUnits, meets: openCLDevice.runsGroupsAtOnce)
        if !isDone { runStepByStep(sequence) }
    }

    public func recurrentSequenceGradient(
        _ sequence: RecurrentSequence, outputGradient: TensorView, gatesGradient: TensorView,
        hiddenGradient: TensorView, cellGradient: TensorView?
    ) {
        let isDone =
            !openCLDevice.isCPU
            && differentiateInGroups(
                sequence, outputGradient: outputGradient, gatesGradient: gatesGradient, hiddenGradient: hiddenGradient,
                cellGradient: cellGradient, computeUnits: device.computeUnits, meets: openCLDevice.runsGroupsAtOnce)
        if isDone { return }
        differentiateStepByStep(
            sequence, outputGradient: outputGradient, gatesGradient: gatesGradient, hiddenGradient: hiddenGradient,
            cellGradient: cellGradient)
    }

    /// `recurrentSequence` by groups that hold the weights in registers.
    /// - Parameters:
    ///   - computeUnits: how many groups to plan for.
    ///   - meets: whether so many groups are sure to run at the same time, so that they can wait for each other. If not, and
    ///     a layer has more units than one group can hold, each step is a launch.
    /// - Returns: whether the layer is one that groups can hold; if not, nothing is done.
    package func runInGroups(_ sequence: RecurrentSequence, computeUnits: Int, meets: Bool) -> Bool {
        guard canRunInGroups(sequence) else { return false }
        let products = sequence.recurrentColumns.count / sequence.size
        guard
            let plan = RecurrentPlan(
                size: sequence.size, products: products, length: sequence.size, gates: products,
                batch: sequence.batch, computeUnits: computeUnits)
        else { return false }
        var arguments: [KernelArgument] = [
            .view(sequence.gates), .view(sequence.states), .view(sequence.cells ?? sequence.states),
        ]
        arguments += weightArguments(sequence)
        var last: [KernelArgument] = []
        if let mask = sequence.hiddenMask, let masked = sequence.masked { last = [.view(mask), .view(masked)] }
        launch(
            .recurrentSequence, sequence, plan, isAligned: sequence.states.isAligned, places: sequence.steps,
            meets: meets, arguments, last)
        return true
    }

    /// `recurrentSequenceGradient` in the same way.
    package func differentiateInGroups(
        _ sequence: RecurrentSequence, outputGradient: TensorView, gatesGradient: TensorView,
        hiddenGradient: TensorView, cellGradient: TensorView?, computeUnits: Int, meets: Bool
    ) -> Bool {
        guard canRunInGroups(sequence, [outputGradient, gatesGradient, hiddenGradient, cellGradient]) else {
            return false
        }
        guard
            let plan = RecurrentPlan(
                size: sequence.size, products: 1, length: sequence.recurrentColumns.count, gates: 0,
                batch: sequence.batch, computeUnits: computeUnits)
        else { return false }
        var arguments: [KernelArgument] = [
            .view(sequence.gates), .view(sequence.states), .view(sequence.cells ?? sequence.states),
        ]
        arguments += weightArguments(sequence)
        arguments += [outputGradient, gatesGradient, hiddenGradient, cellGradient ?? hiddenGradient].map { .view($0) }
        // The place after the last is that of the initial state.
        launch(
            .recurrentSequenceGradient, sequence, plan, isAligned: gatesGradient.isAligned, places: sequence.steps + 1,
            meets: meets, arguments, sequence.hiddenMask.map { [.view($0)] } ?? [])
        return true
    }

    private func canRunInGroups(_ sequence: RecurrentSequence, _ gradients: [TensorView?] = []) -> Bool {
        let optional = [sequence.cells, sequence.hiddenMask, sequence.masked] + gradients
        let views = [sequence.gates, sequence.states, sequence.hiddenWeight] + optional.compactMap { $0 }
        // Offsets within a step are 32 bits wide; those of steps are 64.
        return views.allSatisfy { $0.dtype == .float32 } && (sequence.hiddenMask == nil) == (sequence.masked == nil)
            && sequence.gates.elementCount > 0
            && sequence.batch * sequence.kind.gateCount * sequence.size < 1 << 30 && sequence.steps < 1 << 24
    }

    private func weightArguments(_ sequence: RecurrentSequence) -> [KernelArgument] {
        let weight = sequence.hiddenWeight
        return [.view(weight), .int64(weight.strides[0]), .int64(weight.strides[1])]
    }

    private func launch(
        _ kernel: KernelName, _ sequence: RecurrentSequence, _ plan: RecurrentPlan, isAligned: Bool, places: Int,
        meets: Bool, _ first: [KernelArgument], _ last: [KernelArgument]
    ) {
        let meets = meets && plan.slices > 1
        let meeting = openCLDevice.capability.map { $0 >= ComputeCapability(major: 7, minor: 0) } ?? false ? 2 : 1
        let key = KernelKey(
            kernel,
            plan.settings + [
                .number(.cell, sequence.kind.number), .number(.size, sequence.size),
                .flag(.hasLengths, sequence.lengths != nil), .flag(.mask, sequence.hiddenMask != nil),
                .flag(.aligned, isAligned && sequence.size % 4 == 0), .number(.meets, meets ? meeting : 0),
                .flag(.contiguous, sequence.hiddenWeight.isContiguous),
            ])
        var trailing = last
        if let lengths = sequence.lengths { trailing += [.view(lengths), .int64(lengths.strides[0])] }
        func compute(_ range: Range<Int>) {
            launch(
                key, groups: (plan.groups(batch: sequence.batch), 1, 1), groupSize: plan.group,
                first + [
                    .int32(sequence.batch), .int32(plan.blockRows), .int32(sequence.steps),
                    .int32(sequence.isReversed ? 1 : 0), .int32(range.lowerBound), .int32(range.upperBound),
                ] + trailing)
        }
        if plan.slices == 1 { return compute(0..<places) }
        guard meets else { return (0..<places).forEach { compute($0..<$0 + 1) } }
        reportingErrors {
            trailing.append(.buffer(try meetings(groups: plan.groups(batch: sequence.batch))))
            compute(0..<places)
        }
    }

    // MARK: Meetings

    /// Where groups meet: counters that are 0 between launches, behind a flag that says whether any group gave up.
    struct Meetings {
        weak var storage: Storage?
        /// Whether the next wait looks at the flag.
        var isWatched = false
    }

    /// Memory for the meetings of a launch, shared by all launches until the host next waits, which reports whether a group
    /// waited in vain.
    private func meetings(groups: Int) throws -> Storage {
        // The flag and two counters for each block, of at least two groups, each in a cache line of its own.
        let count = 32 * (1 + max(groups, device.computeUnits))
        return try meetings.withLock { held in
            if held.isWatched, let storage = held.storage, storage.byteCount >= 4 * count { return storage }
            let storage = try allocate(byteCount: 4 * count)
            [UInt32](repeating: 0, count: count).withUnsafeBytes { upload($0, to: storage, byteOffset: 0) }
            held = Meetings(storage: storage, isWatched: true)
            let meetings = meetings, id = device.id
            errors.whenWaited {
                meetings.withLock { if $0.storage === storage { $0 = Meetings() } }
                var flag: UInt32 = 0
                try withUnsafeMutableBytes(of: &flag) { try storage.backend.download(storage, byteOffset: 0, into: $0) }
                guard flag == 0 else {
                    throw GimbalError.deviceFailed(
                        device: id, operation: "recurrent_sequence",
                        reason: "the groups of a launch did not run at the same time; is the device shared?")
                }
            }
            return storage
        }
    }
}
