import GimbalNN
import GimbalTestSupport
import Testing

/// Ranks that share a batch out among them compute what one rank computes with all of it.
@Suite struct SynchronizedBatchNormTests {
    /// What a step leaves: everything in the order of the whole batch, gradients of parameters summed over ranks.
    struct Outcome: Sendable {
        var outputs: [Double] = []
        var inputGradients: [Double] = []
        var parameterGradients: [[Double]] = []
        /// Of each rank, all buffers.
        var buffers: [[[Double]]] = []
    }

    typealias Model = Module & Layer<Tensor, Tensor>

    /// One training step of as many ranks, each on a thread and a Double backend of its own, on `shape` rows in all.
    private func step(
        _ ranks: Int, _ shape: Shape, steps: Int = 1, _ make: @escaping @Sendable () -> any Model,
        forward: @escaping @Sendable (any Model, Tensor) -> Tensor = { $0($1) }
    ) throws -> Outcome {
        let width = shape.sizes.dropFirst().reduce(1, *)
        let outcomes = try onRanks(ranks) { exchange in
            try withDevice(Device(backend: ReferenceBackend())) {
                let model = make()
                model.synchronizeBatchNorm(exchange)
                let share = BatchShare(rank: exchange.rank, of: ranks, rows: shape[0])
                var outcome = Outcome()
                for step in 0..<steps {
                    let values = samples(shape.elementCount, seed: UInt64(step + 1))
                    let weights = samples(shape.elementCount, seed: UInt64(step + 101))
                    let part = share.first * width..<(share.first + share.count) * width
                    let size = Shape([share.count] + shape.sizes.dropFirst())
                    for parameter in model.parameters { parameter.zeroGradient() }
                    let x = Tensor(values[part].map { $0 * 3 + 5 }, size).requiringGradient()
                    let y = try BatchShare.$current.withValue(share) {
                        let y = forward(model, x)
                        let weight = Tensor(Array(weights[part]), size) * (share.isStandIn ? 0 : 1)
                        try (y * weight).sum().backward()
                        return y
                    }
                    outcome = Outcome()
                    if !share.isStandIn {
                        outcome.outputs = try y.doubles()
                        outcome.inputGradients = try x.gradient!.doubles()
                    }
                }
                outcome.parameterGradients = try model.parameters.map { try $0.gradient!.doubles() }
                let state = model.stateDictionary()
                outcome.buffers = [
                    try state.names.filter { name in !model.parameters.contains { $0.name == name } }
                        .compactMap { try state[$0]?.doubles() }
                ]
                return outcome
            }
        }
        return outcomes.dropFirst().reduce(into: outcomes[0]) { whole, part in
            whole.outputs += part.outputs
            whole.inputGradients += part.inputGradients
            whole.parameterGradients = zip(whole.parameterGradients, part.parameterGradients).map {
                zip($0, $1).map { $0 + $1 }
            }
            whole.buffers += part.buffers
        }
    }

    private func expectSame(_ one: [Double], _ other: [Double], _ what: String) {
        #expect(one.count == other.count, "\(what)")
        let largest = one.map(abs).max() ?? 0
        let error = zip(one, other).map { abs($0 - $1) }.max() ?? 0
        #expect(error <= 1e-6 * largest, "\(what): \(error) of \(largest)")
    }

    private func expectRanksToEqualOne(
        _ shape: Shape, of counts: [Int] = [2, 3, 4], steps: Int = 1, _ make: @escaping @Sendable () -> any Model,
        forward: @escaping @Sendable (any Model, Tensor) -> Tensor = { $0($1) }
    ) throws {
        let expected = try step(1, shape, steps: steps, make, forward: forward)
        #expect(expected.inputGradients.contains { abs($0) > 1e-3 }, "the gradient is a trivial one")
        for ranks in counts {
            let found = try step(ranks, shape, steps: steps, make, forward: forward)
            expectSame(expected.outputs, found.outputs, "outputs of \(ranks)")
            expectSame(expected.inputGradients, found.inputGradients, "input gradients of \(ranks)")
            #expect(found.parameterGradients.count == expected.parameterGradients.count)
            for (one, other) in zip(expected.parameterGradients, found.parameterGradients) {
                expectSame(one, other, "parameter gradients of \(ranks)")
            }
            for buffers in found.buffers {
                #expect(buffers.count == expected.buffers[0].count)
                for (one, other) in zip(expected.buffers[0], buffers) { expectSame(one, other, "buffers of \(ranks)") }
            }
        }
    }

    @Test func oneDimension() throws {
        try expectRanksToEqualOne([10, 3]) { BatchNorm1d(3) }
        try expectRanksToEqualOne([10, 3, 4], steps: 3) { BatchNorm1d(3, momentum: nil) }
        try expectRanksToEqualOne([10, 3]) { BatchNorm1d(3, isAffine: false) }
        try expectRanksToEqualOne([10, 3]) { BatchNorm1d(3, tracksRunningStatistics: false) }
    }

    @Test func twoDimensions() throws {
        try expectRanksToEqualOne([10, 2, 3, 2], steps: 2) { BatchNorm2d(2) }
        try expectRanksToEqualOne([10, 2, 3, 2]) { BatchNorm2d(2, momentum: nil, isAffine: false) }
    }

    @Test func oneRowForEachRank() throws { try expectRanksToEqualOne([4, 3], of: [4]) { BatchNorm1d(3) } }

    @Test func moreRanksThanRows() throws {
        try expectRanksToEqualOne([2, 3, 2], of: [3, 5]) { BatchNorm1d(3) }
        try expectRanksToEqualOne([3, 3], of: [4]) {
            Sequential {
                BatchNorm1d(3)
                Tanh()
                BatchNorm1d(3)
            }
        }
    }

    @Test func rectified() throws {
        try expectRanksToEqualOne([10, 3]) {
            Sequential {
                BatchNorm1d(3); ReLU(); BatchNorm1d(3)
            }
        }
    }

    /// The block ends with a normalisation to which its input is added before the ReLU.
    @Test func aResidualBlock() throws {
        try expectRanksToEqualOne([10, 4, 3, 3], of: [3]) { Self.block() }
    }

    /// A block of ResNet that keeps size and channels, with weights that are the same each time.
    private static func block() -> any Model {
        let network = ResNet(.basic, blocks: [1, 1, 1, 1], classes: 2, width: 4, generator: RandomGenerator(seed: 3))
        return network.layer1
    }

    /// Its running estimates move once though it runs twice.
    @Test func checkpointedBlocks() throws {
        try expectRanksToEqualOne([10, 3], steps: 2) {
            Sequential {
                BatchNorm1d(3); Tanh(); BatchNorm1d(3)
            }
        } forward: { model, x in
            checkpointed(x) { model($0) }
        }
    }

    /// Gradients of gradients go through the exchange as well: the squared length of the input's gradient, over all ranks.
    @Test func secondGradients() throws {
        func gradients(_ ranks: Int) throws -> [Double] {
            try onRanks(ranks) { exchange in
                try withDevice(Device(backend: ReferenceBackend())) {
                    let share = BatchShare(rank: exchange.rank, of: ranks, rows: 5)
                    let part = share.first * 3..<(share.first + share.count) * 3
                    let x = Tensor(Array(samples(15)[part]), [share.count, 3]).requiringGradient()
                    let weights = Tensor(Array(samples(15, seed: 2)[part]), [share.count, 3])
                    let model = BatchNorm1d(3)
                    model.synchronizeBatchNorm(exchange)
                    return try BatchShare.$current.withValue(share) {
                        let loss = (model(x).square() * weights).sum()
                        let first = try gradient(of: loss, withRespectTo: x, createsGraph: true)
                        return try gradient(of: first.square().sum(), withRespectTo: x).doubles()
                    }
                }
            }.flatMap { $0 }
        }
        let expected = try gradients(1)
        #expect(expected.contains { abs($0) > 1e-3 })
        for ranks in [2, 3] { expectSame(expected, try gradients(ranks), "second gradients of \(ranks)") }
    }

    /// As in an evaluation in training mode, or a model that one rank calls alone.
    @Test func outsideOfStepsItIsEachRanksOwn() throws {
        let exchange = ThreadExchange.ranks(2, patience: .seconds(0.01))[0]
        try withDevice(Device(backend: ReferenceBackend())) {
            let (alone, one) = (BatchNorm1d(3), BatchNorm1d(3))
            one.synchronizeBatchNorm(exchange)
            let x = Tensor(samples(12), [4, 3])
            #expect(try one(x).doubles() == alone(x).doubles())
            one.setMode(.evaluation)
            alone.setMode(.evaluation)
            try BatchShare.$current.withValue(BatchShare(rank: 0, of: 2, rows: 8)) {
                let (shared, own) = (try one(x).doubles(), try alone(x).doubles())
                #expect(shared == own)
            }
        }
    }

    @Test func aRankThatFailsEndsTheOthersWithItsName() throws {
        let failure = GimbalError.outOfMemory(device: "cpu", requestedBytes: 8, usedBytes: 1)
        let errors = Lock<[Int: GimbalError]>([:])
        #expect(throws: failure) {
            try onRanks(3) { exchange in
                if exchange.rank == 1 { throw failure }
                do {
                    try withDevice(Device(backend: ReferenceBackend())) {
                        let model = BatchNorm1d(3)
                        model.synchronizeBatchNorm(exchange)
                        try BatchShare.$current.withValue(BatchShare(rank: exchange.rank, of: 3, rows: 6)) {
                            try model(Tensor(samples(6), [2, 3])).sum().backward()
                        }
                    }
                } catch let error as GimbalError {
                    errors.withLock { $0[exchange.rank] = error }
                }
            }
        }
        let expected = GimbalError.exchange(rank: 1, reason: "\(failure)")
        #expect(errors.withLock { $0 } == [0: expected, 2: expected])
    }
}
