import Gimbal
import GimbalBackend
import GimbalCPU
import GimbalTestSupport
import Testing

private let devices =
    BackendUnderTest.all.map { Device(backend: $0.backend) } + [Device(backend: ReferenceBackend())]

/// Random numbers for the rows of a batch do not depend on how many ranks share them out.
@Suite(.serialized) struct RandomShareTests {
    /// Rows of whole blocks of four numbers and others; along the first axis and between others.
    static let batches: [(shape: Shape, axis: Int)] = [
        ([10, 8], 0), ([7, 4], 0), ([10, 3], 0), ([7, 1, 5], 0), ([10], 0), ([10, 2], 0), ([7, 0], 0), ([1, 7, 3], 1),
        ([3, 7, 2], 1), ([2, 10, 4], 1), ([3, 2, 7], 2), ([0, 7, 3], 1),
    ]

    @Test(arguments: devices.indices) func draws(_ device: Int) throws {
        try withDevice(devices[device]) {
            for (shape, axis) in Self.batches {
                let x = Tensor(spread(shape, low: 0, high: 1).values, shape)
                let kinds: [(String, (Tensor) -> Tensor)] = [
                    ("uniform", { .uniform($0.shape, low: -1, high: 3, batchAxis: axis) }),
                    ("normal", { .normal($0.shape, mean: 2, standardDeviation: 0.5, batchAxis: axis) }),
                    ("narrow normal", { .normal($0.shape, dtype: .bfloat16, batchAxis: axis) }),
                    ("integers", { .integers(in: -5..<1000, $0.shape, batchAxis: axis) }),
                    ("bernoulli", { .bernoulli($0.shape, probability: 0.4, batchAxis: axis) }),
                    ("bernoulli of each", { $0.bernoulli(batchAxis: axis) }),
                    // Counted from the last.
                    ("last", { .uniform($0.shape, batchAxis: axis - $0.rank) }),
                    // The second draw begins where the first of the whole batch ended.
                    ("two", { .uniform($0.shape, batchAxis: axis) + .normal($0.shape, batchAxis: axis) }),
                ]
                for (name, draw) in kinds {
                    try expectSameByShares(x, axis: axis, "\(name) \(shape)") { draw($0.detached()) }
                }
            }
        }
    }

    @Test func theFirstAxisHoldsTheRowsUnlessTheCallerSaysOtherwise() throws {
        let x = Tensor(spread([7, 3], low: 0, high: 1).values, [7, 3], device: .cpu)
        try expectSameByShares(x, "uniform") { .uniform($0.shape) }
        try expectSameByShares(x, "normal") { .normal($0.shape) }
        try expectSameByShares(x, "integers") { .integers(in: 0..<100, $0.shape) }
        try expectSameByShares(x, "bernoulli") { .bernoulli($0.shape, probability: 0.5) }
        try expectSameByShares(x, "bernoulli of each") { $0.detached().bernoulli() }
        try expectSameByShares(x, "dropout") { $0.droppedOut(probability: 0.5) }
        try expectSameByShares(x, "randomized leaky ReLU") { ($0 - 0.5).randomizedLeakyReLU() }
    }

    @Test(arguments: devices.indices) func classes(_ device: Int) throws {
        try withDevice(devices[device]) {
            for shape in [[7, 5], [10, 3, 4]] as [Shape] {
                let weights = Tensor(spread(shape, low: 0.1, high: 1).values, shape)
                for replaces in [true, false] {
                    try expectSameByShares(weights, "multinomial \(shape), replaces: \(replaces)") {
                        $0.detached().multinomial(3, replaces: replaces)
                    }
                }
            }
        }
    }

    @Test(arguments: devices.indices) func dropout(_ device: Int) throws {
        try withDevice(devices[device]) {
            for (shape, axis) in Self.batches {
                for dtype in [.float32, .float16, .bfloat16] as [DType] {
                    let x = Tensor(spread(shape).values, shape).cast(to: dtype)
                    try expectSameByShares(x, axis: axis, "\(dtype) \(shape)") {
                        $0.droppedOut(probability: 0.3, batchAxis: axis)
                    }
                }
            }
        }
    }

    /// The rows that a rank does not have must not show.
    @Test(arguments: devices.indices) func dropoutOfNaNAndInfinity(_ device: Int) throws {
        try withDevice(devices[device]) {
            let values = (0..<42).map { [1, Float.infinity, -.infinity, .nan, 2][$0 % 5] }
            let x = Tensor(values, [2, 7, 3])
            func dropped(_ axis: Int) -> (Tensor) -> Tensor {
                { x in
                    let y = x.detached().droppedOut(probability: 0.5, batchAxis: axis)
                    return .select(y.equals(y), y, y.scalar(7))
                }
            }
            try expectSameByShares(x, axis: 1, "between others", dropped(1))
            try expectSameByShares(x.reshaped([14, 3]), "first", dropped(0))
        }
    }

    /// A share that begins with a block takes no more memory than its own numbers; another draws no more than what is left of a
    /// block beside them.
    @Test func theNumbersOfOthersAreNotDrawn() throws {
        for (row, least, most) in [(1000, 16_000, 17_000), (1001, 32_032, 33_000)] {
            let device = Device(backend: CPUBackend())  // Its own, which nothing else allocates on.
            let share = BatchShare(rank: 1, of: 2, rows: 7)
            let numbers = BatchShare.$current.withValue(share) { Tensor.uniform([share.count, row], device: device) }
            #expect((least...most).contains(device.backend.memoryUsage.peak), "\(numbers.shape)")
        }
    }

    @Test func whatIsNotForRowsIsTheSameOnAllRanks() throws {
        func draws() throws -> [[Double]] {
            let generator = RandomGenerator(seed: 9)
            return try withGenerator(generator) {
                try [
                    Tensor.uniform([5, 4]), .normal([9]), .uniform([]), .normal([4, 3], batchAxis: nil),
                    .integers(in: 0..<100, [3, 5], batchAxis: nil), .bernoulli([3], probability: 0.5, batchAxis: nil),
                    .ones([4, 5]).droppedOut(probability: 0.5, batchAxis: nil), .permutation(8),
                    .uniform([4, 3], batchAxis: 2),
                ].map { try $0.doubles() } + [[Double(generator.state.counter)]]
            }
        }
        try withDevice(.cpu) {
            let expected = try draws()
            // Of seven rows, the ranks have 3 and 4.
            for rank in 0..<2 {
                let share = BatchShare(rank: rank, of: 2, rows: 7)
                #expect(try BatchShare.$current.withValue(share) { try draws() } == expected)
            }
        }
    }

    /// An order of its own rows for each, from as many numbers.
    @Test func ordersOfRows() throws {
        try withDevice(.cpu) {
            var states: Set<RandomState> = []
            for rank in 0..<3 {
                let share = BatchShare(rank: rank, of: 3, rows: 10)
                let generator = RandomGenerator(seed: 2)
                let order: [Int] = try BatchShare.$current.withValue(share) {
                    try Tensor.permutation(share.count, generator: generator).array()
                }
                #expect(order.sorted() == Array(0..<share.count))
                states.insert(generator.state)
            }
            let generator = RandomGenerator(seed: 2)
            _ = Tensor.permutation(10, generator: generator)
            #expect(states == [generator.state])
        }
    }

    @Test(arguments: devices.indices) func checkpointedBlocks(_ device: Int) throws {
        try withDevice(devices[device]) {
            for (shape, axis) in Self.batches {
                let x = Tensor(spread(shape).values, shape)
                try expectSameByShares(x, axis: axis, "\(shape)") { x in
                    let y = checkpointed(x) { ($0 * 2).droppedOut(probability: 0.3, batchAxis: axis).square() }
                    return y.droppedOut(probability: 0.3, batchAxis: axis)
                }
            }
        }
    }

    /// A block is computed again with the share of its first run, wherever that happens.
    @Test func aCheckpointedBlockKeepsItsShare() throws {
        try withDevice(.cpu) {
            func gradient(_ rows: Range<Int>, _ share: BatchShare?) throws -> [Double] {
                let x = Tensor.ones([rows.count, 3]).requiringGradient()
                let y = BatchShare.$current.withValue(share) {
                    checkpointed(x) { $0.droppedOut(probability: 0.5, generator: RandomGenerator(seed: 1)) }
                }
                try y.sum().backward()
                return try x.gradient!.doubles()
            }
            let share = BatchShare(rank: 1, of: 2, rows: 7)
            let whole = try gradient(0..<7, nil)
            #expect(try gradient(share.rows, share) == Array(whole[9...]))
        }
    }

    @Test func attention() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            for shape in [[7, 3, 4], [7, 2, 3, 4], [10, 3, 3, 2], [10, 2, 4, 2], [7, 2, 1, 3, 2]] as [Shape] {
                let x = Tensor(spread(shape).values, shape)
                for isCausal in [false, true] {
                    try expectSameByShares(x, "\(shape), causal: \(isCausal)") {
                        scaledDotProductAttention($0, $0 * 2, $0 * 3, isCausal: isCausal, dropout: 0.4)
                    }
                }
            }
        }
    }

    /// The composed form, which gradients of gradients go through, drops the same weights.
    @Test func gradientsOfGradientsOfAttention() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let x = Tensor(spread([7, 1, 3, 3]).values, [7, 1, 3, 3])
            try expectSameByShares(x, "second gradient") { x in
                let y = scaledDotProductAttention(x, x * 2, x * 3, dropout: 0.4)
                return try gradient(of: (y * y).sum(), withRespectTo: x, createsGraph: true)
            }
        }
    }
}
