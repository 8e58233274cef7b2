import GimbalBackend
import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// What optimizers promise beside their update, whose values the conformance and parity suites check.
@Suite struct OptimizerTests {
    static let all: [(name: String, make: @Sendable ([Parameter]) -> any Optimizer)] = [
        ("SGD", { SGD($0, learningRate: 0.1, weightDecay: 0.1) }),
        ("momentum", { SGD($0, learningRate: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.1) }),
        ("Nesterov", { SGD($0, learningRate: 0.1, momentum: 0.9, isNesterov: true) }),
        ("Adam", { Adam($0, learningRate: 0.1) }), ("AdamW", { AdamW($0, learningRate: 0.1) }),
        ("AMSGrad", { Adam($0, learningRate: 0.1, isAMSGrad: true) }),
        ("NAdam", { NAdam($0, learningRate: 0.1) }),
        ("RAdam", { RAdam($0, learningRate: 0.1, beta2: 0.9) }),
        ("Adamax", { Adamax($0, learningRate: 0.1) }),
        ("Adagrad", { Adagrad($0, learningRate: 0.1, learningRateDecay: 0.1, initialAccumulator: 0.5) }),
        ("Adadelta", { Adadelta($0) }),
        ("RMSprop", { RMSprop($0, momentum: 0.9, isCentred: true) }),
        ("Lion", { Lion($0, learningRate: 0.01, weightDecay: 0.1) }),
        ("LAMB", { LAMB($0, learningRate: 0.01, weightDecay: 0.1) }),
        (
            "formula",
            { FormulaOptimizer($0, FormulaOptimizerTests.signum, learningRate: 0.1, settings: { _ in [0.9] }) }
        ),
        (
            "groups",
            { parameters in
                let last = Swift.max(1, parameters.count - 1)
                return AdamW([
                    ParameterGroup([Parameter](parameters[..<last])),
                    ParameterGroup([Parameter](parameters[last...]), learningRateScale: 0.5),
                ])
            }
        ),
    ]

    let device = Device(backend: ReferenceBackend())

    func parameters(_ sizes: [Int]) -> [Parameter] {
        sizes.enumerated().map { index, size in
            Parameter(Tensor(spread([size], low: -1, high: 1).values, device: device), name: "p\(index)")
        }
    }

    /// Σ x² over the chosen parameters.
    func differentiate(_ parameters: [Parameter], _ chosen: [Int]) throws {
        let sums = chosen.map { parameters[$0].value.square().sum() }
        try sums.dropFirst().reduce(sums[0], +).backward()
    }

    @Test(arguments: all.indices) func aParameterWithoutGradientStaysAsItIs(_ index: Int) throws {
        let parameters = parameters([3, 200, 1])
        let optimizer = Self.all[index].make(parameters)
        let before = try parameters.map { try $0.value.doubles() }
        try differentiate(parameters, [0, 2])
        try optimizer.step()
        #expect(try parameters[1].value.doubles() == before[1])
        #expect(try parameters[0].value.doubles() != before[0])
        #expect(try parameters[2].value.doubles() != before[2])

        // The one that joins later takes its first step as it would have taken it at the start.
        let alone = [Parameter(Tensor(before[1], device: device), name: "alone")]
        let other = Self.all[index].make(alone)
        optimizer.zeroGradients()
        try differentiate(parameters, [0, 1, 2])
        try optimizer.step()
        try differentiate(alone, [0])
        try other.step()
        #expect(try parameters[1].value.doubles() == alone[0].value.doubles())
    }

    @Test(arguments: all.indices) func aFrozenParameterStaysAsItIs(_ index: Int) throws {
        let parameters = parameters([4, 5])
        let optimizer = Self.all[index].make(parameters)
        try differentiate(parameters, [0, 1])
        parameters[0].isTrainable = false
        let before = try parameters[0].value.doubles()
        try optimizer.step()
        #expect(try parameters[0].value.doubles() == before)
    }

    @Test(arguments: all.indices) func aRestoredOptimizerGoesOnWithTheSameBits(_ index: Int) throws {
        let (name, make) = Self.all[index]
        func run(interruptedAt stop: Int?) throws -> [[Double]] {
            var parameters = parameters([3, 140])
            var optimizer = make(parameters)
            for step in 0..<7 {
                if step == stop {
                    let state = optimizer.state
                    parameters = try parameters.map {
                        Parameter(Tensor(try $0.value.doubles(), device: device), name: $0.name)
                    }
                    optimizer = make(parameters)
                    try optimizer.restore(state)
                }
                optimizer.zeroGradients()
                try differentiate(parameters, step < 2 ? [0] : [0, 1])
                try optimizer.step()
            }
            return try parameters.map { try $0.value.doubles() }
        }
        let expected = try run(interruptedAt: nil)
        for stop in 0..<7 { #expect(try run(interruptedAt: stop) == expected, "\(name) stopped at \(stop)") }
    }

    @Test func theStateOfOtherParametersIsRefused() throws {
        let state = Adam(parameters([3, 4])).state
        let error = #expect(throws: GimbalError.self) { try Adam(parameters([3, 5])).restore(state) }
        #expect(error?.description.contains("of another shape: first_moment.p1, second_moment.p1") == true)
        let other = SGD(parameters([3, 4]), learningRate: 1, momentum: 0.9)
        #expect(throws: GimbalError.self) { try other.restore(state) }
    }

    @Test func parametersOfAnArenaAreUpdatedInOneRun() throws {
        let parameters = parameters([3, 200, 1, 64])
        let optimizer = SGD(parameters, learningRate: 0.1)
        try differentiate(parameters, [0, 1, 2, 3])
        #expect(ParameterRun.withGradients(optimizer.parameters).count == 1)
        optimizer.zeroGradients()
        try differentiate(parameters, [0, 1, 3])
        #expect(ParameterRun.withGradients(optimizer.parameters).map(\.parameters.count) == [2, 1])
        optimizer.zeroGradients()
        #expect(ParameterRun.withGradients(optimizer.parameters).isEmpty)
    }

    /// They would be converted in silence.
    @Test func parametersOfDifferentTypesAreRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let first = Parameter(Tensor([1], device: .cpu), name: "first")
            let second = Parameter(Tensor([1], dtype: .float16, device: .cpu), name: "second")
            _ = SGD([first, second], learningRate: 0.1)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("first is float32, second float16"), "\(text)")
    }

    @Test func packingKeepsValuesAndGradients() throws {
        let parameters = parameters([3, 7])
        try differentiate(parameters, [0, 1])
        let values = try parameters.map { try $0.value.doubles() }
        let gradients = try parameters.map { try $0.gradient!.doubles() }
        let arena = try ParameterArena.pack(parameters)
        #expect(try parameters.map { try $0.value.doubles() } == values)
        #expect(try parameters.map { try $0.gradient!.doubles() } == gradients)
        #expect(try ParameterArena.pack(parameters) === arena)
        withExtendedLifetime(arena) {}
    }

    @Test func gradientsOfSeveralBatchesAddUpInTheArena() throws {
        let parameters = parameters([3, 7])
        let optimizer = SGD(parameters, learningRate: 0.1)
        for _ in 0..<3 { try differentiate(parameters, [0, 1]) }
        for parameter in optimizer.parameters {
            let expected = try parameter.value.doubles().map { $0 * 2 + $0 * 2 + $0 * 2 }
            #expect(try parameter.gradient!.doubles() == expected)
        }
    }

    @Test func gradientsOfSeveralBatchesBecomeTheirMean() throws {
        let parameters = parameters([3, 7])
        for _ in 0..<4 { try differentiate(parameters, [0, 1]) }
        try averageGradients(parameters, over: 4)
        for parameter in parameters {
            let expected = try parameter.value.doubles().map { $0 * 2 }
            let actual = try parameter.gradient!.doubles()
            #expect(zip(actual, expected).allSatisfy { abs($0 - $1) < 1e-12 })
        }
    }

    @Test func refusedMemoryIsThrownByTheStep() throws {
        let backend = ReferenceBackend(memoryLimitBytes: 30_000)
        let parameter = Parameter(Tensor(repeating: 1, [1000], device: Device(backend: backend)))
        let optimizer = SGD([parameter], learningRate: 0.1)
        parameter.gradient = Tensor(repeating: 1, [1000], device: Device(backend: backend))
        #expect(throws: GimbalError.self) { try optimizer.step() }
    }

    /// Groups made from two models whose parameters have the same names: nothing is merged.
    @Test func parametersOfTwoModelsWithEqualNamesAreSavedApart() throws {
        try withDevice(device) {
            func made(_ seed: UInt64) -> (models: [Linear], optimizer: Adam) {
                let generator = RandomGenerator(seed: seed)
                let models = (0..<2).map { _ in Linear(2, 3, generator: generator) }
                return (models, Adam(models.map { ParameterGroup($0.parameters) }))
            }
            func step(_ models: [Linear], _ optimizer: Adam) throws {
                optimizer.zeroGradients()
                let x = Tensor([1, -2, 3, 4], [2, 2])
                try ((models[0](x) * 3).sum() + models[1](x).square().sum()).backward()
                try optimizer.step()
            }
            let (models, optimizer) = made(1)
            try step(models, optimizer)
            let state = optimizer.state
            #expect(Set(state.tensors.map(\.name)).count == state.tensors.count)
            #expect(state.steps.count == 4)
            let (others, restored) = made(2)
            for (model, other) in zip(models, others) { try other.load(model.stateDictionary()) }
            try restored.restore(state)
            try step(models, optimizer)
            try step(others, restored)
            for (model, other) in zip(models, others) {
                #expect(try model.weight.value.doubles() == other.weight.value.doubles())
            }
        }
    }

    /// A name that a part is asked by must not get into what is saved.
    @Test func askingAPartDoesNotChangeWhatIsSaved() {
        withDevice(device) {
            let model = Sequential {
                Linear(2, 2)
                Linear(2, 2)
            }
            let optimizer = Adam(model.parameters)
            let names = optimizer.state.tensors.map(\.name)
            model[1].freeze()
            _ = model[1].parameters
            #expect(optimizer.state.tensors.map(\.name) == names)
        }
    }

    /// Another optimizer moves some of the parameters to an arena of its own: each goes on with its own moments.
    @Test func optimizersMayShareParameters() throws {
        func run(_ sharesArena: Bool) throws -> [[Double]] {
            try withDevice(device) {
                let generator = RandomGenerator(seed: 3)
                let model = Sequential((0..<3).map { _ in Linear(3, 3, generator: generator) })
                let parameters = model.parameters
                let all = Adam(parameters, learningRate: 0.1)
                // Without sharing, the second's update is made by hand.
                let some = sharesArena ? SGD([parameters[1], parameters[4]], learningRate: 0.1) : nil
                for _ in 0..<3 {
                    model.zeroGradients()
                    try model(Tensor([1, 2, 3, -1, 0, 1], [2, 3])).square().sum().backward()
                    try all.step()
                    if let some {
                        try some.step()
                    } else {
                        for parameter in [parameters[1], parameters[4]] {
                            parameter.assign(parameter.value.detached() - parameter.gradient! * 0.1)
                        }
                    }
                }
                return try parameters.map { try $0.value.doubles() }
            }
        }
        let (shared, alone) = (try run(true), try run(false))
        for (first, second) in zip(shared, alone) {
            #expect(zip(first, second).allSatisfy { abs($0 - $1) < 1e-12 })
        }
    }
}
