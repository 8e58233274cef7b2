import GimbalCPU
import GimbalNN
import GimbalOpenCL
import GimbalOptim
import GimbalTestSupport
import Testing

/// Gradients leave in buckets that are full early, whatever the order of the parameters.
@Suite struct GradientBucketsTests {
    /// Tells how many elements are exchanged at a time.
    private final class Recorded: GradientExchange {
        let exchange: ThreadExchange
        let counts = Lock<[Int]>([])
        var rank: Int { exchange.rank }
        var size: Int { exchange.size }
        init(_ exchange: ThreadExchange) { self.exchange = exchange }

        func allReduce(_ elements: UnsafeMutableBufferPointer<Float>, _ reduction: ExchangeReduction) throws {
            counts.withLock { $0.append(elements.count) }
            try exchange.allReduce(elements, reduction)
        }
        func allReduce(_ elements: UnsafeMutableBufferPointer<Double>, _ reduction: ExchangeReduction) throws {
            try exchange.allReduce(elements, reduction)
        }
        func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
            try exchange.broadcast(bytes, from: root)
        }
        func allGather(_ bytes: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
            try exchange.allGather(bytes, into: all)
        }
        func allToAll(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer) throws {
            try exchange.allToAll(bytes, into: result)
        }
        func barrier() throws { try exchange.barrier() }
    }

    /// Three layers of two large parameters each, and a small one that stands after them and is used before.
    private static func parameters(on device: Device) -> [Parameter] {
        (1...3).flatMap { layer in
            [("v", 4096), ("w", 4096), ("n", 16)].map { name, count in
                let values = samples(count, in: 0.5...1.5, seed: UInt64(layer * 1000 + count + name.utf8.count))
                return Parameter(Tensor(values, [count], device: device), name: "\(name)\(layer)")
            }
        }
    }

    private static func backward(_ parameters: [Parameter], from start: Float) throws {
        var hidden = Tensor([start], device: parameters[0].device)
        for layer in stride(from: 0, to: parameters.count, by: 3) {
            for place in [2, 0, 1] { hidden = (hidden * parameters[layer + place].value).mean().tanh() }
        }
        try hidden.backward()
    }

    struct Passes: Sendable {
        var early: [[Int]] = []
        var all: [[Int]] = []
        var gradients: [[[Double]]] = []
    }

    /// Two passes on each of two ranks.
    private static func passes(bytes: Int, device: @escaping @Sendable () -> Device) throws -> [Passes] {
        try onRanks(2) { exchange in
            let parameters = parameters(on: device())
            let recorded = Recorded(exchange)
            let queue = ExchangeQueue(recorded)
            let buckets = GradientBuckets(parameters, queue, bytes: bytes)
            var passes = Passes()
            for pass in 1...2 {
                for parameter in parameters { parameter.zeroGradient() }
                recorded.counts.withLock { $0 = [] }
                try buckets.exchanging { try backward(parameters, from: Float(pass + exchange.rank)) }
                try queue.wait()
                passes.early.append(recorded.counts.withLock { $0 })
                try buckets.finish()
                passes.all.append(recorded.counts.withLock { $0 })
                passes.gradients.append(try parameters.map { try $0.gradient?.doubles() ?? [] })
            }
            return passes
        }
    }

    private static func expected(pass: Int) throws -> [[Double]] {
        let parts = try [0, 1].map { rank in
            let parameters = parameters(on: Device(backend: CPUBackend(threads: 1)))
            try backward(parameters, from: Float(pass + rank))
            return try parameters.map { try $0.gradient?.doubles() ?? [] }
        }
        return zip(parts[0], parts[1]).map { zip($0, $1).map(+) }
    }

    @Test(arguments: ShardedOptimizerTests.devices.indices)
    func bucketsAreMadeByTheOrderOfArrival(device: Int) throws {
        let ranks = try Self.passes(bytes: 64 << 10, device: ShardedOptimizerTests.devices[device])
        for passes in ranks {
            // The reference device has float64, which goes another way.
            if device == 0 {
                // The last layer, the one before it, the first in two parts as nothing hides it, and all that are small.
                let counts = [8192, 8192, 4096, 4096, 48]
                #expect(passes.all == [counts, counts])
                #expect(passes.early == [[], counts], "the first pass shows the order; in the second all leave early")
            }
            for pass in 1...2 {
                for (found, expected) in try zip(passes.gradients[pass - 1], Self.expected(pass: pass)) {
                    #expect(found.count == expected.count)
                    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) })
                }
            }
        }
    }

    @Test func anArenaThatFindsNoMemoryIsToldByTheFirstPass() throws {
        _ = try onRanks(1) { exchange in
            let device = Device(backend: ReferenceBackend(memoryLimitBytes: 20 << 10))
            let parameter = Parameter(Tensor.ones([2000], device: device))
            let buckets = GradientBuckets([parameter], ExchangeQueue(exchange))
            let error = #expect(throws: GimbalError.self) { try buckets.exchanging {} }
            #expect(error?.description.contains("out of memory") == true)
        }
    }

    // With the gaps between parameters, which lie 512 bytes apart or a multiple of it.
    @Test(arguments: [(1, [4096, 4096, 16, 4096, 4096, 16, 4096, 4096, 16]), (Int.max, [6 * 4096 + 2 * 128 + 16])])
    func bucketsMayBeSmallOrOne(bytes: Int, counts: [Int]) throws {
        let passes = try Self.passes(bytes: bytes, device: ShardedOptimizerTests.devices[0])[0]
        #expect(passes.all == [counts, counts])
        for (found, expected) in try zip(passes.gradients[1], Self.expected(pass: 2)) {
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) })
        }
    }

    /// What a device computes is asked for before it is there.
    @Test(arguments: BackendUnderTest.openCL.prefix(1).map(\.backend.device.id))
    func gradientsThatTakeLongAreWaitedFor(on id: String) throws {
        let found = try onRanks(2) { exchange in
            let device = Device(backend: try OpenCLBackend(id: id))
            let weight = Parameter(Tensor.ones([512, 512], device: device), name: "weight")
            let queue = ExchangeQueue(exchange)
            let buckets = GradientBuckets([weight], queue, bytes: 1 << 20)
            var gradients: [[Double]] = []
            for pass in 1...3 {
                weight.zeroGradient()
                let x = Tensor(repeating: Double(pass), [1024, 512], device: device)
                try buckets.exchanging { try x.matrixMultiplied(by: weight.value).sum().backward() }
                try buckets.finish()
                gradients.append(try weight.gradient?.doubles() ?? [])
            }
            return gradients
        }
        for gradients in found {
            for pass in 1...3 {
                let expected = Double(2 * 1024 * pass)
                #expect(gradients[pass - 1].count == 512 * 512 && gradients[pass - 1].allSatisfy { $0 == expected })
            }
        }
    }
}
