import Gimbal
import GimbalCPU
import GimbalTestSupport
import Testing

/// Hooks on the gradients of tensors and parameters.
@Suite(.serialized) struct GradientHookTests {
    let device = Device(backend: ReferenceBackend())

    private func parameter(_ values: [Float]) -> Parameter { Parameter(Tensor(values, device: device)) }

    @Test func aHookSeesTheCompleteGradientOnce() throws {
        let x = Tensor([1, 2, 3] as [Float], device: device).requiringGradient()
        let h = x * 2
        var seen: [[Double]] = []
        h.onGradient { gradient in seen.append(try gradient.doubles()) }
        try ((h * h).sum() + (h * 10).sum()).backward()
        #expect(seen == [[14, 18, 22]])
        #expect(try x.gradient!.doubles() == [28, 36, 44])
    }

    /// As if the pass had not been, for this leaf: gradients of earlier passes are not lost.
    @Test(arguments: [false, true]) func aHookThatThrowsLeavesTheEarlierGradient(isInArena: Bool) throws {
        struct Refusal: Error {}
        let weight = parameter([1, 2])
        if isInArena { try ParameterArena.pack([weight, parameter([3])]) }
        try (weight.value * 3).sum().backward()
        let hook = weight.onGradient { gradient throws -> Void in throw Refusal() }
        #expect(throws: Refusal.self) { try (weight.value * 5).sum().backward() }
        #expect(try weight.gradient!.doubles() == [3, 3])
        hook.remove()
        try (weight.value * 5).sum().backward()
        #expect(try weight.gradient!.doubles() == [8, 8])
    }

    @Test func aReplacementStaysOnItsDevice() async {
        expectMessage(
            "a gradient of [1] on cpu in place of one of [1] on",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let x = Tensor([1], device: Device(backend: ReferenceBackend())).requiringGradient()
                x.onGradient { _ in Tensor([5], device: .cpu) }
                try (x * 2).sum().backward()
            })
    }

    @Test func aHookReplacesTheGradientOfAResult() throws {
        let x = Tensor([1, 2, 3] as [Float], device: device).requiringGradient()
        let h = x * 2
        h.onGradient { gradient in gradient * 10 }
        h.onGradient { gradient in gradient + 1 }
        try (h * h).sum().backward()
        #expect(try x.gradient!.doubles() == [82, 162, 242])
    }

    @Test func aHookOfAnOutputSeesWhatArrives() throws {
        let x = Tensor([3] as [Float], device: device).requiringGradient()
        let y = x * x
        y.onGradient { $0 * 2 }
        try y.backward()
        #expect(try x.gradient!.doubles() == [12])
    }

    @Test(arguments: [false, true]) func aParametersHookSeesThisPassAlone(isPacked: Bool) throws {
        let w = parameter([1, 2])
        if isPacked { try ParameterArena.pack([w]) }
        var seen: [[Double]] = []
        let handle = w.onGradient { gradient in
            seen.append(try gradient.doubles())
            return gradient * 10
        }
        for _ in 0..<2 { try ((w.value * 3).sum() + w.value.sum()).backward() }
        #expect(seen == [[4, 4], [4, 4]])
        #expect(try w.gradient!.doubles() == [80, 80])
        #expect(try w.arena.map { try Tensor($0.gradients).doubles()[0] } ?? 80 == 80)

        handle.remove()
        handle.remove()
        try w.value.sum().backward()
        #expect(seen.count == 2)
        #expect(try w.gradient!.doubles() == [81, 81])
    }

    @Test func hooksRunOnceThroughCheckpointedBlocks() throws {
        let w = parameter([2])
        try ParameterArena.pack([w])
        let x = Tensor([3] as [Float], device: device).requiringGradient()
        var seen: [Double] = []
        w.onGradient { gradient in seen.append(try gradient.doubles()[0]) }
        let y = checkpointed(x) { $0 * w.value }
        let z = checkpointed(y) { $0 * w.value }
        try (z + w.value).sum().backward()
        #expect(seen == [13])  // d(3 w² + w)/dw
        #expect(try x.gradient!.doubles() == [4])
    }

    @Test func aHookThatThrowsEndsThePass() throws {
        struct Refusal: Error {}
        let w = parameter([1, 2])
        try w.value.sum().backward()
        let handle = w.onGradient { _ in throw Refusal() }
        #expect(throws: Refusal.self) { try w.value.square().sum().backward() }
        handle.remove()
        #expect(throws: Refusal.self) {
            let h = w.value * 2
            h.onGradient { _ in throw Refusal() }
            try h.sum().backward()
        }
        w.zeroGradient()
        try w.value.sum().backward()
        #expect(try w.gradient!.doubles() == [1, 1])
    }

    @Test func aFrozenParametersHookIsNotCalled() throws {
        let (w, v) = (parameter([1, 2]), parameter([3, 4]))
        var calls = 0
        w.onGradient { _ in calls += 1 }
        w.isTrainable = false
        try (w.value * v.value).sum().backward()
        #expect(calls == 0)
        w.isTrainable = true
        try (w.value * v.value).sum().backward()
        #expect(calls == 1)
    }
}
