import Gimbal
import GimbalCPU
import GimbalTestSupport
import Testing

/// What the tape promises beside right gradients: order, release, memory, errors.
@Suite(.serialized) struct AutogradTests {
    let device = Device(backend: ReferenceBackend())

    @Test func gradientsAddUpOverBackwardPasses() throws {
        let x = Tensor([1, 2, 3] as [Float], device: device).requiringGradient()
        try (x * x).sum().backward()
        try (x * 10).sum().backward()
        #expect(try x.gradient!.doubles() == [12, 14, 16])
    }

    @Test func aRetainedGraphDifferentiatesAgain() throws {
        let x = Tensor([3] as [Float], device: device).requiringGradient()
        let y = x * x
        try y.backward(retainsGraph: true)
        try y.backward()
        #expect(try x.gradient!.doubles() == [12])
    }

    @Test func nothingIsRecordedWithoutGradients() throws {
        let x = Tensor([3] as [Float], device: device).requiringGradient()
        #expect(withoutGradients { x * x }.requiresGradient == false)
        #expect((x * x).requiresGradient)
        #expect((x * x).detached().requiresGradient == false)
    }

    @Test func aFrozenParameterReceivesNoGradientAndOthersDo() throws {
        let frozen = Parameter(Tensor([2] as [Float], device: device))
        let trained = Parameter(Tensor([5] as [Float], device: device))
        frozen.isTrainable = false
        try (frozen.value * trained.value).sum().backward()
        #expect(frozen.gradient == nil)
        #expect(try trained.gradient!.doubles() == [2])
    }

    @Test func theGradientOfABroadcastSumReachesALeafInItsOwnMemory() throws {
        let x = Tensor([1, 2] as [Float], device: device).requiringGradient()
        try x.sum().backward()
        try x.sum().backward()
        #expect(try x.gradient!.doubles() == [2, 2])
    }

    @Test func aChainOf100000OperationsIsBuiltDifferentiatedAndFreed() throws {
        let cpu = Device(backend: CPUBackend())  // Its own: other suites allocate on the shared one.
        let before = cpu.backend.memoryUsage.inUse
        do {
            let x = Tensor([1] as [Float], device: cpu).requiringGradient()
            var y = x
            for _ in 0..<100_000 { y = y * 1.0 + 0.0 }
            try y.sum().backward()
            #expect(try x.gradient!.item() == 1)

            // A second one, never differentiated: only released.
            var z = x
            for _ in 0..<100_000 { z = z + x }
        }
        #expect(cpu.backend.memoryUsage.inUse == before)
    }

    @Test func memoryIsGivenBackAsBackwardProceeds() throws {
        let backend = ReferenceBackend()
        let device = Device(backend: backend)
        let x = Tensor(repeating: 1, [1000], device: device).requiringGradient()
        let atStart = backend.memoryUsage.inUse
        var y = x
        for _ in 0..<100 { y = y.tanh() }
        let recorded = backend.memoryUsage.inUse - atStart
        #expect(recorded == 100 * 8000)
        try y.sum().backward()
        // While the pass runs, saved values go as gradients come: never more than a few tensors above the recording.
        #expect(backend.memoryUsage.peak - atStart <= recorded + 5 * 8000)
    }

    @Test func checkpointedBlocksKeepOnlyTheirInputs() throws {
        func peak(isCheckpointed: Bool) throws -> Int {
            let backend = ReferenceBackend()
            let x = Tensor(repeating: 0.5, [1000], device: Device(backend: backend)).requiringGradient()
            var y = x
            for _ in 0..<8 {
                let block: (Tensor) -> Tensor = { input in (0..<8).reduce(input) { value, _ in value.tanh() } }
                y = isCheckpointed ? checkpointed(y, block) : block(y)
            }
            try y.sum().backward()
            return backend.memoryUsage.peak
        }
        #expect(try peak(isCheckpointed: true) < peak(isCheckpointed: false) / 2)
    }

    @Test func memoryThatIsRefusedIsThrownWhereTheHostWaits() throws {
        let backend = ReferenceBackend(memoryLimitBytes: 100_000)
        let device = Device(backend: backend)
        let x = Tensor(repeating: 1, [4000], device: device).requiringGradient()
        let y = ((x * x) * x * x).sum()  // Needs no `try`.
        #expect(throws: GimbalError.self) { try y.backward() }
        #expect(throws: GimbalError.self) { try (x * x * x * x).sum().floats() }
        // The device is usable afterwards.
        #expect(try Tensor([1, 2] as [Float], device: device).sum().item() == 3)
    }

    @Test func batchStatisticsOfACheckpointedBlockAreCountedOnce() throws {
        try withDevice(device) {
            let x = Tensor(spread([6, 2]).values, [6, 2])
            let running = (mean: Tensor.zeros([2]), variance: Tensor.ones([2]))
            let once = (mean: Tensor.zeros([2]), variance: Tensor.ones([2]))
            let scale = Parameter(.ones([2]))
            let y = checkpointed(x) { input in
                input.batchNormalized(
                    scale: scale.value, shift: nil, running: GradientMode.isRecomputing ? nil : running, momentum: 0.1,
                    epsilon: 1e-5)
            }
            try y.square().sum().backward()
            _ = x.batchNormalized(scale: nil, shift: nil, running: once, momentum: 0.1, epsilon: 1e-5)
            #expect(try running.mean.doubles() == once.mean.doubles())
            #expect(scale.gradient != nil)
        }
    }
}
