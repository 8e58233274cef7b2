import Gimbal
import GimbalTestSupport
import Testing

/// Gradients asked for by name, and gradients of gradients.
@Suite(.serialized) struct GradientOfTests {
    let device = Device(backend: ReferenceBackend())

    @Test func gradientsAreGivenAndLeavesStayAsTheyAre() throws {
        let x = Tensor([1, 2] as [Float], device: device).requiringGradient()
        let w = Parameter(Tensor([3, 4] as [Float], device: device))
        let frozen = Parameter(Tensor([5, 6] as [Float], device: device))
        let arena = try ParameterArena.pack([w, frozen])
        try (w.value * 7).sum().backward()
        let h = x * w.value
        let y = (h * h * frozen.value).sum()
        let gradients = try gradient(of: y, withRespectTo: [h, w.value, x], retainsGraph: true)
        #expect(try gradients[0].doubles() == [30, 96])
        #expect(try gradients[1].doubles() == [30, 192])
        #expect(try gradients[2].doubles() == [90, 384])
        #expect(x.gradient == nil)
        #expect(frozen.gradient == nil)
        #expect(try w.gradient!.doubles() == [7, 7])
        try y.backward()
        #expect(try w.gradient!.doubles() == [37, 199])
        #expect(try Tensor(arena!.gradients).doubles()[0] == 37)
    }

    @Test func aTensorAskedForTwiceIsGivenTwice() throws {
        let w = Parameter(Tensor([3] as [Float], device: device))
        try (w.value * 7).sum().backward()
        let gradients = try gradient(of: w.value.square(), withRespectTo: [w.value, w.value])
        #expect(try gradients.map { try $0.doubles()[0] } == [6, 6])
        #expect(try w.gradient!.doubles() == [7])
    }

    @Test func unusedInputsAreZeroWhereAsked() throws {
        let x = Tensor([1, 2] as [Float], device: device).requiringGradient()
        let other = Tensor([1, 2, 3] as [Float], device: device).requiringGradient()
        let gradients = try gradient(of: x.sum(), withRespectTo: [other, x], unused: .zeros)
        #expect(try gradients[0].doubles() == [0, 0, 0])
        #expect(try gradients[1].doubles() == [1, 1])
    }

    @Test func unusedInputsAreNamed() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let x = Tensor([1, 2] as [Float]).requiringGradient()
            _ = try gradient(of: x.sum(), withRespectTo: [x, Tensor([1] as [Float]).requiringGradient()])
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("does not depend on input 1 of [1]"))
    }

    @Test func parametersInsideCheckpointedBlocksAreReached() throws {
        let w = Parameter(Tensor([3] as [Float], device: device))
        let other = Parameter(Tensor([2] as [Float], device: device))
        let x = Tensor([5] as [Float], device: device).requiringGradient()
        let y = checkpointed(x) { $0 * w.value * w.value * other.value }
        let slope = try gradient(of: y, withRespectTo: w.value)
        #expect(try slope.doubles() == [60])
        #expect(w.gradient == nil && other.gradient == nil && x.gradient == nil)
    }

    @Test func checkpointedBlocksTakeAndGiveSeveralTensors() throws {
        func run(_ isCheckpointed: Bool) throws -> [[Double]] {
            let x = Tensor([1, 2] as [Float], device: device).requiringGradient()
            let y = Tensor([3, 4] as [Float], device: device).requiringGradient()
            let block: ([Tensor]) -> [Tensor] = { [$0[0] * $0[1], $0[0].exp(), $0[1].detached()] }
            let results = isCheckpointed ? checkpointed([x, y], block) : block([x, y])
            try (results[0].square() + results[1] * 3 + results[2]).sum().backward()
            return try [x, y].map { try $0.gradient!.doubles() }
        }
        #expect(try run(true) == run(false))
        let x = Tensor([1, 2] as [Float], device: device).requiringGradient()
        let y = Tensor([3, 4] as [Float], device: device).requiringGradient()
        try checkpointed(x, y) { $0 * $1 }.sum().backward()
        #expect(try x.gradient!.doubles() == [3, 4])
        #expect(try y.gradient!.doubles() == [1, 2])
    }

    @Test func chainsOfBlocksWithSeveralOutputsAreReleasedWithoutRecursion() throws {
        var pair = [Tensor([1] as [Float], device: device).requiringGradient(), Tensor([1] as [Float], device: device)]
        for _ in 0..<50_000 { pair = checkpointed(pair) { [$0[1], $0[0]] } }
        try (pair[0] + pair[1]).sum().backward()
        for _ in 0..<50_000 { pair = checkpointed(pair) { [$0[1], $0[0]] } }
    }

    @Test func aSecondDerivativeOfAProduct() throws {
        let x = Tensor([2, 3] as [Float], device: device).requiringGradient()
        let y = (x * x * x).sum()
        let slope = try gradient(of: y, withRespectTo: x, createsGraph: true)
        #expect(try slope.doubles() == [12, 27])
        let second = try gradient(of: slope.sum(), withRespectTo: x, createsGraph: true)
        #expect(try second.doubles() == [12, 18])
        try second.sum().backward()
        #expect(try x.gradient!.doubles() == [6, 6])
    }

    @Test func backwardCreatesAGraph() throws {
        let x = Tensor([2] as [Float], device: device).requiringGradient()
        let w = Parameter(Tensor([3] as [Float], device: device))
        try ParameterArena.pack([w])
        try (w.value * x * x).sum().backward(createsGraph: true)
        let (first, second) = (x.gradient!, w.gradient!)
        #expect(try first.doubles() == [12])
        #expect(try second.doubles() == [4])
        x.zeroGradient()
        w.zeroGradient()
        try (first.square() + second).sum().backward()
        #expect(try x.gradient!.doubles() == [2 * 12 * 6 + 4])
        #expect(try w.gradient!.doubles() == [2 * 12 * 4])
    }
}
