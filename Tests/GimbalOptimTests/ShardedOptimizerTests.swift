import GimbalCPU
import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// Ranks that divide the moments among them end with the bits of one that has all.
@Suite struct ShardedOptimizerTests {
    typealias Maker = @Sendable ([Parameter]) -> ElementwiseOptimizer

    static let kinds: [(name: String, make: Maker)] = [
        ("momentum", { SGD($0, learningRate: 0.1, momentum: 0.9, weightDecay: 0.1) }),
        ("SGD", { SGD($0, learningRate: 0.1) }), ("Adam", { Adam($0, learningRate: 0.01) }),
        ("AdamW", { AdamW($0, learningRate: 0.01, weightDecay: 0.1) }),
        ("LAMB", { LAMB($0, learningRate: 0.01, weightDecay: 0.1) }),
        (
            "formula",
            { FormulaOptimizer($0, FormulaOptimizerTests.signum, learningRate: 0.1, settings: { _ in [0.9] }) }
        ),
        (
            "groups",
            { parameters in
                AdamW([
                    ParameterGroup([Parameter](parameters[..<2])),
                    ParameterGroup([Parameter](parameters[2...]), learningRateScale: 0.5, weightDecay: 0),
                ])
            }
        ),
    ]

    /// A device of a rank's own: the CPU, whose memory is the host's, and one that is not the host.
    static let devices: [@Sendable () -> Device] = [
        { Device(backend: CPUBackend(threads: 1)) }, { Device(backend: ReferenceBackend()) },
    ]

    /// Sizes that do not fill the registers of a CPU, one parameter of a single element, and one larger than all others.
    static let sizes = [37, 1000, 1, 301]

    static func parameters(on device: Device, _ sizes: [Int] = sizes) -> [Parameter] {
        sizes.enumerated().map { index, size in
            let values = samples(size, in: -1...1, seed: UInt64(index + 1))
            return Parameter(Tensor(values, [size], device: device), name: "p\(index)")
        }
    }

    /// The same on all ranks; another at every step.
    static func setGradients(_ parameters: [Parameter], step: Int) {
        for (index, parameter) in parameters.enumerated() where parameter.isTrainable {
            let values = samples(parameter.elementCount, seed: UInt64(step * 10 + index + 100))
            parameter.gradient = Tensor(values, parameter.shape, device: parameter.device)
        }
    }

    static func weights(_ parameters: [Parameter]) throws -> [[Double]] {
        try parameters.map { try $0.value.doubles() }
    }

    /// All of a state, as numbers.
    static func values(_ state: OptimizerState) throws -> [String: [Double]] {
        let pairs = try state.tensors.map { ($0.name, try $0.value.doubles()) }
        return Dictionary(uniqueKeysWithValues: pairs)
            .merging(state.steps.map { ("steps of \($0.key)", [Double($0.value)]) }) { $1 }
    }

    /// What a run leaves on a rank.
    struct Outcome: Sendable, Equatable {
        var weights: [[Double]]
        var state: [String: [Double]]
    }

    /// Ten steps, with a rate that changes, one step that is left out on the device, and the second parameter frozen for a while.
    static func train(_ parameters: [Parameter], _ optimizer: any Optimizer) throws -> Outcome {
        for step in 0..<10 {
            optimizer.learningRate *= 0.9
            parameters[1].isTrainable = step != 3 && step != 4
            optimizer.zeroGradients()
            setGradients(parameters, step: step)
            if step == 6 {
                try optimizer.step(if: Tensor([0], device: parameters[0].device).reshaped([] as Shape))
                optimizer.discountSteps(1)
            } else {
                try optimizer.step()
            }
        }
        return Outcome(weights: try weights(parameters), state: try values(optimizer.state))
    }

    @Test(arguments: kinds.indices, devices.indices) func everyRankEndsWithTheBitsOfOne(_ kind: Int, _ place: Int)
        throws
    {
        let (name, make) = Self.kinds[kind]
        let alone = Self.parameters(on: Self.devices[place]())
        let before = try Self.weights(alone)
        let expected = try Self.train(alone, make(alone))
        #expect(expected.weights != before)
        for ranks in [1, 2, 3, 5] {
            let found = try onRanks(ranks) { exchange in
                let parameters = Self.parameters(on: Self.devices[place]())
                return try Self.train(parameters, ShardedOptimizer(make(parameters), exchange))
            }
            for (rank, outcome) in found.enumerated() {
                #expect(outcome == expected, "\(name), rank \(rank) of \(ranks)")
            }
        }
    }

    /// A state of three ranks, taken up by two and by one alone that is not sharded.
    @Test(arguments: devices.indices) func aStateIsTakenUpByAnyNumberOfRanks(_ place: Int) throws {
        let make: Maker = { Adam($0, learningRate: 0.01) }
        @Sendable func goOn(_ parameters: [Parameter], _ optimizer: any Optimizer, _ steps: Range<Int>) throws {
            for step in steps {
                optimizer.zeroGradients()
                Self.setGradients(parameters, step: step)
                try optimizer.step()
            }
        }
        let alone = Self.parameters(on: Self.devices[place]())
        try goOn(alone, make(alone), 0..<7)
        let expected = try Self.weights(alone)

        struct Saved: Sendable {
            var weights: [[Double]]
            var moments: [(name: String, values: [Double])]
            var steps: [String: Int]
        }
        let saved = try onRanks(3) { exchange in
            let parameters = Self.parameters(on: Self.devices[place]())
            let optimizer = ShardedOptimizer(make(parameters), exchange)
            try goOn(parameters, optimizer, 0..<4)
            let state = optimizer.state
            return Saved(
                weights: try Self.weights(parameters),
                moments: try state.tensors.map { ($0.name, try $0.value.doubles()) }, steps: state.steps)
        }[1]
        @Sendable func resume(_ wrap: (ElementwiseOptimizer) -> any Optimizer) throws -> [[Double]] {
            let device = Self.devices[place]()
            let parameters = saved.weights.enumerated().map {
                Parameter(Tensor($1, [$1.count], device: device), name: "p\($0)")
            }
            let optimizer = wrap(make(parameters))
            let tensors = saved.moments.map { ($0.name, Tensor($0.values, [$0.values.count], device: device)) }
            try optimizer.restore(OptimizerState(tensors: tensors, steps: saved.steps))
            try goOn(parameters, optimizer, 4..<7)
            return try Self.weights(parameters)
        }
        #expect(try resume { $0 } == expected)
        for weights in try onRanks(2, { exchange in try resume { ShardedOptimizer($0, exchange) } }) {
            #expect(weights == expected)
        }
    }

    @Test func theStateOfOtherParametersIsRefused() throws {
        let other = Adam(Self.parameters(on: .cpu, [3, 4])).state
        let names = other.tensors.map(\.name)
        let refusals = try onRanks(2) { exchange in
            let parameters = Self.parameters(on: Device(backend: CPUBackend(threads: 1)), [3, 5])
            let optimizer = ShardedOptimizer(Adam(parameters), exchange)
            let tensors = names.map { ($0, Tensor.zeros([$0.hasSuffix("p0") ? 3 : 4], device: .cpu)) }
            do {
                try optimizer.restore(OptimizerState(tensors: tensors, steps: ["p0": 1, "p1": 1]))
                return ""
            } catch { return "\(error)" }
        }
        for refusal in refusals { #expect(refusal.contains("first_moment.p1"), "\(refusal)") }
    }

    /// Of four parameters of one size, two moments each.
    @Test func momentsTakeTheirPartOfTheMemory() throws {
        let (size, momentBytes) = (1 << 16, 2 * 4 * (1 << 18))
        func bytes(_ ranks: Int) throws -> [Int] {
            try onRanks(ranks) { exchange in
                let backend = CPUBackend(threads: 1)
                let parameters = Self.parameters(on: Device(backend: backend), [size, size, size, size])
                try ParameterArena.pack(parameters)
                let before = backend.memoryUsage.inUse
                let optimizer = ShardedOptimizer(Adam(parameters), exchange)
                Self.setGradients(parameters, step: 0)
                try optimizer.step()
                return backend.memoryUsage.inUse - before
            }
        }
        #expect(try bytes(1) == [momentBytes])
        #expect(try bytes(2) == [momentBytes / 2, momentBytes / 2])
        #expect(try bytes(4) == [Int](repeating: momentBytes / 4, count: 4))
        #expect(try bytes(5).reduce(0, +) == momentBytes)
    }

    /// Whoever saves a state must not save one with holes.
    @Test func aStateThatCouldNotBeGatheredCannotBeRead() throws {
        let expected = GimbalError.exchange(rank: 1, reason: "gone")
        let exchanges = ThreadExchange.ranks(2)
        let parameters = Self.parameters(on: Device(backend: CPUBackend(threads: 1)))
        let optimizer = ShardedOptimizer(Adam(parameters), exchanges[0])
        exchanges[1].leave(because: "gone")
        // Its own moments are there.
        var failures: [GimbalError] = []
        for (_, value) in optimizer.state.tensors {
            do { _ = try value.doubles() } catch let error as GimbalError { failures.append(error) }
        }
        #expect(!failures.isEmpty && failures.allSatisfy { $0 == expected })
        #expect(throws: expected) {
            Self.setGradients(parameters, step: 0)
            try optimizer.step()
        }
    }
}
